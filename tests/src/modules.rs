//! Random core modules that export what a world wants and know nothing else of it.
//!
//! Bodies are trees of the right types: arithmetic, loads and stores anywhere, loops that may not end, calls, growth of memory and tables,
//! division by whatever comes. About half of what they give back as addresses lies in their memory, so that some replies lift.

use crate::support::Random;
use std::fmt::Write;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldId, WorldItem};

/// Types of parameters and results.
struct Signature {
    name: String,
    parameters: Vec<&'static str>,
    results: Vec<&'static str>,
}

/// What a module may have beside its memory.
struct Shape {
    /// Mutable globals, a table, a start function.
    rich: bool,
    functions: usize,
}

/// Signatures of the functions that the canonical ABI wants of a world.
fn wanted(resolve: &Resolve, world: WorldId) -> Vec<Signature> {
    let core = |types: &[WasmType]| {
        let name = |ty: &WasmType| match ty {
            WasmType::I64 | WasmType::PointerOrI64 => "i64",
            WasmType::F32 => "f32",
            WasmType::F64 => "f64",
            _ => "i32",
        };
        types.iter().map(name).collect()
    };
    let mut all = Vec::new();
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = resolve.name_world_key(key);
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            all.push(Signature {
                name: function.legacy_core_export_name(Some(&interface)).into_owned(),
                parameters: core(&signature.params),
                results: core(&signature.results),
            });
        }
    }
    all
}

/// A module whose functions all trap.
pub fn hollow(resolve: &Resolve, world: WorldId) -> Vec<u8> {
    let mut text = String::from("(module (memory (export \"memory\") 1)\n");
    text += "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)\n";
    for Signature { name, parameters, results } in wanted(resolve, world) {
        let (parameters, results) = (parameters.join(" "), results.join(" "));
        writeln!(text, "(func (export \"{name}\") (param {parameters}) (result {results}) unreachable)")
            .expect("a string takes it");
    }
    wat::parse_str(text + ")").expect("the text is a module")
}

/// A random module. `plain` keeps its whole state in its memory: no mutable globals, no table, no start function.
pub fn random(resolve: &Resolve, world: WorldId, plain: bool, random: &mut Random) -> Vec<u8> {
    let wanted = wanted(resolve, world);
    let shape = Shape { rich: !plain, functions: 1 + random.below(3) };
    let mut text = format!("(module (memory (export \"memory\") {})\n", 1 + random.below(3));
    for _ in 0..random.below(4) {
        let bytes: String = (0..random.below(40)).map(|_| format!("\\{:02x}", random.next() as u8)).collect();
        writeln!(text, "(data (i32.const {}) \"{bytes}\")", random.below(60_000)).expect("a string takes it");
    }
    if shape.rich {
        text += "(global $g (mut i32) (i32.const 1024)) (global $h (mut i64) (i64.const -1))\n(table $t 4 funcref)\n";
        text += "(elem (i32.const 0) $l0 $l0)\n(type $inner (func (param i32 i64) (result i32)))\n";
    }
    for i in 0..shape.functions {
        // Only functions written later are called, but by tables.
        let mut body = Body { random, shape: &shape, locals: vec!["i32", "i64"], after: i + 1 };
        let value = body.value("i32", 4);
        writeln!(text, "(func $l{i} (param i32 i64) (result i32) {value})").expect("a string takes it");
    }
    text += &realloc(random);
    for Signature { name, parameters, results } in &wanted {
        let mut locals = parameters.clone();
        locals.extend(["i32", "i64", "f32", "f64"]);
        let mut body = Body { random, shape: &shape, locals, after: 0 };
        let statements: String = (0..body.random.below(5)).map(|_| body.statement(3)).collect();
        let values: Vec<String> =
            results.iter().map(|ty| if *ty == "i32" { body.address() } else { body.value(ty, 3) }).collect();
        let given_back = results.clone();
        let (parameters, results) = (parameters.join(" "), results.join(" "));
        writeln!(
            text,
            "(func (export \"{name}\") (param {parameters}) (result {results}) (local i32 i64 f32 f64) {statements} {})",
            values.join(" ")
        )
        .expect("a string takes it");
        if random.one_in(4) && !values.is_empty() {
            let mut body = Body { random, shape: &shape, locals: given_back, after: 0 };
            let statement = body.statement(3);
            writeln!(text, "(func (export \"cabi_post_{name}\") (param {results}) {statement})")
                .expect("a string takes it");
        }
    }
    if shape.rich && random.one_in(6) {
        let mut body = Body { random, shape: &shape, locals: Vec::new(), after: 0 };
        let statement = body.statement(3);
        writeln!(text, "(func $start {statement}) (start $start)").expect("a string takes it");
    }
    text += ")";
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// An allocator: an honest one over memory, a fixed address, or nonsense.
fn realloc(random: &mut Random) -> String {
    let body = match random.below(4) {
        0 => format!("(i32.const {})", random.pick(&["0", "8", "1024", "65528", "-8", "0x7ffffff8", "3"])),
        1 => "(i32.mul (local.get 3) (i32.const 7))".to_owned(),
        _ => "(local i32)
            (local.set 4 (i32.and (i32.add (i32.load (i32.const 16)) (i32.const 2055)) (i32.const -8)))
            (i32.store (i32.const 16) (i32.sub (i32.add (local.get 4) (local.get 3)) (i32.const 2048)))
            (local.get 4)"
            .to_owned(),
    };
    format!("(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) {body})\n")
}

/// A function body being written.
struct Body<'r> {
    random: &'r mut Random,
    shape: &'r Shape,
    locals: Vec<&'static str>,
    /// First of the inner functions that it may call.
    after: usize,
}

impl Body<'_> {
    /// What is given back as an address: often an aligned place in the first page.
    fn address(&mut self) -> String {
        match self.random.below(5) {
            0 => self.value("i32", 3),
            1 => format!("(i32.and {} (i32.const 0xfff8))", self.value("i32", 3)),
            _ => format!("(i32.const {})", 8 * self.random.below(8_000)),
        }
    }

    fn local(&mut self, ty: &str) -> Option<usize> {
        let found: Vec<usize> = (0..self.locals.len()).filter(|i| self.locals[*i] == ty).collect();
        if found.is_empty() { None } else { Some(self.random.pick(&found)) }
    }

    /// An instruction tree that leaves nothing.
    fn statement(&mut self, depth: usize) -> String {
        if depth == 0 {
            return "(nop)".to_owned();
        }
        let below = depth - 1;
        match self.random.below(10) {
            0..=3 => {
                let (op, ty) = self.random.pick(&[
                    ("i32.store", "i32"),
                    ("i32.store8", "i32"),
                    ("i64.store", "i64"),
                    ("f64.store", "f64"),
                    ("f32.store", "f32"),
                ]);
                format!("({op} {} {})", self.address(), self.value(ty, below))
            }
            4 | 5 => {
                let ty = self.random.pick(&["i32", "i64", "f32", "f64"]);
                match self.local(ty) {
                    Some(local) => format!("(local.set {local} {})", self.value(ty, below)),
                    None => "(nop)".to_owned(),
                }
            }
            6 => format!(
                "(if {} (then {}) (else {}))",
                self.value("i32", below),
                self.statement(below),
                self.statement(below)
            ),
            7 => format!("(loop {} (br_if 0 {}))", self.statement(below), self.value("i32", below)),
            8 if self.shape.rich => format!("(global.set $g {})", self.value("i32", below)),
            8 => format!("(memory.fill {} {} {})", self.address(), self.value("i32", below), self.value("i32", 1)),
            _ if self.random.one_in(6) => "(unreachable)".to_owned(),
            _ => format!("(drop {})", self.value("i64", below)),
        }
    }

    /// An instruction tree that leaves a value.
    fn value(&mut self, ty: &str, depth: usize) -> String {
        if depth == 0 || self.random.one_in(5) {
            if !self.random.one_in(3)
                && let Some(local) = self.local(ty)
            {
                return format!("(local.get {local})");
            }
            return match ty {
                "i32" => format!(
                    "(i32.const {})",
                    self.random.pick(&["0", "1", "2", "8", "100", "-1", "65535", "0x7fffffff"])
                ),
                "i64" => format!("(i64.const {})", self.random.pick(&["0", "1", "-1", "1250", "0x7fffffffffffffff"])),
                _ => format!("({ty}.const {})", self.random.pick(&["0", "-0.5", "1e30", "nan", "inf"])),
            };
        }
        let below = depth - 1;
        match (ty, self.random.below(8)) {
            ("i32", 0) => format!("(i32.load8_u {})", self.address()),
            ("i32", 1) => {
                let (of, op) =
                    self.random.pick(&[("i32", "i32.lt_s"), ("i64", "i64.eq"), ("f64", "f64.gt"), ("f32", "f32.le")]);
                format!("({op} {} {})", self.value(of, below), self.value(of, below))
            }
            ("i32", 2) if self.after < self.shape.functions => {
                let callee = self.after + self.random.below(self.shape.functions - self.after);
                format!("(call $l{callee} {} {})", self.value("i32", below), self.value("i64", below))
            }
            ("i32", 3) if self.shape.rich => match self.random.below(4) {
                0 => "(global.get $g)".to_owned(),
                1 => format!("(table.grow $t (ref.null func) {})", self.value("i32", below)),
                2 => "(table.size $t)".to_owned(),
                _ => format!(
                    "(call_indirect $t (type $inner) {} {} {})",
                    self.value("i32", below),
                    self.value("i64", below),
                    self.value("i32", 1)
                ),
            },
            ("i32", 4) => format!("(memory.grow {})", self.value("i32", below)),
            ("i64", 0) if self.shape.rich => "(global.get $h)".to_owned(),
            ("i64", 1) => format!("(i64.extend_i32_s {})", self.value("i32", below)),
            ("f64", 1) => format!("(f64.reinterpret_i64 {})", self.value("i64", below)),
            ("f32", 1) => format!("(f32.demote_f64 {})", self.value("f64", below)),
            (_, 2) => format!("({ty}.load {})", self.address()),
            ("i32" | "i64", 5) => {
                let op = self.random.pick(&["div_s", "rem_u", "rotl", "shr_s", "and", "xor"]);
                format!("({ty}.{op} {} {})", self.value(ty, below), self.value(ty, below))
            }
            ("f32" | "f64", 5) => format!("({ty}.sqrt {})", self.value(ty, below)),
            ("f32" | "f64", 6) => format!("({ty}.div {} {})", self.value(ty, below), self.value(ty, below)),
            _ => {
                let op = self.random.pick(&["add", "sub", "mul"]);
                format!("({ty}.{op} {} {})", self.value(ty, below), self.value(ty, below))
            }
        }
    }
}
