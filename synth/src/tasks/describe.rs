//! Draws descriptions of rows: of one row, so that it is the only one that matches, and of sets, so that every condition matters.

use crate::seed::Dice;
use crate::tasks::across::Link;
use crate::tasks::bounds;
use crate::tasks::columns::{called_columns, is_comparable};
use crate::tasks::goal::{Condition, Description, Extremum, Test};
use crate::tasks::reach::Reach;
use crate::tasks::rows::{Rows, number, target};
use crate::vary::data::{inner, scalar};
use terrarium_tools::suite::{Source, Suite};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// References inside references in one description.
const DEPTH_MAX: u32 = 2;

/// Draws from the rows of one world, within reach of its tools.
#[derive(Clone, Copy)]
pub struct Describer<'a> {
    /// The rows.
    pub rows: Rows<'a>,
    /// What can be looked up.
    pub reach: &'a Reach,
    /// Tables of linked suites that share people or companies.
    pub links: &'a [Link],
    /// Tell rows by what linked suites say about the same people, where that can be.
    pub cross: bool,
    /// Tell rows by their names wherever that can be.
    pub brief: bool,
}

impl<'a> Describer<'a> {
    fn suite(&self) -> &'a Suite {
        self.rows.suite
    }

    /// A description that matches exactly the given row.
    pub fn one(&self, table: TableId, row: &'a [Value], depth: u32, dice: &mut Dice) -> Option<Description> {
        if !self.reach.searchable(table) {
            return None;
        }
        if self.crosses(dice)
            && let Some(description) = self.by_link(table, row, depth, dice)
        {
            return Some(description);
        }
        let way = if self.brief { 0 } else { dice.weighted(&[if depth == 0 { 5 } else { 8 }, 3, 2]) };
        let first = match way {
            0 => self.by_name(table, row, depth, dice),
            1 => self.by_conditions(table, row, depth, dice),
            _ => self.by_extremum(table, row, depth, dice),
        };
        first.or_else(|| self.by_name(table, row, depth, dice)).or_else(|| self.by_conditions(table, row, depth, dice))
    }

    /// By what the table's rows are called, with further conditions where that is not enough.
    fn by_name(&self, table: TableId, row: &'a [Value], depth: u32, dice: &mut Dice) -> Option<Description> {
        let columns = called_columns(&self.suite().tables[table]);
        if columns.is_empty() {
            return None;
        }
        let mut description = self.empty(table);
        for column in columns {
            description.conditions.push(self.exactly(table, row, column, depth, true, dice)?);
        }
        self.complete(table, row, description, depth, dice)
    }

    /// The same, with rows told by their names wherever that can be.
    pub fn brief(&self) -> Describer<'a> {
        Describer { cross: false, brief: true, ..*self }
    }

    /// A description of a row that starts with what it is called by.
    pub(super) fn named(&self, table: TableId, row: &'a [Value], dice: &mut Dice) -> Option<Description> {
        if !self.reach.searchable(table) {
            return None;
        }
        self.brief().by_name(table, row, 1, dice)
    }

    /// By conditions alone.
    pub(super) fn by_conditions(
        &self,
        table: TableId,
        row: &'a [Value],
        depth: u32,
        dice: &mut Dice,
    ) -> Option<Description> {
        self.complete(table, row, self.empty(table), depth, dice)
    }

    pub(super) fn empty(&self, table: TableId) -> Description {
        Description {
            table: self.suite().tables[table].name.clone(),
            conditions: Vec::new(),
            extremum: None,
            many: false,
        }
    }

    /// Adds conditions until only the row matches, then takes away what is not needed among those added.
    pub(super) fn complete(
        &self,
        table: TableId,
        row: &'a [Value],
        mut description: Description,
        depth: u32,
        dice: &mut Dice,
    ) -> Option<Description> {
        const CONDITIONS_MAX: usize = 3;
        let base = description.conditions.len();
        let mut columns = self.usable(table, row, depth);
        columns.retain(|c| {
            !description.conditions.iter().any(|k| k.column == self.suite().tables[table].columns[*c].name)
        });
        // Whoever is told by what another suite says needs no number: with it, that would be idle.
        if description.conditions.iter().any(|c| !matches!(c.test, Test::Is(_))) {
            columns.retain(|c| !self.suite().tables[table].columns[*c].unique);
        }
        dice.shuffle(&mut columns);
        // People rarely tell somebody by a telephone number: only where nothing else does.
        let (mut columns, mut uneasy): (Vec<usize>, Vec<usize>) =
            columns.into_iter().partition(|c| !self.is_contact(table, *c));
        while !self.is_only(&description, row) {
            if columns.is_empty() {
                columns.append(&mut uneasy);
            }
            if description.conditions.len() >= base + CONDITIONS_MAX || columns.is_empty() {
                return None;
            }
            let at = dice.skewed(columns.len().min(4));
            let column = columns.remove(at);
            if let Some(condition) = self.exactly(table, row, column, depth, false, dice) {
                description.conditions.push(condition);
            }
        }
        let mut index = base;
        while index < description.conditions.len() {
            let mut fewer = description.clone();
            fewer.conditions.remove(index);
            if !fewer.conditions.is_empty() && self.is_only(&fewer, row) {
                description = fewer;
            } else {
                index += 1;
            }
        }
        (!description.conditions.is_empty()).then_some(description)
    }

    /// Whether a column says how to reach somebody.
    fn is_contact(&self, table: TableId, column: usize) -> bool {
        matches!(
            inner(&self.suite().tables[table].columns[column].source),
            Source::Phone | Source::Email { .. } | Source::StreetAddress
        )
    }

    /// As the row with the least or greatest value among those that meet one or two conditions.
    pub(super) fn by_extremum(
        &self,
        table: TableId,
        row: &'a [Value],
        depth: u32,
        dice: &mut Dice,
    ) -> Option<Description> {
        let definition = &self.suite().tables[table];
        let ordered: Vec<usize> = (1..definition.columns.len())
            .filter(|c| {
                is_comparable(&definition.columns[*c]) && self.reach.visible(table, *c) && number(&row[*c]).is_some()
            })
            .collect();
        let column = *dice.pick(&ordered)?;
        let mut description = self.empty(table);
        let mut columns = self.usable(table, row, depth);
        columns.retain(|c| *c != column && self.is_group(table, *c));
        dice.shuffle(&mut columns);
        for group in columns.into_iter().take(1 + dice.below(2)) {
            // One extreme in a description is enough.
            let condition = self.brief().exactly(table, row, group, depth, false, dice)?;
            description.conditions.push(condition);
        }
        if description.conditions.is_empty() {
            return None;
        }
        description.many = true;
        let set = self.rows.matching(&description).ok()?;
        if set.len() < 2 || set.len() > 30 {
            return None;
        }
        description.many = false;
        for greatest in if dice.percent(50) { [true, false] } else { [false, true] } {
            let mut chosen = description.clone();
            chosen.extremum = Some(Extremum { column: definition.columns[column].name.clone(), greatest });
            if self.is_only(&chosen, row) {
                return Some(chosen);
            }
        }
        None
    }

    /// Whether rows fall into groups by a column: a reference or an enumeration.
    fn is_group(&self, table: TableId, column: usize) -> bool {
        let column = &self.suite().tables[table].columns[column];
        target(&column.ty).is_some()
            || matches!(scalar(&column.ty), Type::Enum(_))
            || matches!(inner(&column.source), Source::City)
            || (matches!(inner(&column.source), Source::Choice { .. }) && !column.unique)
    }

    /// Columns that a condition on the row may name.
    fn usable(&self, table: TableId, row: &[Value], depth: u32) -> Vec<usize> {
        let columns = &self.suite().tables[table].columns;
        (1..columns.len())
            .filter(|c| self.reach.visible(table, *c))
            .filter(|c| match scalar(&columns[*c].ty) {
                Type::Int | Type::Money | Type::Date | Type::Enum(_) | Type::Str => row[*c] != Value::None,
                Type::Key(to) => row[*c] != Value::None && depth < DEPTH_MAX && self.reach.searchable(*to),
                _ => false,
            })
            .collect()
    }

    /// The condition that a column has just the row's value.
    fn exactly(
        &self,
        table: TableId,
        row: &'a [Value],
        column: usize,
        depth: u32,
        called: bool,
        dice: &mut Dice,
    ) -> Option<Condition> {
        let definition = &self.suite().tables[table].columns[column];
        // `who owes $0.00`: nobody is told by owing nothing.
        if matches!(row[column], Value::None | Value::Money(0)) || !self.reach.visible(table, column) {
            return None;
        }
        let test = match scalar(&definition.ty) {
            Type::Key(to) => {
                if depth >= DEPTH_MAX {
                    return None;
                }
                let other = self.rows.by_key(*to, &row[column])?;
                let inner = if called {
                    self.by_name(*to, other, depth + 1, dice)?
                } else {
                    self.one(*to, other, depth + 1, dice)?
                };
                Test::Of(Box::new(inner))
            }
            Type::Int | Type::Money | Type::Date | Type::Enum(_) | Type::Str => Test::Is(row[column].clone()),
            _ => return None,
        };
        Some(Condition { column: definition.name.clone(), test })
    }

    fn is_only(&self, description: &Description, row: &[Value]) -> bool {
        let found = self.rows.matching(&Description { many: true, ..description.clone() });
        matches!(found.as_deref(), Ok([only]) if only[0] == row[0])
    }

    /// A set of between `least` and `most` rows, with one to `conditions_max` conditions that each leave rows out.
    pub fn set(
        &self,
        table: TableId,
        least: usize,
        most: usize,
        conditions_max: usize,
        dice: &mut Dice,
    ) -> Option<Description> {
        if !self.reach.searchable(table) {
            return None;
        }
        const DRAWS: usize = 6;
        for _ in 0..DRAWS {
            let rows = self.rows.table(table);
            let anchor = rows.get(dice.below(rows.len()))?;
            let mut columns = self.usable(table, anchor, 0);
            columns.retain(|c| self.is_group(table, *c) || is_comparable(&self.suite().tables[table].columns[*c]));
            dice.shuffle(&mut columns);
            let mut description = Description { many: true, ..self.empty(table) };
            let mut wanted = 1 + dice.below(conditions_max);
            if self.crosses(dice)
                && let Some(condition) = self.across(table, anchor, 0, dice)
            {
                columns.retain(|c| self.suite().tables[table].columns[*c].name != condition.column);
                description.conditions.push(condition);
                wanted -= 1;
            }
            for column in columns.into_iter().take(wanted) {
                if let Some(condition) = self.loosely(table, anchor, column, dice) {
                    description.conditions.push(condition);
                }
            }
            if let Some(found) = self.within(description, least, most) {
                return Some(found);
            }
        }
        None
    }

    /// The description, if the size of its set fits and every condition leaves rows out.
    fn within(&self, description: Description, least: usize, most: usize) -> Option<Description> {
        let size = |d: &Description| self.rows.matching(d).map(|r| r.len()).ok();
        let found = size(&description)?;
        if description.conditions.is_empty() || found < least || found > most {
            return None;
        }
        let matters = (0..description.conditions.len()).all(|index| {
            let mut fewer = description.clone();
            fewer.conditions.remove(index);
            size(&fewer).is_some_and(|n| n > found)
        });
        matters.then_some(description)
    }

    /// A condition that the row meets among others.
    fn loosely(&self, table: TableId, row: &'a [Value], column: usize, dice: &mut Dice) -> Option<Condition> {
        let definition = &self.suite().tables[table].columns[column];
        let test = match scalar(&definition.ty) {
            Type::Key(to) => {
                let other = self.rows.by_key(*to, &row[column])?;
                if dice.percent(35) {
                    Test::Of(Box::new(self.set_around(*to, other, dice)?))
                } else {
                    Test::Of(Box::new(self.one(*to, other, 1, dice)?))
                }
            }
            Type::Enum(_) | Type::Str => Test::Is(row[column].clone()),
            Type::Int | Type::Money | Type::Date => bounds::around(definition, &row[column], dice)?,
            _ => return None,
        };
        Some(Condition { column: definition.name.clone(), test })
    }

    /// A set of two rows or more around a row, by one condition.
    pub(super) fn set_around(&self, table: TableId, row: &'a [Value], dice: &mut Dice) -> Option<Description> {
        if !self.reach.searchable(table) {
            return None;
        }
        let mut columns = self.usable(table, row, DEPTH_MAX);
        columns.retain(|c| {
            self.is_group(table, *c)
                || matches!(scalar(&self.suite().tables[table].columns[*c].ty), Type::Money | Type::Date)
        });
        let column = *dice.pick(&columns)?;
        let condition = self.loosely(table, row, column, dice)?;
        let description = Description { conditions: vec![condition], many: true, ..self.empty(table) };
        self.within(description, 2, self.rows.table(table).len() / 2)
    }

    /// Rows that meet some of a description's conditions but not all: what it must be told apart from.
    pub fn distractors(&self, description: &Description) -> usize {
        let Ok(table) = crate::tasks::rows::table_id(self.suite(), &description.table) else { return 0 };
        let matched = self.rows.matching(description).map(|r| r.len()).unwrap_or(0);
        let partly = self
            .rows
            .table(table)
            .iter()
            .filter(|row| description.conditions.iter().any(|c| self.rows.meets(table, row, c) == Ok(true)))
            .count();
        partly.saturating_sub(matched)
    }
}
