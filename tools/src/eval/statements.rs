//! Statements of function bodies.

use super::values::EvalValue;
use super::{Evaluator, ToolError, operators};
use crate::tree::Statement;
use std::sync::Arc;

/// How a statement ends.
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return(EvalValue),
}

type Locals = [Option<EvalValue>];

impl Evaluator<'_> {
    pub(super) fn body(&mut self, body: &[Statement], locals: &mut Locals) -> Result<Flow, ToolError> {
        for statement in body {
            match self.statement(statement, locals)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement, locals: &mut Locals) -> Result<Flow, ToolError> {
        match statement {
            Statement::Assign { local, value } => {
                let value = self.expr(value, locals)?;
                *locals.get_mut(*local).ok_or_else(|| ToolError::fault("no such local"))? = Some(value);
            }
            Statement::SetColumn { row, table, column, value } => {
                let value = self.expr(value, locals)?;
                let row = self.expr(row, locals)?.row()?;
                self.rows.alive(*table, row)?;
                self.rows.check_value(self.suite, *table, *column, &value, Some(row))?;
                self.rows.set(*table, row, *column, value);
            }
            Statement::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.condition(condition, locals)? {
                        return self.body(body, locals);
                    }
                }
                return self.body(otherwise, locals);
            }
            Statement::For { local, iterable, body } => {
                let elements = self.elements(iterable, locals)?;
                let mut returned = None;
                self.each(&elements, *local, locals, |e, locals| {
                    Ok(match e.body(body, locals)? {
                        Flow::Next | Flow::Continue => true,
                        Flow::Break => false,
                        Flow::Return(value) => {
                            returned = Some(value);
                            false
                        }
                    })
                })?;
                if let Some(value) = returned {
                    return Ok(Flow::Return(value));
                }
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Return(value) => {
                return Ok(Flow::Return(match value {
                    Some(value) => self.expr(value, locals)?,
                    None => EvalValue::None,
                }));
            }
            Statement::Append { list, value } => {
                let value = self.expr(value, locals)?;
                match locals.get_mut(*list) {
                    Some(Some(EvalValue::List(items))) => Arc::make_mut(items).push(value),
                    _ => return Err(ToolError::fault("append to what is no list")),
                }
            }
            Statement::SetElement { list, index, value } => {
                let value = self.expr(value, locals)?;
                let index = self.expr(index, locals)?.int()?;
                match locals.get_mut(*list) {
                    Some(Some(EvalValue::List(items))) => {
                        let position = operators::position(items.len(), index)?;
                        Arc::make_mut(items)[position] = value;
                    }
                    _ => return Err(ToolError::fault("an element of what is no list")),
                }
            }
            Statement::SetEntry { dict, key, value } => {
                let value = self.expr(value, locals)?;
                let key = self.expr(key, locals)?;
                match locals.get_mut(*dict) {
                    Some(Some(dict)) => super::dicts::set(dict, key, value)?,
                    _ => return Err(ToolError::fault("an entry of what is no dict")),
                }
            }
            Statement::Delete { table, row } => {
                let row = self.expr(row, locals)?.row()?;
                self.rows.alive(*table, row)?;
                self.rows.check_unreferenced(self.suite, *table, row)?;
                self.rows.delete(*table, row);
            }
            Statement::Require { condition, code, message } => {
                if !self.condition(condition, locals)? {
                    let message = self.expr(message, locals)?;
                    return Err(ToolError::new(code, message.str()?));
                }
            }
            Statement::Fail { code, message } => {
                let message = self.expr(message, locals)?;
                return Err(ToolError::new(code, message.str()?));
            }
            Statement::Expr(value) => {
                self.expr(value, locals)?;
            }
        }
        Ok(Flow::Next)
    }
}
