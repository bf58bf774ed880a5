//! Compiled suites, run in the sandbox: what tools answer, what they write and undo, and what the component declares.

mod build;
mod differ;
mod first;
mod interface;
mod language;
mod run;
#[path = "../support/mod.rs"]
mod support;
