//! Calls of functions and tools.

use super::statements::Flow;
use super::values::EvalValue;
use super::{Evaluator, ToolError};
use crate::suite::Tool;
use crate::types::FunctionId;
use crate::value::Value;

impl Evaluator<'_> {
    /// Run a tool's body, one value a parameter of its function, as a whole call: a tool error undoes its writes.
    ///
    /// # Errors
    /// The tool error.
    pub fn call(&mut self, tool: &Tool, arguments: &[Value]) -> Result<Value, ToolError> {
        let before = self.rows.clone();
        self.steps = 0;
        let arguments = arguments.iter().map(EvalValue::from).collect();
        match self.function(tool.function, arguments) {
            Ok(value) => Ok(self.leave(&self.suite.functions[tool.function].returns, &value)),
            Err(error) => {
                self.rows = before;
                Err(error)
            }
        }
    }

    /// Run a function. The call graph has no cycles (checked), so this ends.
    pub(super) fn function(&mut self, function: FunctionId, arguments: Vec<EvalValue>) -> Result<EvalValue, ToolError> {
        self.step()?;
        let suite = self.suite;
        let function = suite.functions.get(function).ok_or_else(|| ToolError::fault("no such function"))?;
        if arguments.len() != function.parameters.len() {
            return Err(ToolError::fault("a call with another number of arguments"));
        }
        let mut locals: Vec<Option<EvalValue>> = arguments.into_iter().map(Some).collect();
        locals.resize(function.locals.len(), None);
        match self.body(&function.body, &mut locals)? {
            Flow::Return(value) => Ok(value),
            _ => Ok(EvalValue::None),
        }
    }

    /// The locals of a tool's declared meaning: its arguments, then room for the variables of lambdas.
    pub(super) fn goal_locals(tool: &Tool, arguments: &[Value]) -> Result<Vec<Option<EvalValue>>, ToolError> {
        if arguments.len() > tool.goal_locals.len() {
            return Err(ToolError::fault("more arguments than parameters"));
        }
        let mut locals: Vec<Option<EvalValue>> = arguments.iter().map(|value| Some(EvalValue::from(value))).collect();
        locals.resize(tool.goal_locals.len(), None);
        Ok(locals)
    }

    /// Whether all declared conditions of a call hold. With a key of no row this is the error `not_found`.
    ///
    /// # Errors
    /// The tool error that a condition raises.
    pub fn needs(&mut self, tool: &Tool, arguments: &[Value]) -> Result<bool, ToolError> {
        let mut locals = Self::goal_locals(tool, arguments)?;
        self.steps = 0;
        for need in &tool.needs {
            if !self.condition(need, &mut locals)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
