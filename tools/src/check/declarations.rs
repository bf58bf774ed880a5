//! `suite(...)`, enums and policy parameters.

use super::{Checked, Checker, Constant, Declaration, Item, docs, names, places};
use crate::suite::{EnumType, PolicyParameter};
use crate::tree::Literal;
use crate::types::Type;
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstExpr, AstStmt, StmtP};

/// Most cases of an enumeration.
const CASES_MAX: usize = 64;

impl Checker<'_> {
    pub(super) fn enums(&mut self, declared: &[Declaration<'_>]) {
        for Declaration { file, name, value: expr } in declared {
            self.enter_file(*file);
            if !names::is_camel(name) {
                let hint = "write upper camel case, as in `Tier`";
                self.report(expr.span, format!("`{name}` cannot name an enum"), hint);
            }
            let mut cases = Vec::new();
            if let Some(mut arguments) = self.call(expr) {
                while let Some(value) = arguments.next() {
                    if let Ok(Constant::List(_)) = self.constant(value) {
                        cases.extend(self.texts(value, "a list of cases").unwrap_or_default());
                    } else if let Ok(case) = self.text(value, "a case") {
                        cases.push(case);
                    }
                }
                self.no_more(&arguments, &[]);
            }
            self.cases(&cases, expr.span);
            self.suite.enums.push(EnumType { name: names::snake_of_camel(name), cases });
        }
    }

    /// Check the cases of an enumeration.
    pub(super) fn cases(&mut self, cases: &[String], span: AstSpan) {
        if cases.is_empty() || cases.len() > CASES_MAX {
            self.report(
                span,
                format!("an enum has 1 to {CASES_MAX} values, not {}", cases.len()),
                "write `enum(\"a\", \"b\")`",
            );
        }
        for (i, case) in cases.iter().enumerate() {
            if !names::is_snake(case) {
                let hint = names::snake_fault("value", case).map(|f| f.1).unwrap_or_default();
                self.report(span, format!("the enum value `{case}` is not lower_snake"), hint);
            }
            if cases[..i].contains(case) {
                self.report(span, format!("the enum value `{case}` stands twice"), "remove one");
            }
        }
    }

    pub(super) fn parameters(&mut self, declared: &[Declaration<'_>]) {
        for Declaration { file, name, value: expr } in declared {
            self.enter_file(*file);
            if let Some((message, hint)) = names::snake_fault("parameter", name) {
                self.report(expr.span, message, hint);
            }
            let parameter = self.parameter(name, expr);
            // A faulty one keeps its index and its name.
            if parameter.is_err() {
                self.items.insert(name.clone(), Item::Broken);
            }
            let broken = || PolicyParameter {
                name: name.clone(),
                ty: Type::Int,
                default: Literal::Int(0),
                choices: vec![Literal::Int(0)],
            };
            self.suite.parameters.push(parameter.unwrap_or_else(|_| broken()));
        }
    }

    fn parameter(&mut self, name: &str, expr: &AstExpr) -> Checked<PolicyParameter> {
        let Some(mut arguments) = self.call(expr) else { return Err(crate::syntax::Reported) };
        let Some(value) = arguments.either("default") else {
            return Err(self.report(
                expr.span,
                "`parameter` needs a value",
                "write `parameter(21, choices = [14, 21, 28])`",
            ));
        };
        let choices = arguments.take("choices");
        self.no_more(&arguments, &["default", "choices"]);
        let default = self.literal(value)?;
        let ty = match &default {
            Literal::Int(_) => Type::Int,
            Literal::Money(_) => Type::Money,
            Literal::Bool(_) => Type::Bool,
            Literal::Str(_) => Type::Str,
            Literal::Date(_) => Type::Date,
            _ => {
                let hint = "write a whole number, money_of(..), date_of(..), True, False or a text";
                return Err(self.report(value.span, "a parameter cannot have this type", hint));
            }
        };
        let choices = match choices {
            None => vec![default.clone()],
            Some(expr) => {
                let Constant::List(items) = self.constant(expr)? else {
                    return Err(self.report(expr.span, "`choices` is a list", "write `choices = [14, 21, 28]`"));
                };
                let mut out = Vec::new();
                for item in items {
                    match item {
                        Constant::Literal(l) if std::mem::discriminant(&l) == std::mem::discriminant(&default) => {
                            out.push(l);
                        }
                        _ => {
                            let hint = "write all choices like the value";
                            return Err(self.report(expr.span, "a choice has another type than the value", hint));
                        }
                    }
                }
                if !out.contains(&default) {
                    self.report(expr.span, "the value is not among the choices", "add it to `choices`");
                }
                out
            }
        };
        Ok(PolicyParameter { name: name.to_owned(), ty, default, choices })
    }

    pub(super) fn suite_call(&mut self, calls: &[&AstExpr], statements: &[AstStmt]) {
        let Some(call) = calls.first() else {
            let span = statements.first().map_or(AstSpan::default(), |s| s.span);
            let hint = "start the file with `suite(\"library-desk\", title = \"...\", domain = \"culture\", policy = \"\"\"...\"\"\")`";
            self.report(span, "the file declares no suite", hint);
            return;
        };
        if let Some(second) = calls.get(1) {
            self.report(second.span, "the suite is declared twice", "remove one of the two");
        }
        let declares = |s: &AstStmt| match &s.node {
            StmtP::Expression(e) => places::string(e).is_none(),
            StmtP::Load(_) => false,
            _ => true,
        };
        if statements.iter().find(|s| declares(s)).is_some_and(|s| s.span != call.span) {
            self.report(call.span, "`suite(...)` is the first declaration of a file", "move it to the top");
        }
        let Some(mut arguments) = self.call(call) else { return };
        match arguments.either("name") {
            Some(value) => {
                if let Ok(name) = self.text(value, "the suite's name") {
                    if !names::is_kebab(&name) {
                        let hint = "write lower case words with hyphens: `library-desk`";
                        self.report(value.span, format!("`{name}` cannot name a suite"), hint);
                    }
                    self.suite.name = name;
                }
            }
            None => {
                self.report(call.span, "the suite has no name", "write `suite(\"library-desk\", ...)`");
            }
        }
        for (field, hint) in [
            ("title", "one line for people: `title = \"City library lending desk\"`"),
            ("domain", "the walk of life: `domain = \"culture\"`"),
            ("policy", "the rules the agent works under: `policy = \"\"\"...\"\"\"`"),
        ] {
            let text = match arguments.take(field) {
                Some(value) => {
                    self.text(value, &format!("`{field}`")).ok().map(|text| (docs::dedent(&text), value.span))
                }
                None => {
                    self.report(call.span, format!("the suite has no `{field}`"), hint);
                    None
                }
            };
            let Some((text, span)) = text else { continue };
            if text.is_empty() {
                self.report(span, format!("`{field}` is empty"), hint);
            }
            match field {
                "title" => self.suite.title = text,
                "domain" => {
                    if !names::is_kebab(&text) {
                        self.report(
                            span,
                            format!("`{text}` cannot name a domain"),
                            "write lower case words with hyphens",
                        );
                    }
                    self.suite.domain = text;
                }
                _ => {
                    let known: Vec<String> = self.suite.parameters.iter().map(|p| p.name.clone()).collect();
                    self.placeholders(&text, span, "policy parameter", &known);
                    self.suite.policy = text;
                }
            }
        }
        self.no_more(&arguments, &["name", "title", "domain", "policy"]);
    }

    /// Check that each `{name}` of a template is known; gives the names.
    pub(super) fn placeholders(&mut self, text: &str, span: AstSpan, what: &str, known: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            if rest[open..].starts_with('}') {
                self.report(span, "`}` without `{`", "write `{name}`");
                return found;
            }
            let Some(length) = rest[open..].find('}') else {
                self.report(span, "`{` without `}`", "write `{name}`");
                return found;
            };
            let name = &rest[open + 1..open + length];
            if !known.iter().any(|k| k == name) {
                let hint = match known {
                    [] => format!("there is no {what}; remove the braces"),
                    _ => names::did_you_mean(name, known.iter().map(String::as_str)),
                };
                self.report(span, format!("`{{{name}}}` is no {what}"), hint);
            }
            found.push(name.to_owned());
            rest = &rest[open + length + 1..];
        }
        found
    }
}
