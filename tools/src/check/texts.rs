//! Methods of texts and dates.

use super::arguments::Arguments;
use super::body::Body;
use super::{Checked, names};
use crate::builtin::{Builtin, WIDTH_MAX};
use crate::tree::{Expr, ExprKind, Literal, StrMap};
use crate::types::Type;
use starlark_syntax::codemap::Spanned;
use starlark_syntax::syntax::ast::AstExpr;

/// Methods of texts, for suggestions.
pub(super) const TEXT_METHODS: [&str; 26] = [
    "lower",
    "upper",
    "strip",
    "lstrip",
    "rstrip",
    "title",
    "capitalize",
    "startswith",
    "endswith",
    "removeprefix",
    "removesuffix",
    "replace",
    "split",
    "join",
    "find",
    "count",
    "ljust",
    "rjust",
    "zfill",
    "isdigit",
    "isalpha",
    "isalnum",
    "isspace",
    "isupper",
    "islower",
    "format",
];

/// Methods of Python's texts that suites do not have, and what to write instead.
const MISSING: [(&str, &str); 19] = [
    ("index", "write `text.find(part)`, which is -1 when it is not there"),
    ("rindex", "split the text: `text.split(part)`"),
    ("rfind", "split the text: `text.split(part)`"),
    ("rsplit", "write `text.split(part)` and take the last parts: `parts[-1]`"),
    ("splitlines", "write `text.split(\"\\n\")`"),
    ("partition", "write `text.split(part)` and index the parts"),
    ("rpartition", "write `text.split(part)` and index the parts"),
    ("swapcase", "there is `lower` and `upper`"),
    ("casefold", "write `text.lower()`; case is ASCII's"),
    ("center", "there is `ljust` and `rjust`"),
    ("encode", "texts are texts; there are no bytes"),
    ("isnumeric", "write `text.isdigit()`"),
    ("isdecimal", "write `text.isdigit()`"),
    ("isidentifier", "test characters with `isalnum`"),
    ("istitle", "compare with `text.title()`"),
    ("translate", "write `text.replace(old, new)` for each"),
    ("expandtabs", "write `text.replace(\"\\t\", \"    \")`"),
    ("format_map", "write an f-string"),
    ("elems", "index the text: `[text[i] for i in range(len(text))]`"),
];

impl Body<'_, '_> {
    /// A call of a predeclared function on checked operands.
    pub(super) fn builtin(&self, op: Builtin, operands: Vec<Expr>, ty: Type) -> Expr {
        let span = operands.first().map(|o| o.span).unwrap_or_default();
        Expr { ty, kind: ExprKind::Builtin { op, operands }, span }
    }

    /// `text.method(...)`.
    pub(super) fn text_method(
        &mut self,
        expr: &AstExpr,
        text: Expr,
        method: &Spanned<String>,
        mut arguments: Arguments<'_>,
    ) -> Checked<Expr> {
        let span = self.at(expr.span);
        let name = method.node.as_str();
        let plain = |op| (op, Type::Str);
        let test = |op| (op, Type::Bool);
        let (op, ty) = match name {
            "lower" | "upper" | "strip" => {
                let op = match name {
                    "lower" => StrMap::Lower,
                    "upper" => StrMap::Upper,
                    _ => StrMap::Strip,
                };
                if let (StrMap::Strip, Some(first)) = (op, arguments.positional.first()) {
                    let hint = "write `text.removeprefix(part)` or `text.removesuffix(part)`";
                    return Err(self.report(first.span, "`strip` takes off white space only", hint));
                }
                self.c.no_more(&arguments, &[]);
                return Ok(Expr { ty: Type::Str, kind: ExprKind::StrMap { op, text: Box::new(text) }, span });
            }
            "startswith" | "endswith" => {
                let part = self.part(expr, name, &mut arguments)?;
                self.c.no_more(&arguments, &[]);
                let kind = ExprKind::StrTest { end: name == "endswith", text: Box::new(text), part: Box::new(part) };
                return Ok(Expr { ty: Type::Bool, kind, span });
            }
            "lstrip" => plain(Builtin::LeftStrip),
            "rstrip" => plain(Builtin::RightStrip),
            "title" => plain(Builtin::Title),
            "capitalize" => plain(Builtin::Capitalize),
            "isdigit" => test(Builtin::IsDigit),
            "isalpha" => test(Builtin::IsAlpha),
            "isalnum" => test(Builtin::IsAlnum),
            "isspace" => test(Builtin::IsSpace),
            "isupper" => test(Builtin::IsUpper),
            "islower" => test(Builtin::IsLower),
            "split" if arguments.positional.is_empty() && arguments.named.is_empty() => {
                (Builtin::Words, Type::Str.list())
            }
            "split" => (Builtin::Split, Type::Str.list()),
            "join" => plain(Builtin::Join),
            "replace" => plain(Builtin::Replace),
            "find" => (Builtin::Find, Type::Int),
            "count" => (Builtin::Count, Type::Int),
            "removeprefix" => plain(Builtin::RemovePrefix),
            "removesuffix" => plain(Builtin::RemoveSuffix),
            "ljust" => plain(Builtin::PadRight),
            "rjust" => plain(Builtin::PadLeft),
            "zfill" => plain(Builtin::ZeroFill),
            _ => {
                let hint = match MISSING.iter().find(|(n, _)| *n == name) {
                    Some((_, hint)) => (*hint).to_owned(),
                    None => names::nearest(name, TEXT_METHODS).map_or_else(
                        || format!("there is {}", names::list(&TEXT_METHODS)),
                        |n| format!("did you mean `{n}`?"),
                    ),
                };
                return Err(self.report(method.span, format!("str has no method `{name}`"), hint));
            }
        };
        let mut operands = vec![text];
        match op {
            Builtin::Split | Builtin::Find | Builtin::Count | Builtin::RemovePrefix | Builtin::RemoveSuffix => {
                operands.push(self.part(expr, name, &mut arguments)?);
            }
            Builtin::Replace => {
                operands.push(self.part(expr, name, &mut arguments)?);
                operands.push(self.part(expr, name, &mut arguments)?);
            }
            Builtin::Join => {
                let Some(list) = arguments.next() else {
                    return Err(self.report(expr.span, "`join` needs a list of texts", "write `\", \".join(names)`"));
                };
                operands.push(self.check(list, &Type::Str.list())?);
            }
            Builtin::PadLeft | Builtin::PadRight | Builtin::ZeroFill => {
                let Some(width) = arguments.next() else {
                    return Err(self.report(
                        expr.span,
                        format!("`{name}` needs a width"),
                        format!("write `x.{name}(8)`"),
                    ));
                };
                let width = self.c.whole(width, "the width", 0, WIDTH_MAX)?;
                operands.push(Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(width)), span });
                if op != Builtin::ZeroFill {
                    let fill = match arguments.next() {
                        Some(fill) => {
                            let text = self.c.text(fill, "the fill")?;
                            if text.chars().count() != 1 {
                                return Err(self.report(fill.span, "the fill is one character", "write `\" \"`"));
                            }
                            text
                        }
                        None => " ".to_owned(),
                    };
                    operands.push(Expr { ty: Type::Str, kind: ExprKind::Literal(Literal::Str(fill)), span });
                }
            }
            _ => {}
        }
        self.c.no_more(&arguments, &[]);
        Ok(Expr { ty, kind: ExprKind::Builtin { op, operands }, span })
    }

    /// The next argument, a text.
    fn part(&mut self, expr: &AstExpr, name: &str, arguments: &mut Arguments<'_>) -> Checked<Expr> {
        let Some(part) = arguments.next() else {
            let example = if name == "replace" { "\"-\", \" \"" } else { "\"a\"" };
            let hint = format!("write `x.{name}({example})`");
            return Err(self.report(expr.span, format!("`{name}` needs a text"), hint));
        };
        self.check(part, &Type::Str)
    }

    /// `date.year`, `date.month`, `date.day`.
    pub(super) fn date_part(&mut self, date: Expr, field: &Spanned<String>) -> Checked<Expr> {
        let op = match field.node.as_str() {
            "year" => Builtin::Year,
            "month" => Builtin::Month,
            "day" => Builtin::DayOfMonth,
            name => {
                let hint = match name {
                    "weekday" | "isoweekday" => "call it: `d.weekday()`, Monday is 0",
                    "days" => "the difference of two dates is a number of days already",
                    _ => "dates have `year`, `month`, `day` and `weekday()`",
                };
                return Err(self.report(field.span, format!("date has no `{name}`"), hint));
            }
        };
        Ok(self.builtin(op, vec![date], Type::Int))
    }

    /// `date.method(...)`.
    pub(super) fn date_method(
        &mut self,
        date: Expr,
        method: &Spanned<String>,
        arguments: Arguments<'_>,
    ) -> Checked<Expr> {
        let name = method.node.as_str();
        if name == "weekday" {
            self.c.no_more(&arguments, &[]);
            return Ok(self.builtin(Builtin::Weekday, vec![date], Type::Int));
        }
        let hint = match name {
            "isoweekday" => "write `d.weekday() + 1`",
            "strftime" | "isoformat" | "format" => {
                "write an f-string: `f\"{d}\"` is 2026-03-01, and there are `d.year`, `d.month`, `d.day`"
            }
            "replace" => "write `date_of(d.year, d.month, 1)`",
            "year" | "month" | "day" => "it is not called: write it without brackets",
            "add_months" => "write `add_months(d, n)`",
            _ => "dates have `year`, `month`, `day` and `weekday()`, and are compared, subtracted and added to days",
        };
        Err(self.report(method.span, format!("date has no method `{name}`"), hint))
    }
}
