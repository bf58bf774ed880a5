//! The initial memory of a world: header, directory, table descriptions, texts, slots and rows as one data segment.
//!
//! There is no initialisation code: what is written here is the whole state. Addresses are those `runtime.wat` names.
//! The journal's first entries and the heap follow the segment and start as zeros.

use super::layout::{Form, Layouts};
use crate::error::{Error, Result};
use crate::suite::{KeyStyle, Suite};
use crate::types::Type;
use crate::value::{TableRows, Value, World};
use std::collections::{HashMap, HashSet};

/// Address of the header.
pub const HEADER: u32 = 1024;
/// "TRRA".
pub const MAGIC: u32 = 0x4152_5254;
/// Address of the directory.
pub const DIRECTORY: u32 = HEADER + 64;
/// Journal entries before it first moves.
pub const JOURNAL_CAPACITY: u32 = 64;
const JOURNAL_ENTRY_BYTES: u32 = 40;
/// Slots of a table beyond its first rows, before its slot array first moves.
const SPARE_SLOTS: usize = 16;
/// Greatest size of a world's data.
const DATA_BYTES_MAX: u64 = 256 << 20;
/// First address of the segment: below lie only the null page and the error slot.
pub(crate) const SEGMENT: u32 = 64;
const DAYS_MIN: i32 = -719_162;
const DAYS_MAX: i32 = 2_932_896;

/// Errors that helpers raise by number: (code, message); number 0 is unused.
const BUILT_IN_ERRORS: [(&str, &str); 13] = [
    ("", ""),
    ("overflow", "the result does not fit in 64 bits"),
    ("division_by_zero", "division by zero"),
    ("bad_date", "the date lies outside 0001-01-01 to 9999-12-31"),
    ("deleted_row", "the row has been deleted"),
    ("index_out_of_range", "the list has no such element"),
    ("empty", "the list is empty"),
    ("duplicate", "another row has this value"),
    ("still_referenced", "other rows still refer to this row"),
    ("not_found", "there is no such row"),
    ("empty", "the separator is empty"),
    ("bad_number", "the text is no whole number"),
    ("missing_key", "the dict has no such key"),
];

/// Number of the built-in error `empty`.
pub(crate) const ERROR_EMPTY: i32 = 6;

/// Number of the built-in error `missing_key`.
pub(crate) const ERROR_MISSING_KEY: i32 = 12;

/// Memory as it will be when the module starts.
pub(crate) struct Image {
    bytes: Vec<u8>,
    texts: HashMap<String, u32>,
    enum_texts: HashMap<usize, u32>,
    /// Where tool wrappers put results.
    pub result_area: u32,
}

/// A finished image.
pub(crate) struct Segment {
    /// Bytes from [`SEGMENT`] on.
    pub bytes: Vec<u8>,
    /// Pages of memory to start with.
    pub pages: u32,
}

impl Image {
    /// Lays out a world. `result_bytes` is the size of the largest tool result.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the world's rows do not fit the suite's tables, [`Error::Limit`] when they are too large.
    pub fn new(suite: &Suite, layouts: &Layouts, world: &World, result_bytes: u32) -> Result<Image> {
        if world.tables.len() != suite.tables.len() {
            return Err(mismatch(format!("{} tables for {}", world.tables.len(), suite.tables.len())));
        }
        check_date(world.today)?;
        let tables = suite.tables.len() as u32;
        let mut image = Image {
            bytes: vec![0; (DIRECTORY + 32 * tables) as usize],
            texts: HashMap::new(),
            enum_texts: HashMap::new(),
            result_area: 0,
        };
        image.result_area = image.reserve(result_bytes, 8)?;
        image.put(HEADER, MAGIC);
        image.put(HEADER + 20, JOURNAL_CAPACITY);
        image.put(HEADER + 24, tables);
        image.put(HEADER + 28, DIRECTORY);
        image.put(HEADER + 32, world.today as u32);
        for (number, (code, message)) in BUILT_IN_ERRORS.iter().enumerate() {
            image.put_text(SEGMENT + 16 * number as u32, code)?;
            image.put_text(SEGMENT + 16 * number as u32 + 8, message)?;
        }
        for (table, rows) in world.tables.iter().enumerate() {
            image.table(suite, layouts, table, rows)?;
        }
        Ok(image)
    }

    fn table(&mut self, suite: &Suite, layouts: &Layouts, index: usize, rows: &TableRows) -> Result<()> {
        let table = &suite.tables[index];
        check_keys(&table.name, rows)?;
        let (offsets, extent) = layouts.row(index);
        let about = self.reserve(24 + 8 * offsets.len() as u32, 4)?;
        self.put_text(about, &format!("{}{}", rows.key.prefix, rows.key.separator))?;
        self.put(about + 8, rows.key.width);
        self.put(about + 12, about + 24);
        self.put_text(about + 16, &format!("there is no {} with id ", table.label))?;
        for (i, (offset, column)) in offsets.iter().zip(&table.columns).enumerate() {
            self.put(about + 24 + 8 * i as u32, *offset);
            self.put(about + 28 + 8 * i as u32, layouts.extent(&column.ty, Form::Canonical).size);
        }
        let capacity = rows.rows.len() + SPARE_SLOTS;
        let slots = self.reserve(4 * capacity as u32, 4)?;
        for (number, row) in rows.rows.iter().enumerate() {
            if row.len() != table.columns.len() {
                return Err(mismatch(format!("row {number} of `{}` has {} values", table.name, row.len())));
            }
            let address = self.reserve(extent.size + 8, 8)? + 8;
            self.put(address - 8, index as u32);
            self.put(address - 4, number as u32);
            self.put(slots + 4 * number as u32, address);
            for ((value, column), offset) in row.iter().zip(&table.columns).zip(&offsets) {
                self.value(suite, layouts, &column.ty, value, address + offset).map_err(|reason| match reason {
                    Error::Mismatch { reason, .. } => {
                        mismatch(format!("column `{}` in row {number} of `{}` {reason}", column.name, table.name))
                    }
                    other => other,
                })?;
            }
        }
        let entry = DIRECTORY + 32 * index as u32;
        let count = rows.rows.len() as u32;
        for (offset, value) in
            [(0, slots), (4, count), (8, capacity as u32), (12, rows.next_key), (16, count), (24, about)]
        {
            self.put(entry + offset, value);
        }
        Ok(())
    }

    /// Writes a column's value in canonical form.
    fn value(&mut self, suite: &Suite, layouts: &Layouts, ty: &Type, value: &Value, at: u32) -> Result<()> {
        match (ty, value) {
            (Type::Bool, Value::Bool(v)) => self.bytes[at as usize] = u8::from(*v),
            (Type::Int, Value::Int(v)) | (Type::Money, Value::Money(v)) => self.put_bytes(at, &v.to_le_bytes()),
            (Type::Float, Value::Float(v)) => self.put_bytes(at, &v.to_le_bytes()),
            (Type::Date, Value::Date(v)) => {
                check_date(*v)?;
                self.put(at, *v as u32);
            }
            (Type::Str, Value::Str(v)) | (Type::Key(_), Value::Key(v)) => self.put_text(at, v)?,
            (Type::Enum(id), Value::Enum(case)) => {
                let cases = suite.enums[*id].cases.len();
                if *case as usize >= cases {
                    return Err(mismatch(format!("is case {case} of {cases}")));
                }
                let size = layouts.extent(ty, Form::Canonical).size as usize;
                self.put_bytes(at, &case.to_le_bytes()[..size]);
            }
            (Type::Option(_), Value::None) => {}
            (Type::Option(inner), value) => {
                self.bytes[at as usize] = 1;
                self.value(suite, layouts, inner, value, at + layouts.payload_offset(inner, Form::Canonical))?;
            }
            (ty, value) => return Err(mismatch(format!("has type {ty:?} but is {value:?}"))),
        }
        Ok(())
    }

    /// Address of a constant text; equal texts share one.
    pub fn text(&mut self, text: &str) -> Result<u32> {
        if let Some(address) = self.texts.get(text) {
            return Ok(*address);
        }
        let address = self.reserve(text.len() as u32, 1)?;
        self.put_bytes(address, text.as_bytes());
        self.texts.insert(text.to_owned(), address);
        Ok(address)
    }

    /// Address of the case names of an enumeration: (address, length) each.
    pub fn enum_texts(&mut self, suite: &Suite, id: usize) -> Result<u32> {
        if let Some(address) = self.enum_texts.get(&id) {
            return Ok(*address);
        }
        let cases = &suite.enums[id].cases;
        let address = self.reserve(8 * cases.len() as u32, 4)?;
        for (i, case) in cases.iter().enumerate() {
            self.put_text(address + 8 * i as u32, case)?;
        }
        self.enum_texts.insert(id, address);
        Ok(address)
    }

    /// Zeroed space.
    fn reserve(&mut self, size: u32, align: usize) -> Result<u32> {
        let start = self.bytes.len().next_multiple_of(align);
        let end = start as u64 + u64::from(size);
        if end > DATA_BYTES_MAX {
            return Err(Error::Limit { what: "the data of the world".into(), value: end, limit: DATA_BYTES_MAX });
        }
        self.bytes.resize(end as usize, 0);
        Ok(start as u32)
    }

    fn put(&mut self, at: u32, value: u32) {
        self.put_bytes(at, &value.to_le_bytes());
    }

    fn put_bytes(&mut self, at: u32, bytes: &[u8]) {
        self.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    fn put_text(&mut self, at: u32, text: &str) -> Result<()> {
        let address = self.text(text)?;
        self.put(at, address);
        self.put(at + 4, text.len() as u32);
        Ok(())
    }

    /// Closes the image: places the journal and the heap behind it.
    pub fn finish(mut self) -> Result<Segment> {
        let journal = self.reserve(0, 8)?;
        let heap = journal + JOURNAL_CAPACITY * JOURNAL_ENTRY_BYTES;
        self.put(HEADER + 12, journal);
        self.put(HEADER + 4, heap);
        // One page of heap at the start, so that most calls never grow memory.
        let pages = (heap + 65536).div_ceil(65536);
        Ok(Segment { bytes: self.bytes.split_off(SEGMENT as usize), pages })
    }
}

fn check_date(days: i32) -> Result<()> {
    if (DAYS_MIN..=DAYS_MAX).contains(&days) { Ok(()) } else { Err(mismatch(format!("is day {days}, out of range"))) }
}

/// Keys are unique, and the counter will not make one again.
fn check_keys(table: &str, rows: &TableRows) -> Result<()> {
    let mut seen = HashSet::new();
    for row in &rows.rows {
        if let Some(Value::Key(key)) = row.first() {
            if !seen.insert(key.as_str()) {
                return Err(mismatch(format!("two rows of `{table}` have the key {key}")));
            }
            if number_of(&rows.key, key).is_some_and(|n| n >= rows.next_key) {
                return Err(mismatch(format!("`{table}` has key {key} but its next key number is {}", rows.next_key)));
            }
        }
    }
    Ok(())
}

/// The number whose key this is.
fn number_of(style: &KeyStyle, key: &str) -> Option<u32> {
    let digits = key.strip_prefix(&style.prefix)?.strip_prefix(&style.separator)?;
    let number = digits.parse().ok()?;
    (style.key(number) == key).then_some(number)
}

fn mismatch(reason: String) -> Error {
    Error::Mismatch { what: "world", reason }
}
