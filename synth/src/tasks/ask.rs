//! Draws ask goals: look-ups over references, counts, sums, extremes, lists of names, and comparisons. Answers are numbers, amounts,
//! dates and texts with at least about ten plausible values; never truth values or small enumerations.

use crate::seed::Dice;
use crate::tasks::columns::{is_additive, is_comparable, naming_column};
use crate::tasks::describe::Describer;
use crate::tasks::goal::{Description, Extremum, Goal, Query};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{number, target};
use crate::vary::data::{inner, scalar};
use std::collections::BTreeSet;
use terrarium_tools::suite::{Column, Source};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Least number of different values in a column that is asked for.
const ANSWERS_MIN: usize = 10;
/// Least count that is asked for: smaller ones are too easily guessed.
const COUNT_MIN: usize = 4;

/// Draws questions in one environment.
pub struct AskWriter<'a> {
    /// Descriptions.
    pub describer: Describer<'a>,
}

impl<'a> AskWriter<'a> {
    /// A goal; levels above 0 prefer questions about many rows.
    ///
    /// # Errors
    /// `no_question` where the draw does not fit the rows.
    pub fn draw(&self, level: usize, dice: &mut Dice) -> Verdict<Goal> {
        let suite = self.describer.rows.suite;
        let tables: Vec<TableId> = (0..suite.tables.len())
            .filter(|t| self.describer.reach.searchable(*t) && self.describer.rows.table(*t).len() >= 4)
            .collect();
        let Some(table) = dice.pick(&tables).copied() else { return reject("no_question", "no table to search") };
        let query = match dice.weighted(&[30 / (1 + level as u32), 14, 12, 8, 12, 8, 10, 6]) {
            0 => self.lookup(table, dice),
            1 => self.count(table, dice),
            2 => self.sum(table, dice),
            3 => self.extreme(table, dice),
            4 => self.superlative(table, dice),
            5 => self.names(table, dice),
            6 => self.most_referred(table, dice),
            _ => self.apart(table, dice),
        };
        match query {
            Some(query) => Ok(Goal::Ask(query)),
            None => reject("no_question", &suite.tables[table].name),
        }
    }

    fn column(&self, table: TableId, column: usize) -> &'a Column {
        &self.describer.rows.suite.tables[table].columns[column]
    }

    /// Whether a column makes an answer that cannot be guessed.
    fn answerable(&self, table: TableId, column: usize) -> bool {
        let definition = self.column(table, column);
        if column == 0 || !self.describer.reach.visible(table, column) {
            return false;
        }
        let kind = match scalar(&definition.ty) {
            Type::Str | Type::Money | Type::Date => true,
            Type::Int => !matches!(inner(&definition.source), Source::Boolean { .. }),
            _ => false,
        };
        if !kind {
            return false;
        }
        let values: BTreeSet<String> = self
            .describer
            .rows
            .table(table)
            .iter()
            .filter(|row| row[column] != Value::None)
            .map(|row| format!("{:?}", row[column]))
            .collect();
        values.len() >= ANSWERS_MIN.min(self.describer.rows.table(table).len().max(6))
    }

    fn lookup(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let rows = self.describer.rows;
        let start = dice.pick(rows.table(table))?;
        let mut path = Vec::new();
        let (mut at, mut row) = (table, start);
        for _ in 0..[0, 1, 2][dice.weighted(&[4, 5, 2])] {
            let hops: Vec<usize> = (1..rows.suite.tables[at].columns.len())
                .filter(|c| {
                    row[*c] != Value::None
                        && self.describer.reach.visible(at, *c)
                        && target(&self.column(at, *c).ty).is_some_and(|t| self.describer.reach.searchable(t))
                })
                .collect();
            let Some(hop) = dice.pick(&hops) else { break };
            let definition = self.column(at, *hop);
            let next = target(&definition.ty)?;
            row = rows.by_key(next, &row[*hop])?;
            path.push(definition.name.clone());
            at = next;
        }
        let columns: Vec<usize> = (1..rows.suite.tables[at].columns.len())
            .filter(|c| self.answerable(at, *c) && row[*c] != Value::None)
            .collect();
        let column = self.column(at, *dice.pick(&columns)?).name.clone();
        let of = self.describer.one(table, start, 0, dice)?;
        // The description must not give the answer or the row it is read from away.
        let mut names_target = path.is_empty() && of.extremum.as_ref().is_some_and(|e| e.column == column);
        of.walk(&mut |d| {
            names_target |= d.table == rows.suite.tables[at].name
                && (!path.is_empty() || d.conditions.iter().any(|c| c.column == column));
        });
        (!names_target).then_some(Query::Lookup { of, path, column })
    }

    fn count(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let most = self.describer.rows.table(table).len() * 3 / 4;
        Some(Query::Count(self.describer.set(table, COUNT_MIN, most.min(60), 3, dice)?))
    }

    fn additive(&self, table: TableId, dice: &mut Dice) -> Option<String> {
        let columns: Vec<usize> = (1..self.describer.rows.suite.tables[table].columns.len())
            .filter(|c| self.describer.reach.visible(table, *c))
            .filter(|c| is_additive(self.column(table, *c)))
            .collect();
        Some(self.column(table, *dice.pick(&columns)?).name.clone())
    }

    fn sum(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let column = self.additive(table, dice)?;
        let of = self.describer.set(table, 3, 25, 2, dice)?;
        (!of.conditions.iter().any(|c| c.column == column)).then_some(Query::Sum { of, column })
    }

    fn ordered(&self, table: TableId, dice: &mut Dice) -> Option<usize> {
        let columns: Vec<usize> = (1..self.describer.rows.suite.tables[table].columns.len())
            .filter(|c| is_comparable(self.column(table, *c)) && self.describer.reach.visible(table, *c))
            .collect();
        dice.pick(&columns).copied()
    }

    fn extreme(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let column = self.ordered(table, dice).filter(|c| self.answerable(table, *c))?;
        let name = self.column(table, column).name.clone();
        let of = self.describer.set(table, 3, 25, 2, dice)?;
        let extremum = Extremum { column: name.clone(), greatest: dice.percent(50) };
        (!of.conditions.iter().any(|c| c.column == name)).then_some(Query::Extreme { of, extremum })
    }

    /// Which row has the least or greatest value, by name.
    fn superlative(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let rows = self.describer.rows;
        let name = naming_column(&rows.suite.tables[table]).filter(|c| self.answerable(table, *c))?;
        let column = self.ordered(table, dice)?;
        let key = self.column(table, column).name.clone();
        let set = self.describer.set(table, 3, 25, 2, dice)?;
        if set.conditions.iter().any(|c| c.column == key) {
            return None;
        }
        let extremum = Extremum { column: key, greatest: dice.percent(50) };
        let of = Description { extremum: Some(extremum), many: false, ..set };
        rows.one(&of).ok()?;
        Some(Query::Lookup { of, path: Vec::new(), column: self.column(table, name).name.clone() })
    }

    fn names(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let name = naming_column(&self.describer.rows.suite.tables[table])?;
        let of = self.describer.set(table, 2, 8, 2, dice)?;
        let column = self.column(table, name).name.clone();
        (!of.conditions.iter().any(|c| c.column == column)).then_some(Query::Names { of, column })
    }

    fn most_referred(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let rows = self.describer.rows;
        let references: Vec<(usize, usize, TableId)> = (1..rows.suite.tables[table].columns.len())
            .filter(|c| self.describer.reach.visible(table, *c))
            .filter_map(|c| {
                let to = target(&self.column(table, c).ty)?;
                let name = naming_column(&rows.suite.tables[to]).filter(|n| self.describer.reach.visible(to, *n))?;
                Some((c, name, to))
            })
            .collect();
        let (by, name, to) = *dice.pick(&references)?;
        let of = self.describer.set(table, 5, 40, 2, dice)?;
        let by = self.column(table, by).name.clone();
        if of.conditions.iter().any(|c| c.column == by) {
            return None;
        }
        let query = Query::MostReferred { of, by, column: self.column(to, name).name.clone() };
        rows.value(&query).ok()?;
        Some(query)
    }

    fn apart(&self, table: TableId, dice: &mut Dice) -> Option<Query> {
        let rows = self.describer.rows;
        let column = self.ordered(table, dice).filter(|c| self.answerable(table, *c))?;
        let name = self.column(table, column).name.clone();
        let (left, right) = (dice.pick(rows.table(table))?, dice.pick(rows.table(table))?);
        let distance = (number(&left[column])? - number(&right[column])?).abs();
        if distance < COUNT_MIN as i64 {
            return None;
        }
        let (left, right) = (self.describer.one(table, left, 0, dice)?, self.describer.one(table, right, 0, dice)?);
        let tells = |d: &Description| {
            d.conditions.iter().any(|c| c.column == name) || d.extremum.as_ref().is_some_and(|e| e.column == name)
        };
        (!tells(&left) && !tells(&right)).then_some(Query::Apart { left, right, column: name })
    }
}
