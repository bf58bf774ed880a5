//! What a task checks: the net change of the world, up to a renaming of keys created in the episode, and the answer.
//!
//! The verifier is data, derived from the goal. It stands outside the world; nothing the agent calls can reach it.
//! `change` compares the rows, `answer` the answer. Limits: at most [`INSERTS_MAX`] expected inserts, and a matching that
//! would take more than [`change::STEPS_MAX`] steps is an error of the verifier, never a verdict.

pub mod answer;
pub mod change;
pub mod program;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use terrarium_sandbox::StateDiff;

/// How one column of an expected row is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Exactly this JSON value.
    Exact(serde_json::Value),
    /// A key made in the episode: the name of a row in `inserted` (its own or a reference to another).
    Created(String),
    /// Anything.
    Free,
}

/// A row that must have been inserted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedInsert {
    /// Table.
    pub table: String,
    /// Name of this row for `Expected::Created`; its key column is `Created(name)`.
    pub name: String,
    /// Columns in table order, key included.
    pub columns: Vec<(String, Expected)>,
}

/// A row that must have changed, in exactly these columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedUpdate {
    /// Table.
    pub table: String,
    /// Its key.
    pub key: String,
    /// New values of the columns that change. A column whose value would stay the same must not be listed: the net change of a
    /// world holds changed columns only.
    pub columns: Vec<(String, Expected)>,
}

/// A row that must be gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedDelete {
    /// Table.
    pub table: String,
    /// Its key.
    pub key: String,
}

/// The expected net change. Everything not named must be as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExpectedChange {
    /// Rows inserted.
    pub inserted: Vec<ExpectedInsert>,
    /// Rows updated.
    pub updated: Vec<ExpectedUpdate>,
    /// Rows deleted.
    pub deleted: Vec<ExpectedDelete>,
}

/// The expected answer of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An integer; `7`, `"7"` and `7.0` are the same.
    Integer(i64),
    /// Cents; `"12.50"`, `12.5`, `"$12.50"` are the same.
    Money(i64),
    /// Days since 1970-01-01; `"2026-03-01"` only.
    Date(i32),
    /// A text; compared without case, surrounding or doubled white space, and quotation marks around it.
    Text(String),
    /// A set of texts, in any order, each once.
    Texts(Vec<String>),
    /// Answers to several questions, as a list in this order.
    Each(Vec<Answer>),
    /// Any plan that keeps to a constraint program: a list of rows, by name or key.
    Plan(program::Program),
    /// A refusal with its grounds: `submit` with `decision`, `rule` and `evidence` instead of `answer`.
    Refusal {
        /// The number of the rule in the policy.
        rule: u32,
        /// What the records say against it: a value, or the ids of records.
        evidence: Box<Answer>,
    },
}

/// What is checked at the end of an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verifier {
    /// The expected net change of the world.
    pub change: ExpectedChange,
    /// The expected answer, for questions.
    pub answer: Option<Answer>,
}

/// One check and whether it held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked: `insert loan #1`, `update book B-00012`, `nothing else changed`, `answer`.
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// What was found instead, if it did not.
    pub detail: String,
}

/// The verdict: reward is 1 when every check passed, else 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 1 or 0.
    pub reward: f64,
    /// Every check.
    pub checks: Vec<Check>,
}

/// Version of the rules by which this module reaches a verdict. Whoever changes what any verdict may come out as raises it, so that
/// verdicts of before and after can stand side by side.
pub const RULES: u32 = 1;

/// Expected inserts a verifier may name.
pub const INSERTS_MAX: usize = 512;

impl Score {
    /// Whether every check passed.
    pub fn solved(&self) -> bool {
        self.reward >= 1.0
    }
}

impl Verifier {
    /// Who judges: `<RULES>-<12 hex of this verifier>`. Equal for equal rules and equal content.
    pub fn name(&self) -> String {
        let text = serde_json::to_string(self).expect("a verifier has a JSON text");
        format!("{RULES}-{}", &blake3::hash(text.as_bytes()).to_hex()[..12])
    }

    /// Whether the verifier can be evaluated at all.
    ///
    /// # Errors
    /// [`Error::Verifier`] when it checks nothing, names a row twice, refers to a row that it does not insert, or names one column
    /// twice. A broken verifier gives no reward at all.
    pub fn validate(&self) -> Result<()> {
        let change = &self.change;
        if change.is_empty() && self.answer.is_none() {
            return broken("it checks nothing");
        }
        if let Some(Answer::Texts(texts)) = &self.answer
            && texts.is_empty()
        {
            return broken("it expects an empty set of texts");
        }
        if let Some(Answer::Plan(program)) = &self.answer
            && let Some(fault) = program.fault()
        {
            return broken(format!("its constraint program cannot be right: {fault}"));
        }
        if change.inserted.len() > INSERTS_MAX {
            return broken(format!("{} expected inserts, at most {INSERTS_MAX} are allowed", change.inserted.len()));
        }
        let mut names = BTreeSet::new();
        for insert in &change.inserted {
            if !names.insert(insert.name.as_str()) {
                return broken(format!("two inserts are called `{}`", insert.name));
            }
        }
        for insert in &change.inserted {
            check_columns(&insert.columns, &names)?;
        }
        let mut rows = BTreeSet::new();
        for update in &change.updated {
            check_columns(&update.columns, &names)?;
            if update.columns.is_empty() {
                return broken(format!("the update of {} {} names no column", update.table, update.key));
            }
            if !rows.insert((update.table.as_str(), update.key.as_str())) {
                return broken(format!("{} {} is named twice", update.table, update.key));
            }
        }
        for delete in &change.deleted {
            if !rows.insert((delete.table.as_str(), delete.key.as_str())) {
                return broken(format!("{} {} is named twice", delete.table, delete.key));
            }
        }
        Ok(())
    }
}

fn check_columns(columns: &[(String, Expected)], names: &BTreeSet<&str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (column, expected) in columns {
        if !seen.insert(column.as_str()) {
            return broken(format!("column `{column}` is named twice in one row"));
        }
        if let Expected::Created(name) = expected
            && !names.contains(name.as_str())
        {
            return broken(format!("column `{column}` refers to `{name}`, which is not inserted"));
        }
    }
    Ok(())
}

fn broken<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::Verifier(what.into()))
}

impl ExpectedChange {
    /// Whether nothing may change.
    pub fn is_empty(&self) -> bool {
        self.inserted.is_empty() && self.updated.is_empty() && self.deleted.is_empty()
    }
}

/// Evaluates a verifier on the net change of a world and the answer.
///
/// # Errors
/// [`Error::Verifier`] when the verifier itself is broken ([`Verifier::validate`]) or the matching of created rows takes too long.
pub fn try_verify(verifier: &Verifier, diff: &StateDiff, answer: Option<&serde_json::Value>) -> Result<Score> {
    verifier.validate()?;
    let mut checks = change::check(&verifier.change, diff)?;
    match (&verifier.answer, answer) {
        (Some(expected), answer) => checks.push(answer::check(expected, answer)),
        (None, Some(submitted)) if answer::is_refusal(submitted) => checks.push(Check {
            name: "decision".to_owned(),
            passed: false,
            detail: format!("submitted {submitted}, but nothing is to be refused"),
        }),
        (None, _) => {}
    }
    let reward = if checks.iter().all(|c| c.passed) { 1.0 } else { 0.0 };
    Ok(Score { reward, checks })
}

/// [`try_verify`] for callers that only need a number: a broken verifier scores 0 with one failed check called `verifier`.
pub fn verify(verifier: &Verifier, diff: &StateDiff, answer: Option<&serde_json::Value>) -> Score {
    try_verify(verifier, diff, answer).unwrap_or_else(|error| Score {
        reward: 0.0,
        checks: vec![Check { name: "verifier".to_owned(), passed: false, detail: error.to_string() }],
    })
}
