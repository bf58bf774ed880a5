//! Runs tool suites, which are WebAssembly components, sealed, metered and deterministic. Knows no tool and no task.

#![allow(clippy::enum_glob_use, reason = "matches over all of `ValueType` read better without its name on each line")]

mod arguments;
mod cache;
mod diff;
mod engine;
mod error;
mod guest;
mod instance;
mod journal;
mod json;
mod lift;
mod limits;
mod loader;
mod lower;
mod outcome;
mod program;
mod sandbox;
mod scalar;
mod snapshot;
mod state;
mod store;
mod types;
mod values;

pub use diff::{RowUpdate, StateDiff, TableDiff};
pub use error::{Error, Result};
pub use instance::{FOREIGN_BYTES_MAX, FOREIGN_CALLS_MAX, Instance, Mark};
pub use limits::{Config, Limits};
pub use outcome::{Call, CallOutcome, Trap};
pub use program::{Export, Path, Program};
pub use sandbox::Sandbox;
pub use state::Row;
pub use types::{Case, Field, Names, Record, ValueType, Variant};
