//! Types of values at a tool's border, with their canonical-ABI layout (32-bit memory). [`crate::wit`] makes them.
//!
//! Names are in snake case, as in JSON; WIT's kebab-case names are kept beside them. A record of exactly one field `cents: s64` is
//! [`ValueType::Money`], of exactly one field `epoch-day: s32` [`ValueType::Date`], whatever the record is called.
//! Layout: component-model `CanonicalABI.md`.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A type, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ValueType {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    /// JSON string of one character.
    Char,
    String,
    /// 64-bit cents; JSON `"12.50"`.
    Money,
    /// Days since 1970-01-01; JSON `"2026-03-01"`.
    Date,
    /// JSON string.
    Enum(Arc<Names>),
    /// JSON array of the names that are set.
    Flags(Arc<Names>),
    /// JSON object.
    Record(Arc<Record>),
    /// JSON array of fixed length.
    Tuple(Arc<Record>),
    /// JSON string for a case without payload, else an object of one field.
    Variant(Arc<Variant>),
    /// JSON value or null. An option of an option is null or `{"some": value}`.
    Option(Arc<Variant>),
    /// A result inside a value: `{"ok": value}` or `{"error": value}`.
    Result(Arc<Variant>),
    /// JSON array.
    List(Arc<ValueType>),
}

/// Names of an enumeration or of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Snake case, in declaration order.
    pub names: Vec<String>,
    pub(crate) wit: Vec<String>,
    pub(crate) size: u32,
    pub(crate) align: u32,
}

/// Fields of a record or a tuple (whose fields are called `0`, `1`, ...).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Fields in order.
    pub fields: Vec<Field>,
    pub(crate) size: u32,
    pub(crate) align: u32,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Snake case.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
    pub(crate) wit: String,
    pub(crate) offset: u32,
    /// `"name":` as JSON text.
    pub(crate) json_key: String,
}

/// Cases of a variant; an option has the cases `none` and `some`, a result `ok` and `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Cases in order.
    pub cases: Vec<Case>,
    pub(crate) payload_offset: u32,
    pub(crate) size: u32,
    pub(crate) align: u32,
    /// Joined core types of the payloads.
    pub(crate) flat: Vec<CoreType>,
}

/// A case of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Snake case.
    pub name: String,
    /// Payload.
    pub ty: Option<ValueType>,
    pub(crate) wit: String,
}

/// A core WebAssembly type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CoreType {
    I32,
    I64,
    F32,
    F64,
}

/// `check-out` to `check_out`.
pub(crate) fn snake(kebab: &str) -> String {
    kebab.replace('-', "_")
}

impl Variant {
    /// Payload of an option's `some`.
    pub(crate) fn some(&self) -> Option<&ValueType> {
        self.cases.get(1).and_then(|c| c.ty.as_ref())
    }

    /// Whether `some` of an option is written as `{"some": value}`, because the value itself may be null.
    pub(crate) fn is_boxed_option(&self) -> bool {
        matches!(self.some(), Some(ValueType::Option(_)))
    }
}

/// Bytes of the tag of a variant, enum, option or result.
pub(crate) fn tag_size(cases: usize) -> u32 {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

impl ValueType {
    pub(crate) fn size(&self) -> u32 {
        use ValueType::*;
        match self {
            Bool | S8 | U8 => 1,
            S16 | U16 => 2,
            S32 | U32 | F32 | Char | Date => 4,
            S64 | U64 | F64 | Money | String | List(_) => 8,
            Enum(n) | Flags(n) => n.size,
            Record(r) | Tuple(r) => r.size,
            Variant(v) | Option(v) | Result(v) => v.size,
        }
    }

    pub(crate) fn align(&self) -> u32 {
        use ValueType::*;
        match self {
            Bool | S8 | U8 => 1,
            S16 | U16 => 2,
            S32 | U32 | F32 | Char | Date | String | List(_) => 4,
            S64 | U64 | F64 | Money => 8,
            Enum(n) | Flags(n) => n.align,
            Record(r) | Tuple(r) => r.align,
            Variant(v) | Option(v) | Result(v) => v.align,
        }
    }

    /// Core types a value has when it is passed in parameters.
    pub(crate) fn flatten(&self, out: &mut Vec<CoreType>) {
        use ValueType::*;
        match self {
            Bool | S8 | U8 | S16 | U16 | S32 | U32 | Char | Date | Enum(_) => out.push(CoreType::I32),
            S64 | U64 | Money => out.push(CoreType::I64),
            F32 => out.push(CoreType::F32),
            F64 => out.push(CoreType::F64),
            String | List(_) => out.extend([CoreType::I32, CoreType::I32]),
            Flags(n) => out.extend((0..n.names.len().div_ceil(32)).map(|_| CoreType::I32)),
            Record(r) | Tuple(r) => r.fields.iter().for_each(|f| f.ty.flatten(out)),
            Variant(v) | Option(v) | Result(v) => {
                out.push(CoreType::I32);
                out.extend(&v.flat);
            }
        }
    }

    /// Short name for messages: `a string`, `a list`, ...
    pub fn noun(&self) -> &'static str {
        use ValueType::*;
        match self {
            Bool => "true or false",
            S8 | U8 | S16 | U16 | S32 | U32 | S64 | U64 => "an integer",
            F32 | F64 => "a number",
            Char => "a string of one character",
            String => "a string",
            Money => "an amount as a string such as \"12.50\"",
            Date => "a date as a string such as \"2026-03-01\"",
            Enum(_) => "one of the listed strings",
            Flags(_) => "a list of strings",
            Record(_) => "an object",
            Tuple(_) | List(_) => "a list",
            Variant(_) => "a case name, or an object of one field",
            Option(_) => "a value or null",
            Result(_) => "an object with `ok` or `error`",
        }
    }
}
