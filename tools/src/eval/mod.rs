//! Host-side evaluation of the typed tree over the rows of a world.
//!
//! Synthesis uses it to choose arguments (`needs`), to state goals (`effect`), to fill derived columns and to know what a
//! read tool would find. It shares no code with the compiler and follows the semantics written in [`crate::tree`]; so it is
//! also a second opinion on compiled tools: a tool body run by [`Evaluator::call`], the effects its author declared and
//! the compiled tool must agree.
//!
//! Integrity is the same as in compiled tools: a reference must exist (`not_found`), a unique column holds no value twice
//! (`duplicate`), and a row that others refer to is not deleted (`still_referenced`).
//!
//! Limits: one evaluation takes at most [`STEPS_MAX`] loop rounds and calls (`step_limit`); a tree that the checker
//! would not make gives the error `fault` instead of a panic.

mod builtins;
mod calls;
mod dicts;
mod effects;
mod expressions;
mod finds;
mod operators;
mod rows;
mod statements;
mod values;

#[cfg(test)]
mod tests;

pub use effects::{ChangeKind, ColumnChange, RowChange, apply_effects, fill_derived};
pub use rows::{RowId, Rows};
pub use values::EvalValue;

use crate::suite::Suite;
use crate::tree::{Expr, Literal};
use crate::value::{Value, World};

/// Most loop rounds and function calls of one evaluation.
pub const STEPS_MAX: u32 = 20_000_000;

/// A tool error: the call changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ToolError {
    /// Predeclared (`not_found`, `overflow`, ...) or the suite's own, lower snake case.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl ToolError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        ToolError { code: code.to_owned(), message: message.into() }
    }

    /// A tree that the checker would not have made.
    pub(crate) fn fault(message: &str) -> Self {
        ToolError::new("fault", message)
    }
}

/// Evaluates expressions and functions of one suite over rows that it owns.
#[derive(Clone, Debug)]
pub struct Evaluator<'s> {
    suite: &'s Suite,
    parameters: Vec<EvalValue>,
    rows: Rows,
    steps: u32,
}

impl<'s> Evaluator<'s> {
    /// Over the rows of a world; `parameters` are the values of the policy parameters.
    pub fn new(suite: &'s Suite, parameters: &[Literal], world: &World) -> Self {
        Evaluator::over(suite, parameters, Rows::new(world))
    }

    /// Over rows made before.
    pub fn over(suite: &'s Suite, parameters: &[Literal], rows: Rows) -> Self {
        let parameters = parameters.iter().map(|literal| EvalValue::from(&Value::from(literal))).collect();
        Evaluator { suite, parameters, rows, steps: 0 }
    }

    /// The suite.
    pub fn suite(&self) -> &'s Suite {
        self.suite
    }

    /// The rows as they are now.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Exchange the rows; gives the old ones. Rows share memory until they are written to, so keeping copies is cheap.
    pub fn replace_rows(&mut self, rows: Rows) -> Rows {
        std::mem::replace(&mut self.rows, rows)
    }

    /// Evaluate one expression. `locals` has one entry for each local of the body that the expression belongs to.
    /// Writes of functions that the expression calls stay, also when it fails; see [`Evaluator::call`] for whole calls.
    ///
    /// # Errors
    /// The tool error that the expression raises.
    pub fn eval(&mut self, expr: &Expr, locals: &mut [Option<EvalValue>]) -> Result<EvalValue, ToolError> {
        self.steps = 0;
        self.expr(expr, locals)
    }

    fn step(&mut self) -> Result<(), ToolError> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(ToolError::new("step_limit", format!("this takes more than {STEPS_MAX} steps")));
        }
        Ok(())
    }
}
