//! Descriptions that cross linked suites: a row told by what another suite's records say about the same person or company. The two
//! tables share nothing but the name; what was copied along with it (a telephone number, a city) tells nothing new and is not used.

use crate::seed::Dice;
use crate::tasks::describe::Describer;
use crate::tasks::goal::{Condition, Description, Test};
use crate::tasks::rows::target;
use crate::vary::data::inner;
use terrarium_tools::suite::Source;
use terrarium_tools::types::TableId;
use terrarium_tools::value::Value;

/// Draws of what the other suite's records say before a link is given up.
const DRAWS: usize = 4;
/// Share of descriptions, in percent, that cross where crossing is asked for.
const CROSSING_PERCENT: u32 = 70;
/// References followed to get to a linked table.
const DEPTH_MAX: u32 = 2;

/// Two tables of linked suites with the same people or companies in them, seen from one side. Rows with equal names are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The table on this side.
    pub table: TableId,
    /// Its name column: unique.
    pub column: usize,
    /// The table on the other side.
    pub other: TableId,
    /// Its name column: unique.
    pub other_column: usize,
}

impl<'a> Describer<'a> {
    /// The rows that stand for the same person or company in other suites' tables.
    pub fn counterparts(&self, table: TableId, row: &'a [Value]) -> Vec<(Link, &'a Vec<Value>)> {
        let links = self.links.iter().filter(|l| l.table == table && self.can_join(l));
        let rows = |l: &Link| self.rows.table(l.other).iter().find(|r| r[l.other_column] == row[l.column]);
        links.filter_map(|l| Some((*l, rows(l)?))).collect()
    }

    fn can_join(&self, link: &Link) -> bool {
        self.reach.searchable(link.table)
            && self.reach.searchable(link.other)
            && self.reach.visible(link.table, link.column)
            && self.reach.visible(link.other, link.other_column)
    }

    /// Whether this description is to cross.
    pub(super) fn crosses(&self, dice: &mut Dice) -> bool {
        self.cross && dice.percent(CROSSING_PERCENT)
    }

    fn plain(&self) -> Describer<'a> {
        Describer { cross: false, ..*self }
    }

    /// Whether a description says what was copied from one suite to the other.
    fn says_what_is_shared(&self, description: &Description) -> bool {
        let Some(table) = self.rows.suite.tables.iter().find(|t| t.name == description.table) else { return true };
        let shared = |source: &Source| {
            matches!(
                inner(source),
                Source::PersonName
                    | Source::CompanyName
                    | Source::Phone
                    | Source::Email { .. }
                    | Source::StreetAddress
                    | Source::City
            )
        };
        let column = |c: &Condition| table.columns.iter().find(|column| column.name == c.column);
        description.conditions.iter().any(|c| column(c).is_none_or(|column| shared(&column.source)))
    }

    /// One row: as the same person as one of another suite, or as belonging to such a person.
    pub(super) fn by_link(&self, table: TableId, row: &'a [Value], depth: u32, dice: &mut Dice) -> Option<Description> {
        let mut description = self.empty(table);
        description.conditions.push(self.same_as_one(table, row, depth, dice)?);
        self.complete(table, row, description, depth, dice)
    }

    fn same_as_one(&self, table: TableId, row: &'a [Value], depth: u32, dice: &mut Dice) -> Option<Condition> {
        let definition = &self.rows.suite.tables[table];
        let counterparts = self.counterparts(table, row);
        if let Some((link, other)) = dice.pick(&counterparts).copied() {
            for _ in 0..DRAWS {
                let plain = self.plain();
                let drawn = if dice.percent(30) {
                    plain.by_extremum(link.other, other, 1, dice)
                } else {
                    plain.by_conditions(link.other, other, 1, dice)
                };
                if let Some(of) = drawn.filter(|d| !self.says_what_is_shared(d)) {
                    let column = self.rows.suite.tables[link.other].columns[link.other_column].name.clone();
                    let test = Test::Shared { of: Box::new(of), column };
                    return Some(Condition { column: definition.columns[link.column].name.clone(), test });
                }
            }
            return None;
        }
        let (column, to, other) = self.towards_a_link(table, row, depth, dice)?;
        let mut inner = self.empty(to);
        inner.conditions.push(self.same_as_one(to, other, depth + 1, dice)?);
        Some(Condition { column, test: Test::Of(Box::new(inner)) })
    }

    /// A reference of the row that leads to a linked table, perhaps over another one.
    fn towards_a_link(
        &self,
        table: TableId,
        row: &'a [Value],
        depth: u32,
        dice: &mut Dice,
    ) -> Option<(String, TableId, &'a Vec<Value>)> {
        if depth >= DEPTH_MAX {
            return None;
        }
        let definition = &self.rows.suite.tables[table];
        let leads = |t: TableId| {
            let columns = &self.rows.suite.tables[t].columns;
            self.links.iter().any(|l| l.table == t)
                || columns.iter().any(|c| target(&c.ty).is_some_and(|to| self.links.iter().any(|l| l.table == to)))
        };
        let mut ways: Vec<(usize, TableId)> = (1..definition.columns.len())
            .filter(|c| self.reach.visible(table, *c) && row[*c] != Value::None)
            .filter_map(|c| Some((c, target(&definition.columns[c].ty)?)))
            .filter(|(_, to)| *to != table && self.reach.searchable(*to) && leads(*to))
            .collect();
        dice.shuffle(&mut ways);
        ways.into_iter().find_map(|(c, to)| {
            let other = self.rows.by_key(to, &row[c])?;
            Some((definition.columns[c].name.clone(), to, other))
        })
    }

    /// A condition that the row meets among others, over what another suite's records say.
    pub(super) fn across(&self, table: TableId, row: &'a [Value], depth: u32, dice: &mut Dice) -> Option<Condition> {
        let definition = &self.rows.suite.tables[table];
        let counterparts = self.counterparts(table, row);
        if let Some((link, other)) = dice.pick(&counterparts).copied() {
            for _ in 0..DRAWS {
                let Some(of) = self.plain().set_around(link.other, other, dice) else { continue };
                if !self.says_what_is_shared(&of) {
                    let column = self.rows.suite.tables[link.other].columns[link.other_column].name.clone();
                    let test = Test::Shared { of: Box::new(of), column };
                    return Some(Condition { column: definition.columns[link.column].name.clone(), test });
                }
            }
            return None;
        }
        let (column, to, other) = self.towards_a_link(table, row, depth, dice)?;
        let condition = self.across(to, other, depth + 1, dice)?;
        let inner = Description { conditions: vec![condition], many: true, ..self.empty(to) };
        Some(Condition { column, test: Test::Of(Box::new(inner)) })
    }
}
