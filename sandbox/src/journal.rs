//! From the guest's journal to differences.
//!
//! The guest appends an entry for every insert, update and delete, so a difference costs time in the number of writes, not of rows.
//! Entries about the same row cancel out: insert then delete is nothing, an update back to the old value is nothing.

use crate::diff::{RowUpdate, StateDiff, TableDiff};
use crate::error::{Error, Result};
use crate::state::{Budget, Row, View, corrupt};
use indexmap::IndexMap;
use serde_json::Value;

/// Bytes of a journal entry: operation, table, row address, column or slot, 16 bytes of the column before, row number, 0.
pub(crate) const ENTRY_BYTES: u32 = 40;
const INSERT: u32 = 1;
const UPDATE: u32 = 2;
const DELETE: u32 = 3;
const BEFORE: u32 = 16;

/// What the entries say about one row.
#[derive(Default)]
struct Touched {
    number: u32,
    inserted: bool,
    deleted: bool,
    /// Deleted after the entries in question.
    deleted_later: bool,
    /// Column to its value before its first update.
    before: Vec<(u32, Value)>,
    /// Column to its value after the entries in question, where later entries changed it.
    after: Vec<(u32, Value)>,
}

/// Net difference made by the entries from `from` up to `to`. Later entries only tell what stood there at `to`.
pub(crate) fn diff(view: View, from: u32, to: u32, bytes_max: usize) -> Result<StateDiff> {
    let entries = view.journal_entries()?;
    if to > entries || from > to {
        return Err(Error::BadMark { mark: from.max(to), entries: entries.min(to) });
    }
    let mut budget = Budget::new(bytes_max);
    let mut rows: Vec<IndexMap<u32, Touched>> = view.layout.tables.iter().map(|_| IndexMap::new()).collect();
    let (journal, _) = view.journal()?;
    for index in from..to {
        // In range: `journal_entries` has checked the whole journal.
        apply(view, journal + index * ENTRY_BYTES, &mut rows, &mut budget)?;
    }
    if rows.iter().any(|table| !table.is_empty()) {
        for index in to.max(from)..entries {
            apply_later(view, journal + index * ENTRY_BYTES, &mut rows, &mut budget)?;
        }
    }
    let mut tables = Vec::new();
    for (index, (table, touched)) in (0_u32..).zip(view.layout.tables.iter().zip(rows)) {
        let mut touched: Vec<(u32, Touched)> = touched.into_iter().collect();
        touched.sort_by_key(|(_, row)| row.number);
        let mut diff = TableDiff { table: table.name.clone(), ..TableDiff::default() };
        for (address, row) in touched {
            settle(view, index, address, row, &mut diff, &mut budget)?;
        }
        if !(diff.inserted.is_empty() && diff.updated.is_empty() && diff.deleted.is_empty()) {
            tables.push(diff);
        }
    }
    Ok(StateDiff { tables })
}

/// An entry's words: operation, table, row address, column or slot.
fn read(view: View, entry: u32) -> Result<[u32; 4]> {
    let word =
        |offset: u32| view.memory.u32(entry + offset).map_err(|_| corrupt("the journal lies outside the memory"));
    let words = [word(0)?, word(4)?, word(8)?, word(12)?];
    if words[1] as usize >= view.layout.tables.len() {
        return Err(corrupt("a journal entry names no table"));
    }
    Ok(words)
}

/// The column before an update.
fn before(view: View, entry: u32, table: u32, column: u32, budget: &mut Budget) -> Result<Value> {
    let fields = &view.layout.tables[table as usize].row.fields;
    let field = fields.get(column as usize).ok_or_else(|| corrupt("a journal entry names no column"))?;
    budget.value(view.memory, entry + BEFORE, &field.ty)
}

fn apply(view: View, entry: u32, rows: &mut [IndexMap<u32, Touched>], budget: &mut Budget) -> Result<()> {
    let [operation, table, address, column] = read(view, entry)?;
    let (number, _) = view.row_header(table, address)?;
    let touched = rows[table as usize].entry(address).or_default();
    touched.number = number;
    match operation {
        INSERT => touched.inserted = true,
        DELETE => touched.deleted = true,
        UPDATE if column as usize >= view.layout.tables[table as usize].row.fields.len() => {
            return Err(corrupt("a journal entry names no column"));
        }
        UPDATE => {
            if !touched.inserted && touched.before.iter().all(|(c, _)| *c != column) {
                touched.before.push((column, before(view, entry, table, column, budget)?));
            }
        }
        _ => return Err(corrupt("a journal entry has an unknown operation")),
    }
    Ok(())
}

/// An entry after those in question: its row held until then what it says was there before.
fn apply_later(view: View, entry: u32, rows: &mut [IndexMap<u32, Touched>], budget: &mut Budget) -> Result<()> {
    let [operation, table, address, column] = read(view, entry)?;
    let Some(touched) = rows[table as usize].get_mut(&address) else { return Ok(()) };
    match operation {
        DELETE => touched.deleted_later = true,
        UPDATE if touched.after.iter().all(|(c, _)| *c != column) => {
            touched.after.push((column, before(view, entry, table, column, budget)?));
        }
        _ => {}
    }
    Ok(())
}

/// A row as it was after the entries in question.
fn row_after(view: View, table: u32, address: u32, touched: &Touched, budget: &mut Budget) -> Result<Row> {
    let mut row = view.row(table, address, budget)?;
    put(&mut row, &touched.after);
    Ok(row)
}

/// Replaces columns by number.
fn put(row: &mut Row, columns: &[(u32, Value)]) {
    for (column, value) in columns {
        if let Some((_, slot)) = row.iter_mut().nth(*column as usize) {
            slot.clone_from(value);
        }
    }
}

fn settle(view: View, table: u32, address: u32, row: Touched, diff: &mut TableDiff, budget: &mut Budget) -> Result<()> {
    let deleted = view.row_header(table, address)?.1;
    if deleted != (row.deleted || row.deleted_later) {
        return Err(corrupt("a row and the journal disagree on whether it is deleted"));
    }
    match (row.inserted, row.deleted) {
        (true, true) => {}
        (true, false) => diff.inserted.push(row_after(view, table, address, &row, budget)?),
        (false, true) => {
            let mut old = view.row(table, address, budget)?;
            put(&mut old, &row.before);
            diff.deleted.push(old);
        }
        (false, false) => {
            let fields = &view.layout.tables[table as usize].row.fields;
            let mut changed = row.before;
            changed.sort_by_key(|(column, _)| *column);
            let (mut before, mut after) = (Row::new(), Row::new());
            for (column, old) in changed {
                let new = match row.after.iter().find(|(c, _)| *c == column) {
                    Some((_, value)) => value.clone(),
                    None => view.column(table, address, column as usize, budget)?,
                };
                if new != old {
                    let name = &fields[column as usize].name;
                    before.insert(name.clone(), old);
                    after.insert(name.clone(), new);
                }
            }
            if !before.is_empty() {
                let Value::String(key) = view.column(table, address, 0, budget)? else {
                    return Err(corrupt("a key is not a string"));
                };
                diff.updated.push(RowUpdate { key, before, after });
            }
        }
    }
    Ok(())
}
