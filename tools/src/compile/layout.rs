//! How values lie in memory and in WebAssembly locals.
//!
//! Two memory forms share one set of rules, those of the component model's canonical ABI (little endian, natural
//! alignment, records inline): the *canonical* form is what crosses the border; the *inner* form differs only in that a
//! row is the 4-byte address of the row instead of its record. A type without rows has one form, so lists and records
//! that come in or go out need no conversion. The test below holds this file against `wit_parser::SizeAlign`.

use crate::error::{Error, Result};
use crate::suite::Suite;
use crate::types::Type;
use wasm_encoder::ValType;

/// Greatest depth of types within types.
const DEPTH_MAX: usize = 32;

/// Which of the two memory forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Rows are addresses.
    Inner,
    /// Rows are records: the canonical ABI.
    Canonical,
}

/// Size and alignment in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Size, a multiple of the alignment.
    pub size: u32,
    /// Alignment, a power of two up to 8.
    pub align: u32,
}

/// A part of a value that is loaded or stored by one instruction, or one record held inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Bytes from the start of the value.
    pub offset: u32,
    /// How it is held.
    pub kind: LeafKind,
}

/// How a [`Leaf`] is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeafKind {
    /// One byte: bool, option tag, small enum.
    U8,
    /// Two bytes: enum of more than 256 cases.
    U16,
    /// Four bytes: address, length, date, row.
    I32,
    /// Eight bytes.
    I64,
    /// A double.
    F64,
    /// A record of this many bytes, held inline; its value is its address.
    Inline(u32),
}

impl LeafKind {
    /// Type of the local that holds it.
    pub fn val(self) -> ValType {
        match self {
            LeafKind::I64 => ValType::I64,
            LeafKind::F64 => ValType::F64,
            _ => ValType::I32,
        }
    }
}

/// Layouts of a suite's types.
pub(crate) struct Layouts<'a> {
    suite: &'a Suite,
}

impl<'a> Layouts<'a> {
    /// Layouts of a suite.
    ///
    /// # Errors
    /// [`Error::Limit`] when types are nested more than 32 deep, or endlessly.
    pub fn new(suite: &'a Suite) -> Result<Self> {
        for record in &suite.records {
            for (_, ty) in &record.fields {
                let depth = depth(suite, ty, 0);
                if depth > DEPTH_MAX {
                    let what = format!("the nesting of record `{}`", record.name);
                    return Err(Error::Limit { what, value: depth as u64, limit: DEPTH_MAX as u64 });
                }
            }
        }
        Ok(Layouts { suite })
    }

    /// Size and alignment of a type.
    pub fn extent(&self, ty: &Type, form: Form) -> Extent {
        let scalar = |size| Extent { size, align: size };
        match ty {
            Type::Unit => Extent { size: 0, align: 1 },
            Type::Bool => scalar(1),
            Type::Int | Type::Float | Type::Money => scalar(8),
            Type::Date => scalar(4),
            Type::Enum(id) => scalar(if self.suite.enums[*id].cases.len() <= 256 { 1 } else { 2 }),
            Type::Str | Type::Key(_) | Type::List(_) | Type::Dict(..) => Extent { size: 8, align: 4 },
            Type::Tuple(parts) => self.sequence(parts.iter(), form).1,
            Type::Row(_) if form == Form::Inner => scalar(4),
            Type::Row(table) => self.row(*table).1,
            Type::Record(record) => self.record(*record, form).1,
            Type::Option(inner) => {
                let inner = self.extent(inner, form);
                let size = round_up(round_up(1, inner.align) + inner.size, inner.align);
                Extent { size, align: inner.align }
            }
        }
    }

    /// Offsets of a record's fields, and its extent.
    pub fn record(&self, record: usize, form: Form) -> (Vec<u32>, Extent) {
        self.sequence(self.suite.records[record].fields.iter().map(|(_, ty)| ty), form)
    }

    /// Offsets of a table's columns in its full record, and the record's extent.
    pub fn row(&self, table: usize) -> (Vec<u32>, Extent) {
        self.sequence(self.suite.tables[table].columns.iter().map(|c| &c.ty), Form::Canonical)
    }

    /// Offsets of values one after the other, as in a record or a parameter list.
    pub fn sequence<'t>(&self, types: impl Iterator<Item = &'t Type>, form: Form) -> (Vec<u32>, Extent) {
        let (mut at, mut align, mut offsets) = (0, 1, Vec::new());
        for ty in types {
            let extent = self.extent(ty, form);
            at = round_up(at, extent.align);
            offsets.push(at);
            at += extent.size;
            align = align.max(extent.align);
        }
        (offsets, Extent { size: round_up(at, align), align })
    }

    /// Offset of an option's value behind its tag.
    pub fn payload_offset(&self, inner: &Type, form: Form) -> u32 {
        round_up(1, self.extent(inner, form).align)
    }

    /// The parts of a value in inner form, in the order of its locals.
    pub fn leaves(&self, ty: &Type) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.push_leaves(ty, 0, &mut leaves);
        leaves
    }

    fn push_leaves(&self, ty: &Type, offset: u32, leaves: &mut Vec<Leaf>) {
        let mut push = |offset, kind| leaves.push(Leaf { offset, kind });
        match ty {
            Type::Unit => {}
            Type::Bool => push(offset, LeafKind::U8),
            Type::Int | Type::Money => push(offset, LeafKind::I64),
            Type::Float => push(offset, LeafKind::F64),
            Type::Date | Type::Row(_) => push(offset, LeafKind::I32),
            Type::Enum(_) if self.extent(ty, Form::Inner).size == 1 => push(offset, LeafKind::U8),
            Type::Enum(_) => push(offset, LeafKind::U16),
            // The entries of a dict are a list of key-value tuples.
            Type::Str | Type::Key(_) | Type::List(_) | Type::Dict(..) => {
                push(offset, LeafKind::I32);
                push(offset + 4, LeafKind::I32);
            }
            Type::Tuple(parts) => {
                let offsets = self.sequence(parts.iter(), Form::Inner).0;
                for (part, at) in parts.iter().zip(offsets) {
                    self.push_leaves(part, offset + at, leaves);
                }
            }
            Type::Record(_) => push(offset, LeafKind::Inline(self.extent(ty, Form::Inner).size)),
            Type::Option(inner) => {
                push(offset, LeafKind::U8);
                self.push_leaves(inner, offset + self.payload_offset(inner, Form::Inner), leaves);
            }
        }
    }

    /// The locals of a value: one for each leaf.
    pub fn flat(&self, ty: &Type) -> Vec<ValType> {
        self.leaves(ty).iter().map(|leaf| leaf.kind.val()).collect()
    }

    /// Whether values of a type hold rows, so that its two forms differ.
    pub fn holds_rows(&self, ty: &Type) -> bool {
        match ty {
            Type::Row(_) => true,
            Type::Record(record) => self.suite.records[*record].fields.iter().any(|(_, ty)| self.holds_rows(ty)),
            Type::Option(inner) | Type::List(inner) => self.holds_rows(inner),
            Type::Tuple(parts) => parts.iter().any(|part| self.holds_rows(part)),
            _ => false,
        }
    }
}

/// The next multiple of a power of two.
pub(crate) fn round_up(value: u32, align: u32) -> u32 {
    (value + align - 1) & !(align - 1)
}

/// How deep types nest below `ty`; more than [`DEPTH_MAX`] stands for "endless".
fn depth(suite: &Suite, ty: &Type, at: usize) -> usize {
    if at > DEPTH_MAX {
        return at;
    }
    match ty {
        Type::Option(inner) | Type::List(inner) => depth(suite, inner, at + 1),
        Type::Record(record) => suite
            .records
            .get(*record)
            .map_or(at, |r| r.fields.iter().map(|(_, ty)| depth(suite, ty, at + 1)).max().unwrap_or(at)),
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::Surface;
    use wit_parser::{SizeAlign, TypeDefKind};

    #[test]
    fn canonical_layouts_are_those_of_wit_parser() {
        let source = include_str!("../../tests/suites/language.star");
        let suite = crate::parse_suite("language.star", source).expect("the suite checks");
        let layouts = Layouts::new(&suite).unwrap();
        let interface = super::super::wit::interface(&suite, &Surface::plain(&suite)).unwrap();
        let mut sizes = SizeAlign::default();
        sizes.fill(&interface.resolve);
        let check = |name: &str, (offsets, extent): (Vec<u32>, Extent)| {
            let mut types = interface.resolve.types.iter();
            let (id, ty) = types.find(|(_, ty)| ty.name.as_deref() == Some(name)).expect(name);
            let TypeDefKind::Record(record) = &ty.kind else { panic!("{name} is a record") };
            let expected = sizes.field_offsets(record.fields.iter().map(|f| &f.ty));
            let expected: Vec<_> = expected.iter().map(|(offset, _)| offset.size_wasm32() as u32).collect();
            assert_eq!(offsets, expected, "{name}");
            assert_eq!(extent.size as usize, sizes.size(&wit_parser::Type::Id(id)).size_wasm32(), "{name}");
            assert_eq!(extent.align as usize, sizes.align(&wit_parser::Type::Id(id)).align_wasm32(), "{name}");
        };
        for (i, table) in suite.tables.iter().enumerate() {
            check(&table.name, layouts.row(i));
        }
        for (i, record) in suite.records.iter().enumerate() {
            check(&record.name.to_lowercase(), layouts.record(i, Form::Canonical));
        }
        assert!(suite.records.len() >= 3 && suite.tables.len() >= 2);
    }

    #[test]
    fn endless_records_are_refused() {
        let mut suite = crate::parse_suite("s", include_str!("../../tests/suites/language.star")).unwrap();
        suite.records[0].fields[0].1 = Type::Record(0).list();
        assert!(matches!(Layouts::new(&suite), Err(Error::Limit { .. })));
    }
}
