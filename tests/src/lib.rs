//! Bodies of the workspace's fuzzers: random programs, mutated sources, arguments and foreign components, each a function of a seed.
//!
//! `tests/fuzz.rs` runs a bounded slice of each (part of `make test`), `src/bin/soak.rs` as many as fit its time (`make soak`), and the
//! targets of `fuzz/` (`cargo fuzz`, nightly) look for inputs that reach new code. A finding is reproduced by its seed alone.

#![allow(clippy::enum_glob_use, reason = "matches over all of `ValueType` read better without its name on each line")]

pub mod arguments;
pub mod compare;
pub mod foreign;
pub mod interfaces;
pub mod lab;
mod modules;
pub mod programs;
pub mod smith;
pub mod sources;
#[allow(clippy::should_implement_trait, reason = "`Random::next` gives a number and never ends")]
#[path = "../../tools/tests/support/mod.rs"]
pub mod support;
