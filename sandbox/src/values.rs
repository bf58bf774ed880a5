//! Component path: JSON to and from wasmtime's dynamic values.
//!
//! The second of two ways across the border; [`crate::lower`] and [`crate::lift`] are the first. They share only the type descriptions
//! and the JSON writer, so that comparing them tests the layouts.

use crate::arguments::field_or_null;
use crate::json::Out;
use crate::lower::{choose, flags, float, integer};
use crate::store::CallFailure;
use crate::types::ValueType;
use serde_json::Value;
use wasmtime::component::Val;

const UNFIT: CallFailure = CallFailure::Internal("a checked argument does not fit its type");
const OTHER: CallFailure = CallFailure::Internal("wasmtime lifted another type than the component declares");

/// A checked argument as wasmtime wants it.
pub(crate) fn to_val(ty: &ValueType, value: &Value) -> Result<Val, CallFailure> {
    use ValueType as T;
    let n = || integer(ty, value);
    Ok(match ty {
        T::Bool => Val::Bool(n()? != 0),
        T::S8 => Val::S8(n()? as i8),
        T::U8 => Val::U8(n()? as u8),
        T::S16 => Val::S16(n()? as i16),
        T::U16 => Val::U16(n()? as u16),
        T::S32 => Val::S32(n()? as i32),
        T::U32 => Val::U32(n()? as u32),
        T::S64 => Val::S64(n()?),
        T::U64 => Val::U64(n()? as u64),
        T::F32 => Val::Float32(float(value)? as f32),
        T::F64 => Val::Float64(float(value)?),
        T::Char => Val::Char(char::from_u32(n()? as u32).ok_or(UNFIT)?),
        T::Money => Val::Record(vec![("cents".to_owned(), Val::S64(n()?))]),
        T::Date => Val::Record(vec![("epoch-day".to_owned(), Val::S32(n()? as i32))]),
        T::String => Val::String(value.as_str().ok_or(UNFIT)?.to_owned()),
        T::Enum(e) => Val::Enum(e.wit[n()? as usize].clone()),
        T::Flags(f) => {
            let words = flags(&f.names, value)?;
            let set = f.wit.iter().enumerate().filter(|(i, _)| words[i / 32] & (1 << (i % 32)) != 0);
            Val::Flags(set.map(|(_, name)| name.clone()).collect())
        }
        T::Record(r) => {
            let given = value.as_object().ok_or(UNFIT)?;
            let field = |f: &crate::types::Field| Ok((f.wit.clone(), to_val(&f.ty, field_or_null(given, &f.name))?));
            Val::Record(r.fields.iter().map(field).collect::<Result<_, CallFailure>>()?)
        }
        T::Tuple(t) => {
            let items = value.as_array().ok_or(UNFIT)?.iter().zip(&t.fields);
            Val::Tuple(items.map(|(v, f)| to_val(&f.ty, v)).collect::<Result<_, CallFailure>>()?)
        }
        T::List(item) => {
            let items = value.as_array().ok_or(UNFIT)?;
            Val::List(items.iter().map(|v| to_val(item, v)).collect::<Result<_, CallFailure>>()?)
        }
        T::Variant(v) | T::Option(v) | T::Result(v) => {
            let (case, payload) = choose(ty, v, value)?;
            let payload = payload.map(|(ty, value)| to_val(ty, value)).transpose()?.map(Box::new);
            match ty {
                T::Option(_) => Val::Option(payload),
                T::Result(_) => Val::Result(if case == 0 { Ok(payload) } else { Err(payload) }),
                _ => Val::Variant(v.cases[case as usize].wit.clone(), payload),
            }
        }
    })
}

/// Writes a value that wasmtime lifted as JSON text.
pub(crate) fn write_val(val: &Val, ty: &ValueType, out: &mut Out) -> Result<(), CallFailure> {
    use ValueType as T;
    match (ty, val) {
        (T::Bool, Val::Bool(b)) => out.bool(*b),
        (T::S8, Val::S8(n)) => out.signed(i64::from(*n)),
        (T::U8, Val::U8(n)) => out.unsigned(u64::from(*n)),
        (T::S16, Val::S16(n)) => out.signed(i64::from(*n)),
        (T::U16, Val::U16(n)) => out.unsigned(u64::from(*n)),
        (T::S32, Val::S32(n)) => out.signed(i64::from(*n)),
        (T::U32, Val::U32(n)) => out.unsigned(u64::from(*n)),
        (T::S64, Val::S64(n)) => out.signed(*n),
        (T::U64, Val::U64(n)) => out.unsigned(*n),
        (T::F32, Val::Float32(x)) => out.f32(*x),
        (T::F64, Val::Float64(x)) => out.f64(*x),
        (T::Char, Val::Char(c)) => out.char(*c),
        (T::Money, Val::Record(fields)) => match fields.as_slice() {
            [(_, Val::S64(cents))] => out.money(*cents),
            _ => return Err(OTHER),
        },
        (T::Date, Val::Record(fields)) => match fields.as_slice() {
            [(_, Val::S32(day))] => return out.date(*day),
            _ => return Err(OTHER),
        },
        (T::String, Val::String(text)) => {
            if text.len() > out.left() {
                return Err(CallFailure::OutputTooLarge);
            }
            out.string(text);
        }
        (T::Enum(e), Val::Enum(wit)) => {
            let index = e.wit.iter().position(|w| w == wit).ok_or(OTHER)?;
            out.string(&e.names[index]);
        }
        (T::Flags(f), Val::Flags(set)) => {
            out.raw(b"[");
            let mut first = true;
            for (wit, name) in f.wit.iter().zip(&f.names) {
                if set.contains(wit) {
                    out.separate(&mut first);
                    out.string(name);
                }
            }
            out.raw(b"]");
        }
        (T::Record(r), Val::Record(fields)) => {
            out.raw(b"{");
            for (i, (field, (_, val))) in r.fields.iter().zip(fields).enumerate() {
                if i > 0 {
                    out.raw(b",");
                }
                out.raw(field.json_key.as_bytes());
                write_val(val, &field.ty, out)?;
            }
            out.raw(b"}");
        }
        (T::Tuple(t), Val::Tuple(items)) => {
            out.raw(b"[");
            let mut first = true;
            for (field, val) in t.fields.iter().zip(items) {
                out.separate(&mut first);
                write_val(val, &field.ty, out)?;
            }
            out.raw(b"]");
        }
        (T::List(item), Val::List(items)) => {
            out.raw(b"[");
            let mut first = true;
            for val in items {
                out.separate(&mut first);
                write_val(val, item, out)?;
            }
            out.raw(b"]");
        }
        (T::Option(_), Val::Option(None)) => out.raw(b"null"),
        (T::Option(v), Val::Option(Some(val))) => {
            let inner = v.some().ok_or(OTHER)?;
            if !v.is_boxed_option() {
                return write_val(val, inner, out);
            }
            out.raw(b"{\"some\":");
            write_val(val, inner, out)?;
            out.raw(b"}");
        }
        (T::Variant(v), Val::Variant(wit, payload)) => {
            let case = v.cases.iter().find(|c| &c.wit == wit).ok_or(OTHER)?;
            match (&case.ty, payload) {
                (None, _) => out.string(&case.name),
                (Some(inner), Some(val)) => write_case(&case.name, Some((val, inner)), out)?,
                (Some(_), None) => return Err(OTHER),
            }
        }
        (T::Result(v), Val::Result(result)) => {
            let (case, payload) = match result {
                Ok(payload) => (&v.cases[0], payload),
                Err(payload) => (&v.cases[1], payload),
            };
            let payload = payload.as_deref().zip(case.ty.as_ref());
            write_case(&case.name, payload, out)?;
        }
        _ => return Err(OTHER),
    }
    out.check()
}

fn write_case(name: &str, payload: Option<(&Val, &ValueType)>, out: &mut Out) -> Result<(), CallFailure> {
    out.raw(b"{");
    out.string(name);
    out.raw(b":");
    match payload {
        Some((val, ty)) => write_val(val, ty, out)?,
        None => out.raw(b"null"),
    }
    out.raw(b"}");
    Ok(())
}
