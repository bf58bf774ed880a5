//! Values known when the file is read: constants and arguments of declarations.

use super::{Checked, Checker, Constant, Declaration, Item, names, places};
use crate::tree::Literal;
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::lexer::TokenInt;
use starlark_syntax::syntax::ast::{AstExpr, AstLiteral, BinOp, ExprP};

impl Checker<'_> {
    /// The values of constants; modules first, whose constants others load.
    pub(super) fn constants(&mut self, declared: &[Declaration<'_>]) {
        for file in (0..self.files.len()).rev() {
            self.link();
            self.enter_file(file);
            for Declaration { name, value, .. } in declared.iter().filter(|d| d.file == file) {
                if let Ok(constant) = self.constant(value) {
                    self.items.insert(name.clone(), Item::Constant(constant));
                }
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
            ExprP::Dict(entries) if !entries.is_empty() => {
                let entries: Vec<Checked<(Constant, Constant)>> =
                    entries.iter().map(|(key, value)| Ok((self.constant(key)?, self.constant(value)?))).collect();
                entries.into_iter().collect::<Checked<Vec<_>>>().map(Constant::Dict)
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
        crate::value::parse_date(text).ok_or_else(|| {
            self.report(span, format!("`{text}` is not a date"), "write \"2026-03-01\" (year-month-day)")
        })
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
}
