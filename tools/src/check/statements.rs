//! Statements and what they do to the flow: returns on every path, loops, narrowing after tests.

use super::body::{Body, OpenKind};
use super::flow::{Flow, facts};
use super::{Checked, places};
use crate::syntax::Reported;
use crate::tree::{Expr, Statement};
use crate::types::Type;
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstExpr, AstNoPayload, AstStmt, ExprP, ForP, StmtP};

impl Body<'_, '_> {
    /// Check a block; faults in one statement do not stop the others.
    pub(super) fn block(&mut self, statement: &AstStmt) -> Vec<Statement> {
        match &statement.node {
            StmtP::Statements(list) => self.sequence(list),
            _ => self.sequence([statement]),
        }
    }

    /// Check statements in order.
    pub(super) fn sequence<'a>(&mut self, statements: impl IntoIterator<Item = &'a AstStmt>) -> Vec<Statement> {
        let mut out = Vec::new();
        for statement in statements {
            if !self.flow.reachable && !matches!(statement.node, StmtP::Pass | StmtP::Def(_)) {
                self.report(statement.span, "this line is never reached", "remove it, or what leaves before it");
                break;
            }
            match &statement.node {
                StmtP::Statements(list) => out.extend(self.sequence(list)),
                _ => out.extend(self.statement(statement).unwrap_or_default()),
            }
        }
        out
    }

    fn statement(&mut self, statement: &AstStmt) -> Checked<Vec<Statement>> {
        let span = statement.span;
        match &statement.node {
            StmtP::Assign(assign) => self.assign(assign),
            StmtP::AssignModify(lhs, op, rhs) => self.assign_modify(lhs, *op, rhs),
            StmtP::Expression(expr) => self.expression_statement(expr),
            StmtP::If(condition, then) => self.branches(&[(condition, then)], None),
            StmtP::IfElse(condition, both) => {
                let mut arms = vec![(condition, &both.0)];
                let mut rest = &both.1;
                // `elif` chains nest to the right.
                loop {
                    match &rest.node {
                        StmtP::IfElse(condition, both) => {
                            arms.push((condition, &both.0));
                            rest = &both.1;
                        }
                        StmtP::If(condition, then) => {
                            arms.push((condition, then));
                            return self.branches(&arms, None);
                        }
                        _ => return self.branches(&arms, Some(rest)),
                    }
                }
            }
            StmtP::For(each) => self.for_loop(each),
            StmtP::Break | StmtP::Continue => {
                let word = if matches!(statement.node, StmtP::Break) { "break" } else { "continue" };
                if self.loops == 0 {
                    return Err(self.report(span, format!("`{word}` stands outside a loop"), "remove it, or `return`"));
                }
                self.flow.reachable = false;
                Ok(vec![if word == "break" { Statement::Break } else { Statement::Continue }])
            }
            StmtP::Return(value) => self.return_statement(span, value.as_ref()),
            StmtP::Pass => Ok(Vec::new()),
            StmtP::Def(def) => {
                Err(self.report(def.name.span, "functions do not nest", "move it to the top of the file"))
            }
            StmtP::Load(_) => Err(self.report(span, "`load` stands at the top of a file", "")),
            StmtP::Statements(_) => Ok(self.block(statement)),
        }
    }

    fn expression_statement(&mut self, expr: &AstExpr) -> Checked<Vec<Statement>> {
        if let Some("require" | "fail") = super::called_name(expr) {
            let Some(arguments) = self.c.call(expr) else { return Err(Reported) };
            return self.failure(arguments).map(|s| vec![s]);
        }
        if let ExprP::Call(function, call) = &expr.node
            && let ExprP::Dot(object, method) = &function.node
        {
            if let Some(table) = self.table_of(object) {
                if method.node == "delete" {
                    self.writing(expr.span, "a delete")?;
                    let mut arguments = self.c.arguments("delete", expr.span, call);
                    let Some(row) = arguments.next() else {
                        let name = self.c.suite.tables[table].name.clone();
                        return Err(self.report(
                            expr.span,
                            "`delete` needs a row",
                            format!("write `{name}.delete(row)`"),
                        ));
                    };
                    self.c.no_more(&arguments, &[]);
                    let row = self.row_or_key(row, table)?;
                    return Ok(vec![Statement::Delete { table, row }]);
                }
            } else if let ExprP::Index(parts) = &object.node
                && method.node == "append"
            {
                return self.append_to_entry(expr, &parts.0, &parts.1, false, call);
            } else if let Some((dict, key)) = places::entry_or_empty(object, "setdefault")
                && method.node == "append"
            {
                return self.append_to_entry(expr, dict, key, true, call);
            } else if method.node == "append" {
                return self.append(expr, object, call);
            } else if let Some(statements) = self.list_statement(expr, object, &method.node, call) {
                return statements;
            }
        }
        let value = self.infer(expr, None)?;
        if !matches!(expr.node, ExprP::Call(..)) {
            let hint = match &expr.node {
                ExprP::Op(_, starlark_syntax::syntax::ast::BinOp::Equal, _) => {
                    "assign with `=`, or test it in `if` or `require`"
                }
                _ => "assign it, return it, or remove the line",
            };
            return Err(self.report(expr.span, "this value is not used", hint));
        }
        let acts = matches!(
            value.kind,
            crate::tree::ExprKind::Call { .. }
                | crate::tree::ExprKind::Insert { .. }
                | crate::tree::ExprKind::Get { .. }
        );
        if !acts {
            return Err(self.report(expr.span, "this value is not used", "assign it, return it, or remove the line"));
        }
        Ok(vec![Statement::Expr(value)])
    }

    /// A row, or the row of a key.
    fn row_or_key(&mut self, expr: &AstExpr, table: usize) -> Checked<Expr> {
        let value = self.infer(expr, None)?;
        if value.ty == Type::Key(table) {
            let span = value.span;
            return Ok(Expr {
                ty: Type::Row(table),
                kind: crate::tree::ExprKind::Get { table, key: Box::new(value) },
                span,
            });
        }
        self.fit(value, &Type::Row(table))
    }

    fn append(
        &mut self,
        expr: &AstExpr,
        object: &AstExpr,
        call: &starlark_syntax::syntax::ast::CallArgsP<AstNoPayload>,
    ) -> Checked<Vec<Statement>> {
        let mut arguments = self.c.arguments("append", expr.span, call);
        let local = places::identifier(object).and_then(|n| self.lookup(n));
        let (Some(list), Some(name)) = (local, places::identifier(object)) else {
            let hint = "append to a variable, then use that";
            return Err(self.report(object.span, "`append` needs a local list", hint));
        };
        let Some(item) = arguments.next() else {
            return Err(self.report(expr.span, "`append` needs a value", format!("write `{name}.append(x)`")));
        };
        self.c.no_more(&arguments, &[]);
        if let Some(open) = self.open.get(&list).cloned() {
            if open.kind != OpenKind::List {
                return Err(self.unsettled(list, &open));
            }
            let value = self.infer(item, None)?;
            if value.ty == Type::Unit {
                return Err(self.report(item.span, "this call gives no value", ""));
            }
            self.settle(list, value.ty.clone().list());
            return Ok(vec![Statement::Append { list, value }]);
        }
        if self.poisoned.contains(&list) {
            return Err(Reported);
        }
        let Type::List(inner) = self.locals[list].ty.clone() else {
            let message =
                format!("`{name}` is {} and has no `append`", self.c.type_name(&self.locals[list].ty.clone()));
            return Err(self.report(object.span, message, "`append` is for lists"));
        };
        if self.flow.reachable && !self.flow.assigned.contains(&list) {
            return Err(self.report(
                object.span,
                format!("`{name}` may have no value here"),
                format!("write `{name} = []` before"),
            ));
        }
        let value = self.check(item, &inner)?;
        Ok(vec![Statement::Append { list, value }])
    }

    fn return_statement(&mut self, span: AstSpan, value: Option<&AstExpr>) -> Checked<Vec<Statement>> {
        let returns = self.returns.clone();
        let value = match (value, &returns) {
            (None, Type::Unit) => Ok(None),
            (Some(value), Type::Unit) if places::is_none(value) => Ok(None),
            (Some(value), Type::Unit) => {
                let found = self.infer(value, None);
                match found {
                    Ok(found) if found.ty == Type::Unit => Ok(Some(found)),
                    Ok(found) => {
                        let hint = format!("declare it: `-> {}`", self.c.type_name(&found.ty));
                        Err(self.report(value.span, "this function declares no result", hint))
                    }
                    Err(reported) => Err(reported),
                }
            }
            (None, ty) => {
                let message = format!("`return` needs {}", self.c.type_name(ty));
                Err(self.report(span, message, "return a value on every path"))
            }
            (Some(value), ty) => self.check(value, ty).map(Some),
        };
        self.flow.reachable = false;
        match value? {
            // `return f()` of a helper without a result: the call, then the return.
            Some(call) if returns == Type::Unit => Ok(vec![Statement::Expr(call), Statement::Return(None)]),
            value => Ok(vec![Statement::Return(value)]),
        }
    }

    fn branches(&mut self, arms: &[(&AstExpr, &AstStmt)], otherwise: Option<&AstStmt>) -> Checked<Vec<Statement>> {
        let mut out = Vec::new();
        let mut end: Option<Flow> = None;
        let mut broken = false;
        for (condition, block) in arms {
            let condition = self.condition(condition);
            let known = condition.as_ref().map(facts).unwrap_or_default();
            let before = self.flow.clone();
            self.flow = before.with(&known.yes);
            let block = self.block(block);
            let after = std::mem::replace(&mut self.flow, before.with(&known.no));
            end = Some(match end {
                None => after,
                Some(end) => end.join(after),
            });
            match condition {
                Ok(condition) => out.push((condition, block)),
                Err(Reported) => broken = true,
            }
        }
        let otherwise = otherwise.map(|block| self.block(block)).unwrap_or_default();
        let last = self.flow.clone();
        self.flow = match end {
            Some(end) => end.join(last),
            None => last,
        };
        if broken {
            return Err(Reported);
        }
        Ok(vec![Statement::If { arms: out, otherwise }])
    }

    fn for_loop(&mut self, each: &ForP<AstNoPayload>) -> Checked<Vec<Statement>> {
        let iterable = self.iterable(&each.over);
        let before = self.flow.clone();
        // What the body assigns is not known to be present when it runs again.
        let mut names = Vec::new();
        places::assigned(&each.body, &mut names);
        places::names(&each.var, &mut names);
        let changed: Vec<usize> = names.iter().filter_map(|n| self.lookup(n)).collect();
        let mut start = before.clone();
        for local in &changed {
            start.present.remove(local);
        }
        let after = start.clone();
        self.flow = start;
        let variables = iterable.and_then(|(iterable, ty)| self.variables(&each.var, &each.over, iterable, ty, true));
        if variables.is_err() {
            let mut names = Vec::new();
            places::names(&each.var, &mut names);
            for name in names {
                let local = self.declare(name, Type::Unit);
                self.poisoned.insert(local);
                self.flow.assigned.insert(local);
            }
        }
        self.loops += 1;
        let body = self.block(&each.body);
        self.loops -= 1;
        self.flow = after;
        let (local, iterable) = variables?;
        Ok(vec![Statement::For { local, iterable, body }])
    }
}
