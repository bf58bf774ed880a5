//! The rows that printed tool bodies work on, behind handles: positions in their table, never used again.
//!
//! A third statement of what tables do, beside the compiler's and the evaluator's, as plain as can be.

use crate::suite::Suite;
use crate::types::Type;
use crate::value::{Value, World};

/// A tool error: code and message.
pub(super) type Failure = (String, String);

/// Tables of a running oracle.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub today: i32,
    pub tables: Vec<StoredTable>,
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct StoredTable {
    key: crate::suite::KeyStyle,
    next_key: u32,
    pub rows: Vec<StoredRow>,
}

/// One row that is or was.
#[derive(Clone, Debug)]
pub(super) struct StoredRow {
    pub live: bool,
    pub values: Vec<Value>,
}

impl Store {
    pub fn new(world: &World) -> Store {
        let tables = world.tables.iter().map(|table| StoredTable {
            key: table.key.clone(),
            next_key: table.next_key,
            rows: table.rows.iter().map(|values| StoredRow { live: true, values: values.clone() }).collect(),
        });
        Store { today: world.today, tables: tables.collect() }
    }

    /// Positions of the live rows of a table.
    pub fn live(&self, table: usize) -> Vec<usize> {
        let rows = self.tables[table].rows.iter().enumerate();
        rows.filter(|(_, row)| row.live).map(|(position, _)| position).collect()
    }

    pub fn find(&self, table: usize, key: &str) -> Option<usize> {
        self.live(table).into_iter().find(|row| text(&self.tables[table].rows[*row].values[0]) == Some(key))
    }

    pub fn get(&self, suite: &Suite, table: usize, key: &str) -> Result<usize, Failure> {
        let missing = || ("not_found".to_owned(), format!("there is no {} with id {key}", suite.tables[table].label));
        self.find(table, key).ok_or_else(missing)
    }

    pub fn column(&self, table: usize, row: usize, column: usize) -> Result<&Value, Failure> {
        self.alive(table, row)?;
        Ok(&self.tables[table].rows[row].values[column])
    }

    fn alive(&self, table: usize, row: usize) -> Result<(), Failure> {
        if self.tables[table].rows[row].live {
            return Ok(());
        }
        Err(("deleted_row".into(), "the row has been deleted".into()))
    }

    pub fn insert(&mut self, suite: &Suite, table: usize, values: Vec<Value>) -> Result<usize, Failure> {
        for (i, value) in values.iter().enumerate() {
            self.check(suite, table, i + 1, value, None)?;
        }
        let stored = &mut self.tables[table];
        let mut row = vec![Value::Key(stored.key.key(stored.next_key))];
        stored.next_key += 1;
        row.extend(values);
        stored.rows.push(StoredRow { live: true, values: row });
        Ok(stored.rows.len() - 1)
    }

    pub fn set(&mut self, suite: &Suite, table: usize, row: usize, column: usize, value: Value) -> Result<(), Failure> {
        self.alive(table, row)?;
        self.check(suite, table, column, &value, Some(row))?;
        self.tables[table].rows[row].values[column] = value;
        Ok(())
    }

    pub fn delete(&mut self, suite: &Suite, table: usize, row: usize) -> Result<(), Failure> {
        self.alive(table, row)?;
        let key = text(&self.tables[table].rows[row].values[0]).unwrap_or_default().to_owned();
        for (other, definition) in suite.tables.iter().enumerate() {
            let live = self.live(other);
            for (column, definition) in definition.columns.iter().enumerate().skip(1) {
                let refers = |r: &usize| {
                    (other, *r) != (table, row) && text(&self.tables[other].rows[*r].values[column]) == Some(&key)
                };
                if refers_to(&definition.ty) == Some(table) && live.iter().any(refers) {
                    return Err(("still_referenced".into(), "another row refers to this one".into()));
                }
            }
        }
        self.tables[table].rows[row].live = false;
        Ok(())
    }

    fn check(
        &self,
        suite: &Suite,
        table: usize,
        column: usize,
        value: &Value,
        row: Option<usize>,
    ) -> Result<(), Failure> {
        let definition = &suite.tables[table].columns[column];
        if *value == Value::None {
            return Ok(());
        }
        if let Some(target) = refers_to(&definition.ty) {
            self.get(suite, target, text(value).unwrap_or_default())?;
        }
        let taken = |r: &usize| Some(*r) != row && self.tables[table].rows[*r].values[column] == *value;
        if definition.unique && self.live(table).iter().any(taken) {
            return Err(("duplicate".into(), format!("another row has this {}", definition.label)));
        }
        Ok(())
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Key(text) | Value::Str(text) => Some(text),
        _ => None,
    }
}

fn refers_to(ty: &Type) -> Option<usize> {
    match ty {
        Type::Key(table) => Some(*table),
        Type::Option(inner) => refers_to(inner),
        _ => None,
    }
}
