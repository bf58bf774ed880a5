//! Types of values at a tool's border, with their canonical-ABI layout (32-bit memory), made from a component's WIT.
//!
//! Names are in snake case, as in JSON; WIT's kebab-case names are kept beside them. A record of exactly one field `cents: s64` is
//! [`ValueType::Money`], of exactly one field `epoch-day: s32` [`ValueType::Date`], whatever the record is called.
//! Layout: component-model `CanonicalABI.md`, as computed by `wit_parser::SizeAlign`.

use std::collections::HashMap;
use std::sync::Arc;
use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind, TypeId};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Makes types from a component's WIT, each named type once.
pub(crate) struct Types<'a> {
    resolve: &'a Resolve,
    sizes: SizeAlign,
    made: HashMap<TypeId, ValueType>,
}

impl<'a> Types<'a> {
    /// # Errors
    /// Names a type whose size is not defined.
    pub(crate) fn new(resolve: &'a Resolve) -> std::result::Result<Self, String> {
        for (_, ty) in &resolve.types {
            if let Some(what) = without_json(&ty.kind) {
                return Err(what.to_owned());
            }
        }
        let mut sizes = SizeAlign::default();
        sizes.fill(resolve);
        Ok(Types { resolve, sizes, made: HashMap::new() })
    }

    /// # Errors
    /// Describes the part of the type that has no JSON form.
    pub(crate) fn get(&mut self, ty: &Type) -> std::result::Result<ValueType, String> {
        Ok(match ty {
            Type::Bool => ValueType::Bool,
            Type::U8 => ValueType::U8,
            Type::U16 => ValueType::U16,
            Type::U32 => ValueType::U32,
            Type::U64 => ValueType::U64,
            Type::S8 => ValueType::S8,
            Type::S16 => ValueType::S16,
            Type::S32 => ValueType::S32,
            Type::S64 => ValueType::S64,
            Type::F32 => ValueType::F32,
            Type::F64 => ValueType::F64,
            Type::Char => ValueType::Char,
            Type::String => ValueType::String,
            Type::ErrorContext => return Err("an error-context".to_owned()),
            Type::Id(id) => {
                if let Some(made) = self.made.get(id) {
                    return Ok(made.clone());
                }
                let made = self.defined(*id, ty)?;
                self.made.insert(*id, made.clone());
                made
            }
        })
    }

    fn defined(&mut self, id: TypeId, ty: &Type) -> std::result::Result<ValueType, String> {
        let resolve = self.resolve;
        let kind = &resolve.types[id].kind;
        let size = self.size(ty)?;
        let align = u32::try_from(self.sizes.align(ty).align_wasm32()).map_err(|_| "a type of undefined alignment")?;
        Ok(match kind {
            TypeDefKind::Type(inner) => self.get(inner)?,
            TypeDefKind::List(inner) => ValueType::List(Arc::new(self.get(inner)?)),
            TypeDefKind::Enum(e) => ValueType::Enum(Arc::new(names(e.cases.iter().map(|c| &c.name), size, align))),
            TypeDefKind::Flags(f) => ValueType::Flags(Arc::new(names(f.flags.iter().map(|c| &c.name), size, align))),
            TypeDefKind::Record(r) => match r.fields.as_slice() {
                [f] if f.name == "cents" && self.get(&f.ty)? == ValueType::S64 => ValueType::Money,
                [f] if f.name == "epoch-day" && self.get(&f.ty)? == ValueType::S32 => ValueType::Date,
                fields => {
                    let named: Vec<_> = fields.iter().map(|f| (f.name.clone(), f.ty)).collect();
                    ValueType::Record(Arc::new(self.record(&named, size, align)?))
                }
            },
            TypeDefKind::Tuple(t) => {
                let named: Vec<_> = t.types.iter().enumerate().map(|(i, ty)| (i.to_string(), *ty)).collect();
                ValueType::Tuple(Arc::new(self.record(&named, size, align)?))
            }
            TypeDefKind::Variant(v) => {
                let cases = v.cases.iter().map(|c| (c.name.as_str(), c.ty)).collect();
                ValueType::Variant(Arc::new(self.variant(cases, size, align)?))
            }
            TypeDefKind::Option(inner) => {
                ValueType::Option(Arc::new(self.variant(vec![("none", None), ("some", Some(*inner))], size, align)?))
            }
            TypeDefKind::Result(r) => {
                ValueType::Result(Arc::new(self.variant(vec![("ok", r.ok), ("error", r.err)], size, align)?))
            }
            other => return Err(without_json(other).unwrap_or("an unknown type").to_owned()),
        })
    }

    fn size(&self, ty: &Type) -> std::result::Result<u32, String> {
        u32::try_from(self.sizes.size(ty).size_wasm32()).map_err(|_| "a type larger than the memory".to_owned())
    }

    fn record(&mut self, named: &[(String, Type)], size: u32, align: u32) -> std::result::Result<Record, String> {
        let offsets: Vec<usize> =
            self.sizes.field_offsets(named.iter().map(|(_, t)| t)).iter().map(|(o, _)| o.size_wasm32()).collect();
        let mut fields = Vec::with_capacity(named.len());
        for ((wit, ty), offset) in named.iter().zip(offsets) {
            let name = snake(wit);
            let json_key = format!("\"{name}\":");
            let offset = u32::try_from(offset).map_err(|_| "a type larger than the memory")?;
            fields.push(Field { ty: self.get(ty)?, wit: wit.clone(), offset, json_key, name });
        }
        Ok(Record { fields, size, align })
    }

    fn variant(
        &mut self,
        named: Vec<(&str, Option<Type>)>,
        size: u32,
        align: u32,
    ) -> std::result::Result<Variant, String> {
        let mut flat = Vec::new();
        let mut cases = Vec::with_capacity(named.len());
        let mut payload_align = 1;
        for (wit, ty) in &named {
            let ty = ty.as_ref().map(|t| self.get(t)).transpose()?;
            if let Some(ty) = &ty {
                payload_align = payload_align.max(ty.align());
                let mut own = Vec::new();
                ty.flatten(&mut own);
                join(&mut flat, &own);
            }
            cases.push(Case { name: snake(wit), wit: (*wit).to_owned(), ty });
        }
        let payload_offset = tag_size(cases.len()).next_multiple_of(payload_align);
        Ok(Variant { cases, payload_offset, size, align, flat })
    }
}

/// Core types that hold either of two cases' payloads.
fn join(into: &mut Vec<CoreType>, other: &[CoreType]) {
    for (i, b) in other.iter().enumerate() {
        match into.get_mut(i) {
            None => into.push(*b),
            Some(a) if a == b => {}
            Some(a) => {
                use CoreType::{F32, I32, I64};
                *a = if matches!((*a, *b), (I32, F32) | (F32, I32)) { I32 } else { I64 };
            }
        }
    }
}

fn names<'n>(wit: impl Iterator<Item = &'n String>, size: u32, align: u32) -> Names {
    let wit: Vec<String> = wit.cloned().collect();
    Names { names: wit.iter().map(|n| snake(n)).collect(), wit, size, align }
}

fn without_json(kind: &TypeDefKind) -> Option<&'static str> {
    Some(match kind {
        TypeDefKind::Resource | TypeDefKind::Handle(_) => "a resource",
        TypeDefKind::Future(_) => "a future",
        TypeDefKind::Stream(_) => "a stream",
        TypeDefKind::Map(..) => "a map",
        TypeDefKind::FixedLengthList(..) => "a list of fixed length",
        TypeDefKind::Unknown => "an unknown type",
        _ => return None,
    })
}
