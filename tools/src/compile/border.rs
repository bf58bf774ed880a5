//! Tool wrappers: lift the arguments, call the tool's function, lower its result, keep the call's books.
//!
//! A wrapper has the canonical ABI's core signature for its WIT function. Results go to one fixed area; texts and lists
//! that they point to lie on the heap until the post-return call.

use super::emitter::Emitter;
use super::expr::fault;
use super::layout::{Form, Layouts, round_up};
use super::module::Module;
use super::runtime::Helper;
use super::tables::row_bytes;
use super::wit::Interface;
use crate::error::Result;
use crate::suite::Suite;
use crate::surface::Surface;
use crate::tree::Literal;
use crate::types::Type;
use wasm_encoder::{BlockType, MemArg, ValType};
use wit_parser::abi::{AbiVariant, WasmSignature, WasmType};

/// Where the value or the error of `result<T, tool-error>` starts.
fn payload_offset(layouts: &Layouts, ty: &Type) -> u32 {
    // `tool-error` is two strings: alignment 4.
    round_up(1, layouts.extent(ty, Form::Canonical).align.max(4))
}

/// Size of the largest `result<T, tool-error>` of a surface.
pub(crate) fn result_bytes(suite: &Suite, surface: &Surface, layouts: &Layouts) -> u32 {
    let size = |tool: usize| {
        let ty = &suite.functions[suite.tools[tool].function].returns;
        payload_offset(layouts, ty) + layouts.extent(ty, Form::Canonical).size.max(16)
    };
    surface.tools.iter().map(|tool| round_up(size(tool.tool), 8)).max().unwrap_or(0)
}

/// Emits and exports the wrapper of every tool.
pub(crate) fn emit(m: &mut Module, interface: &Interface) -> Result<()> {
    for (i, function) in interface.functions.iter().enumerate() {
        let signature = interface.resolve.wasm_signature(AbiVariant::GuestExport, function);
        let parameters: Vec<_> = signature.params.iter().map(core_type).collect();
        let wrapper = m.declare(parameters.clone(), signature.results.iter().map(core_type).collect());
        let body = wrap(m, i, &signature, &parameters)?;
        m.define(wrapper, body);
        let name = function.legacy_core_export_name(Some(&interface.name)).into_owned();
        let post = m.helper(Helper::PostReturn);
        m.export(format!("cabi_post_{name}"), post);
        m.export(name, wrapper);
    }
    Ok(())
}

fn core_type(ty: &WasmType) -> ValType {
    match ty {
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F64 => ValType::F64,
        WasmType::F32 => ValType::F32,
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
    }
}

fn wrap(m: &mut Module, shown: usize, signature: &WasmSignature, parameters: &[ValType]) -> Result<Vec<u8>> {
    let suite = m.suite;
    let tool = &m.surface.tools[shown];
    let id = suite.tools[tool.tool].function;
    let function = &suite.functions[id];
    let mut e = Emitter::new(m, parameters);
    e.call(Helper::Begin);
    // Arguments arrive in the order shown; the function takes them in its own.
    let mut values: Vec<Option<Vec<u32>>> = vec![None; function.parameters.len()];
    let types: Vec<_> = tool.parameters.iter().map(|(index, ..)| &function.parameters[*index].ty).collect();
    let offsets = e.m.layouts.sequence(types.iter().copied(), Form::Canonical).0;
    let mut next = 0;
    for (((index, ..), ty), offset) in tool.parameters.iter().zip(&types).zip(offsets) {
        if signature.indirect_params {
            e.load(ty, 0, offset);
        } else {
            e.lift(ty, &mut next)?;
        }
        let value = e.keep(ty);
        e.check_dates(ty, &value);
        values[*index] = Some(value);
    }
    for (value, parameter) in values.iter().zip(&function.parameters) {
        match value {
            Some(value) => e.get_all(value),
            None => e.literal(&parameter.ty, parameter.default.as_ref().unwrap_or(&Literal::None))?,
        }
    }
    let index = e.m.suite_function(id);
    e.ins().call(index);
    e.check();
    let value = e.keep(&function.returns);
    let area = e.temporary_i32();
    let address = e.m.image.result_area;
    e.i32(address);
    e.set(area);
    let payload = payload_offset(&e.m.layouts, &function.returns);
    e.lower(&function.returns, &value, area, payload)?;
    let at = |offset: u32, align| MemArg { offset: u64::from(offset), align, memory_index: 0 };
    e.ins().local_get(area).i32_const(0).i32_store8(at(0, 0));
    e.call(Helper::Settle);
    e.ins().local_get(area).return_();
    e.end();
    // A tool error: undo, then copy the error slot.
    e.call(Helper::Rollback);
    e.i32(address);
    e.i32(1);
    e.ins().i32_store8(at(0, 0));
    for word in 0..4 {
        e.i32(address);
        e.ins().i32_const(0).i32_load(at(16 + 4 * word, 2)).i32_store(at(payload + 4 * word, 2));
    }
    e.call(Helper::Settle);
    e.i32(address);
    e.finish_plain()
}

impl Emitter<'_, '_> {
    /// Leaves a value whose canonical core values are parameters from `next` on.
    fn lift(&mut self, ty: &Type, next: &mut u32) -> Result<()> {
        match ty {
            Type::Option(inner) => {
                self.get(*next);
                *next += 1;
                self.lift(inner, next)
            }
            // The parts of a record arrive one by one.
            Type::Record(id) => {
                let suite = self.m.suite;
                let (offsets, extent) = self.m.layouts.record(*id, Form::Inner);
                self.alloc(extent.size, extent.align);
                let address = self.temporary_i32();
                self.set(address);
                for ((_, ty), offset) in suite.records[*id].fields.iter().zip(offsets) {
                    self.lift(ty, next)?;
                    self.store_stack(ty, address, offset)?;
                }
                self.get(address);
                Ok(())
            }
            Type::Row(_) => Err(fault("a row as a tool's parameter")),
            ty => {
                for _ in self.m.layouts.flat(ty) {
                    self.get(*next);
                    *next += 1;
                }
                Ok(())
            }
        }
    }

    /// Refuses a date argument out of range, which the border's type allows, as `bad_date`.
    fn check_dates(&mut self, ty: &Type, value: &[u32]) {
        match ty {
            Type::Date => {
                self.ins().local_get(value[0]).i64_extend_i32_s();
                self.call_checked(Helper::DateCheck);
            }
            Type::Option(inner) if **inner == Type::Date => {
                self.get(value[0]);
                self.if_(BlockType::Empty);
                self.check_dates(inner, &value[1..]);
                self.end();
            }
            _ => {}
        }
    }

    /// Stores a value in canonical form at `base + offset`.
    fn lower(&mut self, ty: &Type, value: &[u32], base: u32, offset: u32) -> Result<()> {
        if !self.m.layouts.holds_rows(ty) {
            self.store(ty, value, base, offset);
            return Ok(());
        }
        self.nested(|e| e.lower_rows(ty, value, base, offset))
    }

    fn lower_rows(&mut self, ty: &Type, value: &[u32], base: u32, offset: u32) -> Result<()> {
        match ty {
            // A row deleted by the call leaves with the values it had last.
            Type::Row(table) => {
                let size = row_bytes(self.m, *table);
                self.ins().local_get(base).i32_const(offset as i32).i32_add().local_get(value[0]);
                self.ins().i32_const(size as i32).memory_copy(0, 0);
                Ok(())
            }
            Type::Record(id) => {
                let suite = self.m.suite;
                let inner = self.m.layouts.record(*id, Form::Inner).0;
                let outer = self.m.layouts.record(*id, Form::Canonical).0;
                for (((_, ty), from), to) in suite.records[*id].fields.iter().zip(inner).zip(outer) {
                    self.load(ty, value[0], from);
                    let field = self.keep(ty);
                    self.lower(ty, &field, base, offset + to)?;
                }
                Ok(())
            }
            Type::Option(inner) => {
                let payload = self.m.layouts.payload_offset(inner, Form::Canonical);
                self.ins().local_get(base).local_get(value[0]);
                self.ins().i32_store8(MemArg { offset: u64::from(offset), align: 0, memory_index: 0 });
                self.get(value[0]);
                self.if_(BlockType::Empty);
                self.lower(inner, &value[1..], base, offset + payload)?;
                self.end();
                Ok(())
            }
            Type::List(element) => {
                let from_stride = self.stride(element);
                let to_stride = self.m.layouts.extent(element, Form::Canonical).size;
                let [list, at, end, to] = [(); 4].map(|()| self.temporary_i32());
                self.ins().local_get(value[1]).i32_const(to_stride as i32).i32_mul().i32_const(8);
                self.call(Helper::Alloc);
                self.ins().local_tee(list).local_set(to);
                self.ins().local_get(value[0]).local_tee(at);
                self.ins().local_get(value[1]).i32_const(from_stride as i32).i32_mul().i32_add().local_set(end);
                self.walk(at, end, from_stride, |e, _| {
                    e.load(element, at, 0);
                    let item = e.keep(element);
                    e.lower(element, &item, to, 0)?;
                    e.ins().local_get(to).i32_const(to_stride as i32).i32_add().local_set(to);
                    Ok(())
                })?;
                self.store(&Type::Str, &[list, value[1]], base, offset);
                Ok(())
            }
            other => Err(fault(&format!("rows in {other:?}"))),
        }
    }
}
