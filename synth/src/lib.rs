//! Synthesizes environments and certified tasks: from a suite to many worlds, from each world to tasks whose reward is proven.

pub mod candidate;
pub mod certify;
pub mod dedup;
pub mod difficulty;
pub mod error;
pub mod ladder;
pub mod library;
pub mod link;
pub mod mutate;
pub mod pipeline;
pub mod report;
pub mod say;
pub mod seed;
pub mod solve;
pub mod tasks;
pub mod vary;

pub use error::{Error, Result};
pub use pipeline::{Admission, Options, Resume, Synthesizer};
pub use report::Report;
