//! How far a solver goes: reference solutions go as far as it takes, the rungs of the ladder do not.

/// Calls of the solution of a long goal before it is given up.
pub const LONG_CALLS_MAX: usize = 48;
/// Calls of other solutions.
pub const CALLS_MAX: usize = 30;

/// How far a solver goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Calls at most.
    pub calls: usize,
    /// Pages read of one listing.
    pub pages: usize,
    /// Rows of a listing that are looked at; those beyond it are taken as they come.
    pub rows: usize,
}

impl Effort {
    /// As far as it takes: what reference solutions are made with.
    pub const FULL: Effort = Effort { calls: CALLS_MAX, pages: CALLS_MAX, rows: usize::MAX };
    /// The same for long goals.
    pub const LONG: Effort = Effort { calls: LONG_CALLS_MAX, ..Effort::FULL };
}
