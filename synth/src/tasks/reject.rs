//! Why a candidate was turned down. Reasons are stable names: they are counted in reports.

use std::borrow::Cow;

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Stable name: `ambiguous`, `unreachable`, `mutant_survived:drop_write`, ...
    pub reason: Cow<'static, str>,
    /// What exactly, for the examples of a report.
    pub detail: String,
}

/// A candidate, or why there is none.
pub type Verdict<T> = std::result::Result<T, Reject>;

impl Reject {
    /// A reason with a detail.
    pub fn new(reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Reject { reason: reason.into(), detail: detail.into() }
    }
}

/// A rejection.
pub fn reject<T>(reason: &'static str, detail: impl Into<String>) -> Verdict<T> {
    Err(Reject::new(reason, detail))
}
