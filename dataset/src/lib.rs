//! The SQLite store of environments, tasks and episodes, and what is made from it: statistics, re-scoring, exports.
//!
//! What must hold:
//! - one file (`terrarium.db`, WAL) holds everything; the schema is `migrations/`, documented there for people who use SQL;
//! - what was stored comes back equal, whatever it was ([`Store::put_environment_with_tasks`], [`envs::sink::EpisodeSink`]);
//! - a process killed at any moment loses at most the transaction in flight, never a part of one, and leaves no torn export;
//! - exports are ordered by task, policy and sample and hold no clock time and no row ids.
//!
//! Only this crate speaks SQL. It prints nothing and reads no process environment. Not covered: many writers on a network file
//! system (SQLite's locks do not hold there).
//!
//! [`envs::sink::EpisodeSink`]: terrarium_envs::sink::EpisodeSink

pub mod check;
pub mod collection;
pub mod error;
pub mod eval;
pub mod export;
pub mod expression;
pub mod filter;
pub mod merge;
pub mod report;
pub mod rescore;
pub mod rescores;
pub mod rows;
pub mod runs;
pub mod select;
pub mod statistics;
pub mod stats;
pub mod store;

mod clusters;
mod environments;
mod episodes;
mod file;
mod insert;
mod outcomes;
mod sink;
mod summaries;
mod synthesis;
mod tasks;

pub use episodes::{EpisodeCursor, StoredEpisode};
pub use error::{Error, Result};
pub use expression::{Expression, Subject};
pub use filter::{EpisodeFilter, TaskFilter};
pub use select::{Selection, StoredTask};
pub use store::{Options, Store};
pub use synthesis::{RejectedExample, Rejection, Synthesis};
