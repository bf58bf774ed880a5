//! A walk over the typed tree that may change it: the expressions inside an expression, the expressions and blocks inside a statement.

use crate::tree::{Expr, ExprKind, Iterable, Otherwise, Statement};

/// The expressions directly inside one, in evaluation order.
pub fn children_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Literal(_) | ExprKind::Local(_) | ExprKind::Parameter(_) | ExprKind::Today => Vec::new(),
        ExprKind::Column { row: inner, .. }
        | ExprKind::Field { record: inner, .. }
        | ExprKind::RowKey(inner)
        | ExprKind::Some(inner)
        | ExprKind::Unwrap(inner)
        | ExprKind::IsNone(inner)
        | ExprKind::Get { key: inner, .. }
        | ExprKind::Find { key: inner, .. }
        | ExprKind::Negate(inner)
        | ExprKind::Not(inner)
        | ExprKind::Len(inner)
        | ExprKind::Sum(inner)
        | ExprKind::Extreme { list: inner, .. }
        | ExprKind::AnyAll { list: inner, .. }
        | ExprKind::StrMap { text: inner, .. }
        | ExprKind::IntToFloat(inner)
        | ExprKind::Part { tuple: inner, .. }
        | ExprKind::Enumerate { list: inner, .. }
        | ExprKind::DictOf(inner)
        | ExprKind::Items(inner) => vec![inner],
        ExprKind::Record { fields: items, .. }
        | ExprKind::List(items)
        | ExprKind::Call { arguments: items, .. }
        | ExprKind::Insert { values: items, .. }
        | ExprKind::Format(items)
        | ExprKind::Tuple(items)
        | ExprKind::Zip(items)
        | ExprKind::Builtin { operands: items, .. } => items.iter_mut().collect(),
        ExprKind::Binary { left, right, .. } | ExprKind::And(left, right) | ExprKind::Or(left, right) => {
            vec![left, right]
        }
        ExprKind::Conditional { condition, then, otherwise } => vec![condition, then, otherwise],
        ExprKind::Sorted { list, key, .. } => vec![list, key],
        ExprKind::Index { list, index } => vec![list, index],
        ExprKind::Slice { list, start, stop } => {
            let mut all: Vec<&mut Expr> = vec![list];
            all.extend(start.iter_mut().chain(stop).map(|e| &mut **e));
            all
        }
        ExprKind::InList { item, list } => vec![item, list],
        ExprKind::InStr { part, text } | ExprKind::StrTest { text, part, .. } => vec![part, text],
        ExprKind::Percent { value, percent } => vec![value, percent],
        ExprKind::InDict { key, dict } => vec![key, dict],
        ExprKind::Lookup { dict, key, otherwise } => {
            let mut all: Vec<&mut Expr> = vec![dict, key];
            if let Otherwise::Value(value) = otherwise {
                all.push(value);
            }
            all
        }
        ExprKind::Comprehension { iterable, condition, value, .. } => {
            let mut all = iterated_mut(iterable);
            all.extend(condition.iter_mut().map(|e| &mut **e));
            all.push(value);
            all
        }
    }
}

/// The expressions of what a loop runs over.
pub fn iterated_mut(iterable: &mut Iterable) -> Vec<&mut Expr> {
    match iterable {
        Iterable::Table(_) => Vec::new(),
        Iterable::List(list) | Iterable::Unpack { list, .. } => vec![list],
        Iterable::Range { start, stop } => vec![start, stop],
    }
}

/// The expressions directly inside a statement, and its blocks.
pub fn parts_mut(statement: &mut Statement) -> (Vec<&mut Expr>, Vec<&mut Vec<Statement>>) {
    match statement {
        Statement::Assign { value, .. } | Statement::Append { value, .. } => (vec![value], Vec::new()),
        Statement::SetColumn { row, value, .. } => (vec![row, value], Vec::new()),
        Statement::If { arms, otherwise } => {
            let (mut conditions, mut blocks) = (Vec::new(), Vec::new());
            for (condition, block) in arms {
                conditions.push(condition);
                blocks.push(block);
            }
            blocks.push(otherwise);
            (conditions, blocks)
        }
        Statement::For { iterable, body, .. } => (iterated_mut(iterable), vec![body]),
        Statement::Break | Statement::Continue => (Vec::new(), Vec::new()),
        Statement::Return(value) => (value.iter_mut().collect(), Vec::new()),
        Statement::SetElement { index, value, .. } => (vec![index, value], Vec::new()),
        Statement::SetEntry { key, value, .. } => (vec![key, value], Vec::new()),
        Statement::Delete { row, .. } => (vec![row], Vec::new()),
        Statement::Require { condition, message, .. } => (vec![condition, message], Vec::new()),
        Statement::Fail { message, .. } => (vec![message], Vec::new()),
        Statement::Expr(value) => (vec![value], Vec::new()),
    }
}
