//! Core path, inward: JSON arguments to canonical-ABI parameters of a core function.
//!
//! Allocations are asked of the guest in the order in which wasmtime's own lowering asks for them, so that both paths leave the same
//! memory behind. Arguments have passed [`crate::arguments::check`]; a value that still does not fit is an internal error.

use crate::arguments::{field_or_null, single_field};
use crate::program::Export;
use crate::scalar::{parse_date, parse_money};
use crate::store::{CallFailure, Host};
use crate::types::{CoreType, Record, ValueType, Variant, tag_size};
use serde_json::{Map, Value};
use wasmtime::{Memory, Store, TypedFunc, Val};

/// `cabi_realloc`.
pub(crate) type Realloc = TypedFunc<(u32, u32, u32, u32), u32>;

const UNFIT: CallFailure = CallFailure::Internal("a checked argument does not fit its type");

/// The guest side of a call that is being prepared.
pub(crate) struct Lowering<'a> {
    pub(crate) store: &'a mut Store<Host>,
    pub(crate) memory: Memory,
    pub(crate) realloc: &'a Realloc,
    /// Core parameters so far.
    pub(crate) flat: &'a mut Vec<Val>,
}

impl Lowering<'_> {
    /// Lowers all arguments of a call.
    pub(crate) fn parameters(&mut self, export: &Export, arguments: &Map<String, Value>) -> Result<(), CallFailure> {
        self.flat.clear();
        if let Some(record) = &export.indirect {
            let address = self.allocate(record.size, record.align)?;
            self.fields(record, arguments, address)?;
            self.flat.push(Val::I32(address as i32));
            return Ok(());
        }
        for (name, ty) in &export.parameters {
            self.flat(ty, field_or_null(arguments, name))?;
        }
        Ok(())
    }

    fn allocate(&mut self, size: u32, align: u32) -> Result<u32, CallFailure> {
        let address = self.realloc.call(&mut *self.store, (0, 0, align, size)).map_err(CallFailure::Trap)?;
        let end = address as usize + size as usize;
        if !address.is_multiple_of(align) || end > self.memory.data_size(&*self.store) {
            return Err(CallFailure::InvalidReply);
        }
        Ok(address)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), CallFailure> {
        self.memory.write(&mut *self.store, address as usize, bytes).map_err(|_| CallFailure::InvalidReply)
    }

    fn string(&mut self, text: &str) -> Result<(u32, u32), CallFailure> {
        let length = u32::try_from(text.len()).ok().filter(|n| *n < 1 << 31).ok_or(CallFailure::InvalidReply)?;
        let address = self.allocate(length, 1)?;
        self.write(address, text.as_bytes())?;
        Ok((address, length))
    }

    fn list(&mut self, item: &ValueType, items: &[Value]) -> Result<(u32, u32), CallFailure> {
        let length = u32::try_from(items.len()).map_err(|_| CallFailure::InvalidReply)?;
        let size = length.checked_mul(item.size()).ok_or(CallFailure::InvalidReply)?;
        let address = self.allocate(size, item.align())?;
        for (i, value) in (0..length).zip(items) {
            self.store(item, value, address + i * item.size())?;
        }
        Ok((address, length))
    }

    fn fields(&mut self, record: &Record, given: &Map<String, Value>, address: u32) -> Result<(), CallFailure> {
        for field in &record.fields {
            self.store(&field.ty, field_or_null(given, &field.name), address + field.offset)?;
        }
        Ok(())
    }

    /// Writes a value into the guest's memory.
    fn store(&mut self, ty: &ValueType, value: &Value, at: u32) -> Result<(), CallFailure> {
        use ValueType::*;
        match ty {
            Bool | S8 | U8 => self.write(at, &(integer(ty, value)? as u8).to_le_bytes()),
            S16 | U16 => self.write(at, &(integer(ty, value)? as u16).to_le_bytes()),
            S32 | U32 | Char | Date => self.write(at, &(integer(ty, value)? as u32).to_le_bytes()),
            S64 | U64 | Money => self.write(at, &integer(ty, value)?.to_le_bytes()),
            F32 => self.write(at, &(float(value)? as f32).to_le_bytes()),
            F64 => self.write(at, &float(value)?.to_le_bytes()),
            Enum(_) => {
                let case = integer(ty, value)? as u32;
                self.write(at, &case.to_le_bytes()[..ty.size() as usize])
            }
            Flags(f) => {
                let words = flags(&f.names, value)?;
                let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
                self.write(at, &bytes[..(f.size as usize).min(bytes.len())])
            }
            String => {
                let (address, length) = self.string(value.as_str().ok_or(UNFIT)?)?;
                self.pair(at, address, length)
            }
            List(item) => {
                let (address, length) = self.list(item, value.as_array().ok_or(UNFIT)?)?;
                self.pair(at, address, length)
            }
            Record(r) => self.fields(r, value.as_object().ok_or(UNFIT)?, at),
            Tuple(t) => {
                let items = value.as_array().ok_or(UNFIT)?;
                for (field, item) in t.fields.iter().zip(items) {
                    self.store(&field.ty, item, at + field.offset)?;
                }
                Ok(())
            }
            Variant(v) | Option(v) | Result(v) => {
                let (case, payload) = choose(ty, v, value)?;
                self.write(at, &case.to_le_bytes()[..tag_size(v.cases.len()) as usize])?;
                match payload {
                    Some((inner, value)) => self.store(inner, value, at + v.payload_offset),
                    None => Ok(()),
                }
            }
        }
    }

    fn pair(&mut self, at: u32, address: u32, length: u32) -> Result<(), CallFailure> {
        self.write(at, &address.to_le_bytes())?;
        self.write(at + 4, &length.to_le_bytes())
    }

    /// Appends a value to the core parameters.
    fn flat(&mut self, ty: &ValueType, value: &Value) -> Result<(), CallFailure> {
        use ValueType::*;
        match ty {
            Bool | S8 | U8 | S16 | U16 | S32 | U32 | Char | Date | Enum(_) => {
                self.flat.push(Val::I32(integer(ty, value)? as i32));
            }
            S64 | U64 | Money => self.flat.push(Val::I64(integer(ty, value)?)),
            F32 => self.flat.push(Val::F32((float(value)? as f32).to_bits())),
            F64 => self.flat.push(Val::F64(float(value)?.to_bits())),
            Flags(f) => {
                let words = flags(&f.names, value)?;
                self.flat.extend(words.iter().map(|w| Val::I32(*w as i32)));
            }
            String => {
                let (address, length) = self.string(value.as_str().ok_or(UNFIT)?)?;
                self.flat.extend([Val::I32(address as i32), Val::I32(length as i32)]);
            }
            List(item) => {
                let (address, length) = self.list(item, value.as_array().ok_or(UNFIT)?)?;
                self.flat.extend([Val::I32(address as i32), Val::I32(length as i32)]);
            }
            Record(r) => {
                let given = value.as_object().ok_or(UNFIT)?;
                for field in &r.fields {
                    self.flat(&field.ty, field_or_null(given, &field.name))?;
                }
            }
            Tuple(t) => {
                for (field, item) in t.fields.iter().zip(value.as_array().ok_or(UNFIT)?) {
                    self.flat(&field.ty, item)?;
                }
            }
            Variant(v) | Option(v) | Result(v) => {
                let (case, payload) = choose(ty, v, value)?;
                self.flat.push(Val::I32(case as i32));
                let start = self.flat.len();
                if let Some((inner, value)) = payload {
                    self.flat(inner, value)?;
                }
                for (i, want) in v.flat.iter().enumerate() {
                    match self.flat.get_mut(start + i) {
                        Some(have) => *have = widen(have, *want),
                        None => self.flat.push(zero(*want)),
                    }
                }
            }
        }
        Ok(())
    }
}

/// The bits of a core value in the type that its variant's cases share.
fn widen(have: &Val, want: CoreType) -> Val {
    match (have, want) {
        (Val::F32(bits), CoreType::I32) => Val::I32(*bits as i32),
        (Val::I32(n), CoreType::I64) => Val::I64(i64::from(*n as u32)),
        (Val::F32(bits), CoreType::I64) => Val::I64(i64::from(*bits)),
        (Val::F64(bits), CoreType::I64) => Val::I64(*bits as i64),
        _ => *have,
    }
}

fn zero(ty: CoreType) -> Val {
    match ty {
        CoreType::I32 => Val::I32(0),
        CoreType::I64 => Val::I64(0),
        CoreType::F32 => Val::F32(0),
        CoreType::F64 => Val::F64(0),
    }
}

/// A scalar that is an integer in the canonical ABI.
pub(crate) fn integer(ty: &ValueType, value: &Value) -> Result<i64, CallFailure> {
    let n = match (ty, value) {
        (ValueType::Bool, Value::Bool(b)) => Some(i64::from(*b)),
        (ValueType::U64, Value::Number(n)) => n.as_u64().map(|n| n as i64),
        (ValueType::Money, Value::String(s)) => parse_money(s),
        (ValueType::Date, Value::String(s)) => parse_date(s).map(i64::from),
        (ValueType::Char, Value::String(s)) => s.chars().next().map(|c| i64::from(u32::from(c))),
        (ValueType::Enum(e), Value::String(s)) => e.names.iter().position(|n| n == s).map(|i| i as i64),
        (_, Value::Number(n)) => n.as_i64(),
        _ => None,
    };
    n.ok_or(UNFIT)
}

pub(crate) fn float(value: &Value) -> Result<f64, CallFailure> {
    value.as_f64().ok_or(UNFIT)
}

/// Bits of flags, in 32-bit words.
pub(crate) fn flags(names: &[String], value: &Value) -> Result<Vec<u32>, CallFailure> {
    let mut words = vec![0_u32; names.len().div_ceil(32)];
    for item in value.as_array().ok_or(UNFIT)? {
        let bit = names.iter().position(|n| item.as_str() == Some(n)).ok_or(UNFIT)?;
        words[bit / 32] |= 1 << (bit % 32);
    }
    Ok(words)
}

/// Which case a value is, and its payload with its type.
pub(crate) type Chosen<'t, 'v> = (u32, Option<(&'t ValueType, &'v Value)>);

/// Which case of a variant, option or result a JSON value is.
pub(crate) fn choose<'t, 'v>(
    ty: &ValueType,
    variant: &'t Variant,
    value: &'v Value,
) -> Result<Chosen<'t, 'v>, CallFailure> {
    if matches!(ty, ValueType::Option(_)) {
        if value.is_null() {
            return Ok((0, None));
        }
        let value = if variant.is_boxed_option() { value.get("some").ok_or(UNFIT)? } else { value };
        return Ok((1, Some((variant.some().ok_or(UNFIT)?, value))));
    }
    let (name, payload) = match value {
        Value::String(name) => (name.as_str(), None),
        _ => single_field(value).map(|(name, v)| (name, Some(v))).ok_or(UNFIT)?,
    };
    let index = variant.cases.iter().position(|c| c.name == name).ok_or(UNFIT)?;
    let payload = match &variant.cases[index].ty {
        Some(inner) => Some((inner, payload.ok_or(UNFIT)?)),
        None => None,
    };
    Ok((index as u32, payload))
}
