//! Functions: signatures, doc strings, bodies, recursion and who writes.

use super::body::{Body, Kind};
use super::{Checked, Checker, Def, Item, Signature, docs, names, places};
use crate::syntax::Reported;
use crate::tree::{Expr, Function, Literal, Local, Parameter};
use crate::types::{FunctionId, Span, TableId, Type};
use starlark_syntax::syntax::ast::{AstExpr, AstStmt, ParameterP, StmtP};
use std::collections::BTreeMap;

/// Most passes over one body to find the types of `x = None` and `xs = []`.
const PASSES_MAX: usize = 8;
/// Most parameters of a function.
const PARAMETERS_MAX: usize = 16;

type Calls = BTreeMap<FunctionId, Span>;

impl Checker<'_> {
    /// Names, parameters and results of all functions.
    pub(super) fn signatures(&mut self, functions: &[(usize, &Def)]) {
        for (file, def) in functions {
            self.enter_file(*file);
            let name = def.name.node.ident.clone();
            if let Some((message, hint)) = names::snake_fault("function", &name) {
                self.report(def.name.span, message, hint);
            }
            let mut signature = Signature { name, parameters: Vec::new(), returns: Type::Unit, broken: false };
            for parameter in &def.params {
                match self.parameter_of(&parameter.node, parameter.span) {
                    Ok(Some(parameter)) => signature.parameters.push(parameter),
                    Ok(None) => {}
                    Err(Reported) => signature.broken = true,
                }
            }
            if signature.parameters.len() > PARAMETERS_MAX {
                let hint = "group some of them in a `record(...)`";
                self.report(def.name.span, format!("a function has at most {PARAMETERS_MAX} parameters"), hint);
            }
            if let Some(ty) = &def.return_type {
                match self.annotation(&ty.expr) {
                    Ok(ty) => signature.returns = ty,
                    Err(Reported) => signature.broken = true,
                }
            }
            self.signatures.push(signature);
        }
    }

    fn parameter_of(
        &mut self,
        parameter: &ParameterP<starlark_syntax::syntax::ast::AstNoPayload>,
        span: starlark_syntax::codemap::Span,
    ) -> Checked<Option<Parameter>> {
        let (name, ty, default) = match parameter {
            ParameterP::Normal(name, ty, default) => (name, ty, default),
            ParameterP::NoArgs => return Ok(None),
            ParameterP::Slash => return Err(self.report(span, "`/` is not offered", "remove it")),
            ParameterP::Args(..) => {
                return Err(self.report(span, "there are no `*args`", "take a list: `xs: list[T]`"));
            }
            ParameterP::KwArgs(..) => {
                return Err(self.report(span, "there are no `**kwargs`", "write each parameter"));
            }
        };
        let ident = name.node.ident.as_str();
        if let Some((message, hint)) = names::snake_fault("parameter", ident) {
            return Err(self.report(name.span, message, hint));
        }
        let taken = match self.items.get(ident) {
            Some(Item::Table(_)) => Some("a table"),
            Some(Item::Function(_)) => Some("a function"),
            Some(_) => Some("declared at the top of the file"),
            None if names::is_taken(ident) => Some("predeclared"),
            None => None,
        };
        if let Some(taken) = taken {
            let hint = if taken == "a table" {
                format!("write `{ident}_id`, or a shorter name for a row")
            } else {
                format!("write `{ident}_value`")
            };
            return Err(self.report(name.span, format!("`{ident}` is {taken} and cannot be a parameter"), hint));
        }
        let Some(ty) = ty else {
            let hint = format!("write `{ident}: type`, for example `{ident}: int` or `{ident}: key_of(table)`");
            return Err(self.report(name.span, format!("the parameter `{ident}` has no type"), hint));
        };
        let ty = self.annotation(&ty.expr)?;
        if ty == Type::Unit {
            return Err(self.report(span, "a parameter has a value", "write its type"));
        }
        let default = match default {
            None => None,
            Some(value) => Some(self.default_of(value, &ty)?),
        };
        Ok(Some(Parameter { name: ident.to_owned(), ty, default, doc: String::new() }))
    }

    fn default_of(&mut self, value: &AstExpr, ty: &Type) -> Checked<Literal> {
        let literal = self.literal(value)?;
        let plain = if let Type::Option(inner) = ty { inner } else { ty };
        let literal = match (literal, plain) {
            (Literal::Str(text), Type::Enum(id)) => {
                let cases = self.suite.enums[*id].cases.clone();
                match cases.iter().position(|c| *c == text) {
                    Some(case) => Literal::Enum(*id, case as u32),
                    None => {
                        let hint = names::did_you_mean(&text, cases.iter().map(String::as_str));
                        return Err(self.report(
                            value.span,
                            format!("`{text}` is no value of {}", self.type_name(plain)),
                            hint,
                        ));
                    }
                }
            }
            (literal, _) => literal,
        };
        let fits = match super::expressions::literal_type(&literal) {
            None => matches!(ty, Type::Option(_)),
            Some(own) => own == *plain,
        };
        if fits && literal != Literal::None && matches!(ty, Type::Option(_)) {
            let hint = format!("write `= None` and test it, or declare {}", self.type_name(plain));
            return Err(self.report(value.span, "the default of an option is None", hint));
        }
        if !fits {
            let hint = if literal == Literal::None {
                format!("write `option[{}]`", self.type_name(ty))
            } else {
                String::new()
            };
            return Err(self.report(value.span, format!("this default does not fit {}", self.type_name(ty)), hint));
        }
        Ok(literal)
    }

    /// Check all bodies, then recursion and writes.
    pub(super) fn functions(&mut self, functions: &[(usize, &Def)]) {
        let mut calls: Vec<Calls> = Vec::new();
        for (id, (file, def)) in functions.iter().enumerate() {
            self.enter_file(*file);
            let (function, called) = self.function(id, def);
            self.suite.functions.push(function);
            calls.push(called);
        }
        self.recursion(&calls);
        // A function writes when one it calls does.
        let mut changed = true;
        while changed {
            changed = false;
            for (id, calls) in calls.iter().enumerate() {
                if !self.suite.functions[id].writes && calls.keys().any(|c| self.suite.functions[*c].writes) {
                    self.suite.functions[id].writes = true;
                    changed = true;
                }
            }
        }
    }

    fn function(&mut self, id: FunctionId, def: &Def) -> (Function, Calls) {
        let signature = self.signatures[id].clone();
        let mut parameters = signature.parameters.clone();
        let (doc, body) = doc_string(&def.body);
        let mut summary = String::new();
        if let Some(text) = doc {
            let parsed = docs::parse(places::string(text).unwrap_or_default());
            summary = parsed.summary;
            for (name, text_of, _) in parsed.parameters {
                match parameters.iter_mut().find(|p| p.name == name) {
                    Some(parameter) => parameter.doc = text_of,
                    None if signature.broken => {}
                    None => {
                        let hint = names::did_you_mean(&name, signature.parameters.iter().map(|p| p.name.as_str()));
                        self.report(
                            text.span,
                            format!("the doc string describes `{name}`, which is no parameter"),
                            hint,
                        );
                    }
                }
            }
        }
        let locals: Vec<Local> = parameters.iter().map(|p| Local { name: p.name.clone(), ty: p.ty.clone() }).collect();
        let mut function = Function {
            name: signature.name.clone(),
            parameters,
            returns: signature.returns.clone(),
            locals: Vec::new(),
            body: Vec::new(),
            doc: summary,
            writes: false,
            span: self.place(def.name.span),
        };
        if signature.broken {
            return (function, Calls::new());
        }
        let mut known = BTreeMap::new();
        for pass in 0..PASSES_MAX {
            let faults = self.diagnostics.len();
            let mut state = Body::new(self, Kind::Function, locals.clone(), signature.returns.clone());
            state.known.clone_from(&known);
            let statements = state.sequence(body.iter().copied());
            if !state.found.is_empty() && pass + 1 < PASSES_MAX {
                known.extend(std::mem::take(&mut state.found));
                state.c.diagnostics.truncate(faults);
                continue;
            }
            let open: Vec<_> = state.open.iter().map(|(l, o)| (*l, o.clone())).collect();
            for (local, open) in open {
                state.unsettled(local, &open);
            }
            let falls_through = state.flow.reachable && signature.returns != Type::Unit;
            let failed = state.c.diagnostics.len() > faults;
            function.locals = std::mem::take(&mut state.locals);
            function.writes = state.writes;
            function.body = statements;
            let calls = std::mem::take(&mut state.calls);
            if falls_through && !failed {
                let message = format!("`{}` can end without `return`", signature.name);
                let hint = format!(
                    "return {} on every path, or `fail(\"code\", \"message\")`",
                    self.type_name(&signature.returns)
                );
                self.report(def.name.span, message, hint);
            }
            return (function, calls);
        }
        (function, Calls::new())
    }

    /// Report each cycle of calls once.
    fn recursion(&mut self, calls: &[Calls]) {
        let mut reported: Vec<FunctionId> = Vec::new();
        for start in 0..calls.len() {
            if reported.contains(&start) {
                continue;
            }
            if let Some(cycle) = cycle(start, calls) {
                let words: Vec<String> =
                    cycle.iter().chain([&start]).map(|id| format!("`{}`", self.suite.functions[*id].name)).collect();
                let span = calls[start]
                    .get(cycle.get(1).unwrap_or(&start))
                    .copied()
                    .unwrap_or(self.suite.functions[start].span);
                let hint = "every tool must end: write a loop over a table, a list or `range(a, b)`";
                self.diagnostics.report(span, format!("there is no recursion: {}", words.join(" calls ")), hint);
                reported.extend(cycle);
            }
        }
    }

    /// `derived(lambda r: ..)`: the locals and the value.
    pub(super) fn derived(&mut self, table: TableId, lambda: &AstExpr) -> Checked<(Vec<Local>, Expr)> {
        let faults = self.diagnostics.len();
        let mut state = Body::new(self, Kind::Derived, Vec::new(), Type::Unit);
        let (_, value) = state.lambda(lambda, Type::Row(table))?;
        let value = match value.ty {
            Type::Row(to) => state.fit(value, &Type::Key(to))?,
            _ => value,
        };
        let plain = if let Type::Option(inner) = &value.ty { inner } else { &value.ty };
        if !(plain.is_ordered() || *plain == Type::Bool) {
            let message = format!("a column cannot be {}", state.c.type_name(&value.ty));
            return Err(state.report(lambda.span, message, "columns are scalars, enums, keys, and options of those"));
        }
        let locals = state.locals;
        if self.diagnostics.len() > faults { Err(Reported) } else { Ok((locals, value)) }
    }
}

/// A path of calls from a function back to itself.
fn cycle(start: FunctionId, calls: &[Calls]) -> Option<Vec<FunctionId>> {
    let mut from: BTreeMap<FunctionId, FunctionId> = BTreeMap::new();
    let mut todo = vec![start];
    while let Some(id) = todo.pop() {
        for next in calls.get(id)?.keys() {
            if *next == start {
                let mut path = vec![id];
                while let Some(last) = path.last().filter(|l| **l != start) {
                    path.push(*from.get(last)?);
                }
                path.reverse();
                return Some(path);
            }
            if !from.contains_key(next) {
                from.insert(*next, id);
                todo.push(*next);
            }
        }
    }
    None
}

/// The doc string of a body, and the statements after it.
fn doc_string(body: &AstStmt) -> (Option<&AstExpr>, Vec<&AstStmt>) {
    let statements: Vec<&AstStmt> = match &body.node {
        StmtP::Statements(list) => list.iter().collect(),
        _ => vec![body],
    };
    if let Some((first, rest)) = statements.split_first()
        && let StmtP::Expression(text) = &first.node
        && places::string(text).is_some()
    {
        return (Some(text), rest.to_vec());
    }
    (None, statements)
}
