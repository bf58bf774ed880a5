//! What a task asks for, as data. A goal names rows by description, never by key; two readers turn it into keys and values: one from
//! the rows (`rows`, `expected`), one through tools alone (`solve`).
//!
//! Everything a goal describes is meant as it stands when the task begins.

use serde::{Deserialize, Serialize};
use terrarium_tools::value::Value;

/// The goal of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Carry out these steps, in order.
    Act(Vec<Step>),
    /// Answer this question.
    Ask(Query),
}

/// A step of an act goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// One call of a write tool.
    Call(Call),
    /// The same call for each row of a described set; the call has one argument [`Argument::Each`].
    Each {
        /// The set.
        rows: Description,
        /// What is done with each.
        call: Call,
    },
    /// One of two calls.
    If {
        /// The row that is looked at.
        of: Description,
        /// What must hold of it.
        condition: Condition,
        /// What is done if it does.
        then: Call,
        /// What is done if it does not.
        otherwise: Call,
    },
}

/// A call of a write tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Canonical name of the tool.
    pub tool: String,
    /// The phrase that asks for it, with `{parameter}`.
    pub ask: String,
    /// Arguments by the suite's parameter name. Parameters left out are options that are not given.
    pub arguments: Vec<(String, Argument)>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// The key of the one row that matches.
    Entity(Description),
    /// The key of the row at hand in [`Step::Each`].
    Each,
    /// The key of the row that an earlier step (counted from 0) created.
    Created(usize),
    /// A value the prompt states.
    Value(Value),
    /// A value that follows from a question.
    Computed(Query),
    /// The present value of a column, changed by an amount.
    Shifted {
        /// The row; `None` is the row at hand in [`Step::Each`].
        of: Option<Description>,
        /// An integer, money or date column.
        column: String,
        /// Added to it: an integer or money; days for a date.
        by: i64,
    },
}

/// Rows of a table in words: all conditions hold, then the extremum picks one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The table.
    pub table: String,
    /// What holds of the rows.
    pub conditions: Vec<Condition>,
    /// Among those that match, the one with the least or greatest value of a column.
    pub extremum: Option<Extremum>,
    /// Any number of rows; otherwise exactly one.
    pub many: bool,
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// What holds of it.
    pub test: Test,
}

/// What holds of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Equal.
    Is(Value),
    /// Less; before.
    Below(Value),
    /// Less or equal; on or before.
    AtMost(Value),
    /// Greater; after.
    Above(Value),
    /// Greater or equal; on or after.
    AtLeast(Value),
    /// A reference to a row that matches.
    Of(Box<Description>),
    /// No value.
    Missing,
    /// Some value.
    Present,
}

/// The least or greatest value of a column; no two matching rows may share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extremum {
    /// An integer, money or date column.
    pub column: String,
    /// The greatest, else the least.
    pub greatest: bool,
}

/// A question about the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// A column of a row, reached from a described row over references.
    Lookup {
        /// Where to start.
        of: Description,
        /// Reference columns to follow.
        path: Vec<String>,
        /// The column asked for.
        column: String,
    },
    /// How many rows match.
    Count(Description),
    /// The sum of an integer or money column.
    Sum {
        /// Of these rows.
        of: Description,
        /// The column.
        column: String,
    },
    /// The least or greatest value of a column.
    Extreme {
        /// Of these rows.
        of: Description,
        /// The column.
        extremum: Extremum,
    },
    /// A text column of every row.
    Names {
        /// Of these rows.
        of: Description,
        /// The column.
        column: String,
    },
    /// The row that most of the described rows refer to, by a text column of its own.
    MostReferred {
        /// The rows counted.
        of: Description,
        /// Their reference column.
        by: String,
        /// The column asked for, of the row referred to.
        column: String,
    },
    /// How far a column of two rows lies apart, never negative: an amount, a number, or days.
    Apart {
        /// One row.
        left: Description,
        /// The other row.
        right: Description,
        /// An integer, money or date column.
        column: String,
    },
}

impl Description {
    /// All rows of a table.
    pub fn all(table: &str) -> Self {
        Description { table: table.to_owned(), conditions: Vec::new(), extremum: None, many: true }
    }

    /// Every description inside, itself included, outer first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Description)) {
        visit(self);
        for condition in &self.conditions {
            if let Test::Of(inner) = &condition.test {
                inner.walk(visit);
            }
        }
    }
}

impl Query {
    /// The descriptions it starts from.
    pub fn descriptions(&self) -> Vec<&Description> {
        match self {
            Query::Count(of) => vec![of],
            Query::Lookup { of, .. }
            | Query::Sum { of, .. }
            | Query::Extreme { of, .. }
            | Query::Names { of, .. }
            | Query::MostReferred { of, .. } => vec![of],
            Query::Apart { left, right, .. } => vec![left, right],
        }
    }

    /// The same, to be changed.
    pub fn descriptions_mut(&mut self) -> Vec<&mut Description> {
        match self {
            Query::Count(of) => vec![of],
            Query::Lookup { of, .. }
            | Query::Sum { of, .. }
            | Query::Extreme { of, .. }
            | Query::Names { of, .. }
            | Query::MostReferred { of, .. } => vec![of],
            Query::Apart { left, right, .. } => vec![left, right],
        }
    }
}

impl Call {
    /// The descriptions in its arguments.
    pub fn descriptions(&self) -> Vec<&Description> {
        self.arguments
            .iter()
            .flat_map(|(_, argument)| match argument {
                Argument::Entity(d) | Argument::Shifted { of: Some(d), .. } => vec![d],
                Argument::Computed(query) => query.descriptions(),
                Argument::Each | Argument::Created(_) | Argument::Value(_) | Argument::Shifted { of: None, .. } => {
                    Vec::new()
                }
            })
            .collect()
    }
}

impl Step {
    /// Its calls: one, or the two branches.
    pub fn calls(&self) -> Vec<&Call> {
        match self {
            Step::Call(call) | Step::Each { call, .. } => vec![call],
            Step::If { then, otherwise, .. } => vec![then, otherwise],
        }
    }

    /// The descriptions in it.
    pub fn descriptions(&self) -> Vec<&Description> {
        let mut all: Vec<&Description> = match self {
            Step::Call(_) => Vec::new(),
            Step::Each { rows, .. } => vec![rows],
            Step::If { of, .. } => vec![of],
        };
        all.extend(self.calls().into_iter().flat_map(Call::descriptions));
        all
    }
}

impl Goal {
    /// All descriptions, outermost only.
    pub fn descriptions(&self) -> Vec<&Description> {
        match self {
            Goal::Act(steps) => steps.iter().flat_map(Step::descriptions).collect(),
            Goal::Ask(query) => query.descriptions(),
        }
    }
}
