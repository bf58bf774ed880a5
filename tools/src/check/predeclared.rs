//! Predeclared functions, and Python's that are not.

use super::arguments::Arguments;
use super::body::{Body, Kind};
use super::{Checked, Item, names};
use crate::tree::{Expr, ExprKind};
use crate::types::{Span, Type};
use starlark_syntax::syntax::ast::{AstExpr, ExprP};

/// Functions of Python that suites do not have, and what to write instead.
pub(super) const MISSING: [(&str, &str); 34] = [
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
            "money_of" | "date_of" => {
                let computed = match arguments.positional.first().map(|a| &a.node) {
                    Some(ExprP::Literal(_)) => false,
                    Some(ExprP::Identifier(of)) => self.lookup(&of.node.ident).is_some(),
                    _ => true,
                };
                if computed {
                    let hint = match name {
                        "money_of" => "compute from an amount: `money_of(\"1.00\") * n`",
                        _ => "compute from a date: `today() + days(n)`",
                    };
                    return Err(self.report(expr.span, format!("`{name}` takes a text literal"), hint));
                }
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
                let of = self.infer(of, None)?;
                if !matches!(of.ty, Type::List(_) | Type::Str) {
                    let message = format!("{} has no length", self.c.type_name(&of.ty));
                    let hint = if matches!(of.ty, Type::Option(_)) {
                        "take it into a variable and test that against None first"
                    } else {
                        "`len` is for lists and texts"
                    };
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
            "range" => Err(self.report(
                expr.span,
                "`range` stands in a `for` only",
                "write `[i for i in range(a, b)]` for a list",
            )),
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
                let known = [
                    "len", "sum", "min", "max", "any", "all", "sorted", "range", "today", "days", "money_of",
                    "date_of", "percent", "float", "require", "fail", "empty",
                ];
                let functions = self
                    .c
                    .items
                    .iter()
                    .filter(|(_, i)| matches!(i, Item::Function(_) | Item::Record(_)))
                    .map(|(n, _)| n.as_str());
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
            [] => {
                return Err(self.report(
                    arguments.span,
                    format!("`{}` needs a value", arguments.of),
                    "write `max(xs)` or `max(a, b)`",
                ));
            }
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
            let message =
                format!("`{}` takes a list or several values, not {}", arguments.of, self.c.type_name(&list.ty));
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
}
