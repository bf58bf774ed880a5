//! Conditions as the planner looks for rows: references are keys that were found, what another suite says is a list of values.

use crate::solve::known::Found;
use crate::tasks::goal::Test;
use std::collections::BTreeSet;
use terrarium_tools::suite::Relation;
use terrarium_tools::value::Value;

/// A condition with its references turned into keys.
#[derive(Clone, Debug)]
pub enum Filter {
    /// A test that needs no other row.
    Test(usize, Test),
    /// The column holds one of these keys, found by these calls.
    Keys(usize, Found),
    /// The column holds one of these values, seen in another suite's table.
    Values(usize, Shared),
}

/// Values of a column of other rows, each with the call that showed it.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Values.
    pub values: Vec<(Value, usize)>,
    /// Every call that the choice of the rows rests on.
    pub calls: BTreeSet<usize>,
}

impl Filter {
    /// The column.
    pub fn column(&self) -> usize {
        match self {
            Filter::Test(column, _) | Filter::Keys(column, _) | Filter::Values(column, _) => *column,
        }
    }
}

/// The argument under which a tool's relation lets all rows through that pass the test, and whether it lets no others through.
pub(super) fn implied(test: &Test, relation: Relation) -> Option<(Value, bool)> {
    match (test, relation) {
        (Test::Is(value), Relation::Equal) => Some((value.clone(), true)),
        (Test::Is(Value::Str(text)), Relation::Contains) => Some((Value::Str(text.clone()), false)),
        (Test::Is(value), Relation::AtMost | Relation::AtLeast) => Some((value.clone(), false)),
        (Test::Below(value), Relation::Less) => Some((value.clone(), true)),
        (Test::Below(value), Relation::AtMost) => Some((value.clone(), false)),
        (Test::AtMost(value), Relation::AtMost) => Some((value.clone(), true)),
        (Test::Above(value), Relation::Greater) => Some((value.clone(), true)),
        (Test::Above(value), Relation::AtLeast) => Some((value.clone(), false)),
        (Test::AtLeast(value), Relation::AtLeast) => Some((value.clone(), true)),
        _ => None,
    }
}
