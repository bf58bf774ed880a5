//! Calls of predeclared functions, of functions of the file, and of records.

use super::arguments::Arguments;
use super::body::{Body, Kind};
use super::coerce::coerce;
use super::flow::facts;
use super::{Checked, Item, names, places};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Literal};
use crate::types::{FunctionId, RecordId, Span, Type};
use starlark_syntax::syntax::ast::{AstExpr, AstNoPayload, CallArgsP, ExprP, ParameterP};

/// Functions of Python that suites do not have, and what to write instead.
const MISSING: [(&str, &str); 34] = [
    ("print", "nobody reads it; return the value, or remove the line"),
    ("str", "write an f-string: `f\"{x}\"`"),
    ("int", "numbers are whole already; divide with `//`"),
    ("bool", "write a comparison"),
    ("round", "money and ints are exact; use `//`, `%` or `percent(amount, p)`"),
    ("abs", "write `x if x >= 0 else -x`"),
    ("set", "use a list; test with `x in xs` before appending"),
    ("dict", "declare a `record(...)`, or a `table(...)` to look things up"),
    ("list", "write `[x for x in xs]`; an empty list is `empty(list[T])`"),
    ("tuple", "use a list, or declare a `record(...)`"),
    ("enumerate", "write `for i in range(len(xs)):` and `xs[i]`"),
    ("zip", "write `for i in range(min(len(xs), len(ys))):` and index both"),
    ("map", "write a comprehension: `[f(x) for x in xs]`"),
    ("filter", "write a comprehension: `[x for x in xs if f(x)]`"),
    ("reversed", "write `sorted(xs, key = lambda x: .., reverse = True)`"),
    ("isinstance", "types are known when the file is checked; remove the test"),
    ("type", "types are known when the file is checked; remove it"),
    ("hasattr", "columns are known when the file is checked; remove the test"),
    ("getattr", "write `row.column`"),
    ("setattr", "write `row.column = value`"),
    ("format", "write an f-string"),
    ("repr", "write an f-string: `f\"{x}\"`"),
    ("input", "a tool's input is its parameters"),
    ("open", "a tool has no files; use tables"),
    ("iter", "loop over the list itself"),
    ("next", "write `xs[0]` after testing `len(xs) > 0`"),
    ("pow", "multiply: `x * x`"),
    ("divmod", "write `a // b` and `a % b`"),
    ("sort", "write `sorted(xs, key = lambda x: ..)`"),
    ("count", "write `len([x for x in xs if ..])`"),
    ("error", "write `fail(\"code\", \"message\")`"),
    ("now", "there are only dates: `today()`"),
    ("datetime", "there are only dates: `today()`, `date_of(\"2026-03-01\")`"),
    ("random", "tools are deterministic"),
];

impl Body<'_, '_> {
    pub(super) fn call(&mut self, expr: &AstExpr, function: &AstExpr, call: &CallArgsP<AstNoPayload>, want: Option<&Type>) -> Checked<Expr> {
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
                    Some(Item::Enum(_)) => {
                        Err(self.report(expr.span, format!("the enum `{name}` cannot be called"), "write the value as a text"))
                    }
                    Some(Item::Broken) => Err(Reported),
                    Some(_) => Err(self.report(expr.span, format!("`{name}` cannot be called"), "use it without brackets")),
                    None => match self.c.suite.records.iter().position(|r| r.name == name) {
                        Some(id) => self.record(id, arguments),
                        None => self.predeclared(name, expr, arguments, want),
                    },
                }
            }
            _ => Err(self.report(expr.span, "this cannot be called", "call a function by its name")),
        }
    }

    fn predeclared(&mut self, name: &str, expr: &AstExpr, mut arguments: Arguments<'_>, want: Option<&Type>) -> Checked<Expr> {
        let span = self.at(expr.span);
        let done = |kind, ty| Ok(Expr { ty, kind, span });
        match name {
            "today" => {
                self.c.no_more(&arguments, &[]);
                done(ExprKind::Today, Type::Date)
            }
            "days" => {
                let n = self.only(&mut arguments, "days(7)")?;
                let n = self.check(n, &Type::Int)?;
                done(n.kind, Type::Int)
            }
            "money_of" | "date_of" => {
                let literal = self.c.literal(expr)?;
                let ty = if name == "money_of" { Type::Money } else { Type::Date };
                done(ExprKind::Literal(literal), ty)
            }
            "float" => {
                let n = self.only(&mut arguments, "float(n)")?;
                let n = self.check(n, &Type::Int)?;
                done(ExprKind::IntToFloat(Box::new(n)), Type::Float)
            }
            "percent" => {
                let (Some(value), Some(percent)) = (arguments.next(), arguments.next()) else {
                    return Err(self.report(expr.span, "`percent` needs a value and a percentage", "write `percent(amount, 15)`"));
                };
                self.c.no_more(&arguments, &[]);
                let value_span = value.span;
                let value = self.infer(value, None)?;
                if !matches!(value.ty, Type::Money | Type::Int) {
                    let message = format!("`percent` takes money or int, not {}", self.c.type_name(&value.ty));
                    return Err(self.report(value_span, message, ""));
                }
                let percent = self.check(percent, &Type::Int)?;
                let ty = value.ty.clone();
                done(ExprKind::Percent { value: Box::new(value), percent: Box::new(percent) }, ty)
            }
            "len" => {
                let of = self.only(&mut arguments, "len(xs)")?;
                let ast = of.span;
                let of = self.infer(of, None)?;
                if !matches!(of.ty, Type::List(_) | Type::Str) {
                    let message = format!("{} has no length", self.c.type_name(&of.ty));
                    let hint = if matches!(of.ty, Type::Option(_)) { "test it against None first" } else { "`len` is for lists and texts" };
                    return Err(self.report(ast, message, hint));
                }
                done(ExprKind::Len(Box::new(of)), Type::Int)
            }
            "sum" => {
                let of = self.only(&mut arguments, "sum([x.price for x in xs])")?;
                let ast = of.span;
                let of = self.infer(of, want.map(|w| w.clone().list()).as_ref())?;
                let Type::List(inner) = &of.ty else {
                    let message = format!("`sum` takes a list, not {}", self.c.type_name(&of.ty));
                    return Err(self.report(ast, message, "write `sum([x.price for x in xs])`"));
                };
                let ty = (**inner).clone();
                if !matches!(ty, Type::Int | Type::Float | Type::Money) {
                    let message = format!("`sum` adds int, float or money, not {}", self.c.type_name(&ty));
                    return Err(self.report(ast, message, "write `sum([x.price for x in xs])`"));
                }
                done(ExprKind::Sum(Box::new(of)), ty)
            }
            "min" | "max" => self.extreme(name == "max", arguments, want, span),
            "any" | "all" => {
                let of = self.only(&mut arguments, "any([x.due < today() for x in xs])")?;
                let list = self.check(of, &Type::Bool.list())?;
                done(ExprKind::AnyAll { list: Box::new(list), all: name == "all" }, Type::Bool)
            }
            "sorted" => self.sorted(arguments, want, span),
            "empty" => {
                let of = self.only(&mut arguments, "empty(list[int])")?;
                match self.c.annotation(of)? {
                    ty @ Type::List(_) => done(ExprKind::List(Vec::new()), ty),
                    ty => done(ExprKind::List(Vec::new()), ty.list()),
                }
            }
            "range" => Err(self.report(expr.span, "`range` stands in a `for` only", "write `[i for i in range(a, b)]` for a list")),
            "require" | "fail" => {
                Err(self.report(expr.span, format!("`{name}` is a statement"), "put it on a line of its own in a function"))
            }
            "insert" | "update" | "delete" | "update_all" | "delete_all" if self.kind == Kind::Function => {
                let hint = match name {
                    "insert" => "in a function write `table.insert(column = ..)`",
                    "delete" => "in a function write `table.delete(row)`",
                    "update" => "in a function write `row.column = value`",
                    _ => "in a function write a `for` loop",
                };
                Err(self.report(expr.span, format!("`{name}(...)` belongs to `tool(effect = [...])`"), hint))
            }
            _ => {
                if let Some((_, hint)) = MISSING.iter().find(|(n, _)| *n == name) {
                    return Err(self.report(expr.span, format!("there is no `{name}`"), *hint));
                }
                let known = [
                    "len", "sum", "min", "max", "any", "all", "sorted", "range", "today", "days", "money_of", "date_of",
                    "percent", "float", "require", "fail", "empty",
                ];
                let functions = self.c.items.iter().filter(|(_, i)| matches!(i, Item::Function(_) | Item::Record(_))).map(|(n, _)| n.as_str());
                let all: Vec<&str> = known.into_iter().chain(functions).collect();
                let hint = names::nearest(name, all).map(|n| format!("did you mean `{n}`?")).unwrap_or_default();
                Err(self.report(expr.span, format!("there is no function `{name}`"), hint))
            }
        }
    }

    /// The single argument of a predeclared function.
    fn only<'a>(&mut self, arguments: &mut Arguments<'a>, example: &str) -> Checked<&'a AstExpr> {
        let Some(value) = arguments.next() else {
            let message = format!("`{}` needs a value", arguments.of);
            return Err(self.report(arguments.span, message, format!("write `{example}`")));
        };
        if let Some(extra) = arguments.positional.first() {
            let message = format!("`{}` takes one value", arguments.of);
            return Err(self.report(extra.span, message, format!("write `{example}`")));
        }
        self.c.no_more(arguments, &[]);
        Ok(value)
    }

    fn extreme(&mut self, max: bool, arguments: Arguments<'_>, want: Option<&Type>, span: Span) -> Checked<Expr> {
        if let Some(named) = arguments.named.first() {
            let (span, hint) = (named.span, "write `sorted(xs, key = lambda x: ..)[0]` after testing `len(xs) > 0`");
            return Err(self.report(span, format!("`{}` takes no `{}`", arguments.of, named.name), hint));
        }
        let list = match arguments.positional.as_slice() {
            [] => return Err(self.report(arguments.span, format!("`{}` needs a value", arguments.of), "write `max(xs)` or `max(a, b)`")),
            [one] => self.infer(one, None)?,
            [first, rest @ ..] => {
                let first = self.infer(first, want)?;
                let ty = first.ty.clone();
                let mut items = vec![first];
                for item in rest {
                    items.push(self.check(item, &ty)?);
                }
                Expr { ty: ty.list(), kind: ExprKind::List(items), span }
            }
        };
        let Type::List(inner) = &list.ty else {
            let message = format!("`{}` takes a list or several values, not {}", arguments.of, self.c.type_name(&list.ty));
            return Err(self.report(arguments.span, message, ""));
        };
        let ty = (**inner).clone();
        if !ty.is_ordered() {
            let message = format!("{} has no order", self.c.type_name(&ty));
            let hint = "take a column: `max([x.price for x in xs])`, or `sorted(xs, key = lambda x: x.price)`";
            return Err(self.report(arguments.span, message, hint));
        }
        Ok(Expr { ty, kind: ExprKind::Extreme { list: Box::new(list), max }, span })
    }

    fn sorted(&mut self, mut arguments: Arguments<'_>, want: Option<&Type>, span: Span) -> Checked<Expr> {
        let key = arguments.take("key");
        let reverse = match arguments.take("reverse") {
            Some(value) => self.c.flag(value, "`reverse`")?,
            None => false,
        };
        let list = self.only(&mut arguments, "sorted(xs, key = lambda x: x.due)")?;
        let list_span = list.span;
        let list = self.infer(list, want)?;
        let Type::List(inner) = &list.ty else {
            let message = format!("`sorted` takes a list, not {}", self.c.type_name(&list.ty));
            return Err(self.report(list_span, message, ""));
        };
        let element = (**inner).clone();
        let ty = list.ty.clone();
        let (local, key) = match key {
            Some(key) => {
                let key_span = key.span;
                let (local, key) = self.lambda(key, element)?;
                if !key.ty.is_ordered() {
                    let message = format!("the key is {}, which has no order", self.c.type_name(&key.ty));
                    return Err(self.report(key_span, message, "sort by an int, float, str, money, date, enum or key"));
                }
                (local, key)
            }
            None => {
                if !element.is_ordered() {
                    let message = format!("{} has no order", self.c.type_name(&element));
                    return Err(self.report(list_span, message, "say by what: `sorted(xs, key = lambda x: x.due)`"));
                }
                let local = self.hidden(element.clone());
                (local, Expr { ty: element, kind: ExprKind::Local(local), span })
            }
        };
        Ok(Expr { ty, kind: ExprKind::Sorted { list: Box::new(list), local, key: Box::new(key), reverse }, span })
    }

    /// `lambda x: e` over a variable of a type: the variable and the checked expression.
    pub(super) fn lambda(&mut self, expr: &AstExpr, ty: Type) -> Checked<(usize, Expr)> {
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
            b.infer(&lambda.body, None).map(|body| (local, body))
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
            let hint = format!("write `{}({} = ...)`", record.name, record.fields.first().map_or("field", |f| f.0.as_str()));
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
        let example = if require { "require(b.copies > 0, \"unavailable\", \"no copy is left\")" } else { "fail(\"unavailable\", \"no copy is left\")" };
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
