//! Values known when the file is read: constants, arguments of declarations, policy parameters, enums and `suite(...)`.

use super::{Checked, Checker, Constant, Item, docs, names, places};
use crate::suite::{EnumType, PolicyParameter};
use crate::tree::Literal;
use crate::types::Type;
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::lexer::TokenInt;
use starlark_syntax::syntax::ast::{AstExpr, AstLiteral, AstStmt, BinOp, ExprP, StmtP};

/// Most cases of an enumeration.
const CASES_MAX: usize = 64;

impl Checker<'_> {
    pub(super) fn constants(&mut self, declared: &[(String, &AstExpr)]) {
        for (name, value) in declared {
            if let Ok(constant) = self.constant(value) {
                self.items.insert(name.clone(), Item::Constant(constant));
            }
        }
    }

    /// The value of a constant expression.
    pub(super) fn constant(&mut self, expr: &AstExpr) -> Checked<Constant> {
        match &expr.node {
            ExprP::List(items) => {
                let items: Vec<Checked<Constant>> = items.iter().map(|i| self.constant(i)).collect();
                items.into_iter().collect::<Checked<Vec<_>>>().map(Constant::List)
            }
            ExprP::Op(left, BinOp::Add, right) => match (self.constant(left)?, self.constant(right)?) {
                (Constant::Literal(Literal::Str(a)), Constant::Literal(Literal::Str(b))) => {
                    Ok(Constant::Literal(Literal::Str(a + &b)))
                }
                (Constant::List(mut a), Constant::List(b)) => {
                    a.extend(b);
                    Ok(Constant::List(a))
                }
                _ => Err(self.report(expr.span, "this is not a constant", "write its value")),
            },
            ExprP::Identifier(name) => match self.items.get(&name.node.ident) {
                Some(Item::Constant(constant)) => Ok(constant.clone()),
                Some(Item::Broken) => Err(crate::syntax::Reported),
                _ => self.literal(expr).map(Constant::Literal),
            },
            _ => self.literal(expr).map(Constant::Literal),
        }
    }

    /// The value of a literal expression.
    pub(super) fn literal(&mut self, expr: &AstExpr) -> Checked<Literal> {
        match &expr.node {
            ExprP::Literal(AstLiteral::Int(value)) => self.int(&value.node, expr.span).map(Literal::Int),
            ExprP::Literal(AstLiteral::Float(value)) => Ok(Literal::Float(value.node)),
            ExprP::Literal(AstLiteral::String(value)) => Ok(Literal::Str(value.node.clone())),
            ExprP::Minus(inner) => match self.literal(inner)? {
                Literal::Int(value) => Ok(Literal::Int(-value)),
                Literal::Float(value) => Ok(Literal::Float(-value)),
                Literal::Money(value) => Ok(Literal::Money(-value)),
                _ => Err(self.report(expr.span, "only numbers and money can be negative", "")),
            },
            ExprP::Identifier(name) => match name.node.ident.as_str() {
                "True" => Ok(Literal::Bool(true)),
                "False" => Ok(Literal::Bool(false)),
                "None" => Ok(Literal::None),
                other => match self.items.get(other) {
                    Some(Item::Constant(Constant::Literal(literal))) => Ok(literal.clone()),
                    Some(Item::Broken) => Err(crate::syntax::Reported),
                    _ => Err(self.not_constant(expr)),
                },
            },
            ExprP::Call(function, _) => {
                let Some(name @ ("money_of" | "date_of" | "days")) = places::identifier(function) else {
                    return Err(self.not_constant(expr));
                };
                let name = name.to_owned();
                let Some(mut arguments) = self.call(expr) else { return Err(self.not_constant(expr)) };
                let Some(value) = arguments.next() else {
                    return Err(self.report(expr.span, format!("`{name}` needs a value"), ""));
                };
                self.no_more(&arguments, &[]);
                let inner = self.literal(value)?;
                match (name.as_str(), inner) {
                    ("days", Literal::Int(days)) => Ok(Literal::Int(days)),
                    ("money_of", Literal::Str(text)) => self.money(&text, value.span).map(Literal::Money),
                    ("date_of", Literal::Str(text)) => self.date(&text, value.span).map(Literal::Date),
                    ("money_of", _) => {
                        Err(self.report(value.span, "`money_of` takes a text", "write `money_of(\"12.50\")`"))
                    }
                    ("date_of", _) => {
                        Err(self.report(value.span, "`date_of` takes a text", "write `date_of(\"2026-03-01\")`"))
                    }
                    _ => Err(self.not_constant(expr)),
                }
            }
            _ => Err(self.not_constant(expr)),
        }
    }

    fn not_constant(&mut self, expr: &AstExpr) -> crate::syntax::Reported {
        if let Some(name) = places::identifier(expr)
            && !self.items.contains_key(name)
        {
            let hint = names::did_you_mean(name, self.items.keys().map(String::as_str));
            return self.report(expr.span, format!("`{name}` is not known here"), hint);
        }
        let hint = "constants are literals: 21, 0.5, \"text\", True, money_of(\"10.00\"), date_of(\"2026-03-01\"), lists of those";
        self.report(expr.span, "this is not a constant", hint)
    }

    /// A 64-bit integer.
    pub(super) fn int(&mut self, value: &TokenInt, span: AstSpan) -> Checked<i64> {
        value.to_string().parse().map_err(|_| {
            self.report(span, format!("the integer {value} does not fit 64 bits"), "the largest is 9223372036854775807")
        })
    }

    /// Cents of a money text.
    pub(super) fn money(&mut self, text: &str, span: AstSpan) -> Checked<i64> {
        crate::value::parse_money(text).ok_or_else(|| {
            let hint = "write digits, a point and two decimals: \"12.50\"";
            self.report(span, format!("`{text}` is not an amount of money"), hint)
        })
    }

    /// Days since 1970-01-01 of a date text.
    pub(super) fn date(&mut self, text: &str, span: AstSpan) -> Checked<i32> {
        crate::value::parse_date(text)
            .ok_or_else(|| self.report(span, format!("`{text}` is not a date"), "write \"2026-03-01\" (year-month-day)"))
    }

    /// A constant text.
    pub(super) fn text(&mut self, expr: &AstExpr, what: &str) -> Checked<String> {
        match self.constant(expr)? {
            Constant::Literal(Literal::Str(text)) => Ok(text),
            _ => Err(self.report(expr.span, format!("{what} is a text"), "write it in quotes")),
        }
    }

    /// A constant integer within bounds.
    pub(super) fn whole(&mut self, expr: &AstExpr, what: &str, low: i64, high: i64) -> Checked<i64> {
        match self.constant(expr)? {
            Constant::Literal(Literal::Int(value)) if (low..=high).contains(&value) => Ok(value),
            Constant::Literal(Literal::Int(value)) => {
                Err(self.report(expr.span, format!("{what} is {value}, not within {low}..{high}"), ""))
            }
            _ => Err(self.report(expr.span, format!("{what} is a whole number"), "")),
        }
    }

    /// A constant bool.
    pub(super) fn flag(&mut self, expr: &AstExpr, what: &str) -> Checked<bool> {
        match self.constant(expr)? {
            Constant::Literal(Literal::Bool(value)) => Ok(value),
            _ => Err(self.report(expr.span, format!("{what} is True or False"), "")),
        }
    }

    /// A constant list of texts.
    pub(super) fn texts(&mut self, expr: &AstExpr, what: &str) -> Checked<Vec<String>> {
        let fault = |c: &mut Self| c.report(expr.span, format!("{what} is a list of texts"), "write `[\"a\", \"b\"]`");
        let Constant::List(items) = self.constant(expr)? else { return Err(fault(self)) };
        items
            .into_iter()
            .map(|item| match item {
                Constant::Literal(Literal::Str(text)) => Ok(text),
                _ => Err(fault(self)),
            })
            .collect()
    }

    pub(super) fn enums(&mut self, declared: &[(String, &AstExpr)]) {
        for (name, expr) in declared {
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
            self.report(span, format!("an enum has 1 to {CASES_MAX} values, not {}", cases.len()), "write `enum(\"a\", \"b\")`");
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

    pub(super) fn parameters(&mut self, declared: &[(String, &AstExpr)]) {
        for (name, expr) in declared {
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
            return Err(self.report(expr.span, "`parameter` needs a value", "write `parameter(21, choices = [14, 21, 28])`"));
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
                        Constant::Literal(l) if std::mem::discriminant(&l) == std::mem::discriminant(&default) => out.push(l),
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
        let declares = |s: &AstStmt| !matches!(&s.node, StmtP::Expression(e) if places::string(e).is_some());
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
                Some(value) => self.text(value, &format!("`{field}`")).ok().map(|text| (docs::dedent(&text), value.span)),
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
                        self.report(span, format!("`{text}` cannot name a domain"), "write lower case words with hyphens");
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
