//! Differences between two states of an instance, as data.

use crate::state::Row;
use serde::{Deserialize, Serialize};

/// What changed: only tables with changes, in the suite's order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateDiff {
    /// Changed tables.
    pub tables: Vec<TableDiff>,
}

impl StateDiff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

/// What changed in one table. Rows are in the order in which they were created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableDiff {
    /// Name in snake case.
    pub table: String,
    /// New rows, as they are now.
    pub inserted: Vec<Row>,
    /// Changed rows.
    pub updated: Vec<RowUpdate>,
    /// Rows that are gone, as they were before.
    pub deleted: Vec<Row>,
}

/// A changed row: the columns whose value differs, and no others, in column order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowUpdate {
    /// The row's key.
    pub key: String,
    /// Changed columns before.
    pub before: Row,
    /// The same columns now.
    pub after: Row,
}
