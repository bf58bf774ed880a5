//! What a task checks: the net change of the world, up to a renaming of keys created in the episode, and the answer.
//!
//! The verifier is data, derived from the goal. It stands outside the world; nothing the agent calls can reach it.

use serde::{Deserialize, Serialize};

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
    /// New values of the columns that change.
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
