//! Small readers of syntax nodes.

use starlark_syntax::syntax::ast::{
    ArgumentP, AssignTargetP, AstAssignTarget, AstExpr, AstLiteral, AstStmt, ExprP, StmtP,
};

/// The left side of an assignment.
pub enum Target<'a> {
    /// `x = ..`
    Name(&'a str),
    /// `row.column = ..`
    Dot(&'a AstExpr, &'a str),
    /// `xs[i] = ..`
    Index(&'a AstExpr, &'a AstExpr),
    /// `a, b = ..`
    Tuple(&'a [AstAssignTarget]),
}

/// Sort an assignment target.
pub fn target(target: &AstAssignTarget) -> Target<'_> {
    match &target.node {
        AssignTargetP::Identifier(name) => Target::Name(&name.node.ident),
        AssignTargetP::Dot(object, field) => Target::Dot(object, &field.node),
        AssignTargetP::Index(parts) => Target::Index(&parts.0, &parts.1),
        AssignTargetP::Tuple(parts) => Target::Tuple(parts),
    }
}

/// A bare name.
pub fn identifier(expr: &AstExpr) -> Option<&str> {
    match &expr.node {
        ExprP::Identifier(name) => Some(&name.node.ident),
        _ => None,
    }
}

/// A string literal's text.
pub fn string(expr: &AstExpr) -> Option<&str> {
    match &expr.node {
        ExprP::Literal(AstLiteral::String(text)) => Some(&text.node),
        _ => None,
    }
}

/// Whether this is `None`.
pub fn is_none(expr: &AstExpr) -> bool {
    identifier(expr) == Some("None")
}

/// Whether an expression takes its type from what stands beside it: string literals, `None`, list literals.
pub fn is_pliable(expr: &AstExpr) -> bool {
    match &expr.node {
        ExprP::Literal(AstLiteral::String(_)) | ExprP::List(_) | ExprP::Dict(_) => true,
        ExprP::Tuple(parts) => parts.iter().all(is_pliable),
        ExprP::If(parts) => is_pliable(&parts.1) && is_pliable(&parts.2),
        _ => is_none(expr),
    }
}

/// How much type an expression has of its own: 0 none (`None`, `[]`), 1 some (text and list literals), 2 all.
pub fn own_type(expr: &AstExpr) -> u8 {
    match &expr.node {
        ExprP::List(items) if items.is_empty() => 0,
        ExprP::Dict(items) if items.is_empty() => 0,
        _ if is_none(expr) => 0,
        _ => 2 - u8::from(is_pliable(expr)),
    }
}

/// Names that a target assigns.
pub fn names<'a>(of: &'a AstAssignTarget, names_found: &mut Vec<&'a str>) {
    match target(of) {
        Target::Name(name) => names_found.push(name),
        Target::Tuple(parts) => parts.iter().for_each(|part| names(part, names_found)),
        _ => {}
    }
}

/// Names assigned anywhere in a statement (loop variables too).
pub fn assigned<'a>(statement: &'a AstStmt, names: &mut Vec<&'a str>) {
    match &statement.node {
        StmtP::Assign(assign) => self::names(&assign.lhs, names),
        StmtP::AssignModify(lhs, _, _) => {
            if let Target::Name(name) = target(lhs) {
                names.push(name);
            }
        }
        StmtP::Statements(list) => list.iter().for_each(|s| assigned(s, names)),
        StmtP::If(_, then) => assigned(then, names),
        StmtP::IfElse(_, both) => {
            assigned(&both.0, names);
            assigned(&both.1, names);
        }
        StmtP::For(each) => {
            self::names(&each.var, names);
            assigned(&each.body, names);
        }
        _ => {}
    }
}

/// `d` and `key` of `d.method(key, [])`.
pub fn entry_or_empty<'a>(expr: &'a AstExpr, method: &str) -> Option<(&'a AstExpr, &'a AstExpr)> {
    let ExprP::Call(function, call) = &expr.node else { return None };
    let ExprP::Dot(dict, name) = &function.node else { return None };
    let [key, default] = call.args.as_slice() else { return None };
    let (ArgumentP::Positional(key), ArgumentP::Positional(default)) = (&key.node, &default.node) else { return None };
    let empty = matches!(&default.node, ExprP::List(items) if items.is_empty());
    (name.node == method && empty).then_some((dict, key))
}
