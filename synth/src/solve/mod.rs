//! Goals by tools: the planner. It sees the goal, the tools' declared meanings and what calls return; never the host's rows.

pub mod choose;
pub mod effort;
pub mod filter;
pub mod judge;
pub mod known;
pub mod listing;
pub mod plan;
pub mod query;
pub mod toolbox;
pub mod trace;

pub use effort::Effort;
pub use plan::{Solution, solve, solve_within};
