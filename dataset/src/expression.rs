//! Conditions that a user writes: one SQL expression over documented columns, and nothing else.
//!
//! SQLite's own parser decides. The text must be free of comments, parameters and statement ends, and its parentheses must close in
//! order, so that inside `( )` it can only be an expression; then it becomes the condition of a partial index on an empty table in a
//! database of its own in memory. There SQLite refuses subqueries, aggregates, unknown columns and functions that are not
//! deterministic, so a condition cannot reach another table, write anything, or select differently tomorrow.

use crate::error::{Error, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::fmt;

/// Longest text, in bytes.
const LENGTH_MAX: usize = 4096;

/// What a condition speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An episode: the columns of the view `results`.
    Episode,
    /// A task.
    Task,
}

impl Subject {
    /// The columns that a condition may use.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Subject::Episode => &[
                "task_id",
                "policy",
                "sample",
                "environment_id",
                "suite",
                "domain",
                "split",
                "kind",
                "difficulty",
                "calls",
                "writes",
                "tool_count",
                "depth",
                "distractors",
                "outcome",
                "reward",
                "turns",
                "step_count",
                "trace_count",
                "tokens",
                "group_episodes",
                "group_scored",
                "group_solved",
                "pass_rate",
            ],
            Subject::Task => &[
                "task_id",
                "environment_id",
                "suite",
                "domain",
                "split",
                "kind",
                "difficulty",
                "calls",
                "writes",
                "tool_count",
                "depth",
                "distractors",
                "episodes",
                "scored",
                "solved",
                "pass_rate",
            ],
        }
    }
}

/// A condition that was found harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(String);

impl Expression {
    /// Checks a condition.
    ///
    /// # Errors
    /// [`Error::Expression`] with what is wrong.
    pub async fn check(text: &str, subject: Subject) -> Result<Expression> {
        let text = text.trim();
        let refuse =
            |detail: String| Error::Expression { text: text.to_owned(), detail, columns: subject.columns().join(", ") };
        shape(text).map_err(|detail| refuse(detail.to_owned()))?;
        let sqlite =
            |e: sqlx::Error| refuse(e.as_database_error().map_or_else(|| e.to_string(), |e| e.message().to_owned()));
        let memory = SqliteConnectOptions::new().filename(":memory:");
        let mut connection = SqliteConnection::connect_with(&memory).await.map_err(sqlite)?;
        let table = format!("CREATE TABLE facts ({})", subject.columns().join(", "));
        connection.execute(AssertSqlSafe(table)).await.map_err(sqlite)?;
        let index = format!("CREATE INDEX checked ON facts (task_id) WHERE ({text})");
        connection.execute(AssertSqlSafe(index)).await.map_err(sqlite)?;
        // Names in double quotes that are no column would be taken for texts; some functions complain only when they run.
        let row = match subject {
            Subject::Episode => "INSERT INTO facts (task_id, policy) VALUES ('task', 'policy')",
            Subject::Task => "INSERT INTO facts (task_id) VALUES ('task')",
        };
        connection.execute(row).await.map_err(sqlite)?;
        Ok(Expression(text.to_owned()))
    }

    /// The text, to be put in parentheses.
    pub(crate) fn sql(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses what could end the parentheses that the text is put in.
fn shape(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > LENGTH_MAX {
        return Err("it is longer than 4096 bytes");
    }
    let mut depth = 0u32;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' | '`' | '[' => {
                let end = if c == '[' { ']' } else { c };
                // A doubled quote is two quoted parts side by side, which ends at the same place.
                if !rest.any(|d| d == end) {
                    return Err("a quote is not closed");
                }
            }
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("a parenthesis closes that was not opened")?,
            ';' => return Err("it holds `;`; one expression is meant"),
            '\0' => return Err("it holds a zero byte"),
            '?' | '@' | '$' | '#' | ':' => return Err("parameters are not possible; write the value"),
            '-' if rest.peek() == Some(&'-') => return Err("comments are not possible"),
            '/' if rest.peek() == Some(&'*') => return Err("comments are not possible"),
            _ => {}
        }
    }
    if depth > 0 { Err("a parenthesis is not closed") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(text: &str) -> String {
        match Expression::check(text, Subject::Episode).await {
            Err(Error::Expression { detail, .. }) => detail,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn expressions_are_taken() {
        for text in [
            "reward = 1",
            "outcome = 'solved' AND step_count <= 12",
            "pass_rate BETWEEN 0.1 AND 0.9",
            "suite IN ('a', 'it''s; -- not a comment') OR NOT (turns > 3)",
            "policy LIKE 'openai:%'",
            "CASE kind WHEN 'ask' THEN turns < 4 ELSE 1 END",
            "length(task_id) % 2 = 0",
            "tokens < 8e3 - -1",
        ] {
            assert_eq!(Expression::check(text, Subject::Episode).await.unwrap().sql(), text);
        }
        assert!(Expression::check("pass_rate > 0 AND episodes >= 4", Subject::Task).await.is_ok());
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        for (text, reason) in [
            ("", "empty"),
            ("reward = 1; DROP TABLE episodes", "`;`"),
            ("1) UNION SELECT id FROM episodes WHERE (1", "closes"),
            ("1) --", "closes"),
            ("1 -- all", "comments"),
            ("1 /* all */", "comments"),
            ("reward = ?", "parameters"),
            ("reward = :x", "parameters"),
            ("(reward = 1", "not closed"),
            ("policy = 'expert", "quote"),
            ("SELECT 1", "subqueries"),
            ("1, 2", "misused"),
            ("reward = 1 ORDER BY turns", "syntax error"),
            ("task_id IN (SELECT id FROM tasks)", "subqueries"),
            ("EXISTS (SELECT 1)", "subqueries"),
            ("count(*) > 1", "misuse of aggregate"),
            ("random() > 0", "non-deterministic"),
            ("date('now') > '2026'", "non-deterministic"),
            ("no_such_column = 1", "no such column"),
            ("load_extension('x')", "unsafe use"),
            ("row_number() OVER () = 1", "window"),
        ] {
            let said = refused(text).await;
            assert!(said.contains(reason), "{text}: {said}");
        }
        assert!(refused(&"1+".repeat(3000)).await.contains("longer"));
    }
}
