//! The declared meaning of a write tool: `needs`, `effect` and `gives`, typed over the tool's parameters.

use super::body::{Body, Kind};
use super::flow::facts;
use super::{Checked, Checker, names, places};
use crate::suite::{Effect, Source, Tool};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Local};
use crate::types::{FunctionId, LocalId, TableId, Type};
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstExpr, AstLiteral, ExprP};

/// The scope of a tool's meaning: its parameters, then variables of lambdas and comprehensions.
pub(super) struct Goal<'c, 's> {
    body: Body<'c, 's>,
}

impl<'c, 's> Goal<'c, 's> {
    pub fn new(c: &'c mut Checker<'s>, function: FunctionId) -> Self {
        let parameters = c.signatures[function].parameters.iter();
        let locals = parameters.map(|p| Local { name: p.name.clone(), ty: p.ty.clone() }).collect();
        Goal { body: Body::new(c, Kind::Goal, locals, Type::Unit) }
    }

    pub fn locals(self) -> Vec<Local> {
        self.body.locals
    }

    /// Conditions; each may rely on the ones before it. `rule(n, condition)` says which rule of the policy asks for it.
    pub fn needs(&mut self, expr: &AstExpr) -> (Vec<Expr>, Vec<(usize, u32)>) {
        let mut out = Vec::new();
        let mut rules = Vec::new();
        for item in items(expr) {
            let (number, item) = match self.rule(item) {
                Ok(Some((number, condition))) => (Some(number), condition),
                Ok(None) => (None, item),
                Err(Reported) => continue,
            };
            if let Ok(condition) = self.body.condition(item) {
                self.body.flow.present.extend(facts(&condition).yes);
                rules.extend(number.map(|n| (out.len(), n)));
                out.push(condition);
            }
        }
        (out, rules)
    }

    /// `rule(n, condition)`, if it is one; the policy text must have a line that begins with `n.`.
    fn rule<'a>(&mut self, expr: &'a AstExpr) -> Checked<Option<(u32, &'a AstExpr)>> {
        let ExprP::Call(function, call) = &expr.node else { return Ok(None) };
        if places::identifier(function) != Some("rule") {
            return Ok(None);
        }
        let hint = "write `rule(2, condition)`: the number of a rule in the policy, then what it asks for";
        let mut arguments = self.body.c.arguments("rule", expr.span, call);
        let (Some(number), Some(condition)) = (arguments.next(), arguments.next()) else {
            return Err(self.body.report(expr.span, "`rule` needs a number and a condition", hint));
        };
        self.body.c.no_more(&arguments, &[]);
        let read = match &number.node {
            ExprP::Literal(AstLiteral::Int(int)) => int.node.to_string().parse::<u32>().ok(),
            _ => None,
        };
        let Some(read) = read else {
            return Err(self.body.report(number.span, "the number of a rule is a literal integer", hint));
        };
        let begins = format!("{read}.");
        if !self.body.c.suite.policy.lines().any(|line| line.trim().starts_with(&begins)) {
            let message = format!("the policy has no rule {read}");
            return Err(self.body.report(
                number.span,
                message,
                "number the rules in the policy text: `1. ...`, `2. ...`",
            ));
        }
        Ok(Some((read, condition)))
    }

    pub fn effects(&mut self, expr: &AstExpr) -> Vec<Effect> {
        let items = items(expr);
        if items.is_empty() {
            let hint = "a tool whose body writes has an effect";
            self.body.report(expr.span, "`effect` is empty", hint);
        }
        items.into_iter().filter_map(|item| self.effect(item).ok()).collect()
    }

    fn effect(&mut self, expr: &AstExpr) -> Checked<Effect> {
        let hint = "effects are insert(table, column = ..), update(table, key, column = ..), delete(table, key), update_all(table, lambda r: .., column = ..), delete_all(table, lambda r: ..)";
        let Some(mut arguments) = self.body.c.call(expr) else {
            return Err(self.body.report(expr.span, "this is no effect", hint));
        };
        let word = arguments.of.to_owned();
        if !matches!(word.as_str(), "insert" | "update" | "delete" | "update_all" | "delete_all") {
            let hint = match names::nearest(&word, ["insert", "update", "delete", "update_all", "delete_all"]) {
                Some(name) => format!("did you mean `{name}`?"),
                None => hint.to_owned(),
            };
            return Err(self.body.report(expr.span, format!("`{word}` is no effect"), hint));
        }
        let Some(table) = arguments.next() else {
            return Err(self.body.report(expr.span, format!("`{word}` needs a table"), hint));
        };
        let table = self.body.c.table_named(table)?;
        match word.as_str() {
            "insert" => Ok(Effect::Insert { table, values: self.body.new_row(table, &mut arguments)? }),
            "update" | "delete" => {
                let Some(key) = arguments.next() else {
                    return Err(self.body.report(expr.span, format!("`{word}` needs a key"), hint));
                };
                let key = self.body.check(key, &Type::Key(table))?;
                if word == "delete" {
                    self.body.c.no_more(&arguments, &[]);
                    return Ok(Effect::Delete { table, key });
                }
                let values = self.values(table, &arguments, None)?;
                Ok(Effect::Update { table, key, values })
            }
            _ => {
                let Some(lambda) = arguments.next() else {
                    return Err(self.body.report(expr.span, format!("`{word}` needs a condition"), hint));
                };
                let (local, condition) = self.body.lambda(lambda, Type::Row(table))?;
                let condition = self.body.fit(condition, &Type::Bool)?;
                if word == "delete_all" {
                    self.body.c.no_more(&arguments, &[]);
                    return Ok(Effect::DeleteAll { table, local, condition });
                }
                let known = facts(&condition).yes;
                let name = self.body.locals[local].name.clone();
                let names = self.body.names.len();
                self.body.names.push((name, local));
                let before = self.body.flow.clone();
                self.body.flow = before.with(&known);
                self.body.flow.assigned.insert(local);
                let values = self.values(table, &arguments, Some(local));
                self.body.flow = before;
                self.body.names.truncate(names);
                Ok(Effect::UpdateAll { table, local, condition, values: values? })
            }
        }
    }

    /// The columns that an update sets. With `row`, a value may be a lambda over the row.
    fn values(
        &mut self,
        table: TableId,
        arguments: &super::arguments::Arguments<'_>,
        row: Option<LocalId>,
    ) -> Checked<Vec<(usize, Expr)>> {
        let body = &mut self.body;
        let mut values: Vec<(usize, Expr)> = Vec::new();
        let mut broken = false;
        if let Some(extra) = arguments.positional.first() {
            return Err(body.report(extra.span, "the columns that change are named", "write `column = value`"));
        }
        if arguments.named.is_empty() {
            return Err(body.report(arguments.span, "this update changes nothing", "write `column = value`"));
        }
        for named in &arguments.named {
            let Ok(column) = body.c.column(table, named.name, named.span) else {
                broken = true;
                continue;
            };
            if column == 0 {
                body.report(named.span, "keys cannot be assigned", "delete the row and insert another");
                broken = true;
                continue;
            }
            let ty = body.c.column_type(table, column, named.span)?;
            let value = match (&named.value.node, row) {
                (ExprP::Lambda(lambda), Some(row)) => {
                    let name = lambda.params.first().and_then(|p| p.node.ident()).map(|n| n.node.ident.clone());
                    body.scoped(|b| {
                        b.names.push((name.unwrap_or_default(), row));
                        b.check(&lambda.body, &ty)
                    })
                }
                _ => body.check(named.value, &ty),
            };
            match value {
                Ok(value) => values.push((column, value)),
                Err(Reported) => broken = true,
            }
        }
        if broken { Err(Reported) } else { Ok(values) }
    }
}

/// The elements of a list, or the one expression.
fn items(expr: &AstExpr) -> Vec<&AstExpr> {
    match &expr.node {
        ExprP::List(items) => items.iter().collect(),
        _ => vec![expr],
    }
}

impl Checker<'_> {
    /// `gives = {"note": choice(...)}`.
    pub(super) fn gives(&mut self, function: FunctionId, expr: &AstExpr) -> Vec<(usize, Source)> {
        let ExprP::Dict(entries) = &expr.node else {
            self.report(
                expr.span,
                "`gives` maps parameters to sources",
                "write `gives = {\"note\": choice(\"a\", \"b\")}`",
            );
            return Vec::new();
        };
        let mut out: Vec<(usize, Source)> = Vec::new();
        for (key, value) in entries {
            let Ok(index) = self.parameter_named(function, key) else { continue };
            let ty = self.signatures[function].parameters[index].ty.clone();
            if out.iter().any(|(i, _)| *i == index) {
                self.report(key.span, "this parameter stands twice", "remove one");
                continue;
            }
            if let Ok(source) = self.argument_source(&ty, value) {
                out.push((index, source));
            }
        }
        out
    }

    /// The index of a parameter given as a text.
    pub(super) fn parameter_named(&mut self, function: FunctionId, key: &AstExpr) -> Checked<usize> {
        let name = places::string(key).or_else(|| places::identifier(key)).unwrap_or_default();
        let signature = &self.signatures[function];
        if let Some(index) = signature.parameters.iter().position(|p| p.name == name) {
            return Ok(index);
        }
        let message = format!("`{}` has no parameter `{name}`", signature.name);
        let hint = names::did_you_mean(name, signature.parameters.iter().map(|p| p.name.as_str()));
        Err(self.report(key.span, message, hint))
    }

    /// Each plain value that a write tool takes must be makeable: from `gives`, or from the column it goes to.
    pub(super) fn argument_values(&mut self, tool: &Tool, span: AstSpan) {
        let parameters = self.signatures[tool.function].parameters.clone();
        for (index, parameter) in parameters.iter().enumerate() {
            let plain = if let Type::Option(inner) = &parameter.ty { &**inner } else { &parameter.ty };
            let scalar = matches!(plain, Type::Int | Type::Float | Type::Str | Type::Money | Type::Date);
            if !scalar || tool.gives.iter().any(|(i, _)| *i == index) || written(tool, index) {
                continue;
            }
            let source = match plain {
                Type::Int => "integer(1, 5)",
                Type::Money => "money(\"1.00\", \"20.00\")",
                Type::Date => "date(1, 30)",
                _ => "choice(\"...\", \"...\")",
            };
            let message =
                format!("nothing says how values of `{}` are made: no column takes it as it is", parameter.name);
            self.report(span, message, format!("write `gives = {{\"{}\": {source}}}`", parameter.name));
        }
    }
}

/// Whether some column takes the parameter as it is.
fn written(tool: &Tool, parameter: usize) -> bool {
    let is = |e: &Expr| is_local(e, parameter);
    tool.effects.iter().any(|effect| match effect {
        Effect::Insert { values, .. } => values.iter().any(is),
        Effect::Update { values, .. } | Effect::UpdateAll { values, .. } => values.iter().any(|(_, v)| is(v)),
        Effect::Delete { .. } | Effect::DeleteAll { .. } => false,
    })
}

fn is_local(expr: &Expr, local: usize) -> bool {
    match &expr.kind {
        ExprKind::Local(id) => *id == local,
        ExprKind::Some(inner) | ExprKind::Unwrap(inner) => is_local(inner, local),
        ExprKind::Conditional { then, otherwise, .. } => is_local(then, local) || is_local(otherwise, local),
        _ => false,
    }
}
