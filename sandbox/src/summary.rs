//! What loading one of our suites found out, kept beside its compiled code: the next load need not decode the component again.
//!
//! Types are written once each, however many tools share them, every type after those it is made of.

use crate::loader::indirect;
use crate::program::{Export, ExportCode, Reply};
use crate::state::{StateLayout, TableLayout};
use crate::types::{Case, CoreType, Field, Names, Record, ValueType, Variant, snake};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Custom sections whose name starts with `terrarium:`, and where in the component their contents lie.
pub(crate) type Sections = Vec<(String, Range<usize>)>;

/// A core-path program without its code.
pub(crate) struct Summary {
    pub(crate) exports: Vec<Export>,
    pub(crate) state: Option<StateLayout>,
    pub(crate) sections: Sections,
}

/// A type, by its place in [`Written::types`].
type Place = u32;

/// The form on disk.
#[derive(Serialize, Deserialize)]
struct Written {
    types: Vec<Node>,
    exports: Vec<WrittenExport>,
    state: Option<(u32, Vec<(String, Place)>)>,
    sections: Sections,
}

#[derive(Serialize, Deserialize)]
struct WrittenExport {
    name: String,
    core_name: String,
    parameters: Vec<(String, Place)>,
    result: Option<Place>,
    /// Whether the function returns a result, and the type it returns.
    fallible: bool,
    reply: Option<Place>,
}

/// Fields with their name in WIT, type and offset; size; alignment.
#[derive(Serialize, Deserialize)]
struct WrittenRecord(Vec<(String, Place, u32)>, u32, u32);

/// Cases with their name in WIT and payload; payload offset, size, alignment; joined core types.
#[derive(Serialize, Deserialize)]
struct WrittenVariant(Vec<(String, Option<Place>)>, [u32; 3], Vec<CoreType>);

/// Names in WIT, size, alignment.
#[derive(Serialize, Deserialize)]
struct WrittenNames(Vec<String>, u32, u32);

#[derive(Serialize, Deserialize)]
enum Node {
    /// A type without parts, by its place in [`SIMPLE`].
    Simple(u8),
    Enum(WrittenNames),
    Flags(WrittenNames),
    Record(WrittenRecord),
    Tuple(WrittenRecord),
    Variant(WrittenVariant),
    Option(WrittenVariant),
    Result(WrittenVariant),
    List(Place),
}

const SIMPLE: [ValueType; 15] = [
    ValueType::Bool,
    ValueType::S8,
    ValueType::U8,
    ValueType::S16,
    ValueType::U16,
    ValueType::S32,
    ValueType::U32,
    ValueType::S64,
    ValueType::U64,
    ValueType::F32,
    ValueType::F64,
    ValueType::Char,
    ValueType::String,
    ValueType::Money,
    ValueType::Date,
];

/// Collects types. A shared type is known by its address, one without parts by its number.
#[derive(Default)]
struct Writer {
    types: Vec<Node>,
    known: HashMap<usize, Place>,
}

impl Writer {
    fn place(&mut self, ty: &ValueType) -> Place {
        use ValueType::*;
        let simple = SIMPLE.iter().position(|s| s == ty);
        let address = match ty {
            Enum(a) | Flags(a) => Arc::as_ptr(a) as usize,
            Record(a) | Tuple(a) => Arc::as_ptr(a) as usize,
            Variant(a) | Option(a) | Result(a) => Arc::as_ptr(a) as usize,
            List(a) => Arc::as_ptr(a) as usize,
            _ => simple.unwrap_or_default(),
        };
        if let Some(place) = self.known.get(&address) {
            return *place;
        }
        let node = match ty {
            Enum(n) => Node::Enum(names(n)),
            Flags(n) => Node::Flags(names(n)),
            Record(r) => Node::Record(self.record(r)),
            Tuple(r) => Node::Tuple(self.record(r)),
            Variant(v) => Node::Variant(self.variant(v)),
            Option(v) => Node::Option(self.variant(v)),
            Result(v) => Node::Result(self.variant(v)),
            List(item) => Node::List(self.place(item)),
            _ => Node::Simple(simple.unwrap_or_default() as u8),
        };
        self.types.push(node);
        let place = self.types.len() as Place - 1;
        self.known.insert(address, place);
        place
    }

    fn record(&mut self, record: &Record) -> WrittenRecord {
        let fields = record.fields.iter().map(|f| (f.wit.clone(), self.place(&f.ty), f.offset)).collect();
        WrittenRecord(fields, record.size, record.align)
    }

    fn variant(&mut self, v: &Variant) -> WrittenVariant {
        let cases = v.cases.iter().map(|c| (c.wit.clone(), c.ty.as_ref().map(|ty| self.place(ty)))).collect();
        WrittenVariant(cases, [v.payload_offset, v.size, v.align], v.flat.clone())
    }
}

fn names(names: &Names) -> WrittenNames {
    WrittenNames(names.wit.clone(), names.size, names.align)
}

/// The form on disk of a program's types. `core_names` are the names by which the core module exports the tools' code.
pub(crate) fn write(
    exports: &[Export],
    core_names: &[String],
    state: Option<&StateLayout>,
    sections: &Sections,
) -> Option<Vec<u8>> {
    let mut writer = Writer::default();
    let written = exports.iter().zip(core_names).map(|(export, core_name)| {
        let (fallible, reply) = match &export.reply {
            Reply::Fallible(ty) => (true, Some(writer.place(ty))),
            Reply::Plain(ty) => (false, ty.as_ref().map(|ty| writer.place(ty))),
        };
        WrittenExport {
            name: export.name.clone(),
            core_name: core_name.clone(),
            parameters: export.parameters.iter().map(|(name, ty)| (name.clone(), writer.place(ty))).collect(),
            result: export.result.as_ref().map(|ty| writer.place(ty)),
            fallible,
            reply,
        }
    });
    let exports = written.collect();
    let state = state.map(|layout| {
        let row = |t: &TableLayout| (t.name.clone(), writer.place(&ValueType::Record(Arc::clone(&t.row))));
        (layout.header, layout.tables.iter().map(row).collect())
    });
    postcard::to_allocvec(&Written { types: writer.types, exports, state, sections: sections.clone() }).ok()
}

/// What [`write`] wrote; `code` finds the code of a function of the core module. `None` for anything else.
pub(crate) fn read(bytes: &[u8], mut code: impl FnMut(&str) -> Option<ExportCode>) -> Option<Summary> {
    let written: Written = postcard::from_bytes(bytes).ok()?;
    let mut types: Vec<ValueType> = Vec::with_capacity(written.types.len());
    for node in written.types {
        types.push(value_type(node, &types)?);
    }
    let get = |place: Place| types.get(place as usize).cloned();
    let optional = |place: Option<Place>| place.map_or(Some(None), |place| get(place).map(Some));
    let exports = written.exports.into_iter().map(|export| {
        let parameters = export.parameters.into_iter().map(|(name, place)| Some((name, get(place)?)));
        let parameters: Vec<(String, ValueType)> = parameters.collect::<Option<_>>()?;
        let reply = optional(export.reply)?;
        Some(Export {
            name: export.name,
            result: optional(export.result)?,
            reply: if export.fallible { Reply::Fallible(reply?) } else { Reply::Plain(reply) },
            indirect: indirect(&parameters),
            parameters,
            code: code(&export.core_name)?,
        })
    });
    let exports = exports.collect::<Option<_>>()?;
    let state = match written.state {
        None => None,
        Some((header, tables)) => {
            let table = |(name, place)| match get(place)? {
                ValueType::Record(row) => Some(TableLayout { name, row }),
                _ => None,
            };
            Some(StateLayout { header, tables: tables.into_iter().map(table).collect::<Option<_>>()? })
        }
    };
    Some(Summary { exports, state, sections: written.sections })
}

/// A type whose parts are among `types`.
fn value_type(node: Node, types: &[ValueType]) -> Option<ValueType> {
    let get = |place: Place| types.get(place as usize).cloned();
    let names = |WrittenNames(wit, size, align)| {
        Arc::new(Names { names: wit.iter().map(|w| snake(w)).collect(), wit, size, align })
    };
    let record = |WrittenRecord(fields, size, align)| {
        let field = |(wit, place, offset): (String, Place, u32)| {
            let name = snake(&wit);
            Some(Field { json_key: format!("\"{name}\":"), name, ty: get(place)?, wit, offset })
        };
        Some(Arc::new(Record { fields: fields.into_iter().map(field).collect::<Option<_>>()?, size, align }))
    };
    let variant = |WrittenVariant(cases, [payload_offset, size, align], flat)| {
        let case = |(wit, place): (String, Option<Place>)| {
            let ty = place.map_or(Some(None), |place| get(place).map(Some))?;
            Some(Case { name: snake(&wit), ty, wit })
        };
        let cases = cases.into_iter().map(case).collect::<Option<_>>()?;
        Some(Arc::new(Variant { cases, payload_offset, size, align, flat }))
    };
    Some(match node {
        Node::Simple(number) => SIMPLE.get(usize::from(number))?.clone(),
        Node::Enum(n) => ValueType::Enum(names(n)),
        Node::Flags(n) => ValueType::Flags(names(n)),
        Node::Record(r) => ValueType::Record(record(r)?),
        Node::Tuple(r) => ValueType::Tuple(record(r)?),
        Node::Variant(v) => ValueType::Variant(variant(v)?),
        Node::Option(v) => ValueType::Option(variant(v)?),
        Node::Result(v) => ValueType::Result(variant(v)?),
        Node::List(place) => ValueType::List(Arc::new(get(place)?)),
    })
}
