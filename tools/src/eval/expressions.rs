//! Expressions.

use super::values::EvalValue;
use super::{Evaluator, ToolError};
use super::{dicts, operators};
use crate::tree::{Expr, ExprKind, Iterable, Otherwise, StrMap};
use crate::types::{LocalId, TableId, Type};
use crate::value::Value;
use std::sync::Arc;

/// The elements that a loop runs over, taken before its first round.
pub(super) enum Elements {
    Rows(TableId, Vec<super::RowId>),
    List(Arc<Vec<EvalValue>>),
    Tuples(Arc<Vec<EvalValue>>, Vec<LocalId>),
    Range(i64, i64),
}

impl Evaluator<'_> {
    pub(super) fn expr(&mut self, expr: &Expr, locals: &mut [Option<EvalValue>]) -> Result<EvalValue, ToolError> {
        Ok(match &expr.kind {
            ExprKind::Literal(literal) => EvalValue::from(&Value::from(literal)),
            ExprKind::Local(local) => {
                let value = locals.get(*local).and_then(Option::as_ref);
                value.cloned().ok_or_else(|| ToolError::fault("a local without a value"))?
            }
            ExprKind::Parameter(parameter) => {
                let value = self.parameters.get(*parameter);
                value.cloned().ok_or_else(|| ToolError::fault("no such policy parameter"))?
            }
            ExprKind::Today => EvalValue::Date(self.rows.today),
            ExprKind::Column { row, table, column } => {
                let row = self.expr(row, locals)?.row()?;
                self.rows.column(*table, row, *column)?.clone()
            }
            ExprKind::Field { record, field } => match self.expr(record, locals)? {
                EvalValue::Record(fields) => {
                    fields.get(*field).cloned().ok_or_else(|| ToolError::fault("no such field"))?
                }
                _ => return Err(ToolError::fault("a field of what is no record")),
            },
            ExprKind::Record { fields, .. } => EvalValue::Record(Arc::new(self.all(fields, locals)?)),
            ExprKind::RowKey(inner) => {
                let row = self.expr(inner, locals)?.row()?;
                let Type::Row(table) = inner.ty else { return Err(ToolError::fault("the key of what is no row")) };
                self.rows.column(table, row, 0)?.clone()
            }
            ExprKind::Some(inner) | ExprKind::Unwrap(inner) => self.expr(inner, locals)?,
            ExprKind::IsNone(inner) => EvalValue::Bool(self.expr(inner, locals)? == EvalValue::None),
            ExprKind::List(items) => EvalValue::list(self.all(items, locals)?),
            ExprKind::Comprehension { local, iterable, condition, value } => {
                self.comprehension(*local, iterable, condition.as_deref(), value, locals)?
            }
            ExprKind::Call { function, arguments } => {
                let arguments = self.all(arguments, locals)?;
                self.function(*function, arguments)?
            }
            ExprKind::Get { table, key } => {
                let key = self.expr(key, locals)?;
                EvalValue::Row(self.rows.get(self.suite, *table, key.str()?)?)
            }
            ExprKind::Find { table, key } => {
                let key = self.expr(key, locals)?;
                self.rows.find(*table, key.str()?).map_or(EvalValue::None, EvalValue::Row)
            }
            ExprKind::Insert { table, values } => {
                let values = self.all(values, locals)?;
                for (i, value) in values.iter().enumerate() {
                    self.rows.check_value(self.suite, *table, i + 1, value, None)?;
                }
                EvalValue::Row(self.rows.insert(*table, values))
            }
            ExprKind::Negate(inner) => operators::negate(&self.expr(inner, locals)?)?,
            ExprKind::Not(inner) => EvalValue::Bool(!self.condition(inner, locals)?),
            ExprKind::Binary { op, left, right } => {
                let left = self.expr(left, locals)?;
                let right = self.expr(right, locals)?;
                operators::binary(*op, &left, &right)?
            }
            ExprKind::And(left, right) => {
                EvalValue::Bool(self.condition(left, locals)? && self.condition(right, locals)?)
            }
            ExprKind::Or(left, right) => {
                EvalValue::Bool(self.condition(left, locals)? || self.condition(right, locals)?)
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                let branch = if self.condition(condition, locals)? { then } else { otherwise };
                self.expr(branch, locals)?
            }
            ExprKind::Len(of) => {
                let length = match self.expr(of, locals)? {
                    EvalValue::List(items) => items.len(),
                    other => other.str()?.chars().count(),
                };
                EvalValue::Int(length as i64)
            }
            ExprKind::Sum(list) => operators::sum(&expr.ty, self.expr(list, locals)?.items()?)?,
            ExprKind::Extreme { list, max } => operators::extreme(self.expr(list, locals)?.items()?, *max)?,
            ExprKind::AnyAll { list, all } => {
                let list = self.expr(list, locals)?;
                let found = list.items()?.contains(&EvalValue::Bool(!*all));
                EvalValue::Bool(found != *all)
            }
            ExprKind::Sorted { list, local, key, reverse } => self.sorted(list, *local, key, *reverse, locals)?,
            ExprKind::Index { list, index } => {
                let list = self.expr(list, locals)?;
                let index = self.expr(index, locals)?.int()?;
                operators::index(&list, index)?
            }
            ExprKind::Slice { list, start, stop } => {
                let list = self.expr(list, locals)?;
                let start = self.bound(start.as_deref(), locals)?;
                let stop = self.bound(stop.as_deref(), locals)?;
                operators::slice(&list, start, stop)?
            }
            ExprKind::InList { item, list } => {
                let item = self.expr(item, locals)?;
                EvalValue::Bool(self.expr(list, locals)?.items()?.contains(&item))
            }
            ExprKind::InStr { part, text } => {
                let part = self.expr(part, locals)?;
                EvalValue::Bool(self.expr(text, locals)?.str()?.contains(part.str()?))
            }
            ExprKind::StrMap { op, text } => {
                let text = self.expr(text, locals)?;
                let text = text.str()?;
                match op {
                    StrMap::Lower => EvalValue::text(&text.to_ascii_lowercase()),
                    StrMap::Upper => EvalValue::text(&text.to_ascii_uppercase()),
                    StrMap::Strip => EvalValue::text(text.trim_matches(|c: char| c.is_ascii_whitespace())),
                }
            }
            ExprKind::StrTest { end, text, part } => {
                let text = self.expr(text, locals)?;
                let part = self.expr(part, locals)?;
                let (text, part) = (text.str()?, part.str()?);
                EvalValue::Bool(if *end { text.ends_with(part) } else { text.starts_with(part) })
            }
            ExprKind::Format(pieces) => {
                let mut out = String::new();
                for piece in pieces {
                    let value = self.expr(piece, locals)?;
                    out.push_str(&operators::piece(self.suite, &piece.ty, &value)?);
                }
                EvalValue::text(&out)
            }
            ExprKind::IntToFloat(inner) => EvalValue::Float(self.expr(inner, locals)?.int()? as f64),
            ExprKind::Percent { value, percent } => {
                let value = self.expr(value, locals)?;
                let percent = self.expr(percent, locals)?.int()?;
                operators::percent(&value, percent)?
            }
            ExprKind::Tuple(parts) => EvalValue::Record(Arc::new(self.all(parts, locals)?)),
            ExprKind::Part { tuple, index } => match self.expr(tuple, locals)? {
                EvalValue::Record(parts) => {
                    parts.get(*index).cloned().ok_or_else(|| ToolError::fault("no such part"))?
                }
                _ => return Err(ToolError::fault("a part of what is no tuple")),
            },
            ExprKind::Enumerate { list, start } => {
                let list = self.expr(list, locals)?;
                let numbered = (*start..).zip(list.items()?.iter());
                let tuple =
                    |(n, item): (i64, &EvalValue)| EvalValue::Record(Arc::new(vec![EvalValue::Int(n), item.clone()]));
                EvalValue::list(numbered.map(tuple).collect())
            }
            ExprKind::Zip(lists) => {
                let lists = self.all(lists, locals)?;
                let lists = lists.iter().map(EvalValue::items).collect::<Result<Vec<_>, _>>()?;
                let count = lists.iter().map(|list| list.len()).min().unwrap_or(0);
                let tuple = |i: usize| EvalValue::Record(Arc::new(lists.iter().map(|list| list[i].clone()).collect()));
                EvalValue::list((0..count).map(tuple).collect())
            }
            ExprKind::DictOf(pairs) => dicts::of(&self.expr(pairs, locals)?)?,
            ExprKind::Items(dict) => self.expr(dict, locals)?,
            ExprKind::Lookup { dict, key, otherwise } => {
                let dict = self.expr(dict, locals)?;
                let key = self.expr(key, locals)?;
                let default = match otherwise {
                    Otherwise::Fail => None,
                    Otherwise::None => Some(EvalValue::None),
                    Otherwise::Value(default) => Some(self.expr(default, locals)?),
                };
                let found = dicts::lookup(&dict, &key)?.cloned().or(default);
                found.ok_or_else(|| ToolError::new("missing_key", "the dict has no such key"))?
            }
            ExprKind::InDict { key, dict } => {
                let key = self.expr(key, locals)?;
                EvalValue::Bool(dicts::lookup(&self.expr(dict, locals)?, &key)?.is_some())
            }
            ExprKind::Builtin { op, operands } => {
                let operands = self.all(operands, locals)?;
                super::builtins::apply(*op, &operands)?
            }
        })
    }

    pub(super) fn condition(&mut self, expr: &Expr, locals: &mut [Option<EvalValue>]) -> Result<bool, ToolError> {
        self.expr(expr, locals)?.bool()
    }

    fn all(&mut self, exprs: &[Expr], locals: &mut [Option<EvalValue>]) -> Result<Vec<EvalValue>, ToolError> {
        exprs.iter().map(|expr| self.expr(expr, locals)).collect()
    }

    fn bound(&mut self, expr: Option<&Expr>, locals: &mut [Option<EvalValue>]) -> Result<Option<i64>, ToolError> {
        expr.map(|expr| self.expr(expr, locals)?.int()).transpose()
    }

    /// What a loop runs over.
    pub(super) fn elements(
        &mut self,
        iterable: &Iterable,
        locals: &mut [Option<EvalValue>],
    ) -> Result<Elements, ToolError> {
        Ok(match iterable {
            Iterable::Table(table) => Elements::Rows(*table, self.rows.live(*table).collect()),
            Iterable::List(list) => Elements::List(Arc::clone(self.expr(list, locals)?.items()?)),
            Iterable::Unpack { list, into } => {
                Elements::Tuples(Arc::clone(self.expr(list, locals)?.items()?), into.clone())
            }
            Iterable::Range { start, stop } => {
                let start = self.expr(start, locals)?.int()?;
                Elements::Range(start, self.expr(stop, locals)?.int()?)
            }
        })
    }

    /// Run `body` for each element with `local` set; the body says whether to go on. Rows deleted meanwhile are skipped.
    pub(super) fn each(
        &mut self,
        elements: &Elements,
        local: LocalId,
        locals: &mut [Option<EvalValue>],
        mut body: impl FnMut(&mut Self, &mut [Option<EvalValue>]) -> Result<bool, ToolError>,
    ) -> Result<(), ToolError> {
        let mut round = |e: &mut Self, locals: &mut [Option<EvalValue>], value: EvalValue| {
            e.step()?;
            *locals.get_mut(local).ok_or_else(|| ToolError::fault("no such local"))? = Some(value);
            body(e, locals)
        };
        match elements {
            Elements::Rows(table, rows) => {
                for row in rows {
                    if self.rows.is_live(*table, *row) && !round(self, locals, EvalValue::Row(*row))? {
                        break;
                    }
                }
            }
            Elements::List(items) => {
                for item in items.iter() {
                    if !round(self, locals, item.clone())? {
                        break;
                    }
                }
            }
            Elements::Tuples(tuples, into) => {
                for tuple in tuples.iter() {
                    let EvalValue::Record(parts) = tuple else { return Err(ToolError::fault("not a tuple")) };
                    for (part, local) in parts.iter().zip(into) {
                        *locals.get_mut(*local).ok_or_else(|| ToolError::fault("no such local"))? = Some(part.clone());
                    }
                    if !round(self, locals, tuple.clone())? {
                        break;
                    }
                }
            }
            Elements::Range(start, stop) => {
                for n in *start..*stop {
                    if !round(self, locals, EvalValue::Int(n))? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn comprehension(
        &mut self,
        local: LocalId,
        iterable: &Iterable,
        condition: Option<&Expr>,
        value: &Expr,
        locals: &mut [Option<EvalValue>],
    ) -> Result<EvalValue, ToolError> {
        let elements = self.elements(iterable, locals)?;
        let mut out = Vec::new();
        self.each(&elements, local, locals, |e, locals| {
            let wanted = match condition {
                Some(condition) => e.condition(condition, locals)?,
                None => true,
            };
            if wanted {
                out.push(e.expr(value, locals)?);
            }
            Ok(true)
        })?;
        Ok(EvalValue::list(out))
    }

    fn sorted(
        &mut self,
        list: &Expr,
        local: LocalId,
        key: &Expr,
        reverse: bool,
        locals: &mut [Option<EvalValue>],
    ) -> Result<EvalValue, ToolError> {
        let items = Arc::clone(self.expr(list, locals)?.items()?);
        let mut keyed = Vec::with_capacity(items.len());
        self.each(&Elements::List(Arc::clone(&items)), local, locals, |e, locals| {
            keyed.push((e.expr(key, locals)?, keyed.len()));
            Ok(true)
        })?;
        let mut failure = None;
        // Stable also when reversed: equal elements keep their order.
        keyed.sort_by(|a, b| {
            let order = operators::sort_order(&a.0, &b.0).unwrap_or_else(|error| {
                failure = Some(error);
                std::cmp::Ordering::Equal
            });
            if reverse { order.reverse() } else { order }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(EvalValue::list(keyed.into_iter().map(|(_, position)| items[position].clone()).collect())),
        }
    }
}
