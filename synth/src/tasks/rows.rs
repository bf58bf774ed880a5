//! Goals by rows: descriptions and questions evaluated on the host's rows, independent of any tool.

use crate::tasks::goal::{Condition, Description, Extremum, Query, Test};
use crate::tasks::reject::{Verdict, reject};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use terrarium_envs::verifier::Answer;
use terrarium_tools::Suite;
use terrarium_tools::suite::Table;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::{Value, World};

/// A suite and its rows.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The rows.
    pub world: &'a World,
}

/// The index of a table, by name.
pub fn table_id(suite: &Suite, name: &str) -> Verdict<TableId> {
    match suite.tables.iter().position(|t| t.name == name) {
        Some(index) => Ok(index),
        None => reject("unknown_name", format!("table `{name}`")),
    }
}

/// The index of a column, by name.
pub fn column_id(table: &Table, name: &str) -> Verdict<usize> {
    match table.columns.iter().position(|c| c.name == name) {
        Some(index) => Ok(index),
        None => reject("unknown_name", format!("column `{}.{name}`", table.name)),
    }
}

/// The table that a reference column leads to.
pub fn target(ty: &Type) -> Option<TableId> {
    match ty {
        Type::Key(table) => Some(*table),
        Type::Option(inner) => target(inner),
        _ => None,
    }
}

/// The order of two values of one kind; `None` for values that have none.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) | (Value::Money(a), Value::Money(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The number behind an integer, an amount or a date.
pub fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(n) | Value::Money(n) => Some(*n),
        Value::Date(day) => Some(i64::from(*day)),
        _ => None,
    }
}

impl<'a> Rows<'a> {
    /// The rows of a table.
    pub fn table(&self, table: TableId) -> &'a [Vec<Value>] {
        &self.world.tables[table].rows
    }

    /// The row of a key.
    pub fn by_key(&self, table: TableId, key: &Value) -> Option<&'a Vec<Value>> {
        self.table(table).iter().find(|r| r[0] == *key)
    }

    /// Whether a row meets a condition. `Of` and `Shared` take the values from `of`, which [`Rows::matching`] prepares once a condition.
    fn holds(column: usize, test: &Test, of: &[&Value], row: &[Value]) -> bool {
        let value = &row[column];
        let order = |other: &Value| compare(value, other);
        match test {
            Test::Is(other) => value == other,
            Test::Below(other) => order(other) == Some(Ordering::Less),
            Test::AtMost(other) => matches!(order(other), Some(Ordering::Less | Ordering::Equal)),
            Test::Above(other) => order(other) == Some(Ordering::Greater),
            Test::AtLeast(other) => matches!(order(other), Some(Ordering::Greater | Ordering::Equal)),
            Test::Of(_) | Test::Shared { .. } => of.contains(&value),
            Test::Missing => *value == Value::None,
            Test::Present => *value != Value::None,
        }
    }

    /// Whether one row meets one condition.
    pub fn meets(&self, table: TableId, row: &[Value], condition: &Condition) -> Verdict<bool> {
        let (column, of) = self.prepare(table, condition)?;
        Ok(Self::holds(column, &condition.test, &of, row))
    }

    fn prepare(&self, table: TableId, condition: &Condition) -> Verdict<(usize, Vec<&'a Value>)> {
        let column = column_id(&self.suite.tables[table], &condition.column)?;
        let of = match &condition.test {
            Test::Of(inner) => self.matching(inner)?.into_iter().map(|row| &row[0]).collect(),
            Test::Shared { of, column } => self.values(of, column)?,
            _ => Vec::new(),
        };
        Ok((column, of))
    }

    /// The rows that match: any number for a set, exactly one otherwise.
    ///
    /// # Errors
    /// `ambiguous` or `nothing_matches` for a description of one row that matches another number, `tie` for an extremum that
    /// two rows share.
    pub fn matching(&self, description: &Description) -> Verdict<Vec<&'a Vec<Value>>> {
        let table = table_id(self.suite, &description.table)?;
        let mut found: Vec<&Vec<Value>> = self.table(table).iter().collect();
        for condition in &description.conditions {
            let (column, of) = self.prepare(table, condition)?;
            found.retain(|row| Self::holds(column, &condition.test, &of, row));
        }
        if let Some(extremum) = &description.extremum {
            found = self.extreme(table, extremum, &found)?;
        }
        match (description.many, found.len()) {
            (true, _) | (false, 1) => Ok(found),
            (false, 0) => reject("nothing_matches", &description.table),
            (false, n) => reject("ambiguous", format!("{n} rows of {}", description.table)),
        }
    }

    /// The one row that matches.
    pub fn one(&self, description: &Description) -> Verdict<&'a Vec<Value>> {
        match self.matching(description)?.as_slice() {
            [row] => Ok(row),
            rows => reject("ambiguous", format!("{} rows of {}", rows.len(), description.table)),
        }
    }

    fn extreme(&self, table: TableId, extremum: &Extremum, rows: &[&'a Vec<Value>]) -> Verdict<Vec<&'a Vec<Value>>> {
        let column = column_id(&self.suite.tables[table], &extremum.column)?;
        let valued = rows.iter().filter_map(|row| Some((number(&row[column])?, *row)));
        let best =
            if extremum.greatest { valued.clone().map(|v| v.0).max() } else { valued.clone().map(|v| v.0).min() };
        let best: Vec<&Vec<Value>> = valued.filter(|v| Some(v.0) == best).map(|v| v.1).collect();
        if best.len() > 1 {
            return reject(
                "tie",
                format!("{} rows of {} share the {}", best.len(), self.suite.tables[table].name, extremum.column),
            );
        }
        Ok(best)
    }

    /// A column of a row by name.
    pub fn column(&self, table: TableId, row: &'a [Value], name: &str) -> Verdict<&'a Value> {
        Ok(&row[column_id(&self.suite.tables[table], name)?])
    }

    /// The value that a question asks for; a list for [`Query::Names`].
    pub fn value(&self, query: &Query) -> Verdict<Value> {
        match query {
            Query::Lookup { of, path, column } => {
                let mut table = table_id(self.suite, &of.table)?;
                let mut row = self.one(of)?;
                for hop in path {
                    let key = self.column(table, row, hop)?;
                    let Some(next) =
                        target(&self.suite.tables[table].columns[column_id(&self.suite.tables[table], hop)?].ty)
                    else {
                        return reject("unknown_name", format!("`{hop}` is no reference"));
                    };
                    table = next;
                    let Some(found) = self.by_key(table, key) else { return reject("nothing_matches", hop) };
                    row = found;
                }
                Ok(self.column(table, row, column)?.clone())
            }
            Query::Count(of) => Ok(Value::Int(self.matching(of)?.len() as i64)),
            Query::Sum { of, column } => {
                let values = self.values(of, column)?;
                let sum: i64 = values.iter().filter_map(|v| number(v)).sum();
                match values.first() {
                    Some(Value::Money(_)) => Ok(Value::Money(sum)),
                    Some(Value::Int(_)) => Ok(Value::Int(sum)),
                    _ => reject("nothing_matches", column),
                }
            }
            Query::Extreme { of, extremum } => {
                let values = self.values(of, &extremum.column)?;
                let best = values.iter().filter(|v| number(v).is_some());
                let best =
                    if extremum.greatest { best.max_by_key(|v| number(v)) } else { best.min_by_key(|v| number(v)) };
                match best {
                    Some(value) => Ok((*value).clone()),
                    None => reject("nothing_matches", &extremum.column),
                }
            }
            Query::Names { of, column } => Ok(Value::List(self.values(of, column)?.into_iter().cloned().collect())),
            Query::MostReferred { of, by, column } => {
                let table = table_id(self.suite, &of.table)?;
                let Some(next) =
                    target(&self.suite.tables[table].columns[column_id(&self.suite.tables[table], by)?].ty)
                else {
                    return reject("unknown_name", format!("`{by}` is no reference"));
                };
                let mut counts: BTreeMap<String, usize> = BTreeMap::new();
                for key in self.values(of, by)? {
                    if let Value::Key(key) = key {
                        *counts.entry(key.clone()).or_default() += 1;
                    }
                }
                let most = counts.values().max().copied().unwrap_or(0);
                let winners: Vec<&String> = counts.iter().filter(|c| *c.1 == most).map(|c| c.0).collect();
                let [winner] = winners.as_slice() else { return reject("tie", format!("{} winners", winners.len())) };
                match self.by_key(next, &Value::Key((*winner).clone())) {
                    Some(row) => Ok(self.column(next, row, column)?.clone()),
                    None => reject("nothing_matches", by),
                }
            }
            Query::Apart { left, right, column } => {
                let table = table_id(self.suite, &left.table)?;
                let (left, right) = (self.one(left)?, self.one(right)?);
                let (left, right) = (self.column(table, left, column)?, self.column(table, right, column)?);
                let (Some(a), Some(b)) = (number(left), number(right)) else { return reject("no_value", column) };
                Ok(match left {
                    Value::Money(_) => Value::Money((a - b).abs()),
                    _ => Value::Int((a - b).abs()),
                })
            }
        }
    }

    fn values(&self, of: &Description, column: &str) -> Verdict<Vec<&'a Value>> {
        let table = table_id(self.suite, &of.table)?;
        let column = column_id(&self.suite.tables[table], column)?;
        Ok(self.matching(of)?.into_iter().map(|row| &row[column]).collect())
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// `no_value` where the value is missing or of a kind that makes a poor answer (a truth value, an enumeration, a key).
    pub fn answer(&self, query: &Query) -> Verdict<Answer> {
        answer_of(self.value(query)?)
    }
}

/// A value as an answer.
pub fn answer_of(value: Value) -> Verdict<Answer> {
    match value {
        Value::Int(n) => Ok(Answer::Integer(n)),
        Value::Money(cents) => Ok(Answer::Money(cents)),
        Value::Date(day) => Ok(Answer::Date(day)),
        Value::Str(text) => Ok(Answer::Text(text)),
        Value::List(items) => {
            let texts = items.into_iter().map(|item| match item {
                Value::Str(text) => Ok(text),
                _ => reject("no_value", "a list of other things than texts"),
            });
            let mut texts = texts.collect::<Verdict<Vec<String>>>()?;
            texts.sort_unstable();
            if texts.is_empty() || texts.windows(2).any(|w| w[0] == w[1]) {
                return reject("no_value", "an empty list or one with doubles");
            }
            Ok(Answer::Texts(texts))
        }
        other => reject("no_value", format!("{other:?}")),
    }
}
