//! Walks over the typed tree: which functions a surface needs, and which handles can be of deleted rows.

use crate::error::{Error, Result};
use crate::suite::Suite;
use crate::surface::Surface;
use crate::tree::{Expr, ExprKind, Statement};
use crate::types::FunctionId;
use crate::visit::{children, iterated};

/// What the walks found.
pub(crate) struct Reach {
    /// Functions that the surface's tools use, callees before callers.
    pub functions: Vec<FunctionId>,
    /// `[function][table]`: whether a row of the table may be deleted while the function runs or before it, in one call.
    pub may_be_deleted: Vec<Vec<bool>>,
}

/// Finds the functions that a surface needs.
///
/// # Errors
/// [`Error::Compiler`] when functions call each other in a circle (the checker refuses such suites).
pub(crate) fn reach(suite: &Suite, surface: &Surface) -> Result<Reach> {
    let mut order = Vec::new();
    let mut state = vec![Visit::New; suite.functions.len()];
    for tool in &surface.tools {
        visit(suite, suite.tools[tool.tool].function, &mut state, &mut order)?;
    }
    let mut may_be_deleted = vec![vec![false; suite.tables.len()]; suite.functions.len()];
    for tool in &surface.tools {
        let mut state = vec![Visit::New; suite.functions.len()];
        let mut used = Vec::new();
        visit(suite, suite.tools[tool.tool].function, &mut state, &mut used)?;
        let mut deleted = vec![false; suite.tables.len()];
        for function in &used {
            statements(&suite.functions[*function].body, &mut |node| {
                if let Node::Statement(Statement::Delete { table, .. }) = node {
                    deleted[*table] = true;
                }
            });
        }
        for function in used {
            for (may, deleted) in may_be_deleted[function].iter_mut().zip(&deleted) {
                *may |= deleted;
            }
        }
    }
    Ok(Reach { functions: order, may_be_deleted })
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    New,
    Open,
    Done,
}

fn visit(suite: &Suite, function: FunctionId, state: &mut [Visit], order: &mut Vec<FunctionId>) -> Result<()> {
    match state[function] {
        Visit::Done => return Ok(()),
        Visit::Open => {
            let message = format!("`{}` calls itself", suite.functions[function].name);
            return Err(Error::Compiler { stage: "call graph", message });
        }
        Visit::New => state[function] = Visit::Open,
    }
    let mut callees = Vec::new();
    statements(&suite.functions[function].body, &mut |node| {
        if let Node::Expr(Expr { kind: ExprKind::Call { function, .. }, .. }) = node {
            callees.push(*function);
        }
    });
    for callee in callees {
        visit(suite, callee, state, order)?;
    }
    state[function] = Visit::Done;
    order.push(function);
    Ok(())
}

/// Whether running a loop body may insert or delete rows, so that the loop needs a snapshot.
pub(crate) fn moves_rows(suite: &Suite, node: Node) -> bool {
    let mut moves = false;
    let mut look = |node: Node| match node {
        Node::Statement(Statement::Delete { .. }) | Node::Expr(Expr { kind: ExprKind::Insert { .. }, .. }) => {
            moves = true;
        }
        Node::Expr(Expr { kind: ExprKind::Call { function, .. }, .. }) => moves |= suite.functions[*function].writes,
        _ => {}
    };
    match node {
        Node::Body(body) => statements(body, &mut look),
        Node::Statement(statement) => statements(std::slice::from_ref(statement), &mut look),
        Node::Expr(e) => expr(e, &mut look),
    }
    moves
}

/// A node of the tree.
#[derive(Clone, Copy)]
pub(crate) enum Node<'t> {
    /// An expression.
    Expr(&'t Expr),
    /// A statement.
    Statement(&'t Statement),
    /// A list of statements; only as the start of a walk.
    Body(&'t [Statement]),
}

/// Calls `look` for every statement and expression of a body, outer ones first.
pub(crate) fn statements(body: &[Statement], look: &mut dyn FnMut(Node)) {
    for statement in body {
        look(Node::Statement(statement));
        match statement {
            Statement::Assign { value, .. } | Statement::Append { value, .. } => expr(value, look),
            Statement::SetColumn { row, value, .. } => {
                expr(value, look);
                expr(row, look);
            }
            Statement::SetElement { index: key, value, .. } | Statement::SetEntry { key, value, .. } => {
                expr(value, look);
                expr(key, look);
            }
            Statement::If { arms, otherwise } => {
                for (condition, body) in arms {
                    expr(condition, look);
                    statements(body, look);
                }
                statements(otherwise, look);
            }
            Statement::For { iterable: over, body, .. } => {
                iterated(over).into_iter().for_each(|part| expr(part, look));
                statements(body, look);
            }
            Statement::Break | Statement::Continue | Statement::Return(None) => {}
            Statement::Return(Some(value)) | Statement::Expr(value) => expr(value, look),
            Statement::Delete { row, .. } => expr(row, look),
            Statement::Require { condition, message, .. } => {
                expr(condition, look);
                expr(message, look);
            }
            Statement::Fail { message, .. } => expr(message, look),
        }
    }
}

/// Calls `look` for an expression and all within it.
pub(crate) fn expr(e: &Expr, look: &mut dyn FnMut(Node)) {
    look(Node::Expr(e));
    children(e).into_iter().for_each(|child| expr(child, look));
}
