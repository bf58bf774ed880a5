//! Descriptions and questions by tools: rows found through listings and look-ups, filtered and compared by the planner itself.

use crate::solve::filter::{Filter, Shared};
use crate::solve::known::Found;
use crate::solve::toolbox::Toolbox;
use crate::tasks::goal::{Description, Query, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{column_id, table_id, target};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use terrarium_tools::types::TableId;
use terrarium_tools::value::Value;

/// A value with the calls it rests on.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The value.
    pub value: Value,
    /// The calls.
    pub calls: BTreeSet<usize>,
    /// How it came about: a column's name, `count`, `sum of ...`.
    pub how: String,
}

/// Ordering of two amounts, numbers or dates as results show them.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    let amount = |v: &Value| match v {
        Value::Int(n) | Value::Money(n) => Some(*n),
        Value::Date(d) => Some(i64::from(*d)),
        _ => None,
    };
    Some(amount(a)?.cmp(&amount(b)?))
}

/// Whether a value that a result shows passes a test.
pub fn passes(value: &Value, test: &Test) -> bool {
    match test {
        Test::Is(wanted) => wanted == value,
        Test::Below(limit) => order(value, limit).is_some_and(Ordering::is_lt),
        Test::AtMost(limit) => order(value, limit).is_some_and(Ordering::is_le),
        Test::Above(limit) => order(value, limit).is_some_and(Ordering::is_gt),
        Test::AtLeast(limit) => order(value, limit).is_some_and(Ordering::is_ge),
        Test::Missing => matches!(value, Value::None),
        Test::Present => !matches!(value, Value::None),
        Test::Of(_) | Test::Shared { .. } => false,
    }
}

impl Toolbox<'_> {
    fn column_of(&self, table: TableId, name: &str) -> Verdict<usize> {
        column_id(&self.suite.tables[table], name)
    }

    /// The rows that match a description. `wanted` are columns that the caller will look at.
    ///
    /// # Errors
    /// `planner_ambiguous` where a description of one row leads to another number, `unreachable`, `too_long`.
    pub fn find(&mut self, description: &Description, wanted: &[usize]) -> Verdict<Found> {
        let table = table_id(self.suite, &description.table)?;
        let mut filters = Vec::with_capacity(description.conditions.len());
        for condition in &description.conditions {
            let column = self.column_of(table, &condition.column)?;
            filters.push(match &condition.test {
                Test::Of(inner) => Filter::Keys(column, self.find(inner, &[])?),
                Test::Shared { of, column: theirs } => Filter::Values(column, self.shared(of, theirs)?),
                test => Filter::Test(column, test.clone()),
            });
        }
        let extremum = match &description.extremum {
            Some(extremum) => Some((self.column_of(table, &extremum.column)?, extremum.greatest)),
            None => None,
        };
        let mut columns: BTreeSet<usize> = wanted.iter().copied().collect();
        columns.extend(filters.iter().map(Filter::column));
        columns.extend(extremum.iter().map(|(c, _)| *c));
        let listing = self.search(table, &filters, &columns)?;
        let mut found = Found { keys: Vec::new(), calls: listing.found.calls };
        let open: Vec<&Filter> =
            filters.iter().enumerate().filter(|(at, _)| !listing.applied.contains(at)).map(|(_, f)| f).collect();
        for (looked, key) in listing.found.keys.into_iter().enumerate() {
            if looked >= self.effort.rows {
                // Without looking any further: one row is as good as another.
                if found.keys.is_empty() {
                    found.keys.push(key);
                }
                break;
            }
            if self.passes_all(table, &key, &open, &mut found.calls)? {
                found.keys.push(key);
            }
        }
        if let Some((column, greatest)) = extremum {
            found.keys = self.extreme(table, column, greatest, &found.keys, &mut found.calls)?;
        }
        if !description.many && found.keys.len() != 1 {
            return reject("planner_ambiguous", format!("{} rows of {}", found.keys.len(), description.table));
        }
        Ok(found)
    }

    /// The values of a column in the rows of another suite's table, to be looked for in this one's.
    fn shared(&mut self, of: &Description, column: &str) -> Verdict<Shared> {
        let table = table_id(self.suite, &of.table)?;
        let column = self.column_of(table, column)?;
        let mut found = self.find(of, &[column])?;
        let mut values = Vec::with_capacity(found.keys.len());
        for key in &found.keys {
            let (value, call) = self.column(table, key, column)?;
            found.calls.insert(call);
            values.push((value, call));
        }
        Ok(Shared { values, calls: found.calls })
    }

    /// Whether a row passes the filters; what is known already is asked first.
    fn passes_all(
        &mut self,
        table: TableId,
        key: &str,
        open: &[&Filter],
        calls: &mut BTreeSet<usize>,
    ) -> Verdict<bool> {
        let mut ordered: Vec<&Filter> = open.to_vec();
        ordered.sort_by_key(|f| self.known.fact(table, key, f.column()).is_none());
        for filter in ordered {
            let (value, call) = self.column(table, key, filter.column())?;
            calls.insert(call);
            let passed = match filter {
                Filter::Test(_, test) => passes(&value, test),
                Filter::Keys(_, keys) => {
                    calls.extend(&keys.calls);
                    matches!(&value, Value::Key(k) if keys.keys.contains(k))
                }
                Filter::Values(_, shared) => {
                    calls.extend(&shared.calls);
                    shared.values.iter().any(|(v, _)| *v == value)
                }
            };
            if !passed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn extreme(
        &mut self,
        table: TableId,
        column: usize,
        greatest: bool,
        keys: &[String],
        calls: &mut BTreeSet<usize>,
    ) -> Verdict<Vec<String>> {
        let mut best: Vec<(Value, String)> = Vec::new();
        for key in keys {
            let (value, call) = self.column(table, key, column)?;
            calls.insert(call);
            if value == Value::None {
                continue;
            }
            let against = best.first().and_then(|(b, _)| order(&value, b));
            let better = if greatest { Ordering::Greater } else { Ordering::Less };
            match against {
                None if best.is_empty() => best.push((value, key.clone())),
                Some(Ordering::Equal) => best.push((value, key.clone())),
                Some(side) if side == better => best = vec![(value, key.clone())],
                _ => {}
            }
        }
        Ok(best.into_iter().map(|(_, key)| key).collect())
    }

    fn values(&mut self, of: &Description, column: &str) -> Verdict<(Vec<Value>, BTreeSet<usize>)> {
        let table = table_id(self.suite, &of.table)?;
        let column = self.column_of(table, column)?;
        let mut found = self.find(of, &[column])?;
        let mut values = Vec::with_capacity(found.keys.len());
        for key in &found.keys {
            let (value, call) = self.column(table, key, column)?;
            found.calls.insert(call);
            values.push(value);
        }
        Ok((values, found.calls))
    }

    /// The value of a column of the one row described.
    fn single(&mut self, of: &Description, column: &str) -> Verdict<(Value, BTreeSet<usize>)> {
        let (values, calls) = self.values(of, column)?;
        match values.into_iter().next() {
            Some(value) => Ok((value, calls)),
            None => reject("planner_ambiguous", &of.table),
        }
    }

    /// The value that a question asks for.
    ///
    /// # Errors
    /// As [`Toolbox::find`]; `tie` and `no_value` as by rows.
    pub fn query(&mut self, query: &Query) -> Verdict<Learned> {
        match query {
            Query::Lookup { of, path, column } => self.lookup(of, path, column),
            Query::Count(of) => {
                let found = self.find(of, &[])?;
                Ok(Learned { value: Value::Int(found.keys.len() as i64), calls: found.calls, how: "count".to_owned() })
            }
            Query::Sum { of, column } => {
                let (values, calls) = self.values(of, column)?;
                let mut total: Option<Value> = None;
                for value in values {
                    total = match (total.take(), value) {
                        (None, value @ (Value::Int(_) | Value::Money(_))) => Some(value),
                        (Some(Value::Int(a)), Value::Int(b)) => Some(Value::Int(a + b)),
                        (Some(Value::Money(a)), Value::Money(b)) => Some(Value::Money(a + b)),
                        (sofar, _) => sofar,
                    };
                }
                let Some(value) = total else { return reject("no_value", column) };
                Ok(Learned { value, calls, how: format!("sum of {column}") })
            }
            Query::Extreme { of, extremum } => {
                let (values, calls) = self.values(of, &extremum.column)?;
                let mut best: Option<Value> = None;
                let better = if extremum.greatest { Ordering::Greater } else { Ordering::Less };
                for value in values.into_iter().filter(|v| *v != Value::None) {
                    if best.as_ref().is_none_or(|b| order(&value, b) == Some(better)) {
                        best = Some(value);
                    }
                }
                let Some(value) = best else { return reject("no_value", &extremum.column) };
                let which = if extremum.greatest { "greatest" } else { "least" };
                Ok(Learned { value, calls, how: format!("{which} {}", extremum.column) })
            }
            Query::Names { of, column } => {
                let (values, calls) = self.values(of, column)?;
                Ok(Learned { value: Value::List(values), calls, how: format!("list of {column}") })
            }
            Query::MostReferred { of, by, column } => self.most_referred(of, by, column),
            Query::Apart { left, right, column } => {
                let (a, mut calls) = self.single(left, column)?;
                let (b, more) = self.single(right, column)?;
                calls.extend(more);
                let value = match (a, b) {
                    (Value::Int(a), Value::Int(b)) => Value::Int((a - b).abs()),
                    (Value::Money(a), Value::Money(b)) => Value::Money((a - b).abs()),
                    (Value::Date(a), Value::Date(b)) => Value::Int(i64::from((a - b).abs())),
                    _ => return reject("no_value", column),
                };
                Ok(Learned { value, calls, how: format!("difference in {column}") })
            }
        }
    }

    fn lookup(&mut self, of: &Description, path: &[String], column: &str) -> Verdict<Learned> {
        let mut table = table_id(self.suite, &of.table)?;
        let first = path.first().map_or(column, String::as_str);
        let first = self.column_of(table, first)?;
        let found = self.find(of, &[first])?;
        let mut calls = found.calls;
        let Some(mut key) = found.keys.into_iter().next() else { return reject("planner_ambiguous", &of.table) };
        for hop in path {
            let hop = self.column_of(table, hop)?;
            let (value, call) = self.column(table, &key, hop)?;
            calls.insert(call);
            let (Value::Key(next), Some(to)) = (value, target(&self.suite.tables[table].columns[hop].ty)) else {
                return reject("no_value", "a reference to nothing");
            };
            (key, table) = (next, to);
        }
        let index = self.column_of(table, column)?;
        let (value, call) = self.column(table, &key, index)?;
        calls.insert(call);
        Ok(Learned { value, calls, how: column.to_owned() })
    }

    fn most_referred(&mut self, of: &Description, by: &str, column: &str) -> Verdict<Learned> {
        let table = table_id(self.suite, &of.table)?;
        let reference = self.column_of(table, by)?;
        let (values, mut calls) = self.values(of, by)?;
        let mut tally: BTreeMap<String, u32> = BTreeMap::new();
        for value in values {
            if let Value::Key(key) = value {
                *tally.entry(key).or_insert(0) += 1;
            }
        }
        let mut ranked: Vec<(u32, String)> = tally.into_iter().map(|(key, n)| (n, key)).collect();
        ranked.sort_unstable();
        let winner = match ranked.as_slice() {
            [.., second, first] if second.0 == first.0 => return reject("tie", by),
            [.., first] => first.1.clone(),
            [] => return reject("no_value", by),
        };
        let Some(other) = target(&self.suite.tables[table].columns[reference].ty) else {
            return reject("no_value", by);
        };
        let name = self.column_of(other, column)?;
        let (value, call) = self.column(other, &winner, name)?;
        calls.insert(call);
        Ok(Learned { value, calls, how: format!("most frequent {by}") })
    }
}
