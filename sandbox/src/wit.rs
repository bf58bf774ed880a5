//! Types from a component's WIT. Sizes and offsets are `wit_parser::SizeAlign`'s.

use crate::types::{Case, CoreType, Field, Names, Record, ValueType, Variant, snake, tag_size};
use std::collections::HashMap;
use std::sync::Arc;
use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind, TypeId};

/// Most parts of a type: fields, cases, names and elements, those of inner types counted again wherever they stand. Validation lets a
/// type of a few hundred bytes have a million.
const PARTS_MAX: usize = 10_000;

/// Deepest nesting of a type.
const DEPTH_MAX: usize = 64;

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
        // Every type comes after those it is made of.
        let mut sums: HashMap<TypeId, (usize, usize)> = HashMap::new();
        for (id, ty) in &resolve.types {
            if let Some(what) = without_json(&ty.kind) {
                return Err(what.to_owned());
            }
            let (parts, depth) = extent(&ty.kind, &sums);
            if parts > PARTS_MAX {
                return Err(format!("a type of more than {PARTS_MAX} parts"));
            }
            if depth > DEPTH_MAX {
                return Err(format!("a type nested deeper than {DEPTH_MAX}"));
            }
            sums.insert(id, (parts, depth));
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

/// Number of parts and depth of a type.
fn extent(kind: &TypeDefKind, known: &HashMap<TypeId, (usize, usize)>) -> (usize, usize) {
    let of = |ty: &Type| match ty {
        Type::Id(id) => known.get(id).copied().unwrap_or_default(),
        _ => (1, 0),
    };
    let all = |types: &mut dyn Iterator<Item = Option<Type>>| {
        types.fold((1, 0), |(parts, depth): (usize, usize), ty| {
            let (own, below) = ty.as_ref().map_or((1, 0), of);
            (parts.saturating_add(own), depth.max(below + 1))
        })
    };
    match kind {
        TypeDefKind::Type(inner) => of(inner),
        TypeDefKind::List(inner) | TypeDefKind::Option(inner) => all(&mut std::iter::once(Some(*inner))),
        TypeDefKind::Record(r) => all(&mut r.fields.iter().map(|f| Some(f.ty))),
        TypeDefKind::Tuple(t) => all(&mut t.types.iter().map(|t| Some(*t))),
        TypeDefKind::Variant(v) => all(&mut v.cases.iter().map(|c| c.ty)),
        TypeDefKind::Result(r) => all(&mut [r.ok, r.err].into_iter()),
        TypeDefKind::Enum(e) => (e.cases.len(), 0),
        TypeDefKind::Flags(f) => (f.flags.len(), 0),
        _ => (1, 0),
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
