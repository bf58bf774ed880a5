//! What can be wrong: diagnostics about a suite file (for people and models that write suites), and this crate's errors.

use serde::{Deserialize, Serialize};
use std::fmt;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One fault in a suite file: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// File name as given to [`crate::parse_suite`].
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// One sentence that says what is wrong.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The suite file does not parse or check.
    #[error("{}", join(.0))]
    Suite(Vec<Diagnostic>),
    /// The surface or the world does not belong to the suite.
    #[error("the {what} does not fit the suite: {reason}")]
    Mismatch {
        /// `surface`, `world`, `parameters`.
        what: &'static str,
        /// What differs.
        reason: String,
    },
    /// A limit of the compiled form is exceeded.
    #[error("{what} is {value}, more than the limit of {limit}")]
    Limit {
        /// What is too large.
        what: String,
        /// Its size.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The compiler made something that the WebAssembly tools refuse: a fault of this crate.
    #[error("compiler fault in {stage}: {message}")]
    Compiler {
        /// Step that failed.
        stage: &'static str,
        /// What the tool said.
        message: String,
    },
    /// A core module of somebody else's does not become a component.
    #[error("the {part} does not make a component: {message}")]
    Wrap {
        /// `WIT text` or `core module`.
        part: &'static str,
        /// What the WebAssembly tools said.
        message: String,
    },
    /// The reference interpreter failed: a fault of this crate.
    #[error("the reference interpreter failed: {0}")]
    Oracle(String),
    /// A JSON Schema made by this crate is not one: a fault of this crate.
    #[error("the schema of `{tool}` is not valid: {message}")]
    Schema {
        /// Tool.
        tool: String,
        /// What the schema compiler said.
        message: String,
    },
}

fn join(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
