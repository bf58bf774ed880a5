//! Walks over the typed tree: the expressions inside an expression, the expressions and blocks inside a statement.

use crate::tree::{Expr, ExprKind, Iterable, Otherwise, Statement};

/// One walk, written once: of expressions that are only looked at, and of expressions that may change.
macro_rules! walk {
    ($children:ident, $iterated:ident, $iter:ident $(, $mutable:tt)?) => {
        /// The expressions directly inside one, in evaluation order.
        pub fn $children(expr: &$($mutable)? Expr) -> Vec<&$($mutable)? Expr> {
            match &$($mutable)? expr.kind {
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
                | ExprKind::Builtin { operands: items, .. } => items.$iter().collect(),
                ExprKind::Binary { left, right, .. } | ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                    vec![left, right]
                }
                ExprKind::Conditional { condition, then, otherwise } => vec![condition, then, otherwise],
                ExprKind::Sorted { list, key, .. } => vec![list, key],
                ExprKind::Index { list, index } => vec![list, index],
                ExprKind::Slice { list, start, stop } => {
                    let mut all: Vec<&$($mutable)? Expr> = vec![list];
                    all.extend(start.$iter().chain(stop).map(|e| &$($mutable)? **e));
                    all
                }
                ExprKind::InList { item, list } => vec![item, list],
                ExprKind::InStr { part, text } => vec![part, text],
                ExprKind::StrTest { text, part, .. } => vec![text, part],
                ExprKind::Percent { value, percent } => vec![value, percent],
                ExprKind::InDict { key, dict } => vec![key, dict],
                ExprKind::Lookup { dict, key, otherwise } => {
                    let mut all: Vec<&$($mutable)? Expr> = vec![dict, key];
                    if let Otherwise::Value(value) = otherwise {
                        all.push(value);
                    }
                    all
                }
                ExprKind::Comprehension { iterable, condition, value, .. } => {
                    let mut all = $iterated(iterable);
                    all.extend(condition.$iter().map(|e| &$($mutable)? **e));
                    all.push(value);
                    all
                }
            }
        }

        /// The expressions of what a loop runs over.
        pub fn $iterated(iterable: &$($mutable)? Iterable) -> Vec<&$($mutable)? Expr> {
            match iterable {
                Iterable::Table(_) => Vec::new(),
                Iterable::List(list) | Iterable::Unpack { list, .. } => vec![list],
                Iterable::Range { start, stop } => vec![start, stop],
            }
        }
    };
}

walk!(children, iterated, iter);
walk!(children_mut, iterated_mut, iter_mut, mut);

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
