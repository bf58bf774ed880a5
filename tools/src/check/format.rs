//! f-strings and `"..".format(..)`: pieces of text and values.

use super::arguments::Arguments;
use super::body::Body;
use super::{Checked, Checker, names};
use crate::builtin::{Builtin, DECIMALS_MAX, WIDTH_MAX};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Literal};
use crate::types::{Span, Type};
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstExpr, AstNoPayload, FStringP};

/// A part of a format text.
enum Piece {
    Text(String),
    /// What stands between braces.
    Hole(String),
}

/// Split a format text; `Err` names what is wrong.
fn pieces(text: &str) -> Result<Vec<Piece>, &'static str> {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                plain.push(c);
            }
            '{' => {
                let mut hole = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some(c) => hole.push(c),
                        None => return Err("`{` without `}`"),
                    }
                }
                if !plain.is_empty() {
                    out.push(Piece::Text(std::mem::take(&mut plain)));
                }
                out.push(Piece::Hole(hole));
            }
            '}' => return Err("`}` without `{`"),
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        out.push(Piece::Text(plain));
    }
    Ok(out)
}

/// What a format specification says.
struct Specification {
    fill: char,
    /// `<` or `>`.
    left: Option<bool>,
    width: i64,
    decimals: Option<i64>,
}

/// Read `[fill][<>][0][width][.decimals][f|d|s]`.
fn specification(spec: &str) -> Option<Specification> {
    let mut rest = spec;
    let mut fill = ' ';
    let mut chars = rest.chars();
    let (first, second) = (chars.next(), chars.next());
    let mut left = None;
    if let Some(side @ ('<' | '>')) = second {
        fill = first?;
        left = Some(side == '<');
        rest = &rest[fill.len_utf8() + 1..];
    } else if let Some(side @ ('<' | '>')) = first {
        left = Some(side == '<');
        rest = &rest[1..];
    }
    if left.is_none() && rest.starts_with('0') && rest.len() > 1 {
        fill = '0';
        rest = &rest[1..];
    }
    let rest = rest.strip_suffix(['f', 'd', 's']).unwrap_or(rest);
    let (width, decimals) = match rest.split_once('.') {
        Some((width, decimals)) => (width, Some(decimals.parse().ok().filter(|d| *d <= DECIMALS_MAX)?)),
        None => (rest, spec.ends_with('f').then_some(6)),
    };
    let width = if width.is_empty() { 0 } else { width.parse().ok().filter(|w| *w <= WIDTH_MAX)? };
    Some(Specification { fill, left, width, decimals })
}

impl Checker<'_> {
    /// Format specifications of f-strings of the file, by byte offset.
    fn formats(&self) -> &[(usize, String)] {
        &self.files[self.file].parsed.formats
    }
}

impl Body<'_, '_> {
    pub(super) fn f_string(&mut self, text: &FStringP<AstNoPayload>, span: AstSpan) -> Checked<Expr> {
        let parts = pieces(&text.format.node).map_err(|fault| self.report(span, fault, "write `{{` for a brace"))?;
        let text_end = span.end().get() as usize;
        let mut values = text.expressions.iter();
        let mut out = Vec::new();
        for part in parts {
            match part {
                Piece::Text(text) => out.push(self.plain(text, span)),
                Piece::Hole(conversion) => {
                    if !conversion.is_empty() {
                        return Err(self.report(
                            span,
                            format!("f-strings take no `{conversion}`"),
                            "write `{x}` alone",
                        ));
                    }
                    let Some(value) = values.next() else { return Err(Reported) };
                    // The specification of a value stands after it and before anything of the next.
                    let end = value.span.end().get() as usize;
                    let next = values.as_slice().first().map_or(usize::MAX, |v| v.span.begin().get() as usize);
                    let at = self.c.formats().partition_point(|(start, _)| *start < end);
                    let spec = self.c.formats().get(at).filter(|(start, _)| *start < next.min(text_end));
                    out.push(match spec.map(|(_, spec)| spec.clone()) {
                        Some(spec) => self.formatted(value, &spec),
                        None => self.piece(value),
                    });
                }
            }
        }
        self.finish(out, span)
    }

    /// `"text".format(...)`.
    pub(super) fn format(&mut self, text: &str, mut arguments: Arguments<'_>, span: AstSpan) -> Checked<Expr> {
        let parts = pieces(text).map_err(|fault| self.report(span, fault, "write `{{` for a brace"))?;
        let positional = std::mem::take(&mut arguments.positional);
        let named = arguments.named.clone();
        let mut next = 0;
        let mut used = Vec::new();
        let mut out = Vec::new();
        for part in parts {
            let hole = match part {
                Piece::Text(text) => {
                    out.push(self.plain(text, span));
                    continue;
                }
                Piece::Hole(hole) => hole,
            };
            let value = if hole.is_empty() {
                next += 1;
                positional.get(next - 1).copied()
            } else if let Ok(index) = hole.parse::<usize>() {
                next = next.max(index.saturating_add(1));
                positional.get(index).copied()
            } else if let Some(found) = named.iter().find(|n| n.name == hole) {
                used.push(found.name);
                Some(found.value)
            } else if hole.contains([':', '!']) {
                return Err(self.report(span, format!("`{{{hole}}}` has a format specification"), "write `{}` alone"));
            } else {
                let hint = names::did_you_mean(&hole, named.iter().map(|n| n.name));
                return Err(self.report(span, format!("`format` gets no `{hole}`"), hint));
            };
            match value {
                Some(value) => out.push(self.piece(value)),
                None => return Err(self.report(span, "`format` gets fewer values than the text has braces", "")),
            }
        }
        if let Some(extra) = positional.get(next) {
            return Err(self.report(extra.span, "`format` gets more values than the text has braces", ""));
        }
        if let Some(extra) = named.iter().find(|n| !used.contains(&n.name)) {
            return Err(self.report(extra.span, format!("the text does not use `{}`", extra.name), ""));
        }
        self.finish(out, span)
    }

    fn plain(&self, text: String, span: AstSpan) -> Checked<Expr> {
        Ok(Expr { ty: Type::Str, kind: ExprKind::Literal(Literal::Str(text)), span: self.at(span) })
    }

    /// A piece with a format specification: `.2f`, a width with `<` or `>`, zeros in front.
    fn formatted(&mut self, ast: &AstExpr, spec: &str) -> Checked<Expr> {
        let Some(Specification { fill, left, width, decimals }) = specification(spec) else {
            let hint = match spec.as_bytes() {
                [.., b'%'] => "write the percentage as a number: `f\"{p}%\"`",
                _ if spec.contains(',') => "there are no thousands separators",
                _ if spec.contains('%') => "dates print as 2026-03-01; there are `d.year`, `d.month`, `d.day`",
                _ if spec.contains('^') => "there is `<` and `>`",
                _ => "there is `.2f`, `>8`, `<8` and `03`",
            };
            return Err(self.report(ast.span, format!("`:{spec}` is no format"), hint));
        };
        let span = self.at(ast.span);
        let value = self.infer(ast, None)?;
        let number = matches!(value.ty, Type::Int | Type::Float | Type::Money);
        let text = match (decimals, &value.ty) {
            (Some(decimals), Type::Float) => self.fixed(value, decimals),
            (Some(decimals), Type::Int) => {
                let value = Expr { ty: Type::Float, kind: ExprKind::IntToFloat(Box::new(value)), span };
                self.fixed(value, decimals)
            }
            (None, _) | (Some(2), Type::Money) => {
                let piece = self.printed(value, ast)?;
                Expr { ty: Type::Str, kind: ExprKind::Format(vec![piece]), span }
            }
            (Some(_), other) => {
                let hint = if number { "money prints with two decimals" } else { "decimals are for numbers" };
                let message = format!("`:{spec}` does not format {}", self.c.type_name(other));
                return Err(self.report(ast.span, message, hint));
            }
        };
        if width == 0 {
            return Ok(text);
        }
        let literal = |ty, literal| Expr { ty, kind: ExprKind::Literal(literal), span };
        let width = literal(Type::Int, Literal::Int(width));
        if fill == '0' && number {
            return Ok(self.builtin(Builtin::ZeroFill, vec![text, width], Type::Str));
        }
        let op = if left.unwrap_or(!number) { Builtin::PadRight } else { Builtin::PadLeft };
        let fill = literal(Type::Str, Literal::Str(fill.to_string()));
        Ok(self.builtin(op, vec![text, width, fill], Type::Str))
    }

    /// A value as a piece of text.
    pub(super) fn piece(&mut self, ast: &AstExpr) -> Checked<Expr> {
        let value = self.infer(ast, None)?;
        self.printed(value, ast)
    }

    fn printed(&mut self, value: Expr, ast: &AstExpr) -> Checked<Expr> {
        match &value.ty {
            Type::Str | Type::Int | Type::Bool | Type::Money | Type::Date | Type::Enum(_) | Type::Key(_) => Ok(value),
            Type::Row(table) => {
                let key = Type::Key(*table);
                self.fit(value, &key)
            }
            other => {
                let hint = match other {
                    Type::Option(_) => "test it against None first",
                    Type::Float => "say with how many decimals: `fixed(x, 2)` or `f\"{x:.2f}\"`",
                    Type::List(inner) if **inner == Type::Str => "join it: `\", \".join(xs)`",
                    Type::List(_) => "write `{len(xs)}`, or join texts: `\", \".join([f\"{x}\" for x in xs])`",
                    _ => "print its fields",
                };
                let message = format!("{} cannot be printed", self.c.type_name(other));
                Err(self.report(ast.span, message, hint))
            }
        }
    }

    fn finish(&mut self, pieces: Vec<Checked<Expr>>, span: AstSpan) -> Checked<Expr> {
        let span: Span = self.at(span);
        let pieces = pieces.into_iter().collect::<Checked<Vec<_>>>()?;
        Ok(Expr { ty: Type::Str, kind: ExprKind::Format(pieces), span })
    }
}
