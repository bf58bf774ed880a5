//! Draws descriptions of rows: of one row, so that it is the only one that matches, and of sets, so that every condition matters.

use crate::seed::Dice;
use crate::tasks::across::Link;
use crate::tasks::goal::{Condition, Description, Extremum, Test};
use crate::tasks::reach::Reach;
use crate::tasks::rows::{Rows, number, target};
use crate::vary::data::{inner, scalar};
use terrarium_tools::suite::{Source, Suite, Table};
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
}

/// The column by which people name a row, if a name alone tells it: text, unique, and all of what the table is called by.
pub fn naming_column(table: &Table) -> Option<usize> {
    let names = called_columns(table);
    match names.as_slice() {
        [column] if table.columns[*column].ty == Type::Str && names_things(&table.columns[*column].source) => {
            Some(*column)
        }
        _ => None,
    }
}

fn names_things(source: &Source) -> bool {
    matches!(
        source,
        Source::PersonName
            | Source::CompanyName
            | Source::Phrase { .. }
            | Source::Choice { .. }
            | Source::City
            | Source::StreetAddress
    )
}

/// The columns in a table's `called`, in order.
pub fn called_columns(table: &Table) -> Vec<usize> {
    let mut columns = Vec::new();
    let mut rest = table.called.as_str();
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 1..start + length];
        if let Some(column) = table.columns.iter().position(|c| c.name == name) {
            columns.push(column);
        }
        rest = &rest[start + length + 1..];
    }
    columns
}

/// What bounds near a number are multiples of.
fn grain(n: i64) -> i64 {
    let mut step = 1;
    while n.abs() / step >= 100 {
        step *= 10;
    }
    step
}

/// The least bound that people would name and that is greater than a number.
pub fn next_above(n: i64) -> i64 {
    let step = grain(n);
    (n.div_euclid(step) + 1) * step
}

/// The numbers around one that people would name as a bound: itself below 100, else with two digits that count. The greater one is
/// not below it, the lesser one not above it; where it has no more digits they are the number itself.
pub fn rounded(n: i64) -> (i64, i64) {
    let step = grain(n);
    let low = n.div_euclid(step) * step;
    (low, if low == n { n } else { low + step })
}

/// Whether values of a column are ordered amounts that conditions can compare.
pub fn is_ordered(ty: &Type) -> bool {
    matches!(scalar(ty), Type::Int | Type::Money | Type::Date)
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
        let way = dice.weighted(&[if depth == 0 { 5 } else { 8 }, 3, 2]);
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
        dice.shuffle(&mut columns);
        columns.sort_by_key(|c| self.unease(table, *c));
        while !self.is_only(&description, row) {
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

    /// How unnatural a condition on a column is: people rarely name somebody by a telephone number.
    fn unease(&self, table: TableId, column: usize) -> u8 {
        match inner(&self.suite().tables[table].columns[column].source) {
            Source::Phone | Source::Email { .. } | Source::StreetAddress => 1,
            _ => 0,
        }
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
                is_ordered(&definition.columns[*c].ty) && self.reach.visible(table, *c) && number(&row[*c]).is_some()
            })
            .collect();
        let column = *dice.pick(&ordered)?;
        let mut description = self.empty(table);
        let mut columns = self.usable(table, row, depth);
        columns.retain(|c| *c != column && self.is_group(table, *c));
        dice.shuffle(&mut columns);
        for group in columns.into_iter().take(1 + dice.below(2)) {
            let condition = self.exactly(table, row, group, depth, false, dice)?;
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
        if row[column] == Value::None || !self.reach.visible(table, column) {
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
            columns.retain(|c| self.is_group(table, *c) || is_ordered(&self.suite().tables[table].columns[*c].ty));
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
            Type::Int => {
                let Value::Int(n) = row[column] else { return None };
                let (low, high) = rounded(n);
                match dice.below(4) {
                    0 if low == high => Test::Is(row[column].clone()),
                    0 | 1 => Test::AtLeast(Value::Int(low)),
                    2 => Test::AtMost(Value::Int(high)),
                    _ if low == high && n >= 100 => Test::AtLeast(Value::Int(n)),
                    _ => Test::Above(Value::Int(if low == high { n - 1 } else { low })),
                }
            }
            Type::Money => {
                let Value::Money(cents) = row[column] else { return None };
                let round = if cents >= 5_000 { 1_000 } else { 100 };
                match dice.below(3) {
                    0 => Test::Above(Value::Money((cents - 1).max(0) / round * round)),
                    1 => Test::Below(Value::Money((cents / round + 1) * round)),
                    _ => Test::AtLeast(Value::Money(cents / round * round)),
                }
            }
            Type::Date => {
                let Value::Date(day) = row[column] else { return None };
                match dice.below(4) {
                    0 => Test::Below(Value::Date(day + 1 + dice.below(4) as i32)),
                    1 => Test::Above(Value::Date(day - 1 - dice.below(4) as i32)),
                    2 => Test::AtMost(Value::Date(day)),
                    _ => Test::AtLeast(Value::Date(day)),
                }
            }
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
