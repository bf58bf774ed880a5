//! Calls of functions of the file, records, lambdas, `require` and `fail`.

use super::arguments::Arguments;
use super::body::Body;
use super::coerce::coerce;
use super::flow::facts;
use super::{Checked, Item, names, places};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Literal};
use crate::types::{FunctionId, RecordId, Type};
use starlark_syntax::syntax::ast::{AstExpr, AstNoPayload, CallArgsP, ExprP, ParameterP};

impl Body<'_, '_> {
    pub(super) fn call(
        &mut self,
        expr: &AstExpr,
        function: &AstExpr,
        call: &CallArgsP<AstNoPayload>,
        want: Option<&Type>,
    ) -> Checked<Expr> {
        match &function.node {
            ExprP::Dot(object, method) => self.method(expr, object, method, call),
            ExprP::Identifier(name) => {
                let name = name.node.ident.as_str();
                let arguments = self.c.arguments(name, expr.span, call);
                if self.lookup(name).is_some() {
                    return Err(self.report(function.span, format!("`{name}` is a variable and cannot be called"), ""));
                }
                match self.c.items.get(name) {
                    Some(Item::Function(id)) => {
                        let id = *id;
                        self.function_call(id, arguments)
                    }
                    Some(Item::Record(id)) => {
                        let id = *id;
                        self.record(id, arguments)
                    }
                    Some(Item::Table(_)) => Err(self.report(
                        expr.span,
                        format!("the table `{name}` cannot be called"),
                        format!("write `{name}.get(key)`, `{name}.find(key)` or `{name}.insert(column = ..)`"),
                    )),
                    Some(Item::Enum(_)) => Err(self.report(
                        expr.span,
                        format!("the enum `{name}` cannot be called"),
                        "write the value as a text",
                    )),
                    Some(Item::Broken) => Err(Reported),
                    Some(_) => {
                        Err(self.report(expr.span, format!("`{name}` cannot be called"), "use it without brackets"))
                    }
                    None => match self.c.suite.records.iter().position(|r| r.name == name) {
                        Some(id) => self.record(id, arguments),
                        None => self.predeclared(name, expr, arguments, want),
                    },
                }
            }
            _ => Err(self.report(expr.span, "this cannot be called", "call a function by its name")),
        }
    }

    /// `lambda x: e` over a variable of a type: the variable and the checked expression.
    pub(super) fn lambda(&mut self, expr: &AstExpr, ty: Type) -> Checked<(usize, Expr)> {
        self.with_lambda(expr, ty, |b, body| b.infer(body, None))
    }

    /// `lambda x: e` or `lambda x: (e, f)`: the variable and the keys.
    pub(super) fn lambda_keys(&mut self, expr: &AstExpr, ty: Type) -> Checked<(usize, Vec<Expr>)> {
        self.with_lambda(expr, ty, |b, body| match &body.node {
            ExprP::Tuple(keys) => keys.iter().map(|key| b.infer(key, None)).collect(),
            _ => b.infer(body, None).map(|key| vec![key]),
        })
    }

    fn with_lambda<T>(
        &mut self,
        expr: &AstExpr,
        ty: Type,
        inner: impl FnOnce(&mut Self, &AstExpr) -> Checked<T>,
    ) -> Checked<(usize, T)> {
        let ExprP::Lambda(lambda) = &expr.node else {
            return Err(self.report(expr.span, "a lambda is wanted here", "write `lambda x: ...`"));
        };
        let [parameter] = lambda.params.as_slice() else {
            return Err(self.report(expr.span, "this lambda has one parameter", "write `lambda x: ...`"));
        };
        let ParameterP::Normal(name, _, None) = &parameter.node else {
            return Err(self.report(parameter.span, "this is no plain parameter", "write `lambda x: ...`"));
        };
        self.free_name(&name.node.ident, parameter.span)?;
        let outer = self.flow.clone();
        let result = self.scoped(|b| {
            let local = b.declare(&name.node.ident, ty);
            b.flow.assigned.insert(local);
            inner(b, &lambda.body).map(|body| (local, body))
        });
        self.flow = outer;
        result
    }

    fn function_call(&mut self, id: FunctionId, mut arguments: Arguments<'_>) -> Checked<Expr> {
        let span = self.at(arguments.span);
        self.only_in_function(arguments.span, "a call of a function")?;
        let signature = self.c.signatures[id].clone();
        self.calls.entry(id).or_insert(span);
        if signature.broken {
            return Err(Reported);
        }
        let mut values = Vec::new();
        let mut broken = false;
        for parameter in &signature.parameters {
            let value = match arguments.either(&parameter.name) {
                Some(value) => self.check(value, &parameter.ty),
                None => match &parameter.default {
                    Some(literal) => {
                        let natural = super::expressions::literal_type(literal).unwrap_or_else(|| parameter.ty.clone());
                        let literal = Expr { ty: natural, kind: ExprKind::Literal(literal.clone()), span };
                        Ok(coerce(literal, &parameter.ty).unwrap_or_else(|e| e))
                    }
                    None => {
                        let message = format!("`{}` needs `{}`", signature.name, parameter.name);
                        let hint = format!("it is {}", self.c.type_name(&parameter.ty));
                        Err(self.report(arguments.span, message, hint))
                    }
                },
            };
            match value {
                Ok(value) => values.push(value),
                Err(Reported) => broken = true,
            }
        }
        let known: Vec<&str> = signature.parameters.iter().map(|p| p.name.as_str()).collect();
        let faults = self.c.diagnostics.len();
        self.c.no_more(&arguments, &known);
        if broken || self.c.diagnostics.len() > faults {
            return Err(Reported);
        }
        Ok(Expr { ty: signature.returns, kind: ExprKind::Call { function: id, arguments: values }, span })
    }

    fn record(&mut self, id: RecordId, mut arguments: Arguments<'_>) -> Checked<Expr> {
        let span = self.at(arguments.span);
        if self.c.broken_records.contains(&id) {
            return Err(Reported);
        }
        let record = self.c.suite.records[id].clone();
        if let Some(first) = arguments.positional.first() {
            let hint =
                format!("write `{}({} = ...)`", record.name, record.fields.first().map_or("field", |f| f.0.as_str()));
            return Err(self.report(first.span, "the fields of a record are named", hint));
        }
        let mut values = Vec::new();
        let mut missing = Vec::new();
        let mut broken = false;
        for (name, ty) in &record.fields {
            match arguments.take(name) {
                Some(value) => match self.check(value, ty) {
                    Ok(value) => values.push(value),
                    Err(Reported) => broken = true,
                },
                None => missing.push(name.as_str()),
            }
        }
        let faults = self.c.diagnostics.len();
        let known: Vec<&str> = record.fields.iter().map(|f| f.0.as_str()).collect();
        self.c.no_more(&arguments, &known);
        if !missing.is_empty() {
            let message = format!("`{}` lacks {}", record.name, names::list(&missing));
            return Err(self.report(arguments.span, message, "give every field a value"));
        }
        if broken || self.c.diagnostics.len() > faults {
            return Err(Reported);
        }
        Ok(Expr { ty: Type::Record(id), kind: ExprKind::Record { record: id, fields: values }, span })
    }

    /// `require(condition, "code", message)` and `fail("code", message)`.
    pub(super) fn failure(&mut self, mut arguments: Arguments<'_>) -> Checked<crate::tree::Statement> {
        let require = arguments.of == "require";
        let example = if require {
            "require(b.copies > 0, \"unavailable\", \"no copy is left\")"
        } else {
            "fail(\"unavailable\", \"no copy is left\")"
        };
        let parts = if require { 3 } else { 2 };
        if arguments.positional.len() + arguments.named.len() != parts {
            let message = format!("`{}` takes {parts} values", arguments.of);
            return Err(self.report(arguments.span, message, format!("write `{example}`")));
        }
        let condition = if require { arguments.either("condition") } else { None };
        let (code, message) = (arguments.either("code"), arguments.either("message"));
        self.c.no_more(&arguments, &["condition", "code", "message"]);
        let (Some(code), Some(message)) = (code, message) else { return Err(Reported) };
        let condition = condition.map(|c| self.condition(c));
        let code_text = match places::string(code) {
            Some(text) if names::is_snake(text) => Ok(text.to_owned()),
            Some(text) => {
                let hint = names::snake_fault("code", text).map(|f| f.1).unwrap_or_default();
                Err(self.report(code.span, format!("the error code `{text}` is not lower_snake"), hint))
            }
            None => Err(self.report(code.span, "the error code is a text literal", format!("write `{example}`"))),
        };
        let message = self.check(message, &Type::Str);
        match condition {
            Some(condition) => {
                let condition = condition?;
                let (code, message) = (code_text?, message?);
                if matches!(condition.kind, ExprKind::Literal(Literal::Bool(false))) {
                    self.flow.reachable = false;
                }
                self.flow.present.extend(facts(&condition).yes);
                Ok(crate::tree::Statement::Require { condition, code, message })
            }
            None => {
                self.flow.reachable = false;
                Ok(crate::tree::Statement::Fail { code: code_text?, message: message? })
            }
        }
    }
}
