//! The rows of a world with an index by key; copies share memory until they are written to.

use super::ToolError;
use super::values::EvalValue;
use crate::suite::{KeyStyle, Suite};
use crate::types::{TableId, Type};
use crate::value::{TableRows, Value, World};
use std::collections::HashMap;
use std::sync::Arc;

/// Position of a row in its table, counted from 0 over all rows that ever were; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u32);

/// The rows of a world.
#[derive(Clone, Debug)]
pub struct Rows {
    /// `today()`.
    pub today: i32,
    tables: Vec<Arc<Table>>,
}

#[derive(Clone, Debug)]
struct Table {
    key: KeyStyle,
    next_key: u32,
    /// Every row that ever was, in insertion order.
    rows: Vec<Row>,
    /// Live rows by key. Only looked up in, never iterated.
    keys: HashMap<Arc<str>, RowId>,
}

#[derive(Clone, Debug)]
struct Row {
    live: bool,
    values: Arc<Vec<EvalValue>>,
}

impl Rows {
    /// The rows of a world.
    pub fn new(world: &World) -> Self {
        let tables = world.tables.iter().map(|table| {
            let mut out = Table {
                key: table.key.clone(),
                next_key: table.next_key,
                rows: Vec::with_capacity(table.rows.len()),
                keys: HashMap::with_capacity(table.rows.len()),
            };
            for row in &table.rows {
                out.push(row.iter().map(EvalValue::from).collect());
            }
            Arc::new(out)
        });
        Rows { today: world.today, tables: tables.collect() }
    }

    /// The live rows as a world.
    pub fn to_world(&self) -> World {
        let tables = self.tables.iter().map(|table| TableRows {
            key: table.key.clone(),
            rows: table
                .rows
                .iter()
                .filter(|r| r.live)
                .map(|r| r.values.iter().map(EvalValue::plain).collect())
                .collect(),
            next_key: table.next_key,
        });
        World { today: self.today, tables: tables.collect() }
    }

    /// The live row with a key.
    pub fn find(&self, table: TableId, key: &str) -> Option<RowId> {
        self.tables[table].keys.get(key).copied()
    }

    /// The live rows of a table, in insertion order.
    pub fn live(&self, table: TableId) -> impl Iterator<Item = RowId> + '_ {
        let rows = self.tables[table].rows.iter().enumerate();
        rows.filter(|(_, row)| row.live).map(|(position, _)| RowId(position as u32))
    }

    /// Number of live rows.
    pub fn count(&self, table: TableId) -> usize {
        self.tables[table].keys.len()
    }

    /// Whether a row still exists.
    pub fn is_live(&self, table: TableId, row: RowId) -> bool {
        self.tables[table].rows.get(row.0 as usize).is_some_and(|r| r.live)
    }

    /// The values of a row, key first; those it had last if it was deleted.
    pub fn values(&self, table: TableId, row: RowId) -> &[EvalValue] {
        &self.tables[table].rows[row.0 as usize].values
    }

    /// The key of a row.
    pub fn key(&self, table: TableId, row: RowId) -> &str {
        self.values(table, row)[0].str().unwrap_or_default()
    }

    /// A shared copy of a row's values.
    pub(super) fn snapshot(&self, table: TableId, row: RowId) -> Arc<Vec<EvalValue>> {
        Arc::clone(&self.tables[table].rows[row.0 as usize].values)
    }

    /// A column of a row.
    ///
    /// # Errors
    /// `deleted_row`.
    pub fn column(&self, table: TableId, row: RowId, column: usize) -> Result<&EvalValue, ToolError> {
        self.alive(table, row)?;
        self.values(table, row).get(column).ok_or_else(|| ToolError::fault("no such column"))
    }

    /// # Errors
    /// `deleted_row`.
    pub(super) fn alive(&self, table: TableId, row: RowId) -> Result<(), ToolError> {
        if self.is_live(table, row) {
            return Ok(());
        }
        Err(ToolError::new("deleted_row", "this row was deleted"))
    }

    /// Add a row: values for columns 1 and on; the key comes from the counter. No integrity check.
    pub(super) fn insert(&mut self, table: TableId, values: Vec<EvalValue>) -> RowId {
        let table = Arc::make_mut(&mut self.tables[table]);
        let key = table.key.key(table.next_key);
        table.next_key += 1;
        let mut row = vec![EvalValue::Key(key.into())];
        row.extend(values);
        table.push(row)
    }

    /// Change a column. No integrity check.
    pub(super) fn set(&mut self, table: TableId, row: RowId, column: usize, value: EvalValue) {
        let row = &mut Arc::make_mut(&mut self.tables[table]).rows[row.0 as usize];
        Arc::make_mut(&mut row.values)[column] = value;
    }

    /// Delete a row. No integrity check.
    pub(super) fn delete(&mut self, table: TableId, row: RowId) {
        let key = self.key(table, row).to_owned();
        let table = Arc::make_mut(&mut self.tables[table]);
        table.rows[row.0 as usize].live = false;
        table.keys.remove(key.as_str());
    }

    /// Check what a row's value of a column must keep: its reference exists, and no other row has it if it is unique.
    ///
    /// # Errors
    /// `not_found`, `duplicate`.
    pub(super) fn check_value(
        &self,
        suite: &Suite,
        table: TableId,
        column: usize,
        value: &EvalValue,
        row: Option<RowId>,
    ) -> Result<(), ToolError> {
        let definition = &suite.tables[table].columns[column];
        if *value == EvalValue::None {
            return Ok(());
        }
        if let (Some(target), EvalValue::Key(key)) = (reference(&definition.ty), value) {
            self.get(suite, target, key)?;
        }
        let taken = |other: RowId| Some(other) != row && self.values(table, other)[column] == *value;
        if definition.unique && self.live(table).any(taken) {
            let message = format!("another {} has this {}", suite.tables[table].label, definition.label);
            return Err(ToolError::new("duplicate", message));
        }
        Ok(())
    }

    /// Check that no other row refers to one that is to be deleted, or was.
    ///
    /// # Errors
    /// `still_referenced`.
    pub(super) fn check_unreferenced(&self, suite: &Suite, table: TableId, row: RowId) -> Result<(), ToolError> {
        let key = self.key(table, row);
        for (other, referring) in suite.tables.iter().enumerate() {
            for (column, definition) in referring.columns.iter().enumerate().skip(1) {
                if reference(&definition.ty) != Some(table) {
                    continue;
                }
                let refers = |r: RowId| {
                    (other, r) != (table, row)
                        && matches!(&self.values(other, r)[column], EvalValue::Key(k) if **k == *key)
                };
                if self.live(other).any(refers) {
                    let message = format!("a {} still refers to this {}", referring.label, suite.tables[table].label);
                    return Err(ToolError::new("still_referenced", message));
                }
            }
        }
        Ok(())
    }

    /// The live row with a key.
    ///
    /// # Errors
    /// `not_found`.
    pub fn get(&self, suite: &Suite, table: TableId, key: &str) -> Result<RowId, ToolError> {
        self.find(table, key).ok_or_else(|| {
            ToolError::new("not_found", format!("there is no {} with id {key}", suite.tables[table].label))
        })
    }

    /// The values of a row as they cross the border.
    pub fn plain(&self, table: TableId, row: RowId) -> Vec<Value> {
        self.values(table, row).iter().map(EvalValue::plain).collect()
    }
}

impl Table {
    fn push(&mut self, values: Vec<EvalValue>) -> RowId {
        let row = RowId(self.rows.len() as u32);
        if let Some(EvalValue::Key(key)) = values.first() {
            self.keys.insert(Arc::clone(key), row);
        }
        self.rows.push(Row { live: true, values: Arc::new(values) });
        row
    }
}

/// The table that a column of this type refers to.
pub(super) fn reference(ty: &Type) -> Option<TableId> {
    match ty {
        Type::Key(target) => Some(*target),
        Type::Option(inner) => reference(inner),
        _ => None,
    }
}
