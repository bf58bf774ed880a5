//! Values during evaluation: cheap to clone, rows as handles.

use super::rows::RowId;
use super::{Evaluator, ToolError};
use crate::types::Type;
use crate::value::Value;
use std::sync::Arc;

/// A value during evaluation. `Some(x)` is `x` itself: options do not nest.
#[derive(Clone, Debug, PartialEq)]
pub enum EvalValue {
    /// `None`, and the result of functions without one.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(Arc<str>),
    /// Cents.
    Money(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Case index.
    Enum(u32),
    /// A row's key.
    Key(Arc<str>),
    /// A handle on a row; its table is in the type.
    Row(RowId),
    /// A list.
    List(Arc<Vec<EvalValue>>),
    /// A record's fields.
    Record(Arc<Vec<EvalValue>>),
}

impl From<&Value> for EvalValue {
    fn from(value: &Value) -> Self {
        let all = |values: &[Value]| Arc::new(values.iter().map(EvalValue::from).collect::<Vec<_>>());
        match value {
            Value::None => EvalValue::None,
            Value::Bool(b) => EvalValue::Bool(*b),
            Value::Int(n) => EvalValue::Int(*n),
            Value::Float(x) => EvalValue::Float(*x),
            Value::Str(text) => EvalValue::Str(text.as_str().into()),
            Value::Money(cents) => EvalValue::Money(*cents),
            Value::Date(days) => EvalValue::Date(*days),
            Value::Enum(case) => EvalValue::Enum(*case),
            Value::Key(key) => EvalValue::Key(key.as_str().into()),
            Value::List(items) => EvalValue::List(all(items)),
            Value::Record(fields) => EvalValue::Record(all(fields)),
        }
    }
}

impl EvalValue {
    /// The value without handles, for columns and arguments; a handle becomes `None` (columns hold keys).
    pub fn plain(&self) -> Value {
        let all = |values: &[EvalValue]| values.iter().map(EvalValue::plain).collect();
        match self {
            EvalValue::None | EvalValue::Row(_) => Value::None,
            EvalValue::Bool(b) => Value::Bool(*b),
            EvalValue::Int(n) => Value::Int(*n),
            EvalValue::Float(x) => Value::Float(*x),
            EvalValue::Str(text) => Value::Str(text.to_string()),
            EvalValue::Money(cents) => Value::Money(*cents),
            EvalValue::Date(days) => Value::Date(*days),
            EvalValue::Enum(case) => Value::Enum(*case),
            EvalValue::Key(key) => Value::Key(key.to_string()),
            EvalValue::List(items) => Value::List(all(items)),
            EvalValue::Record(fields) => Value::Record(all(fields)),
        }
    }

    pub(super) fn list(items: Vec<EvalValue>) -> Self {
        EvalValue::List(Arc::new(items))
    }

    pub(super) fn text(text: &str) -> Self {
        EvalValue::Str(text.into())
    }

    pub(super) fn bool(&self) -> Result<bool, ToolError> {
        match self {
            EvalValue::Bool(b) => Ok(*b),
            _ => Err(ToolError::fault("not a bool")),
        }
    }

    pub(super) fn int(&self) -> Result<i64, ToolError> {
        match self {
            EvalValue::Int(n) => Ok(*n),
            _ => Err(ToolError::fault("not an int")),
        }
    }

    pub(super) fn float(&self) -> Result<f64, ToolError> {
        match self {
            EvalValue::Float(x) => Ok(*x),
            _ => Err(ToolError::fault("not a float")),
        }
    }

    pub(super) fn date(&self) -> Result<i32, ToolError> {
        match self {
            EvalValue::Date(days) => Ok(*days),
            _ => Err(ToolError::fault("not a date")),
        }
    }

    pub(super) fn str(&self) -> Result<&str, ToolError> {
        match self {
            EvalValue::Str(text) | EvalValue::Key(text) => Ok(text),
            _ => Err(ToolError::fault("not a text")),
        }
    }

    pub(super) fn row(&self) -> Result<RowId, ToolError> {
        match self {
            EvalValue::Row(row) => Ok(*row),
            _ => Err(ToolError::fault("not a row")),
        }
    }

    pub(super) fn items(&self) -> Result<&Arc<Vec<EvalValue>>, ToolError> {
        match self {
            EvalValue::List(items) => Ok(items),
            _ => Err(ToolError::fault("not a list")),
        }
    }
}

impl Evaluator<'_> {
    /// A value of a type as it leaves a tool: handles become the full record of their row.
    pub fn leave(&self, ty: &Type, value: &EvalValue) -> Value {
        match (ty, value) {
            (Type::Option(inner), value) => self.leave(inner, value),
            (Type::Row(table), EvalValue::Row(row)) => {
                Value::Record(self.rows.values(*table, *row).iter().map(EvalValue::plain).collect())
            }
            (Type::List(item), EvalValue::List(items)) => {
                Value::List(items.iter().map(|value| self.leave(item, value)).collect())
            }
            (Type::Record(record), EvalValue::Record(fields)) => {
                let types = &self.suite.records[*record].fields;
                Value::Record(types.iter().zip(&**fields).map(|((_, ty), value)| self.leave(ty, value)).collect())
            }
            (_, value) => value.plain(),
        }
    }
}
