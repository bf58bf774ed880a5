//! Compiled suites, run in the sandbox: what tools answer, what they write and undo, and what the component declares.

mod build;
mod first;
mod run;
