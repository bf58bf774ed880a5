//! Bodies of the workspace's fuzzers: random programs, mutated sources, arguments and foreign components, each a function of a seed.
//!
//! `tests/fuzz.rs` runs a bounded slice of each (part of `make test`), `src/bin/soak.rs` as many as fit its time (`make soak`), and the
//! targets of `fuzz/` (`cargo fuzz`, nightly) look for inputs that reach new code. A finding is reproduced by its seed alone.

pub mod arguments;
pub mod compare;
pub mod foreign;
pub mod interfaces;
pub mod lab;
mod modules;
pub mod programs;
pub mod sources;
#[path = "../../tools/tests/support/mod.rs"]
pub mod support;
