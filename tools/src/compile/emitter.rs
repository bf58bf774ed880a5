//! Emits one function: locals, blocks, memory access, failure.
//!
//! A value is a few WebAssembly locals or stack values, one for each of its type's leaves (`layout.rs`). Every emitted
//! function returns its value and then a status: 0, or 1 with the error slot filled. A failing step branches to the end
//! of the outermost block, where zeros and status 1 are returned.

use super::layout::{Form, LeafKind};
use super::module::Module;
use super::runtime::Helper;
use crate::error::{Error, Result};
use crate::tree::Statement;
use crate::types::{FunctionId, Type};
use wasm_encoder::{BlockType, Encode, Instruction, InstructionSink, MemArg, ValType};

/// Greatest number of locals of one function (the limit of WebAssembly engines is 50,000).
const LOCALS_MAX: usize = 40_000;
/// Greatest size of one function's code.
const CODE_BYTES_MAX: usize = 4 << 20;
/// Greatest depth of expressions and statements within each other.
const NESTING_MAX: u32 = 200;

/// A target of a branch: the number of blocks open when it was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(u32);

/// Branch targets of a loop.
#[derive(Clone, Copy)]
pub(crate) struct LoopLabels {
    pub leave: Label,
    pub next: Label,
}

/// The state of emitting one function.
pub(crate) struct Emitter<'m, 'a> {
    pub m: &'m mut Module<'a>,
    code: Vec<u8>,
    parameters: u32,
    locals: Vec<ValType>,
    /// Temporaries not in use, by type.
    free: Vec<(ValType, Vec<u32>)>,
    in_use: Vec<(ValType, u32)>,
    depth: u32,
    nesting: u32,
    fail: Label,
    pub loops: Vec<LoopLabels>,
    /// Locals of each variable of the tree.
    pub variables: Vec<Vec<u32>>,
    /// Capacity of each list or dict variable that is changed: 0 when its memory is not its own.
    pub capacities: Vec<Option<u32>>,
    /// Variables whose elements are changed in place: reading one as a whole shares its memory, so its capacity becomes 0.
    pub in_place: Vec<bool>,
    /// Tables whose handles may be of deleted rows here.
    pub may_be_deleted: Vec<bool>,
}

impl<'m, 'a> Emitter<'m, 'a> {
    /// Starts a function; the block that failures leave is open.
    pub fn new(m: &'m mut Module<'a>, parameters: &[ValType]) -> Self {
        let mut emitter = Emitter::plain(m, parameters);
        emitter.fail = emitter.block(BlockType::Empty);
        emitter
    }

    /// Starts a function that cannot fail.
    pub fn plain(m: &'m mut Module<'a>, parameters: &[ValType]) -> Self {
        let tables = m.suite.tables.len();
        Emitter {
            m,
            code: Vec::new(),
            parameters: parameters.len() as u32,
            locals: Vec::new(),
            free: [ValType::I32, ValType::I64, ValType::F64].map(|ty| (ty, Vec::new())).into(),
            in_use: Vec::new(),
            depth: 0,
            nesting: 0,
            fail: Label(0),
            loops: Vec::new(),
            variables: Vec::new(),
            capacities: Vec::new(),
            in_place: Vec::new(),
            may_be_deleted: vec![true; tables],
        }
    }

    /// The body of a helper or tool of the suite.
    pub fn suite_function(m: &'m mut Module<'a>, id: FunctionId) -> Result<Vec<u8>> {
        let function = &m.suite.functions[id];
        let may_be_deleted = m.reach.may_be_deleted[id].clone();
        let parameters: Vec<_> = function.parameters.iter().flat_map(|p| m.layouts.flat(&p.ty)).collect();
        let mut e = Emitter::new(m, &parameters);
        e.may_be_deleted = may_be_deleted;
        let mut next = 0;
        for (i, local) in function.locals.iter().enumerate() {
            let flat = e.m.layouts.flat(&local.ty);
            let locals = if i < function.parameters.len() {
                let start = next;
                next += flat.len() as u32;
                (start..next).collect()
            } else {
                flat.iter().map(|ty| e.new_local(*ty)).collect()
            };
            e.variables.push(locals);
        }
        e.capacities = vec![None; function.locals.len()];
        e.in_place = vec![false; function.locals.len()];
        for (local, in_place) in changed(&function.body) {
            if e.capacities[local].is_none() {
                let capacity = e.new_local(ValType::I32);
                e.capacities[local] = Some(capacity);
            }
            e.in_place[local] |= in_place;
        }
        e.body(&function.body)?;
        if function.returns == Type::Unit {
            e.ins().i32_const(0).return_();
        } else {
            e.ins().unreachable();
        }
        let results = e.m.layouts.flat(&function.returns);
        e.finish(&results)
    }

    /// Closes the function: what failures return, and the encoding of locals and code.
    pub fn finish(mut self, results: &[ValType]) -> Result<Vec<u8>> {
        self.end();
        for ty in results {
            self.zero(*ty);
        }
        self.ins().i32_const(1);
        self.finish_plain()
    }

    /// Closes a function whose code leaves its results itself, all blocks closed.
    pub fn finish_plain(mut self) -> Result<Vec<u8>> {
        assert_eq!(self.depth, 0, "every block has been closed");
        self.ins().end();
        let limit = |what: &str, value: usize, limit: usize| {
            Err(Error::Limit { what: what.into(), value: value as u64, limit: limit as u64 })
        };
        if self.locals.len() > LOCALS_MAX {
            return limit("the number of locals of a function", self.locals.len(), LOCALS_MAX);
        }
        if self.code.len() > CODE_BYTES_MAX {
            return limit("the code size of a function", self.code.len(), CODE_BYTES_MAX);
        }
        let mut runs: Vec<(u32, ValType)> = Vec::new();
        for ty in &self.locals {
            match runs.last_mut() {
                Some((count, last)) if last == ty => *count += 1,
                _ => runs.push((1, *ty)),
            }
        }
        let mut body = Vec::with_capacity(self.code.len() + 16);
        runs.len().encode(&mut body);
        for (count, ty) in runs {
            count.encode(&mut body);
            ty.encode(&mut body);
        }
        body.extend(self.code);
        Ok(body)
    }

    /// Counts one level of nested source while `inner` runs.
    ///
    /// # Errors
    /// [`Error::Limit`] past 200 levels.
    pub fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.nesting == NESTING_MAX {
            let what = "the nesting of an expression or statement".into();
            return Err(Error::Limit { what, value: u64::from(NESTING_MAX) + 1, limit: u64::from(NESTING_MAX) });
        }
        self.nesting += 1;
        let start = self.in_use.len();
        let result = inner(self);
        for (ty, local) in self.in_use.split_off(start) {
            self.pool(ty).push(local);
        }
        self.nesting -= 1;
        result
    }

    // --- instructions ---

    /// The instructions so far.
    pub fn ins(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// One instruction.
    pub fn emit(&mut self, instruction: &Instruction) {
        instruction.encode(&mut self.code);
    }

    /// Calls a helper that cannot fail.
    pub fn call(&mut self, helper: Helper) {
        let index = self.m.helper(helper);
        self.ins().call(index);
    }

    /// Calls a helper whose last result is a status.
    pub fn call_checked(&mut self, helper: Helper) {
        self.call(helper);
        self.check();
    }

    /// Takes a status from the stack and leaves the function if it is 1.
    pub fn check(&mut self) {
        self.br_if(self.fail);
    }

    /// Fails with the error slot filled.
    pub fn fail(&mut self) {
        self.br(self.fail);
    }

    /// Fails with a code and a constant message.
    pub fn fail_with(&mut self, code: &str, message: &str) -> Result<()> {
        self.text(code)?;
        self.text(message)?;
        self.call(Helper::Fail);
        self.fail();
        Ok(())
    }

    pub fn block(&mut self, ty: BlockType) -> Label {
        self.ins().block(ty);
        self.open()
    }

    pub fn loop_(&mut self) -> Label {
        self.ins().loop_(BlockType::Empty);
        self.open()
    }

    pub fn if_(&mut self, ty: BlockType) -> Label {
        self.ins().if_(ty);
        self.open()
    }

    pub fn else_(&mut self) {
        self.ins().else_();
    }

    pub fn end(&mut self) {
        self.depth -= 1;
        self.ins().end();
    }

    fn open(&mut self) -> Label {
        self.depth += 1;
        Label(self.depth)
    }

    pub fn br(&mut self, label: Label) {
        let depth = self.depth - label.0;
        self.ins().br(depth);
    }

    pub fn br_if(&mut self, label: Label) {
        let depth = self.depth - label.0;
        self.ins().br_if(depth);
    }

    // --- locals ---

    fn new_local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        self.parameters + self.locals.len() as u32 - 1
    }

    fn pool(&mut self, ty: ValType) -> &mut Vec<u32> {
        &mut self.free.iter_mut().find(|(known, _)| *known == ty).expect("only these three types are used").1
    }

    /// A local to use until the enclosing [`Emitter::nested`] ends.
    pub fn temporary(&mut self, ty: ValType) -> u32 {
        let local = self.pool(ty).pop();
        let local = local.unwrap_or_else(|| self.new_local(ty));
        self.in_use.push((ty, local));
        local
    }

    /// A temporary `i32`.
    pub fn temporary_i32(&mut self) -> u32 {
        self.temporary(ValType::I32)
    }

    /// Moves a value from the stack to temporaries.
    pub fn keep(&mut self, ty: &Type) -> Vec<u32> {
        let flat = self.m.layouts.flat(ty);
        let locals: Vec<_> = flat.iter().map(|ty| self.temporary(*ty)).collect();
        self.set_all(&locals);
        locals
    }

    pub fn get(&mut self, local: u32) {
        self.ins().local_get(local);
    }

    pub fn set(&mut self, local: u32) {
        self.ins().local_set(local);
    }

    pub fn get_all(&mut self, locals: &[u32]) {
        for local in locals {
            self.get(*local);
        }
    }

    pub fn set_all(&mut self, locals: &[u32]) {
        for local in locals.iter().rev() {
            self.set(*local);
        }
    }

    // --- constants ---

    pub fn i32(&mut self, value: u32) {
        self.ins().i32_const(value as i32);
    }

    pub fn zero(&mut self, ty: ValType) {
        match ty {
            ValType::I64 => self.ins().i64_const(0),
            ValType::F64 => self.ins().f64_const(0.0.into()),
            _ => self.ins().i32_const(0),
        };
    }

    /// A constant text: address and length.
    pub fn text(&mut self, text: &str) -> Result<()> {
        let address = self.m.image.text(text)?;
        self.i32(address);
        self.i32(text.len() as u32);
        Ok(())
    }

    // --- memory ---

    /// Loads a value in inner form from `base + offset`.
    pub fn load(&mut self, ty: &Type, base: u32, offset: u32) {
        for leaf in self.m.layouts.leaves(ty) {
            self.get(base);
            let at = |align| MemArg { offset: u64::from(offset + leaf.offset), align, memory_index: 0 };
            match leaf.kind {
                LeafKind::U8 => self.ins().i32_load8_u(at(0)),
                LeafKind::U16 => self.ins().i32_load16_u(at(1)),
                LeafKind::I32 => self.ins().i32_load(at(2)),
                LeafKind::I64 => self.ins().i64_load(at(3)),
                LeafKind::F64 => self.ins().f64_load(at(3)),
                LeafKind::Inline(_) if offset + leaf.offset == 0 => continue,
                LeafKind::Inline(_) => self.ins().i32_const((offset + leaf.offset) as i32).i32_add(),
            };
        }
    }

    /// Stores a value held in locals at `base + offset`, in inner form.
    pub fn store(&mut self, ty: &Type, locals: &[u32], base: u32, offset: u32) {
        for (leaf, local) in self.m.layouts.leaves(ty).into_iter().zip(locals) {
            self.get(base);
            let at = |align| MemArg { offset: u64::from(offset + leaf.offset), align, memory_index: 0 };
            if let LeafKind::Inline(size) = leaf.kind {
                self.ins().i32_const((offset + leaf.offset) as i32).i32_add();
                self.get(*local);
                self.ins().i32_const(size as i32).memory_copy(0, 0);
                continue;
            }
            self.get(*local);
            match leaf.kind {
                LeafKind::U8 => self.ins().i32_store8(at(0)),
                LeafKind::U16 => self.ins().i32_store16(at(1)),
                LeafKind::I64 => self.ins().i64_store(at(3)),
                LeafKind::F64 => self.ins().f64_store(at(3)),
                _ => self.ins().i32_store(at(2)),
            };
        }
    }

    /// Takes a value from the stack and stores it at `base + offset`.
    pub fn store_stack(&mut self, ty: &Type, base: u32, offset: u32) -> Result<()> {
        self.nested(|e| {
            let locals = e.keep(ty);
            e.store(ty, &locals, base, offset);
            Ok(())
        })
    }

    /// Bytes from one list element to the next, in inner form.
    pub fn stride(&self, element: &Type) -> u32 {
        self.m.layouts.extent(element, Form::Inner).size
    }

    /// New memory of a constant size; leaves its address.
    pub fn alloc(&mut self, size: u32, align: u32) {
        self.i32(size);
        self.i32(align);
        self.call(Helper::Alloc);
    }
}

/// Variables that a body appends to (false) or sets elements of (true).
fn changed(body: &[Statement]) -> Vec<(usize, bool)> {
    let mut found = Vec::new();
    super::reach::statements(body, &mut |node| match node {
        super::reach::Node::Statement(Statement::Append { list, .. }) => found.push((*list, false)),
        super::reach::Node::Statement(
            Statement::SetElement { list: local, .. } | Statement::SetEntry { dict: local, .. },
        ) => found.push((*local, true)),
        _ => {}
    });
    found
}
