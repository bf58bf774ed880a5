//! Assignments to parts of values: elements of lists, entries of dicts, fields of records, several names at once; and
//! the methods of lists that change a variable.

use super::Checked;
use super::body::{Body, OpenKind};
use super::coerce::present;
use super::{names, places};
use crate::builtin::Builtin;
use crate::syntax::Reported;
use crate::tree::{BinaryOp, Expr, ExprKind, Otherwise, Statement};
use crate::types::{LocalId, RecordId, Type};
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstAssignTarget, AstExpr, AstNoPayload, CallArgsP};

impl Body<'_, '_> {
    /// `a, b = value`.
    pub(super) fn unpack(
        &mut self,
        targets: &[AstAssignTarget],
        span: AstSpan,
        value: &AstExpr,
    ) -> Checked<Vec<Statement>> {
        let mut wanted = Vec::new();
        for target in targets {
            let places::Target::Name(name) = places::target(target) else {
                let hint = "assign names, then the rest one a line";
                return Err(self.report(target.span, "only names are assigned together", hint));
            };
            self.free_name(name, target.span)?;
            wanted.push((name, self.lookup(name)));
        }
        let unknown = |b: &mut Self| {
            // The names exist even so.
            for (name, _) in wanted.iter().filter(|(_, local)| local.is_none()) {
                let local = b.declare(name, Type::Unit);
                b.poisoned.insert(local);
                b.flow.assigned.insert(local);
            }
        };
        let value = match self.infer(value, None) {
            Ok(value) => value,
            Err(Reported) => {
                unknown(self);
                return Err(Reported);
            }
        };
        let parts = match &value.ty {
            Type::Tuple(parts) if parts.len() == targets.len() => parts.clone(),
            other => {
                unknown(self);
                let message = format!("{} names for {}", targets.len(), self.c.type_name(other));
                let hint = match other {
                    Type::List(_) => "lists are indexed: `xs[0]`",
                    _ => "write as many names as there are values",
                };
                return Err(self.report(span, message, hint));
            }
        };
        let hidden = self.hidden(value.ty.clone());
        let read = Expr { ty: value.ty.clone(), kind: ExprKind::Local(hidden), span: value.span };
        let mut statements = vec![Statement::Assign { local: hidden, value }];
        for (i, ((name, local), ty)) in wanted.into_iter().zip(parts).enumerate() {
            let part = Self::tuple_part(read.clone(), i);
            let local = match local {
                Some(local) if self.open.contains_key(&local) => {
                    self.settle(local, ty.clone());
                    local
                }
                Some(local) => local,
                None => self.declare(name, ty),
            };
            let wanted = self.locals[local].ty.clone();
            let present = present(&part) && matches!(wanted, Type::Option(_));
            let value = self.fit(part, &wanted)?;
            self.flow.assigned.insert(local);
            if present {
                self.flow.present.insert(local);
            } else {
                self.flow.present.remove(&local);
            }
            statements.push(Statement::Assign { local, value });
        }
        Ok(statements)
    }

    /// `record.field = value`: the variable gets a new record.
    pub(super) fn assign_field(
        &mut self,
        local: LocalId,
        record: Expr,
        id: RecordId,
        field: &str,
        span: AstSpan,
        value: impl FnOnce(Expr, &mut Self, &Type) -> Checked<Expr>,
    ) -> Checked<Vec<Statement>> {
        let definition = self.c.suite.records[id].clone();
        let Some(index) = definition.fields.iter().position(|f| f.0 == field) else {
            let hint = names::did_you_mean(field, definition.fields.iter().map(|f| f.0.as_str()));
            let message = format!("the record `{}` has no field `{field}`", definition.name);
            return Err(self.report(span, message, hint));
        };
        let place = self.at(span);
        let new = value(record.clone(), self, &definition.fields[index].1)?;
        let fields = definition.fields.iter().enumerate().map(|(i, (_, ty))| {
            let kind = ExprKind::Field { record: Box::new(record.clone()), field: i };
            Expr { ty: ty.clone(), kind, span: place }
        });
        let mut fields: Vec<Expr> = fields.collect();
        fields[index] = new;
        let record = Expr { ty: Type::Record(id), kind: ExprKind::Record { record: id, fields }, span: place };
        let ty = self.locals[local].ty.clone();
        let value = self.fit(record, &ty)?;
        Ok(vec![Statement::Assign { local, value }])
    }

    /// The variable whose elements are assigned.
    fn changed(&mut self, object: &AstExpr, span: AstSpan) -> Checked<LocalId> {
        let Some(local) = places::identifier(object).and_then(|n| self.lookup(n)) else {
            if let Some(table) = self.table_of(object) {
                let name = self.c.suite.tables[table].name.clone();
                let hint = format!("write `{name}.insert(column = ..)` or `{name}.get(key).column = value`");
                return Err(self.report(span, "rows are not assigned with `[...]`", hint));
            }
            let hint = "put it into a variable, change that, and put it back";
            return Err(self.report(span, "only elements of a variable can be assigned", hint));
        };
        if self.poisoned.contains(&local) {
            return Err(Reported);
        }
        if self.flow.reachable && !self.flow.assigned.contains(&local) {
            let name = self.locals[local].name.clone();
            let hint = format!("give `{name}` a value before the `if` or loop that sets it");
            return Err(self.report(object.span, format!("`{name}` may have no value here"), hint));
        }
        Ok(local)
    }

    /// `xs[i] = value` or `d[key] = value`; `value` is checked against the type of the elements, if that is known.
    pub(super) fn set_item(
        &mut self,
        object: &AstExpr,
        key: &AstExpr,
        span: AstSpan,
        value: impl FnOnce(&mut Self, Option<&Type>) -> Checked<Expr>,
    ) -> Checked<Vec<Statement>> {
        let local = self.changed(object, span)?;
        if let Some(open) = self.open.get(&local).cloned() {
            let value = value(self, None)?;
            // Checking the value may have found the type.
            if !self.open.contains_key(&local) {
                return Ok(Vec::new());
            }
            let key = self.key(key, None)?;
            if open.kind != OpenKind::Dict {
                return Err(self.unsettled(local, &open));
            }
            self.settle(local, Type::Dict(Box::new(key.ty.clone()), Box::new(value.ty.clone())));
            return Ok(vec![Statement::SetEntry { dict: local, key, value }]);
        }
        match self.locals[local].ty.clone() {
            Type::Dict(key_type, value_type) => {
                let value = value(self, Some(&value_type))?;
                let key = self.check(key, &key_type)?;
                Ok(vec![Statement::SetEntry { dict: local, key, value }])
            }
            Type::List(element) => {
                let value = value(self, Some(&element))?;
                let index = self.check(key, &Type::Int)?;
                Ok(vec![Statement::SetElement { list: local, index, value }])
            }
            other => {
                let message = format!("elements of {} cannot be assigned", self.c.type_name(&other));
                let hint = match other {
                    Type::Str => "build a new text: `text[:i] + \"x\" + text[i + 1:]`",
                    Type::Row(_) => "write `row.column = value`",
                    Type::Option(_) => "test it against None first",
                    _ => "",
                };
                Err(self.report(span, message, hint))
            }
        }
    }

    /// `xs[i] += value` or `d[key] += value`.
    pub(super) fn modify_item(
        &mut self,
        object: &AstExpr,
        key: &AstExpr,
        span: AstSpan,
        op: BinaryOp,
        rhs: &AstExpr,
    ) -> Checked<Vec<Statement>> {
        let local = self.changed(object, span)?;
        if self.open.contains_key(&local) {
            return self.set_item(object, key, span, |b, _| b.element(rhs, None));
        }
        let place = self.at(span);
        let (key_type, element, dict) = match self.locals[local].ty.clone() {
            Type::Dict(key_type, value_type) => (*key_type, *value_type, true),
            Type::List(element) => (Type::Int, *element, false),
            _ => return self.set_item(object, key, span, |b, _| b.element(rhs, None)),
        };
        // The key is computed once.
        let key = self.check(key, &key_type)?;
        let hidden = self.hidden(key_type.clone());
        let key_read = Expr { ty: key_type, kind: ExprKind::Local(hidden), span: key.span };
        let whole = Expr { ty: self.locals[local].ty.clone(), kind: ExprKind::Local(local), span: place };
        let kind = if dict {
            ExprKind::Lookup { dict: Box::new(whole), key: Box::new(key_read.clone()), otherwise: Otherwise::Fail }
        } else {
            ExprKind::Index { list: Box::new(whole), index: Box::new(key_read.clone()) }
        };
        let left = Expr { ty: element.clone(), kind, span: place };
        let right = self.operand(&left, op, rhs)?;
        let value = self.arithmetic(op, left, right, place)?;
        let value = self.fit(value, &element)?;
        let set = if dict {
            Statement::SetEntry { dict: local, key: key_read, value }
        } else {
            Statement::SetElement { list: local, index: key_read, value }
        };
        Ok(vec![Statement::Assign { local: hidden, value: key }, set])
    }

    /// `d[key].append(x)`, and `d.setdefault(key, []).append(x)`, which begins with an empty list.
    pub(super) fn append_to_entry(
        &mut self,
        expr: &AstExpr,
        object: &AstExpr,
        key: &AstExpr,
        default: bool,
        call: &CallArgsP<AstNoPayload>,
    ) -> Checked<Vec<Statement>> {
        let mut arguments = self.c.arguments("append", expr.span, call);
        let Some(item) = arguments.next() else {
            return Err(self.report(expr.span, "`append` needs a value", "write `d[key].append(x)`"));
        };
        self.c.no_more(&arguments, &[]);
        let local = self.changed(object, object.span)?;
        let place = self.at(expr.span);
        if let Some(open) = self.open.get(&local).cloned() {
            let (key, item) = (self.key(key, None)?, self.element(item, None)?);
            match open.kind {
                OpenKind::Dict => self.settle(local, Type::Dict(Box::new(key.ty), Box::new(item.ty.list()))),
                _ => return Err(self.unsettled(local, &open)),
            }
            return Ok(Vec::new());
        }
        let (key_type, list, dict) = match self.locals[local].ty.clone() {
            Type::Dict(key_type, list) if matches!(*list, Type::List(_)) => (*key_type, *list, true),
            Type::List(list) if matches!(*list, Type::List(_)) && !default => (Type::Int, *list, false),
            other => {
                let message = format!("the elements of {} have no `append`", self.c.type_name(&other));
                return Err(self.report(object.span, message, "`append` is for lists"));
            }
        };
        let Type::List(element) = &list else { return Err(Reported) };
        let key = self.check(key, &key_type)?;
        let hidden = self.hidden(key_type.clone());
        let key_read = Expr { ty: key_type, kind: ExprKind::Local(hidden), span: key.span };
        let whole = Box::new(Expr { ty: self.locals[local].ty.clone(), kind: ExprKind::Local(local), span: place });
        let kind = if dict {
            let empty = Expr { ty: list.clone(), kind: ExprKind::List(Vec::new()), span: place };
            let otherwise = if default { Otherwise::Value(Box::new(empty)) } else { Otherwise::Fail };
            ExprKind::Lookup { dict: whole, key: Box::new(key_read.clone()), otherwise }
        } else {
            ExprKind::Index { list: whole, index: Box::new(key_read.clone()) }
        };
        let before = Expr { ty: list.clone(), kind, span: place };
        let item = self.check(item, element)?;
        let one = Expr { ty: list.clone(), kind: ExprKind::List(vec![item]), span: place };
        let value = self.arithmetic(BinaryOp::Add, before, one, place)?;
        let set = if dict {
            Statement::SetEntry { dict: local, key: key_read, value }
        } else {
            Statement::SetElement { list: local, index: key_read, value }
        };
        Ok(vec![Statement::Assign { local: hidden, value: key }, set])
    }

    /// `xs.extend(ys)`, `xs.sort(key = ..)`, `xs.reverse()` and `xs.clear()` on a local list; `None`: something else.
    pub(super) fn list_statement(
        &mut self,
        expr: &AstExpr,
        object: &AstExpr,
        method: &str,
        call: &CallArgsP<AstNoPayload>,
    ) -> Option<Checked<Vec<Statement>>> {
        let local = places::identifier(object).and_then(|n| self.lookup(n))?;
        let ty = self.locals[local].ty.clone();
        if !matches!(method, "extend" | "sort" | "reverse" | "clear")
            || !matches!(ty, Type::List(_))
            || self.poisoned.contains(&local)
        {
            return None;
        }
        Some(self.changed_list(expr, object, method, call, local, &ty))
    }

    fn changed_list(
        &mut self,
        expr: &AstExpr,
        object: &AstExpr,
        method: &str,
        call: &CallArgsP<AstNoPayload>,
        local: LocalId,
        ty: &Type,
    ) -> Checked<Vec<Statement>> {
        let span = self.at(expr.span);
        let mut arguments = self.c.arguments(if method == "sort" { "sort" } else { "method" }, expr.span, call);
        let list = self.infer(object, None)?;
        let value = match method {
            "extend" => {
                let more = self.only(&mut arguments, "xs.extend(ys)")?;
                let more = self.check(more, ty)?;
                self.arithmetic(BinaryOp::Add, list, more, span)?
            }
            "sort" => {
                if let Some(extra) = arguments.positional.first() {
                    let hint = "write `xs.sort(key = lambda x: ..)`";
                    return Err(self.report(extra.span, "`sort` takes `key` and `reverse`", hint));
                }
                arguments.positional.push(object);
                self.sorted(arguments, Some(ty), span)?
            }
            _ => {
                self.c.no_more(&arguments, &[]);
                match method {
                    "reverse" => self.builtin(Builtin::Reversed, vec![list], ty.clone()),
                    _ => Expr { ty: ty.clone(), kind: ExprKind::List(Vec::new()), span },
                }
            }
        };
        Ok(vec![Statement::Assign { local, value }])
    }
}
