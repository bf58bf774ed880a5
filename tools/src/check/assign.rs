//! Assignments: locals, their types (given, found, or open until first use), and columns.

use super::body::{Body, Open, OpenKind};
use super::coerce::{coerce, present};
use super::{Checked, places};
use crate::syntax::Reported;
use crate::tree::{BinaryOp, Expr, ExprKind, Statement};
use crate::types::{LocalId, Type};
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AssignOp, AssignP, AstAssignTarget, AstExpr, AstNoPayload, ExprP};

impl Body<'_, '_> {
    /// `target = value`.
    pub(super) fn assign(&mut self, assign: &AssignP<AstNoPayload>) -> Checked<Vec<Statement>> {
        let given = assign.ty.as_ref().map(|ty| self.c.annotation(&ty.expr)).transpose()?;
        match places::target(&assign.lhs) {
            places::Target::Name(name) => self.assign_local(name, assign.lhs.span, given, &assign.rhs),
            places::Target::Dot(object, column) => {
                self.assign_column(object, column, assign.lhs.span, |_, b, want| b.check(&assign.rhs, want))
            }
            places::Target::Index(object, key) => self.set_item(object, key, assign.lhs.span, |b, want| match want {
                Some(ty) => b.check(&assign.rhs, ty),
                None => b.element(&assign.rhs, None),
            }),
            places::Target::Tuple(targets) => self.unpack(targets, assign.lhs.span, &assign.rhs),
        }
    }

    fn assign_local(
        &mut self,
        name: &str,
        span: AstSpan,
        given: Option<Type>,
        value: &AstExpr,
    ) -> Checked<Vec<Statement>> {
        self.free_name(name, span)?;
        if matches!(given, Some(Type::Unit)) {
            return Err(self.report(span, "a variable has a value", "write its type, or no type"));
        }
        let existing = self.lookup(name);
        if existing.is_some_and(|local| self.poisoned.contains(&local)) {
            let _ = self.infer(value, None);
            return Err(Reported);
        }
        let at = self.at(span);
        let want = match (existing, &given) {
            (Some(local), Some(ty)) if self.locals[local].ty != *ty => {
                let message = format!("`{name}` already is {}", self.c.type_name(&self.locals[local].ty.clone()));
                return Err(self.report(span, message, "use another name"));
            }
            (_, Some(ty)) => Some(ty.clone()),
            (Some(local), None) if !self.open.contains_key(&local) => Some(self.locals[local].ty.clone()),
            (None, None) => self.known.get(&(at.line, at.column)).cloned(),
            _ => None,
        };
        let bare = match &value.node {
            ExprP::List(items) if items.is_empty() => Some(OpenKind::List),
            ExprP::Dict(items) if items.is_empty() => Some(OpenKind::Dict),
            ExprP::Call(function, call) if call.args.is_empty() => match places::identifier(function) {
                Some("dict") => Some(OpenKind::Dict),
                Some("list") => Some(OpenKind::List),
                _ => None,
            },
            _ => places::is_none(value).then_some(OpenKind::None),
        };
        if let (None, Some(kind)) = (&want, bare) {
            return Ok(self.assign_open(name, span, existing, kind, value));
        }
        let value_result = self.infer(value, want.as_ref());
        let Ok(value) = value_result else {
            // The name exists even so: later uses are not reported again, its type is not known.
            let local = existing.unwrap_or_else(|| {
                let local = self.declare(name, want.unwrap_or(Type::Unit));
                self.poisoned.insert(local);
                local
            });
            self.flow.assigned.insert(local);
            return Err(Reported);
        };
        if value.ty == Type::Unit {
            return Err(self.report(span, "this call gives no value", "call it on a line of its own"));
        }
        // An open local takes its type from this value.
        if let Some(local) = existing
            && let Some(open) = self.open.get(&local).cloned()
        {
            let ty = match (&value.ty, open.kind) {
                (Type::Option(_), OpenKind::None)
                | (Type::List(_), OpenKind::List)
                | (Type::Dict(..), OpenKind::Dict) => value.ty.clone(),
                (ty, OpenKind::None) => ty.clone().option(),
                _ => return Err(self.unsettled(local, &open)),
            };
            self.settle(local, ty);
        }
        let local = match existing {
            Some(local) => local,
            None => self.declare(name, want.unwrap_or_else(|| value.ty.clone())),
        };
        let ty = self.locals[local].ty.clone();
        let present = present(&value) && matches!(ty, Type::Option(_));
        let value = coerce(value, &ty).map_err(|value| self.other_type(name, &ty, &value))?;
        self.flow.assigned.insert(local);
        if present {
            self.flow.present.insert(local);
        } else {
            self.flow.present.remove(&local);
        }
        Ok(vec![Statement::Assign { local, value }])
    }

    /// `xs = []`, `d = {}` or `x = None` without a known type.
    fn assign_open(
        &mut self,
        name: &str,
        span: AstSpan,
        existing: Option<LocalId>,
        kind: OpenKind,
        value: &AstExpr,
    ) -> Vec<Statement> {
        let at = self.at(span);
        let local = existing.unwrap_or_else(|| {
            let local = self.declare(name, Type::Unit);
            self.open.insert(local, Open { at, kind });
            local
        });
        self.flow.assigned.insert(local);
        self.flow.present.remove(&local);
        // The tree of this pass is thrown away: the next one knows the type.
        let value = Expr { span: self.at(value.span), ..super::coerce::unit() };
        vec![Statement::Assign { local, value }]
    }

    fn other_type(&mut self, name: &str, ty: &Type, value: &Expr) -> Reported {
        let message = format!("`{name}` is {}, and this is {}", self.c.type_name(ty), self.c.type_name(&value.ty));
        let hint = match &value.ty {
            Type::Option(inner) if **inner == *ty => {
                format!("declare it as `{name}: {} = ...` where it is first set", self.c.type_name(&value.ty))
            }
            _ => "a variable keeps its type: use another name".to_owned(),
        };
        self.c.diagnostics.report(value.span, message, hint)
    }

    fn assign_column(
        &mut self,
        object: &AstExpr,
        column: &str,
        span: AstSpan,
        value: impl FnOnce(Expr, &mut Self, &Type) -> Checked<Expr>,
    ) -> Checked<Vec<Statement>> {
        if let Some(table) = self.table_of(object) {
            let name = self.c.suite.tables[table].name.clone();
            let hint = format!("take a row first: `{name}.get(key).{column} = ...`");
            return Err(self.report(span, format!("the table `{name}` is not one row"), hint));
        }
        let row = self.infer(object, None)?;
        let table = match &row.ty {
            Type::Row(table) => *table,
            Type::Record(id) => {
                let hint = "put it into a variable first, and assign `variable.field = value`";
                let Some(local) = places::identifier(object).and_then(|n| self.lookup(n)) else {
                    return Err(self.report(span, "only the fields of a variable can be assigned", hint));
                };
                return self.assign_field(local, row.clone(), *id, column, span, value);
            }
            Type::Key(table) => {
                let name = self.c.suite.tables[*table].name.clone();
                let hint = format!("write `{name}.get(...).{column} = ...`");
                return Err(self.report(span, format!("this is the key of a {name}, not its row"), hint));
            }
            other => {
                let message = format!("{} has no columns", self.c.type_name(other));
                let hint = if matches!(other, Type::Option(_)) { "test it against None first" } else { "" };
                return Err(self.report(span, message, hint));
            }
        };
        self.writing(span, "an assignment to a column")?;
        let index = self.c.column(table, column, span)?;
        if index == 0 {
            return Err(self.report(span, "keys cannot be assigned", "delete the row and insert another"));
        }
        let ty = self.c.column_type(table, index, span)?;
        // The row expression is read once.
        let mut statements = Vec::new();
        let row = if matches!(row.kind, ExprKind::Local(_) | ExprKind::Unwrap(_)) {
            row
        } else {
            let local = self.hidden(row.ty.clone());
            let read = Expr { ty: row.ty.clone(), kind: ExprKind::Local(local), span: row.span };
            statements.push(Statement::Assign { local, value: row });
            read
        };
        let value = value(row.clone(), self, &ty)?;
        statements.push(Statement::SetColumn { row, table, column: index, value });
        Ok(statements)
    }

    /// `target op= value`.
    pub(super) fn assign_modify(
        &mut self,
        lhs: &AstAssignTarget,
        op: AssignOp,
        rhs: &AstExpr,
    ) -> Checked<Vec<Statement>> {
        let op = match op {
            AssignOp::Add => BinaryOp::Add,
            AssignOp::Subtract => BinaryOp::Subtract,
            AssignOp::Multiply => BinaryOp::Multiply,
            AssignOp::Divide => BinaryOp::Divide,
            AssignOp::FloorDivide => BinaryOp::FloorDivide,
            AssignOp::Percent => BinaryOp::Modulo,
            _ => return Err(self.report(lhs.span, "there are no bit operators", "write the value out")),
        };
        match places::target(lhs) {
            places::Target::Name(name) => {
                self.free_name(name, lhs.span)?;
                let Some(local) = self.lookup(name) else {
                    let hint = format!("set it first: `{name} = 0`");
                    return Err(self.report(lhs.span, format!("`{name}` has no value yet"), hint));
                };
                if self.poisoned.contains(&local) {
                    return Err(Reported);
                }
                if self.flow.reachable && !self.flow.assigned.contains(&local) {
                    let hint = format!("give `{name}` a value before the `if` or loop that sets it");
                    return Err(self.report(lhs.span, format!("`{name}` may have no value here"), hint));
                }
                let span = self.at(lhs.span);
                if let Some(open) = self.open.get(&local).cloned() {
                    // `xs += [..]` says what `xs = []` holds.
                    let value = self.infer(rhs, None)?;
                    if open.kind != OpenKind::List || !matches!(value.ty, Type::List(_)) {
                        return Err(self.unsettled(local, &open));
                    }
                    self.settle(local, value.ty.clone());
                    let left = self.local(local, span);
                    let value = self.arithmetic(op, left, value, span)?;
                    return Ok(vec![Statement::Assign { local, value }]);
                }
                let left = self.local(local, span);
                let value = self.operand(&left, op, rhs)?;
                let ty = self.locals[local].ty.clone();
                let value = self.arithmetic(op, left, value, span)?;
                let present = !matches!(value.ty, Type::Option(_));
                let value = self.fit(value, &ty)?;
                if present && matches!(ty, Type::Option(_)) {
                    self.flow.present.insert(local);
                }
                Ok(vec![Statement::Assign { local, value }])
            }
            places::Target::Dot(object, column) => {
                let span = self.at(lhs.span);
                self.assign_column(object, column, lhs.span, |row, b, ty| {
                    let Type::Row(table) = row.ty else { return Err(Reported) };
                    let index = b.c.column(table, column, lhs.span)?;
                    let kind = ExprKind::Column { row: Box::new(row), table, column: index };
                    let left = Expr { ty: ty.clone(), kind, span };
                    let value = b.operand(&left, op, rhs)?;
                    let value = b.arithmetic(op, left, value, span)?;
                    b.fit(value, ty)
                })
            }
            places::Target::Index(object, key) => self.modify_item(object, key, lhs.span, op, rhs),
            places::Target::Tuple(_) => {
                Err(self.report(lhs.span, "several names cannot be changed at once", "change one name a line"))
            }
        }
    }

    pub(super) fn operand(&mut self, left: &Expr, op: BinaryOp, rhs: &AstExpr) -> Checked<Expr> {
        let list = (op == BinaryOp::Add && matches!(left.ty, Type::List(_))).then(|| left.ty.clone());
        self.infer(rhs, list.as_ref())
    }
}
