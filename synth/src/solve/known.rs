//! What the planner has learned from results: columns of rows, each with the calls that showed it.

use std::collections::{BTreeMap, BTreeSet};
use terrarium_tools::types::TableId;
use terrarium_tools::value::Value;

/// A column's value and the call that showed it first.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The value.
    pub value: Value,
    /// The call.
    pub call: usize,
}

/// One row as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Columns by index.
    pub columns: BTreeMap<usize, Fact>,
}

/// All rows seen.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By table, then by key: a look-up makes no new text.
    tables: BTreeMap<TableId, BTreeMap<String, Seen>>,
}

impl Known {
    /// Takes up what a call showed of a row.
    pub fn learn(&mut self, table: TableId, key: &str, call: usize, columns: Vec<(usize, Value)>) {
        let rows = self.tables.entry(table).or_default();
        if !rows.contains_key(key) {
            rows.insert(key.to_owned(), Seen::default());
        }
        let Some(seen) = rows.get_mut(key) else { return };
        for (column, value) in columns {
            seen.columns.entry(column).or_insert(Fact { value, call });
        }
    }

    /// The first call that showed the key of a row in a reference column; `target` says where a column leads.
    pub fn referring(
        &self,
        table: TableId,
        key: &str,
        target: impl Fn(TableId, usize) -> Option<TableId>,
    ) -> Option<usize> {
        let rows = self.tables.iter().flat_map(|(table, rows)| rows.values().map(|seen| (*table, seen)));
        let facts = rows.flat_map(|(table, seen)| seen.columns.iter().map(move |(c, fact)| (table, *c, fact)));
        facts
            .filter(|(_, c, fact)| *c != 0 && matches!(&fact.value, Value::Key(k) if k == key))
            .filter(|(t, c, _)| target(*t, *c) == Some(table))
            .map(|(_, _, fact)| fact.call)
            .min()
    }

    /// A column of a row, if it was shown.
    pub fn fact(&self, table: TableId, key: &str, column: usize) -> Option<&Fact> {
        self.tables.get(&table)?.get(key)?.columns.get(&column)
    }
}

/// Rows found for a description: keys in the order shown, with the calls that the finding rests on.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Keys.
    pub keys: Vec<String>,
    /// Every call whose result took part in the choice.
    pub calls: BTreeSet<usize>,
}
