//! Dicts and tuples.
//!
//! A tuple is the values of its parts side by side. A dict is the address and number of its entries, key-value tuples in
//! the order in which the keys came, so `items()` costs nothing; looking up runs over the entries, which are few. For
//! each type of dict one function looks into it and one sets in it, emitted on demand.

use super::data::ERROR_MISSING_KEY;
use super::emitter::Emitter;
use super::expr::fault;
use super::layout::Form;
use super::lists::Growing;
use super::module::Module;
use super::runtime::Helper;
use crate::error::Result;
use crate::tree::{Expr, ExprKind, Otherwise};
use crate::types::{LocalId, Type};
use wasm_encoder::{BlockType, ValType};

/// An operation on dicts of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DictOperation {
    /// Address, length, key -> address of the entry or 0.
    Find(Type),
    /// Address, length, capacity, key, value -> address, length, capacity.
    Set(Type),
}

/// Parameters and results of an operation.
pub(crate) fn signature(m: &Module, operation: &DictOperation) -> (Vec<ValType>, Vec<ValType>) {
    let (DictOperation::Find(ty) | DictOperation::Set(ty)) = operation;
    let Type::Dict(key, value) = ty else { return (Vec::new(), Vec::new()) };
    let mut parameters = vec![ValType::I32; 2];
    match operation {
        DictOperation::Find(_) => {
            parameters.extend(m.layouts.flat(key));
            (parameters, vec![ValType::I32])
        }
        DictOperation::Set(_) => {
            parameters.push(ValType::I32);
            parameters.extend(m.layouts.flat(key));
            parameters.extend(m.layouts.flat(value));
            (parameters, vec![ValType::I32; 3])
        }
    }
}

/// The body of an operation.
pub(crate) fn emit(m: &mut Module, operation: &DictOperation) -> Result<Vec<u8>> {
    let parameters = signature(m, operation).0;
    let (DictOperation::Find(ty) | DictOperation::Set(ty)) = operation;
    let Type::Dict(key, value) = ty else { return Err(fault("an operation on what is no dict")) };
    let mut e = Emitter::plain(m, &parameters);
    match operation {
        DictOperation::Find(_) => e.find_entry(key, value),
        DictOperation::Set(_) => e.set_entry(ty, key, value),
    }?;
    e.finish_plain()
}

/// The tuple that an entry is.
fn entry(key: &Type, value: &Type) -> Type {
    Type::Tuple(vec![key.clone(), value.clone()])
}

impl Emitter<'_, '_> {
    fn value_offset(&self, key: &Type, value: &Type) -> u32 {
        self.m.layouts.sequence([key, value].into_iter(), Form::Inner).0[1]
    }

    fn find_entry(&mut self, key: &Type, value: &Type) -> Result<()> {
        let wanted: Vec<u32> = (2..2 + self.m.layouts.flat(key).len() as u32).collect();
        let stride = self.stride(&entry(key, value));
        let (at, end) = (0, 1);
        self.ins().local_get(end).i32_const(stride as i32).i32_mul().local_get(at).i32_add().local_set(end);
        self.walk(at, end, stride, |e, _| {
            e.load(key, at, 0);
            let candidate = e.keep(key);
            e.equal_locals(key, &candidate, &wanted)?;
            e.if_(BlockType::Empty);
            e.ins().local_get(at).return_();
            e.end();
            Ok(())
        })?;
        self.i32(0);
        Ok(())
    }

    fn set_entry(&mut self, ty: &Type, key: &Type, value: &Type) -> Result<()> {
        let keys = self.m.layouts.flat(key).len() as u32;
        let new_key: Vec<u32> = (3..3 + keys).collect();
        let new_value: Vec<u32> = (3 + keys..3 + keys + self.m.layouts.flat(value).len() as u32).collect();
        let (offset, stride) = (self.value_offset(key, value), self.stride(&entry(key, value)));
        let (address, length, capacity) = (0, 1, 2);
        let found = self.temporary_i32();
        self.get_all(&[address, length]);
        self.get_all(&new_key);
        let find = self.m.dict_operation(DictOperation::Find(ty.clone()));
        self.ins().call(find).local_tee(found);
        self.if_(BlockType::Empty);
        // In place, in memory of its own.
        self.ins().local_get(capacity).i32_eqz();
        self.if_(BlockType::Empty);
        self.ins().local_get(found).local_get(address).i32_sub().local_set(found);
        self.get_all(&[address, length]);
        self.i32(stride);
        self.call(Helper::ListGrow);
        self.set_all(&[address, capacity]);
        self.ins().local_get(found).local_get(address).i32_add().local_set(found);
        self.end();
        self.store(value, &new_value, found, offset);
        self.else_();
        self.get_all(&[length, capacity]);
        self.ins().i32_ge_u();
        self.if_(BlockType::Empty);
        self.get_all(&[address, length]);
        self.i32(stride);
        self.call(Helper::ListGrow);
        self.set_all(&[address, capacity]);
        self.end();
        self.ins().local_get(length).i32_const(stride as i32).i32_mul().local_get(address).i32_add().local_set(found);
        self.store(key, &new_key, found, 0);
        self.store(value, &new_value, found, offset);
        self.ins().local_get(length).i32_const(1).i32_add().local_set(length);
        self.end();
        self.get_all(&[address, length, capacity]);
        Ok(())
    }

    /// A part of a tuple.
    pub fn part(&mut self, tuple: &Expr, index: usize) -> Result<()> {
        let locals = self.part_locals(tuple, index)?;
        self.get_all(&locals);
        Ok(())
    }

    /// The locals that hold a part of a tuple.
    pub fn part_locals(&mut self, tuple: &Expr, index: usize) -> Result<Vec<u32>> {
        let Type::Tuple(parts) = &tuple.ty else { return Err(fault("a part of what is no tuple")) };
        let locals = self.in_locals(tuple)?;
        let start: usize = parts[..index].iter().map(|part| self.m.layouts.flat(part).len()).sum();
        Ok(locals[start..start + self.m.layouts.flat(&parts[index]).len()].to_vec())
    }

    /// A dict from a list of key-value tuples.
    pub fn dict_of(&mut self, ty: &Type, pairs: &Expr) -> Result<()> {
        let set = self.m.dict_operation(DictOperation::Set(ty.clone()));
        let dict = [(); 3].map(|()| self.temporary_i32());
        for part in dict {
            self.ins().i32_const(0).local_set(part);
        }
        // The parts of a literal go in one by one.
        if let ExprKind::List(pairs) = &pairs.kind {
            for pair in pairs {
                self.nested(|e| {
                    e.expr(pair)?;
                    let pair = e.keep(&pair.ty);
                    e.get_all(&dict);
                    e.get_all(&pair);
                    e.ins().call(set);
                    e.set_all(&dict);
                    Ok(())
                })?;
            }
        } else {
            let Type::List(pair) = &pairs.ty else { return Err(fault("a dict of what is no list")) };
            self.elements(pairs, |e, at| {
                e.get_all(&dict);
                e.load(pair, at, 0);
                e.ins().call(set);
                e.set_all(&dict);
                Ok(())
            })?;
        }
        self.get_all(&dict[..2]);
        Ok(())
    }

    /// Leaves the address of the entry of a key, or 0.
    fn entry_of(&mut self, dict: &Expr, key: &Expr) -> Result<()> {
        self.peek(dict)?;
        self.expr(key)?;
        let find = self.m.dict_operation(DictOperation::Find(dict.ty.clone()));
        self.ins().call(find);
        Ok(())
    }

    /// `key in dict`.
    pub fn in_dict(&mut self, key: &Expr, dict: &Expr) -> Result<()> {
        self.entry_of(dict, key)?;
        self.ins().i32_const(0).i32_ne();
        Ok(())
    }

    /// `dict[key]` and `dict.get(..)`.
    pub fn lookup(&mut self, dict: &Expr, key: &Expr, otherwise: &Otherwise) -> Result<()> {
        let Type::Dict(key_type, value_type) = &dict.ty else { return Err(fault("a lookup in what is no dict")) };
        let offset = self.value_offset(key_type, value_type);
        self.entry_of(dict, key)?;
        let found = self.temporary_i32();
        self.set(found);
        match otherwise {
            Otherwise::Fail => {
                self.ins().local_get(found).i32_eqz();
                self.if_(BlockType::Empty);
                self.ins().i32_const(ERROR_MISSING_KEY);
                self.call_checked(Helper::Raise);
                self.end();
                self.load(value_type, found, offset);
            }
            Otherwise::None => {
                let flat = self.m.layouts.flat(value_type);
                let mut results = vec![ValType::I32];
                results.extend(&flat);
                let ty = self.m.block_type(&results);
                self.get(found);
                self.if_(ty);
                self.i32(1);
                self.load(value_type, found, offset);
                self.else_();
                for ty in results {
                    self.zero(ty);
                }
                self.end();
            }
            Otherwise::Value(default) => {
                self.expr(default)?;
                let default = self.keep(value_type);
                let flat = self.m.layouts.flat(value_type);
                let ty = self.m.block_type(&flat);
                self.get(found);
                self.if_(ty);
                self.load(value_type, found, offset);
                self.else_();
                self.get_all(&default);
                self.end();
            }
        }
        Ok(())
    }

    /// Address, length and capacity of a variable that is changed in place.
    fn growing(&self, local: LocalId) -> Result<Growing> {
        match (self.variables[local].as_slice(), self.capacities[local]) {
            (&[address, length], Some(capacity)) => Ok(Growing { address, length, capacity }),
            _ => Err(fault("an assignment to an element of what has none")),
        }
    }

    /// `dict[key] = value`.
    pub fn set_dict_entry(&mut self, dict: LocalId, key: &Expr, value: &Expr) -> Result<()> {
        let Growing { address, length, capacity } = self.growing(dict)?;
        self.expr(value)?;
        let value_locals = self.keep(&value.ty);
        self.expr(key)?;
        let key_locals = self.keep(&key.ty);
        self.get_all(&[address, length, capacity]);
        self.get_all(&key_locals);
        self.get_all(&value_locals);
        let ty = Type::Dict(Box::new(key.ty.clone()), Box::new(value.ty.clone()));
        let set = self.m.dict_operation(DictOperation::Set(ty));
        self.ins().call(set);
        self.set_all(&[address, length, capacity]);
        Ok(())
    }

    /// `list[index] = value`.
    pub fn set_element(&mut self, list: LocalId, index: &Expr, value: &Expr) -> Result<()> {
        let Growing { address, length, capacity } = self.growing(list)?;
        let stride = self.stride(&value.ty);
        self.expr(value)?;
        let value_locals = self.keep(&value.ty);
        let at = self.temporary_i32();
        self.expr(index)?;
        self.get(length);
        self.call_checked(Helper::Index);
        self.ins().i32_const(stride as i32).i32_mul().local_set(at);
        self.ins().local_get(capacity).i32_eqz();
        self.if_(BlockType::Empty);
        self.get_all(&[address, length]);
        self.i32(stride);
        self.call(Helper::ListGrow);
        self.set_all(&[address, capacity]);
        self.end();
        self.ins().local_get(at).local_get(address).i32_add().local_set(at);
        self.store(&value.ty, &value_locals, at, 0);
        Ok(())
    }

    /// Tuples of the elements of lists, as many as the shortest has.
    pub fn zip(&mut self, ty: &Type, lists: &[Expr]) -> Result<()> {
        let Type::List(tuple) = ty else { return Err(fault("a zip that is no list")) };
        let Type::Tuple(parts) = &**tuple else { return Err(fault("a zip without tuples")) };
        let count = self.temporary_i32();
        let mut cursors = Vec::new();
        for (i, list) in lists.iter().enumerate() {
            self.expr(list)?;
            let (at, length) = (self.temporary_i32(), self.temporary_i32());
            self.set_all(&[at, length]);
            cursors.push(at);
            if i > 0 {
                self.get_all(&[count, length, count, length]);
                self.ins().i32_lt_u().select();
            } else {
                self.get(length);
            }
            self.set(count);
        }
        let stride = self.stride(tuple);
        self.tuples(stride, count, |e, to| {
            let offsets = e.m.layouts.sequence(parts.iter(), Form::Inner).0;
            for ((part, at), offset) in parts.iter().zip(&cursors).zip(offsets) {
                e.load(part, *at, 0);
                e.store_stack(part, to, offset)?;
                let step = e.stride(part);
                e.ins().local_get(*at).i32_const(step as i32).i32_add().local_set(*at);
            }
            Ok(())
        })
    }

    /// Tuples of the position, from `start`, and the element of a list.
    pub fn enumerate(&mut self, ty: &Type, list: &Expr, start: i64) -> Result<()> {
        let (Type::List(tuple), Type::List(element)) = (ty, &list.ty) else {
            return Err(fault("no list to enumerate"));
        };
        let (at, count, number) = (self.temporary_i32(), self.temporary_i32(), self.temporary(ValType::I64));
        self.expr(list)?;
        self.set_all(&[at, count]);
        self.ins().i64_const(start).local_set(number);
        let (stride, step) = (self.stride(tuple), self.stride(element));
        let offset = self.value_offset(&Type::Int, element);
        self.tuples(stride, count, |e, to| {
            e.store(&Type::Int, &[number], to, 0);
            e.load(element, at, 0);
            e.store_stack(element, to, offset)?;
            e.ins().local_get(number).i64_const(1).i64_add().local_set(number);
            e.ins().local_get(at).i32_const(step as i32).i32_add().local_set(at);
            Ok(())
        })
    }

    /// A new list of `count` tuples, each filled by `fill` at an address.
    fn tuples(&mut self, stride: u32, count: u32, fill: impl FnOnce(&mut Self, u32) -> Result<()>) -> Result<()> {
        let (list, to, end) = (self.temporary_i32(), self.temporary_i32(), self.temporary_i32());
        self.ins().local_get(count).i64_extend_i32_u().i64_const(i64::from(stride)).i64_mul().i32_const(8);
        self.call(Helper::AllocLarge);
        self.ins().local_tee(list).local_tee(to);
        self.ins().local_get(count).i32_const(stride as i32).i32_mul().i32_add().local_set(end);
        self.walk(to, end, stride, |e, _| fill(e, to))?;
        self.get_all(&[list, count]);
        Ok(())
    }
}
