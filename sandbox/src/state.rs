//! State of our own suites: where tables and the journal lie in linear memory, and how rows are read.
//!
//! The layout is fixed by the suite compiler; its description (header at 1024, directory, rows, journal) is repeated at the constants
//! below. Rows lie in the canonical-ABI layout of their WIT record, so the lifting code reads them. Guests are not trusted: every
//! address is checked against the memory, and nonsense is [`Error::CorruptState`].

use crate::error::{Error, Result};
use crate::json::Out;
use crate::lift::Reader;
use crate::store::CallFailure;
use crate::types::{Record, ValueType};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A row: columns in order, the key first.
pub type Row = Map<String, Value>;

/// First word of the header.
const MAGIC: u32 = 0x4152_5254;
/// Header fields, as offsets: next free byte; journal address, length and capacity in entries; tables; directory.
const HEAP: u32 = 4;
const JOURNAL: u32 = 12;
const JOURNAL_LENGTH: u32 = 16;
const TABLES: u32 = 24;
const DIRECTORY: u32 = 28;
const HEADER_BYTES: u32 = 64;
/// Directory entry of a table: address of the array of row addresses, live rows.
const DIRECTORY_ENTRY: u32 = 32;
/// Before a row: table index (top bit: deleted), row number.
const ROW_HEADER: u32 = 8;
const DELETED: u32 = 1 << 31;
/// Longest canonical form of a column, fixed by the journal's entries.
const COLUMN_BYTES_MAX: u32 = 16;

/// Layout of the state, from the `terrarium:state` section and the component's types.
#[derive(Debug)]
pub(crate) struct StateLayout {
    pub(crate) header: u32,
    pub(crate) tables: Vec<TableLayout>,
}

/// A table.
#[derive(Debug)]
pub(crate) struct TableLayout {
    pub(crate) name: String,
    pub(crate) row: Arc<Record>,
}

#[derive(Deserialize)]
struct Section {
    version: u32,
    header: u32,
    tables: Vec<SectionTable>,
}

#[derive(Deserialize)]
struct SectionTable {
    name: String,
    record: String,
}

impl StateLayout {
    /// Reads the section; `record` finds a record type by its WIT name.
    ///
    /// # Errors
    /// `Contract`.
    pub(crate) fn read(json: &[u8], mut record: impl FnMut(&str) -> Option<Arc<Record>>) -> Result<Self> {
        let section: Section =
            serde_json::from_slice(json).map_err(|e| Error::Contract(format!("section terrarium:state: {e}")))?;
        if section.version != 1 {
            return Err(Error::Contract(format!("section terrarium:state has version {}, not 1", section.version)));
        }
        let mut tables: Vec<TableLayout> = Vec::with_capacity(section.tables.len().min(1024));
        for SectionTable { name, record: wit } in section.tables {
            let row = record(&wit)
                .ok_or_else(|| Error::Contract(format!("table `{name}`: no exported record is called `{wit}`")))?;
            if row.fields.first().is_none_or(|f| f.ty != ValueType::String) {
                return Err(Error::Contract(format!("table `{name}`: its first column is not a string key")));
            }
            if let Some(wide) = row.fields.iter().find(|f| f.ty.size() > COLUMN_BYTES_MAX) {
                return Err(Error::Contract(format!("table `{name}`: column `{}` is too wide", wide.name)));
            }
            if tables.iter().any(|t| t.name == name) {
                return Err(Error::Contract(format!("two tables are called `{name}`")));
            }
            tables.push(TableLayout { name, row });
        }
        Ok(StateLayout { header: section.header, tables })
    }

    /// Checks the header of a fresh memory.
    ///
    /// # Errors
    /// `Contract`.
    pub(crate) fn check(&self, memory: &[u8]) -> Result<()> {
        let view = View { layout: self, memory: Reader(memory) };
        let contract = |what: String| Err(Error::Contract(what));
        if self.header.checked_add(HEADER_BYTES).is_none_or(|end| end as usize > memory.len()) {
            return contract(format!("the header at {} lies outside the memory", self.header));
        }
        let as_contract = |e: Error| Error::Contract(e.to_string());
        if view.word(0).map_err(as_contract)? != MAGIC {
            return contract(format!("no magic number at {}", self.header));
        }
        let tables = view.word(TABLES).map_err(as_contract)?;
        if tables as usize != self.tables.len() {
            return contract(format!("{tables} tables in memory, {} in terrarium:state", self.tables.len()));
        }
        for table in 0..tables {
            view.slots(table).map_err(as_contract)?;
        }
        view.journal_entries().map_err(as_contract).map(|_| ())
    }
}

/// A memory with its layout, for reading.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) layout: &'a StateLayout,
    pub(crate) memory: Reader<'a>,
}

pub(crate) fn corrupt(what: &str) -> Error {
    Error::CorruptState(what.to_owned())
}

/// Reading a value failed: over budget, or nonsense.
pub(crate) fn unreadable(failure: CallFailure, bytes_max: usize) -> Error {
    match failure {
        CallFailure::OutputTooLarge => Error::StateTooLarge { bytes_max },
        CallFailure::Internal(what) => Error::Internal(what.to_owned()),
        _ => corrupt("a value breaks the canonical ABI"),
    }
}

impl<'a> View<'a> {
    fn word(self, offset: u32) -> Result<u32> {
        self.memory.u32(self.layout.header + offset).map_err(|_| corrupt("the header lies outside the memory"))
    }

    /// Next free byte of the guest's heap.
    pub(crate) fn heap(self) -> Result<u32> {
        self.word(HEAP)
    }

    /// Address and length in entries of the journal.
    pub(crate) fn journal(self) -> Result<(u32, u32)> {
        Ok((self.word(JOURNAL)?, self.word(JOURNAL_LENGTH)?))
    }

    /// Length of the journal in entries, having checked that they lie in memory.
    pub(crate) fn journal_entries(self) -> Result<u32> {
        let (address, length) = self.journal()?;
        let bytes =
            length.checked_mul(crate::journal::ENTRY_BYTES).ok_or_else(|| corrupt("the journal is too long"))?;
        self.memory.bytes(address, bytes).map_err(|_| corrupt("the journal lies outside the memory"))?;
        Ok(length)
    }

    /// Addresses of a table's live rows.
    fn slots(self, table: u32) -> Result<&'a [u8]> {
        let outside = |_| corrupt("the directory lies outside the memory");
        let entry = self
            .word(DIRECTORY)?
            .checked_add(table * DIRECTORY_ENTRY)
            .ok_or_else(|| corrupt("the directory's address"))?;
        self.memory.bytes(entry, DIRECTORY_ENTRY).map_err(outside)?;
        let slots = self.memory.u32(entry).map_err(outside)?;
        let live = self.memory.u32(entry + 4).map_err(outside)?;
        let bytes = live.checked_mul(4).ok_or_else(|| corrupt("a table has too many rows"))?;
        self.memory.bytes(slots, bytes).map_err(|_| corrupt("a table's slots lie outside the memory"))
    }

    /// Row number of the row at `address`, whose header must name `table`, and whether it is deleted.
    pub(crate) fn row_header(self, table: u32, address: u32) -> Result<(u32, bool)> {
        let outside = || corrupt("a row lies outside the memory");
        let header = address.checked_sub(ROW_HEADER).ok_or_else(outside)?;
        let size = self.layout.tables[table as usize].row.size;
        self.memory.bytes(header, ROW_HEADER + size).map_err(|_| outside())?;
        let tag = self.memory.u32(header).map_err(|_| outside())?;
        let number = self.memory.u32(header + 4).map_err(|_| outside())?;
        if tag & !DELETED != table {
            return Err(corrupt("a row is tagged with another table"));
        }
        Ok((number, tag & DELETED != 0))
    }

    /// One column of the row at `address`.
    pub(crate) fn column(self, table: u32, address: u32, column: usize, budget: &mut Budget) -> Result<Value> {
        let field = &self.layout.tables[table as usize].row.fields[column];
        budget.value(self.memory, address + field.offset, &field.ty)
    }

    /// The whole row at `address`, whose header has been checked.
    pub(crate) fn row(self, table: u32, address: u32, budget: &mut Budget) -> Result<Row> {
        let fields = &self.layout.tables[table as usize].row.fields;
        let mut row = Map::with_capacity(fields.len());
        for (i, field) in fields.iter().enumerate() {
            row.insert(field.name.clone(), self.column(table, address, i, budget)?);
        }
        Ok(row)
    }

    /// All live rows of all tables: `{"tables": {name: [row, ...]}}`, rows in insertion order.
    pub(crate) fn state(self, budget: &mut Budget) -> Result<Value> {
        let mut tables = Map::with_capacity(self.layout.tables.len());
        for (index, table) in (0_u32..).zip(&self.layout.tables) {
            let slots = self.slots(index)?;
            let mut rows = Vec::new();
            for slot in slots.chunks_exact(4) {
                let address = u32::from_le_bytes([slot[0], slot[1], slot[2], slot[3]]);
                if self.row_header(index, address)?.1 {
                    return Err(corrupt("a deleted row is among the live ones"));
                }
                rows.push(Value::Object(self.row(index, address, budget)?));
            }
            tables.insert(table.name.clone(), Value::Array(rows));
        }
        let mut state = Map::with_capacity(1);
        state.insert("tables".to_owned(), Value::Object(tables));
        Ok(Value::Object(state))
    }
}

/// Bytes that may still be read out, so that a guest cannot make one string fill the host's memory many times over.
pub(crate) struct Budget {
    left: usize,
    bytes_max: usize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Budget { left: bytes_max, bytes_max }
    }

    pub(crate) fn value(&mut self, memory: Reader, at: u32, ty: &ValueType) -> Result<Value> {
        let value = memory.value(at, ty, self.left).map_err(|f| unreadable(f, self.bytes_max))?;
        // Text length is what a guest can inflate; 16 stands for name and punctuation.
        let cost = 16
            + match &value {
                Value::String(s) => s.len(),
                Value::Array(_) | Value::Object(_) => {
                    let mut out = Out::new(usize::MAX);
                    out.json(&value);
                    usize::MAX - out.left()
                }
                _ => 0,
            };
        self.left = self.left.checked_sub(cost).ok_or(Error::StateTooLarge { bytes_max: self.bytes_max })?;
        Ok(value)
    }
}
