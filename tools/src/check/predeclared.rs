//! Predeclared functions, and Python's that are not.

use super::arguments::Arguments;
use super::body::{Body, Kind, OpenKind};
use super::{Checked, Item, names, places};
use crate::tree::{BinaryOp, Expr, ExprKind, Literal};
use crate::types::Type;
use starlark_syntax::syntax::ast::{AstExpr, ExprP};

/// Functions of Python that suites do not have, and what to write instead.
pub(super) const MISSING: [(&str, &str); 25] = [
    ("print", "nobody reads it; return the value, or remove the line"),
    ("bool", "write a comparison"),
    ("set", "use a list: `unique(xs)` has each value once; test with `in`"),
    ("tuple", "write `(a, b)`; a list of values is `[x for x in xs]`"),
    ("map", "write a comprehension: `[f(x) for x in xs]`"),
    ("filter", "write a comprehension: `[x for x in xs if f(x)]`"),
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
    pub(super) fn predeclared(
        &mut self,
        name: &str,
        expr: &AstExpr,
        mut arguments: Arguments<'_>,
        want: Option<&Type>,
    ) -> Checked<Expr> {
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
            "date_of" if arguments.positional.len() > 1 => self.make_date(arguments),
            "money_of" | "date_of" => {
                let computed = match arguments.positional.first().map(|a| &a.node) {
                    Some(ExprP::Literal(_)) => false,
                    Some(ExprP::Identifier(of)) => self.lookup(&of.node.ident).is_some(),
                    _ => true,
                };
                if computed {
                    let hint = match name {
                        "money_of" => "compute from an amount: `money_of(\"1.00\") * n`",
                        _ => "compute from numbers or a date: `date_of(2026, month, 1)`, `today() + days(n)`",
                    };
                    return Err(self.report(expr.span, format!("`{name}` takes a text literal"), hint));
                }
                let literal = self.c.literal(expr)?;
                let ty = if name == "money_of" { Type::Money } else { Type::Date };
                done(ExprKind::Literal(literal), ty)
            }
            "percent" => {
                let (Some(value), Some(percent)) = (arguments.next(), arguments.next()) else {
                    return Err(self.report(
                        expr.span,
                        "`percent` needs a value and a percentage",
                        "write `percent(amount, 15)`",
                    ));
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
                // What a later pass will know: only that a list or dict has a length.
                let local = places::identifier(of).and_then(|name| self.lookup(name));
                if local.and_then(|l| self.open.get(&l)).is_some_and(|open| open.kind != OpenKind::None) {
                    return done(ExprKind::Literal(Literal::Int(0)), Type::Int);
                }
                let of = self.infer(of, None)?;
                if !matches!(of.ty, Type::List(_) | Type::Dict(..) | Type::Str) {
                    let message = format!("{} has no length", self.c.type_name(&of.ty));
                    let hint = if matches!(of.ty, Type::Option(_)) {
                        self.test_first()
                    } else {
                        "`len` is for lists, dicts and texts"
                    };
                    return Err(self.report(ast, message, hint));
                }
                done(ExprKind::Len(Box::new(of)), Type::Int)
            }
            "sum" => {
                let start =
                    if arguments.positional.len() == 2 { arguments.positional.pop() } else { arguments.take("start") };
                let of = self.only(&mut arguments, "sum([x.price for x in xs])")?;
                let ast = of.span;
                let of = self.infer(
                    of,
                    want.map(|w| if let Type::Option(inner) = w { inner } else { w }.clone().list()).as_ref(),
                )?;
                let of = self.iterated(of);
                let Type::List(inner) = &of.ty else {
                    let message = format!("`sum` takes a list, not {}", self.c.type_name(&of.ty));
                    return Err(self.report(ast, message, "write `sum([x.price for x in xs])`"));
                };
                let ty = (**inner).clone();
                if !matches!(ty, Type::Int | Type::Float | Type::Money) {
                    let message = format!("`sum` adds int, float or money, not {}", self.c.type_name(&ty));
                    return Err(self.report(ast, message, "write `sum([x.price for x in xs])`"));
                }
                let start = start.map(|start| self.check(start, &ty)).transpose()?;
                let sum = Expr { ty, kind: ExprKind::Sum(Box::new(of)), span };
                match start {
                    Some(start) => self.arithmetic(BinaryOp::Add, start, sum, span),
                    None => Ok(sum),
                }
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
            "range" => self.range_list(expr),
            "str" | "int" | "float" | "abs" | "round" | "fixed" | "round_money" => self.number(name, arguments, want),
            "weeks" | "add_months" | "days_in_month" => self.calendar(name, arguments),
            "matches" => self.matches(arguments),
            "enumerate" => self.enumerate(arguments),
            "zip" => self.zip(arguments),
            "dict" => self.dict_call(expr, arguments, want),
            "unique" => self.unique(arguments, want),
            "list" | "reversed" => self.list_of(name, arguments, want),
            "require" | "fail" => Err(self.report(
                expr.span,
                format!("`{name}` is a statement"),
                "put it on a line of its own in a function",
            )),
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
                let functions = self
                    .c
                    .items
                    .iter()
                    .filter(|(_, i)| matches!(i, Item::Function(_) | Item::Record(_)))
                    .map(|(n, _)| n.as_str());
                let all: Vec<&str> = names::FUNCTIONS.into_iter().chain(functions).collect();
                let hint = names::nearest(name, all).map(|n| format!("did you mean `{n}`?")).unwrap_or_default();
                Err(self.report(expr.span, format!("there is no function `{name}`"), hint))
            }
        }
    }

    /// The single argument of a predeclared function.
    pub(super) fn only<'a>(&mut self, arguments: &mut Arguments<'a>, example: &str) -> Checked<&'a AstExpr> {
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
}
