//! Predeclared functions on numbers, dates and texts, and those that make lists.

use super::Checked;
use super::arguments::Arguments;
use super::body::Body;
use crate::builtin::{Builtin, DECIMALS_MAX};
use crate::tree::{BinaryOp, Expr, ExprKind, Iterable, Literal};
use crate::types::Type;
use starlark_syntax::syntax::ast::AstExpr;

impl Body<'_, '_> {
    /// `str`, `int`, `float`, `abs`, `round`, `fixed`, `round_money`.
    pub(super) fn number(&mut self, name: &str, mut arguments: Arguments<'_>, want: Option<&Type>) -> Checked<Expr> {
        let span = self.at(arguments.span);
        let second = if arguments.positional.len() > 1 { Some(arguments.positional.remove(1)) } else { None };
        let ast = self.only(&mut arguments, &format!("{name}(x)"))?;
        if name == "str" {
            let piece = self.piece(ast)?;
            return Ok(Expr { ty: Type::Str, kind: ExprKind::Format(vec![piece]), span });
        }
        let want = if name == "abs" { want } else { None };
        let value = self.infer(ast, want)?;
        let (op, ty) = match (name, &value.ty, second) {
            ("int" | "round", Type::Int, None) | ("float", Type::Float, None) => return Ok(value),
            ("int", Type::Float, None) => (Builtin::Truncate, Type::Int),
            ("int", Type::Str, None) => (Builtin::ParseInt, Type::Int),
            ("int", Type::Bool, None) => return Ok(self.zero_or_one(value)),
            ("float", Type::Int, None) => {
                return Ok(Expr { ty: Type::Float, kind: ExprKind::IntToFloat(Box::new(value)), span });
            }
            ("float", Type::Money, None) => (Builtin::FloatOfMoney, Type::Float),
            ("abs", Type::Int | Type::Float | Type::Money, None) => (Builtin::Absolute, value.ty.clone()),
            ("round", Type::Float, None) => (Builtin::Round, Type::Int),
            ("round", Type::Float | Type::Money, Some(_)) => {
                let hint = "write `fixed(x, 2)` for a text, or `round_money(x)` for an amount";
                return Err(self.report(arguments.span, "`round` gives an int and takes no decimals", hint));
            }
            ("round_money", Type::Float, None) => (Builtin::MoneyOfFloat, Type::Money),
            ("round_money", Type::Money, Some(step)) => {
                let step = self.check(step, &Type::Money)?;
                return Ok(self.builtin(Builtin::RoundToStep, vec![value, step], Type::Money));
            }
            ("fixed", Type::Float | Type::Int | Type::Money, Some(decimals)) => {
                let decimals = self.c.whole(decimals, "the number of decimals", 0, DECIMALS_MAX)?;
                let value = match value.ty {
                    Type::Int => {
                        let span = value.span;
                        Expr { ty: Type::Float, kind: ExprKind::IntToFloat(Box::new(value)), span }
                    }
                    Type::Money => self.builtin(Builtin::FloatOfMoney, vec![value], Type::Float),
                    _ => value,
                };
                return Ok(self.fixed(value, decimals));
            }
            ("fixed", Type::Float | Type::Int | Type::Money, None) => {
                let hint = "write `fixed(x, 2)`";
                return Err(self.report(arguments.span, "`fixed` needs a number of decimals", hint));
            }
            (_, other, _) => {
                let message = format!("`{name}` does not take {}", self.c.type_name(other));
                let hint = match (name, other) {
                    (_, Type::Option(_)) => self.test_first(),
                    ("int", Type::Money) => "compute in money, or write `int(float(amount))` for whole units",
                    ("int", Type::Date) => {
                        "write `(d - date_of(\"2026-01-01\"))` for days, or `d.year`, `d.month`, `d.day`"
                    }
                    ("float", Type::Str) => "read whole numbers with `int(text)`, or take a float parameter",
                    ("round", Type::Money) => "write `round_money(amount, money_of(\"0.05\"))`",
                    ("round_money", Type::Money) => "name the step: `round_money(amount, money_of(\"0.05\"))`",
                    ("round_money", Type::Int) => "write `money_of(\"1.00\") * n`",
                    _ => "",
                };
                return Err(self.report(ast.span, message, hint));
            }
        };
        Ok(self.builtin(op, vec![value], ty))
    }

    /// The text of a float with a number of decimals.
    pub(super) fn fixed(&self, value: Expr, decimals: i64) -> Expr {
        let span = value.span;
        let decimals = Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(decimals)), span };
        self.builtin(Builtin::Fixed, vec![value, decimals], Type::Str)
    }

    fn zero_or_one(&self, condition: Expr) -> Expr {
        let span = condition.span;
        let number = |n| Box::new(Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(n)), span });
        let kind = ExprKind::Conditional { condition: Box::new(condition), then: number(1), otherwise: number(0) };
        Expr { ty: Type::Int, kind, span }
    }

    /// `weeks(n)`, `add_months(day, n)`, `days_in_month(day)`.
    pub(super) fn calendar(&mut self, name: &str, mut arguments: Arguments<'_>) -> Checked<Expr> {
        let span = self.at(arguments.span);
        if name == "weeks" {
            let n = self.only(&mut arguments, "weeks(2)")?;
            let n = self.check(n, &Type::Int)?;
            let seven = Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(7)), span };
            return self.arithmetic(BinaryOp::Multiply, n, seven, span);
        }
        let example = if name == "add_months" { "add_months(day, 1)" } else { "days_in_month(day)" };
        let Some(day) = arguments.next() else {
            return Err(self.report(arguments.span, format!("`{name}` needs a date"), format!("write `{example}`")));
        };
        let day = self.check(day, &Type::Date)?;
        if name == "days_in_month" {
            self.c.no_more(&arguments, &[]);
            return Ok(self.builtin(Builtin::DaysInMonth, vec![day], Type::Int));
        }
        let Some(n) = arguments.next() else {
            let hint = format!("write `{example}`");
            return Err(self.report(arguments.span, "`add_months` needs a number of months", hint));
        };
        self.c.no_more(&arguments, &[]);
        let n = self.check(n, &Type::Int)?;
        Ok(self.builtin(Builtin::AddMonths, vec![day, n], Type::Date))
    }

    /// `date_of(year, month, day)`.
    pub(super) fn make_date(&mut self, mut arguments: Arguments<'_>) -> Checked<Expr> {
        let (Some(year), Some(month), Some(day)) = (arguments.next(), arguments.next(), arguments.next()) else {
            let hint = "write `date_of(\"2026-03-01\")` or `date_of(year, month, day)`";
            return Err(self.report(arguments.span, "`date_of` takes a text, or year, month and day", hint));
        };
        self.c.no_more(&arguments, &[]);
        let parts = [year, month, day].map(|part| self.check(part, &Type::Int));
        let parts = parts.into_iter().collect::<Checked<Vec<_>>>()?;
        Ok(self.builtin(Builtin::MakeDate, parts, Type::Date))
    }

    /// `matches(text, query)`.
    pub(super) fn matches(&mut self, mut arguments: Arguments<'_>) -> Checked<Expr> {
        let (Some(text), Some(query)) = (arguments.next(), arguments.next()) else {
            let hint = "write `matches(b.title, words)`";
            return Err(self.report(arguments.span, "`matches` takes a text and the words to look for", hint));
        };
        self.c.no_more(&arguments, &[]);
        let (text, query) = (self.check(text, &Type::Str)?, self.check(query, &Type::Str)?);
        Ok(self.builtin(Builtin::Matches, vec![text, query], Type::Bool))
    }

    /// `range(...)` as a value.
    pub(super) fn range_list(&mut self, expr: &AstExpr) -> Checked<Expr> {
        let span = self.at(expr.span);
        Ok(match self.iterable(expr)?.0 {
            Iterable::Range { start, stop } => {
                let one = Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(1)), span };
                self.builtin(Builtin::Range, vec![*start, *stop, one], Type::Int.list())
            }
            Iterable::List(list) => *list,
            Iterable::Table(_) | Iterable::Unpack { .. } => return Err(crate::syntax::Reported),
        })
    }

    /// `list(xs)` and `reversed(xs)`.
    pub(super) fn list_of(&mut self, name: &str, mut arguments: Arguments<'_>, want: Option<&Type>) -> Checked<Expr> {
        let ast = self.only(&mut arguments, &format!("{name}(xs)"))?;
        let list = self.infer(ast, want)?;
        let list = self.iterated(list);
        if !matches!(list.ty, Type::List(_)) {
            let message = format!("`{name}` takes a list, not {}", self.c.type_name(&list.ty));
            let hint = if list.ty == Type::Str { "split it: `text.split(\",\")`" } else { "" };
            return Err(self.report(ast.span, message, hint));
        }
        let ty = list.ty.clone();
        Ok(if name == "list" { list } else { self.builtin(Builtin::Reversed, vec![list], ty) })
    }
}
