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
    /// Column to its value before its first update.
    before: Vec<(u32, Value)>,
}

/// Net difference made by the entries from `from` on.
pub(crate) fn diff(view: View, from: u32, bytes_max: usize) -> Result<StateDiff> {
    let entries = view.journal_entries()?;
    if from > entries {
        return Err(Error::BadMark { mark: from, entries });
    }
    let mut budget = Budget::new(bytes_max);
    let mut rows: Vec<IndexMap<u32, Touched>> = view.layout.tables.iter().map(|_| IndexMap::new()).collect();
    let (journal, _) = view.journal()?;
    for index in from..entries {
        // In range: `journal_entries` has checked the whole journal.
        apply(view, journal + index * ENTRY_BYTES, &mut rows, &mut budget)?;
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

fn apply(view: View, entry: u32, rows: &mut [IndexMap<u32, Touched>], budget: &mut Budget) -> Result<()> {
    let word =
        |offset: u32| view.memory.u32(entry + offset).map_err(|_| corrupt("the journal lies outside the memory"));
    let (operation, table, address, column) = (word(0)?, word(4)?, word(8)?, word(12)?);
    let layout = view.layout.tables.get(table as usize).ok_or_else(|| corrupt("a journal entry names no table"))?;
    let (number, _) = view.row_header(table, address)?;
    let touched = rows[table as usize].entry(address).or_default();
    touched.number = number;
    match operation {
        INSERT => touched.inserted = true,
        DELETE => touched.deleted = true,
        UPDATE => {
            let field =
                layout.row.fields.get(column as usize).ok_or_else(|| corrupt("a journal entry names no column"))?;
            if !touched.inserted && touched.before.iter().all(|(c, _)| *c != column) {
                let value = budget.value(view.memory, entry + BEFORE, &field.ty)?;
                touched.before.push((column, value));
            }
        }
        _ => return Err(corrupt("a journal entry has an unknown operation")),
    }
    Ok(())
}

fn settle(view: View, table: u32, address: u32, row: Touched, diff: &mut TableDiff, budget: &mut Budget) -> Result<()> {
    let deleted = view.row_header(table, address)?.1;
    if deleted != row.deleted {
        return Err(corrupt("a row and the journal disagree on whether it is deleted"));
    }
    match (row.inserted, row.deleted) {
        (true, true) => {}
        (true, false) => diff.inserted.push(view.row(table, address, budget)?),
        (false, true) => {
            let mut old = view.row(table, address, budget)?;
            for (column, value) in row.before {
                if let Some((_, slot)) = old.iter_mut().nth(column as usize) {
                    *slot = value;
                }
            }
            diff.deleted.push(old);
        }
        (false, false) => {
            let fields = &view.layout.tables[table as usize].row.fields;
            let mut changed = row.before;
            changed.sort_by_key(|(column, _)| *column);
            let (mut before, mut after) = (Row::new(), Row::new());
            for (column, old) in changed {
                let new = view.column(table, address, column as usize, budget)?;
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
