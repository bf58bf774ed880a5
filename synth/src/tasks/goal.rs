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
    /// Do something that the policy may forbid.
    Policy(Case),
    /// Choose rows under demands.
    Plan(Choice),
    /// Put right every record that breaks one of these claims: each a [`Step::Each`] over the records that do.
    Repair(Vec<Step>),
    /// Several goals that do not depend on one another; the answers to their questions are given together.
    Long(Vec<Goal>),
}

/// Rows of a table to be chosen, in order, all different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The table.
    pub table: String,
    /// How many.
    pub slots: usize,
    /// What must hold of them.
    pub demands: Vec<Demand>,
}

/// A column of a chosen row, or of the row that it refers to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The reference to follow, if any.
    pub via: Option<String>,
    /// The column.
    pub column: String,
}

/// What must hold of the chosen rows; they are counted from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// A test of every row, or of one.
    Each {
        /// The one row.
        slot: Option<usize>,
        /// What is tested.
        place: Place,
        /// The test.
        test: Test,
    },
    /// A test that at least so many rows pass.
    Several {
        /// How many.
        least: usize,
        /// What is tested.
        place: Place,
        /// The test.
        test: Test,
    },
    /// No two rows share the value.
    Differ(Place),
    /// All rows share the value.
    Same(Place),
    /// The sum over all rows lies within bounds.
    Total {
        /// What is added up.
        place: Place,
        /// Least sum.
        least: Option<Value>,
        /// Greatest sum.
        most: Option<Value>,
    },
    /// The value of one row is less than that of another.
    Rising {
        /// The row with the lesser value.
        low: usize,
        /// The row with the greater value.
        high: usize,
        /// What is compared.
        place: Place,
    },
    /// If the first row has at least so much, the others together have at most `large`, else at most `small`.
    Depends {
        /// What is compared and added up.
        place: Place,
        /// From where on the first row counts as large.
        threshold: Value,
        /// Most for the others then.
        large: Value,
        /// Most for the others otherwise.
        small: Value,
    },
}

impl Demand {
    /// The values that it names.
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Demand::Each { test, .. } | Demand::Several { test, .. } => test.value().into_iter().collect(),
            Demand::Differ(_) | Demand::Same(_) | Demand::Rising { .. } => Vec::new(),
            Demand::Total { least, most, .. } => least.iter().chain(most).collect(),
            Demand::Depends { threshold, large, small, .. } => vec![threshold, large, small],
        }
    }

    /// What it is about.
    pub fn place(&self) -> &Place {
        match self {
            Demand::Each { place, .. }
            | Demand::Several { place, .. }
            | Demand::Differ(place)
            | Demand::Same(place)
            | Demand::Total { place, .. }
            | Demand::Rising { place, .. }
            | Demand::Depends { place, .. } => place,
        }
    }
}

/// A request that a rule of the policy allows or forbids, as the rows have it. Which it is follows from the goal; it is not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What is asked for.
    pub request: Call,
    /// What is to be done instead where a rule forbids it; without it, a refusal with rule and evidence is asked for.
    pub otherwise: Option<Call>,
    /// Position, in the tool's `needs`, of the rule that decides.
    pub need: usize,
    /// The same request about other rows, where that rule decides the other way.
    pub twin: Call,
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
    /// The value of a column of a row that matches, in the table of another suite: the same person or company.
    Shared {
        /// The rows over there.
        of: Box<Description>,
        /// Their column.
        column: String,
    },
    /// No value.
    Missing,
    /// Some value.
    Present,
}

impl Test {
    /// The value it compares with.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Test::Is(v) | Test::Below(v) | Test::AtMost(v) | Test::Above(v) | Test::AtLeast(v) => Some(v),
            Test::Of(_) | Test::Shared { .. } | Test::Missing | Test::Present => None,
        }
    }
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
            if let Test::Of(inner) | Test::Shared { of: inner, .. } = &condition.test {
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
    /// Its parts: those of a long goal, else itself alone.
    pub fn parts(&self) -> &[Goal] {
        match self {
            Goal::Long(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Steps that change something, counted as a planner numbers them.
    pub fn steps(&self) -> usize {
        match self {
            Goal::Act(steps) | Goal::Repair(steps) => steps.len(),
            Goal::Ask(_) | Goal::Plan(_) => 0,
            Goal::Policy(_) => 1,
            Goal::Long(parts) => parts.iter().map(Goal::steps).sum(),
        }
    }

    /// All descriptions, outermost only.
    pub fn descriptions(&self) -> Vec<&Description> {
        match self {
            Goal::Act(steps) | Goal::Repair(steps) => steps.iter().flat_map(Step::descriptions).collect(),
            Goal::Ask(query) => query.descriptions(),
            Goal::Plan(_) => Vec::new(),
            Goal::Policy(case) => case
                .request
                .descriptions()
                .into_iter()
                .chain(case.otherwise.iter().flat_map(Call::descriptions))
                .collect(),
            Goal::Long(parts) => parts.iter().flat_map(Goal::descriptions).collect(),
        }
    }
}
