//! Declared effects on the host's rows: calls one after another, what each changes, and the net change as a verifier expects it.

use crate::tasks::expected::Stage;
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::target;
use std::collections::{BTreeMap, BTreeSet};
use terrarium_envs::verifier::{Expected, ExpectedChange, ExpectedDelete, ExpectedInsert, ExpectedUpdate};
use terrarium_tools::eval::{self, ChangeKind, Evaluator, RowChange};
use terrarium_tools::value::{self, TableRows, Value, World};

/// Declared effects applied one after another to rows of its own.
#[derive(Clone)]
pub struct Simulation<'a> {
    stage: Stage<'a>,
    evaluator: Evaluator<'a>,
    /// Rows that some call touched: table and key, in table order, then in order of first touch.
    touched: Vec<(usize, String)>,
}

impl<'a> Simulation<'a> {
    /// At the beginning.
    pub fn new(stage: Stage<'a>) -> Self {
        let evaluator = Evaluator::over(stage.suite, stage.parameters, stage.rows.clone());
        Simulation { stage, evaluator, touched: Vec::new() }
    }

    /// Whether a call touched one of these tables.
    pub fn touches(&self, tables: &BTreeSet<usize>) -> bool {
        self.touched.iter().any(|(table, _)| tables.contains(table))
    }

    /// The rows of some tables as they are now; the other tables are empty.
    pub fn now(&self, tables: &BTreeSet<usize>) -> World {
        let rows = self.evaluator.rows();
        let of = |(t, before): (usize, &TableRows)| TableRows {
            key: before.key.clone(),
            next_key: before.next_key,
            rows: if tables.contains(&t) { rows.live(t).map(|row| rows.plain(t, row)).collect() } else { Vec::new() },
        };
        let tables = self.stage.world.tables.iter().enumerate().map(of).collect();
        World { today: self.stage.world.today, tables }
    }

    /// The rows as the evaluator has them.
    pub fn rows(&self) -> &eval::Rows {
        self.evaluator.rows()
    }

    /// Applies a call's effects; gives what changed.
    pub fn changes(&mut self, tool: usize, arguments: &[Value]) -> Verdict<Vec<RowChange>> {
        let tool = &self.stage.suite.tools[tool];
        if !self.evaluator.needs(tool, arguments).unwrap_or(false) {
            return reject("needs_fail", &tool.name);
        }
        match self.evaluator.apply(tool, arguments) {
            Ok(changes) if changes.is_empty() => reject("no_change", &tool.name),
            Ok(changes) => Ok(changes),
            Err(error) => reject("effect_fails", format!("{}: {error}", tool.name)),
        }
    }

    /// Applies a call's effects; gives the key of the first row it created.
    pub fn call(&mut self, tool: usize, arguments: &[Value]) -> Verdict<Option<String>> {
        let changes = self.changes(tool, arguments)?;
        let mut created = None;
        for change in changes {
            if change.kind == ChangeKind::Insert && created.is_none() {
                created = Some(change.key.clone());
            }
            let place = (change.table, change.key);
            if !self.touched.contains(&place) {
                self.touched.push(place);
            }
        }
        Ok(created)
    }

    /// The net change so far, up to a renaming of keys that are new.
    pub fn change(&self) -> Verdict<ExpectedChange> {
        let suite = self.stage.suite;
        let mut touched = self.touched.clone();
        touched.sort_by_key(|(table, _)| *table);
        let before = |table: usize, key: &str| {
            self.stage.world.tables[table].rows.iter().find(|r| matches!(&r[0], Value::Key(k) if k == key))
        };
        let after = |table: usize, key: &str| {
            let rows = self.evaluator.rows();
            rows.find(table, key).map(|row| rows.plain(table, row))
        };
        let mut names: BTreeMap<(usize, &str), String> = BTreeMap::new();
        for (table, key) in &touched {
            if before(*table, key).is_none() && after(*table, key).is_some() {
                let name = format!("{}_{}", suite.tables[*table].name, names.len() + 1);
                names.insert((*table, key), name);
            }
        }
        let expected = |t: usize, c: usize, value: &Value| {
            let ty = &suite.tables[t].columns[c].ty;
            let to = if c == 0 { Some(t) } else { target(ty) };
            match (to, value) {
                (Some(to), Value::Key(key)) if names.contains_key(&(to, key.as_str())) => {
                    Expected::Created(names[&(to, key.as_str())].clone())
                }
                _ => Expected::Exact(value::to_json(suite, ty, value)),
            }
        };
        let mut change = ExpectedChange::default();
        for (t, key) in &touched {
            let table = &suite.tables[*t];
            let columns = |row: &[Value], which: &dyn Fn(usize) -> bool| -> Vec<(String, Expected)> {
                let kept = (0..table.columns.len()).filter(|c| which(*c));
                kept.map(|c| (table.columns[c].name.clone(), expected(*t, c, &row[c]))).collect()
            };
            match (before(*t, key), after(*t, key)) {
                (None, None) => {}
                (None, Some(new)) => change.inserted.push(ExpectedInsert {
                    table: table.name.clone(),
                    name: names[&(*t, key.as_str())].clone(),
                    columns: columns(&new, &|_| true),
                }),
                (Some(_), None) => change.deleted.push(ExpectedDelete { table: table.name.clone(), key: key.clone() }),
                (Some(old), Some(new)) => {
                    if *old != new {
                        let columns = columns(&new, &|c| old[c] != new[c]);
                        change.updated.push(ExpectedUpdate { table: table.name.clone(), key: key.clone(), columns });
                    }
                }
            }
        }
        Ok(change)
    }
}
