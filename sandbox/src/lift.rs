//! Core path, outward: values in the guest's memory to JSON.
//!
//! Every address, length, tag and string is checked against the memory; nothing here can panic on what a guest wrote.

use crate::json::Out;
use crate::scalar::write_date;
use crate::store::CallFailure;
use crate::types::{ValueType, Variant, tag_size};
use serde_json::Value;

const INVALID: CallFailure = CallFailure::InvalidReply;

/// A guest's linear memory, for reading.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'m>(pub(crate) &'m [u8]);

impl<'m> Reader<'m> {
    pub(crate) fn bytes(self, at: u32, length: u32) -> Result<&'m [u8], CallFailure> {
        let start = at as usize;
        self.0.get(start..start + length as usize).ok_or(INVALID)
    }

    fn array<const N: usize>(self, at: u32) -> Result<[u8; N], CallFailure> {
        self.bytes(at, N as u32)?.try_into().map_err(|_| INVALID)
    }

    pub(crate) fn u32(self, at: u32) -> Result<u32, CallFailure> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }

    pub(crate) fn i32(self, at: u32) -> Result<i32, CallFailure> {
        Ok(i32::from_le_bytes(self.array(at)?))
    }

    fn u64(self, at: u32) -> Result<u64, CallFailure> {
        Ok(u64::from_le_bytes(self.array(at)?))
    }

    fn tag(self, at: u32, size: u32) -> Result<u32, CallFailure> {
        match size {
            1 => Ok(u32::from(u8::from_le_bytes(self.array(at)?))),
            2 => Ok(u32::from(u16::from_le_bytes(self.array(at)?))),
            _ => self.u32(at),
        }
    }

    fn string(self, at: u32, out: Option<&Out>) -> Result<&'m str, CallFailure> {
        let (address, length) = (self.u32(at)?, self.u32(at + 4)?);
        let bytes = self.bytes(address, length)?;
        if out.is_some_and(|out| bytes.len() > out.left()) {
            return Err(CallFailure::OutputTooLarge);
        }
        std::str::from_utf8(bytes).map_err(|_| INVALID)
    }

    fn list(self, at: u32, item: &ValueType) -> Result<impl Iterator<Item = u32> + use<>, CallFailure> {
        let (address, length) = (self.u32(at)?, self.u32(at + 4)?);
        let size = item.size();
        let bytes = length.checked_mul(size).ok_or(INVALID)?;
        self.bytes(address, bytes)?;
        if !address.is_multiple_of(item.align()) {
            return Err(INVALID);
        }
        Ok((0..length).map(move |i| address + i * size))
    }

    /// Case and address of its payload.
    pub(crate) fn case(self, at: u32, variant: &Variant) -> Result<(u32, u32), CallFailure> {
        let case = self.tag(at, tag_size(variant.cases.len()))?;
        if case as usize >= variant.cases.len() {
            return Err(INVALID);
        }
        Ok((case, at + variant.payload_offset))
    }

    /// Writes the value at `at`, whose `ty.size()` bytes must have been checked by the caller, as JSON text.
    pub(crate) fn write_json(self, at: u32, ty: &ValueType, out: &mut Out) -> Result<(), CallFailure> {
        use ValueType::*;
        match ty {
            Bool => out.bool(self.tag(at, 1)? != 0),
            S8 => out.signed(i64::from(self.tag(at, 1)? as i8)),
            U8 => out.unsigned(u64::from(self.tag(at, 1)?)),
            S16 => out.signed(i64::from(self.tag(at, 2)? as i16)),
            U16 => out.unsigned(u64::from(self.tag(at, 2)?)),
            S32 => out.signed(i64::from(self.i32(at)?)),
            U32 => out.unsigned(u64::from(self.u32(at)?)),
            S64 => out.signed(self.u64(at)? as i64),
            U64 => out.unsigned(self.u64(at)?),
            F32 => out.f32(f32::from_bits(self.u32(at)?)),
            F64 => out.f64(f64::from_bits(self.u64(at)?)),
            Char => out.char(char::from_u32(self.u32(at)?).ok_or(INVALID)?),
            Money => out.money(self.u64(at)? as i64),
            Date => return out.date(self.i32(at)?),
            String => {
                let text = self.string(at, Some(out))?;
                out.string(text);
            }
            Enum(e) => out.string(e.names.get(self.tag(at, e.size)? as usize).ok_or(INVALID)?),
            Flags(f) => {
                out.raw(b"[");
                let mut first = true;
                for (i, name) in f.names.iter().enumerate() {
                    let byte = self.tag(at + (i / 8) as u32, 1)?;
                    if byte & (1 << (i % 8)) != 0 {
                        out.separate(&mut first);
                        out.string(name);
                    }
                }
                out.raw(b"]");
            }
            Record(r) => {
                out.raw(b"{");
                for (i, field) in r.fields.iter().enumerate() {
                    if i > 0 {
                        out.raw(b",");
                    }
                    out.raw(field.json_key.as_bytes());
                    self.write_json(at + field.offset, &field.ty, out)?;
                }
                out.raw(b"}");
            }
            Tuple(t) => {
                out.raw(b"[");
                let mut first = true;
                for field in &t.fields {
                    out.separate(&mut first);
                    self.write_json(at + field.offset, &field.ty, out)?;
                }
                out.raw(b"]");
            }
            List(item) => {
                out.raw(b"[");
                let mut first = true;
                for at in self.list(at, item)? {
                    out.separate(&mut first);
                    self.write_json(at, item, out)?;
                }
                out.raw(b"]");
            }
            Option(v) => match (self.case(at, v)?, v.some()) {
                ((1, payload), Some(inner)) if v.is_boxed_option() => {
                    out.raw(b"{\"some\":");
                    self.write_json(payload, inner, out)?;
                    out.raw(b"}");
                }
                ((1, payload), Some(inner)) => return self.write_json(payload, inner, out),
                _ => out.raw(b"null"),
            },
            Variant(v) | Result(v) => {
                let (case, payload) = self.case(at, v)?;
                let case = v.cases.get(case as usize).ok_or(INVALID)?;
                match &case.ty {
                    None if matches!(ty, Variant(_)) => out.string(&case.name),
                    payload_ty => {
                        out.raw(b"{");
                        out.string(&case.name);
                        out.raw(b":");
                        match payload_ty {
                            Some(inner) => self.write_json(payload, inner, out)?,
                            None => out.raw(b"null"),
                        }
                        out.raw(b"}");
                    }
                }
            }
        }
        out.check()
    }

    /// A column's value as a JSON value. Columns are scalars and options of scalars; anything else goes through its text.
    pub(crate) fn value(self, at: u32, ty: &ValueType, bytes_max: usize) -> Result<Value, CallFailure> {
        use ValueType::*;
        Ok(match ty {
            Bool => Value::Bool(self.tag(at, 1)? != 0),
            S64 => Value::from(self.u64(at)? as i64),
            S32 => Value::from(self.i32(at)?),
            F64 => Value::from(f64::from_bits(self.u64(at)?)),
            String => {
                let text = self.string(at, None)?;
                if text.len() > bytes_max {
                    return Err(CallFailure::OutputTooLarge);
                }
                Value::from(text)
            }
            Enum(e) => Value::from(e.names.get(self.tag(at, e.size)? as usize).ok_or(INVALID)?.as_str()),
            Date => {
                let mut text = Vec::with_capacity(10);
                if !write_date(&mut text, self.i32(at)?) {
                    return Err(INVALID);
                }
                Value::from(std::string::String::from_utf8(text).map_err(|_| INVALID)?)
            }
            Option(v) if !v.is_boxed_option() => match (self.case(at, v)?, v.some()) {
                ((1, payload), Some(inner)) => self.value(payload, inner, bytes_max)?,
                _ => Value::Null,
            },
            _ => {
                let mut out = Out::new(bytes_max);
                self.write_json(at, ty, &mut out)?;
                serde_json::from_str(&out.finish()?)
                    .map_err(|_| CallFailure::Internal("written JSON does not parse"))?
            }
        })
    }
}
