//! Loops, comprehensions and the operations on lists.
//!
//! A list is an address and a length; its elements are never changed in place, so lists share memory freely. A variable
//! that is appended to also has a capacity: non-zero while it alone may write past the length at that address.

use super::data::{DIRECTORY, ERROR_EMPTY};
use super::emitter::{Emitter, LoopLabels};
use super::expr::fault;
use super::layout::Form;
use super::reach::{Node, moves_rows};
use super::runtime::Helper;
use crate::error::Result;
use crate::tree::{BinaryOp, Expr, ExprKind, Iterable};
use crate::types::{LocalId, Type};
use wasm_encoder::{BlockType, Instruction, MemArg, ValType};

/// What becomes of a whole list.
#[derive(Clone, Copy)]
pub(crate) enum Reduction {
    /// The checked sum.
    Sum,
    /// The least or greatest element.
    Extreme { max: bool },
    /// Whether any or all are true.
    AnyAll { all: bool },
}

/// A list that grows in locals: address, length, capacity.
#[derive(Clone, Copy)]
pub(crate) struct Growing {
    pub address: u32,
    pub length: u32,
    pub capacity: u32,
}

impl Emitter<'_, '_> {
    /// Runs `body` with `local` set to each element; `node` is what the body may do, as far as rows move.
    pub fn iterate(
        &mut self,
        local: LocalId,
        iterable: &Iterable,
        nodes: &[Node],
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        match iterable {
            Iterable::Table(table) => {
                let entry = u64::from(DIRECTORY + 32 * *table as u32);
                let word = |offset| MemArg { offset: entry + offset, align: 2, memory_index: 0 };
                let moves = nodes.iter().any(|node| moves_rows(self.m.suite, *node));
                let (at, end) = (self.temporary_i32(), self.temporary_i32());
                if moves {
                    self.i32(*table as u32);
                    self.call(Helper::Snapshot);
                } else {
                    self.ins().i32_const(0).i32_load(word(0));
                }
                self.ins().local_tee(at).i32_const(0).i32_load(word(4)).i32_const(2).i32_shl().i32_add();
                self.set(end);
                self.walk(at, end, 4, |e, next| {
                    e.load(&Type::Row(*table), at, 0);
                    e.set_variable(local);
                    if moves {
                        let row = e.variables[local][0];
                        e.get(row);
                        e.ins().i32_const(8).i32_sub().i32_load(MemArg { offset: 0, align: 2, memory_index: 0 });
                        e.ins().i32_const(0).i32_lt_s();
                        e.br_if(next);
                    }
                    body(e)
                })
            }
            Iterable::List(list) => {
                let Type::List(element) = &list.ty else { return Err(fault("a loop over what is no list")) };
                self.elements(list, |e, at| {
                    e.load(element, at, 0);
                    e.set_variable(local);
                    body(e)
                })
            }
            Iterable::Unpack { list, into } => {
                let Type::List(tuple) = &list.ty else { return Err(fault("a loop over what is no list")) };
                let Type::Tuple(parts) = &**tuple else { return Err(fault("unpacking what is no tuple")) };
                let offsets = self.m.layouts.sequence(parts.iter(), Form::Inner).0;
                if let (ExprKind::Enumerate { list, start }, [number, element]) = (&list.kind, into.as_slice()) {
                    return self.iterate_numbered(list, *start, *number, *element, body);
                }
                self.elements(list, |e, at| {
                    for ((part, offset), local) in parts.iter().zip(offsets).zip(into) {
                        e.load(part, at, offset);
                        e.set_variable(*local);
                    }
                    body(e)
                })
            }
            Iterable::Range { start, stop } => {
                let (at, end) = (self.temporary(ValType::I64), self.temporary(ValType::I64));
                self.expr(start)?;
                self.expr(stop)?;
                self.set_all(&[at, end]);
                let leave = self.block(BlockType::Empty);
                let again = self.loop_();
                self.get_all(&[at, end]);
                self.ins().i64_ge_s();
                self.br_if(leave);
                let next = self.block(BlockType::Empty);
                self.get(at);
                self.set_variable(local);
                self.loops.push(LoopLabels { leave, next });
                body(self)?;
                self.loops.pop();
                self.end();
                self.ins().local_get(at).i64_const(1).i64_add().local_set(at);
                self.br(again);
                self.end();
                self.end();
                Ok(())
            }
        }
    }

    /// `for number, element in enumerate(list, start)`, without the tuples.
    fn iterate_numbered(
        &mut self,
        list: &Expr,
        start: i64,
        number: LocalId,
        element: LocalId,
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let Type::List(ty) = &list.ty else { return Err(fault("a loop over what is no list")) };
        let next = self.temporary(ValType::I64);
        self.ins().i64_const(start).local_set(next);
        self.elements(list, |e, at| {
            e.get(next);
            e.set_variable(number);
            e.load(ty, at, 0);
            e.set_variable(element);
            e.ins().local_get(next).i64_const(1).i64_add().local_set(next);
            body(e)
        })
    }

    /// Runs `body` with a local that holds the address of each element of a list expression. If `body` has statements, a
    /// variable that they change in place must have been [shared](Emitter::share) before.
    pub fn elements(&mut self, list: &Expr, body: impl FnOnce(&mut Self, u32) -> Result<()>) -> Result<()> {
        let Type::List(element) = &list.ty else { return Err(fault("elements of what is no list")) };
        let stride = self.stride(element);
        self.peek(list)?;
        let (at, end) = (self.temporary_i32(), self.temporary_i32());
        self.ins().i32_const(stride as i32).i32_mul().local_set(end);
        self.ins().local_tee(at).local_get(end).i32_add().local_set(end);
        self.walk(at, end, stride, |e, _| body(e, at))
    }

    /// Runs `body` while `at < end`, adding `stride` each time. The body gets the label that goes on with the next.
    pub fn walk(
        &mut self,
        at: u32,
        end: u32,
        stride: u32,
        body: impl FnOnce(&mut Self, super::emitter::Label) -> Result<()>,
    ) -> Result<()> {
        let leave = self.block(BlockType::Empty);
        let again = self.loop_();
        self.get_all(&[at, end]);
        self.ins().i32_ge_u();
        self.br_if(leave);
        let next = self.block(BlockType::Empty);
        self.loops.push(LoopLabels { leave, next });
        self.nested(|e| body(e, next))?;
        self.loops.pop();
        self.end();
        self.ins().local_get(at).i32_const(stride as i32).i32_add().local_set(at);
        self.br(again);
        self.end();
        self.end();
        Ok(())
    }

    /// A list literal.
    pub fn list(&mut self, ty: &Type, items: &[Expr]) -> Result<()> {
        let Type::List(element) = ty else { return Err(fault("a list whose type is none")) };
        if items.is_empty() {
            self.ins().i32_const(0).i32_const(0);
            return Ok(());
        }
        let stride = self.stride(element);
        let address = self.temporary_i32();
        self.alloc(stride * items.len() as u32, 8);
        self.set(address);
        for (i, item) in items.iter().enumerate() {
            self.expr(item)?;
            self.store_stack(&item.ty, address, stride * i as u32)?;
        }
        self.get(address);
        self.i32(items.len() as u32);
        Ok(())
    }

    pub fn comprehension(
        &mut self,
        local: LocalId,
        iterable: &Iterable,
        condition: Option<&Expr>,
        value: &Expr,
    ) -> Result<()> {
        let list =
            Growing { address: self.temporary_i32(), length: self.temporary_i32(), capacity: self.temporary_i32() };
        for part in [list.address, list.length, list.capacity] {
            self.ins().i32_const(0).local_set(part);
        }
        let mut nodes = vec![Node::Expr(value)];
        nodes.extend(condition.map(Node::Expr));
        self.iterate(local, iterable, &nodes, |e| {
            if let Some(condition) = condition {
                e.expr(condition)?;
                e.if_(BlockType::Empty);
            }
            e.expr(value)?;
            e.append(list, &value.ty)?;
            if condition.is_some() {
                e.end();
            }
            Ok(())
        })?;
        self.get_all(&[list.address, list.length]);
        Ok(())
    }

    /// Takes a value from the stack and appends it.
    pub fn append(&mut self, list: Growing, element: &Type) -> Result<()> {
        let stride = self.stride(element);
        self.nested(|e| {
            let value = e.keep(element);
            e.get_all(&[list.length, list.capacity]);
            e.ins().i32_ge_u();
            e.if_(BlockType::Empty);
            e.get_all(&[list.address, list.length]);
            e.i32(stride);
            e.call(Helper::ListGrow);
            e.set_all(&[list.address, list.capacity]);
            e.end();
            let at = e.temporary_i32();
            e.ins().local_get(list.length).i32_const(stride as i32).i32_mul();
            e.ins().local_get(list.address).i32_add().local_set(at);
            e.store(element, &value, at, 0);
            e.ins().local_get(list.length).i32_const(1).i32_add().local_set(list.length);
            Ok(())
        })
    }

    /// Emits a reduction of a list to one value.
    pub fn reduce(&mut self, list: &Expr, reduction: Reduction) -> Result<()> {
        let Type::List(element) = &list.ty else { return Err(fault("a reduction of what is no list")) };
        let flat = self.m.layouts.flat(element);
        let best: Vec<_> = flat.iter().map(|ty| self.temporary(*ty)).collect();
        for (local, ty) in best.iter().zip(&flat) {
            self.zero(*ty);
            self.set(*local);
        }
        match reduction {
            Reduction::Sum => self.elements(list, |e, at| {
                e.get_all(&best);
                e.load(element, at, 0);
                if **element == Type::Float {
                    e.ins().f64_add();
                } else {
                    e.call_checked(Helper::Add);
                }
                e.set_all(&best);
                Ok(())
            })?,
            Reduction::AnyAll { all } => {
                self.ins().i32_const(i32::from(all)).local_set(best[0]);
                self.elements(list, |e, at| {
                    e.load(element, at, 0);
                    if all {
                        e.ins().i32_eqz();
                    }
                    e.if_(BlockType::Empty);
                    e.ins().i32_const(i32::from(!all)).local_set(best[0]);
                    let leave = e.loops[e.loops.len() - 1].leave;
                    e.br(leave);
                    e.end();
                    Ok(())
                })?;
            }
            Reduction::Extreme { max } => {
                let some = self.temporary_i32();
                self.ins().i32_const(0).local_set(some);
                self.elements(list, |e, at| {
                    e.load(element, at, 0);
                    let new = e.keep(element);
                    // Take the first, and whatever is better than the best so far.
                    e.get_all(&new);
                    e.get_all(&best);
                    e.compare(if max { BinaryOp::Greater } else { BinaryOp::Less }, element)?;
                    e.ins().local_get(some).i32_eqz().i32_or();
                    e.if_(BlockType::Empty);
                    e.get_all(&new);
                    e.set_all(&best);
                    e.end();
                    e.ins().i32_const(1).local_set(some);
                    Ok(())
                })?;
                self.ins().local_get(some).i32_eqz();
                self.if_(BlockType::Empty);
                self.ins().i32_const(ERROR_EMPTY);
                self.call_checked(Helper::Raise);
                self.end();
            }
        }
        self.get_all(&best);
        Ok(())
    }

    /// `sorted(list, key = lambda local: key, reverse = reverse)`: keys beside positions, a stable sort, then a copy.
    pub fn sorted(&mut self, list: &Expr, local: LocalId, key: &Expr, reverse: bool) -> Result<()> {
        let Type::List(element) = &list.ty else { return Err(fault("sorting what is no list")) };
        let stride = self.stride(element);
        let [address, length, entries, entry, position] = [(); 5].map(|()| self.temporary_i32());
        self.expr(list)?;
        self.set_all(&[address, length]);
        self.ins().local_get(length).i32_const(4).i32_shl().i32_const(8);
        self.call(Helper::Alloc);
        self.ins().local_tee(entries).local_set(entry);
        self.ins().i32_const(0).local_set(position);
        let (at, end) = (self.temporary_i32(), self.temporary_i32());
        self.ins().local_get(address).local_tee(at).local_get(length).i32_const(stride as i32).i32_mul().i32_add();
        self.set(end);
        let texts = matches!(key.ty, Type::Str | Type::Key(_));
        self.walk(at, end, stride, |e, _| {
            e.load(element, at, 0);
            e.set_variable(local);
            e.expr(key)?;
            if texts {
                e.store_stack(&Type::Str, entry, 0)?;
            } else {
                match key.ty {
                    Type::Int | Type::Money => {}
                    Type::Float => e.call(Helper::FloatKey),
                    Type::Date => e.emit(&Instruction::I64ExtendI32S),
                    Type::Enum(_) | Type::Bool => e.emit(&Instruction::I64ExtendI32U),
                    ref other => return Err(fault(&format!("sorting by {other:?}"))),
                }
                if reverse {
                    e.ins().i64_const(-1).i64_xor();
                }
                e.store_stack(&Type::Int, entry, 0)?;
            }
            e.get_all(&[entry, position]);
            e.ins().i32_store(MemArg { offset: 8, align: 2, memory_index: 0 });
            e.ins().local_get(entry).i32_const(16).i32_add().local_set(entry);
            e.ins().local_get(position).i32_const(1).i32_add().local_set(position);
            Ok(())
        })?;
        self.get_all(&[address, entries, length]);
        self.i32(match (texts, reverse) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        });
        self.call(Helper::Sort);
        self.get(length);
        self.i32(stride);
        self.call(Helper::Gather);
        self.get(length);
        Ok(())
    }

    /// `list[index]` or `text[index]`.
    pub fn index(&mut self, list: &Expr, index: &Expr) -> Result<()> {
        if list.ty == Type::Str {
            let text = self.in_locals(list)?;
            self.expr(index)?;
            self.get_all(&text);
            self.call(Helper::Characters);
            self.call_checked(Helper::Index);
            let position = self.temporary_i32();
            self.set(position);
            self.get_all(&text);
            self.ins().local_get(position).local_get(position).i32_const(1).i32_add();
            self.call(Helper::TextSlice);
            return Ok(());
        }
        let Type::List(element) = &list.ty else { return Err(fault("an element of what is no list")) };
        let stride = self.stride(element);
        let list = self.in_locals(list)?;
        self.expr(index)?;
        self.get(list[1]);
        self.call_checked(Helper::Index);
        let at = self.temporary_i32();
        self.ins().i32_const(stride as i32).i32_mul().local_get(list[0]).i32_add().local_set(at);
        self.load(element, at, 0);
        Ok(())
    }

    /// `list[start:stop]` or `text[start:stop]`, sharing the memory.
    pub fn slice(&mut self, list: &Expr, start: Option<&Expr>, stop: Option<&Expr>) -> Result<()> {
        let stride = match &list.ty {
            Type::List(element) => self.stride(element),
            Type::Str => 1,
            _ => return Err(fault("a slice of what is no list")),
        };
        let is_text = list.ty == Type::Str;
        if let ExprKind::Local(local) = list.kind {
            self.share(local);
        }
        let mut list = self.in_locals(list)?;
        let text = list.clone();
        if is_text {
            list[1] = self.temporary_i32();
            self.get_all(&text);
            self.call(Helper::Characters);
            self.set(list[1]);
        }
        let [from, to] = [(); 2].map(|()| self.temporary_i32());
        for (bound, local) in [(start, from), (stop, to)] {
            match bound {
                Some(bound) => {
                    self.expr(bound)?;
                    self.get(list[1]);
                    self.call(Helper::Clamp);
                }
                None if local == from => self.i32(0),
                None => self.get(list[1]),
            }
            self.set(local);
        }
        // An end before the start is an empty slice at the start.
        self.get_all(&[from, to, from, to]);
        self.ins().i32_gt_u().select().local_set(to);
        if is_text {
            self.get_all(&[text[0], text[1], from, to]);
            self.call(Helper::TextSlice);
            return Ok(());
        }
        self.ins().local_get(list[0]).local_get(from).i32_const(stride as i32).i32_mul().i32_add();
        self.ins().local_get(to).local_get(from).i32_sub();
        Ok(())
    }

    /// `item in list`.
    pub fn in_list(&mut self, item: &Expr, list: &Expr) -> Result<()> {
        let Type::List(element) = &list.ty else { return Err(fault("`in` what is no list")) };
        let item = self.in_locals(item)?;
        let found = self.temporary_i32();
        self.ins().i32_const(0).local_set(found);
        self.elements(list, |e, at| {
            e.load(element, at, 0);
            let candidate = e.keep(element);
            e.equal_locals(element, &candidate, &item)?;
            e.if_(BlockType::Empty);
            e.ins().i32_const(1).local_set(found);
            let leave = e.loops[e.loops.len() - 1].leave;
            e.br(leave);
            e.end();
            Ok(())
        })?;
        self.get(found);
        Ok(())
    }
}
