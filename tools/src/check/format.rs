//! f-strings and `"..".format(..)`: pieces of text and values.

use super::arguments::Arguments;
use super::body::Body;
use super::{Checked, names};
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

impl Body<'_, '_> {
    pub(super) fn f_string(&mut self, text: &FStringP<AstNoPayload>, span: AstSpan) -> Checked<Expr> {
        let parts = pieces(&text.format.node).map_err(|fault| self.report(span, fault, "write `{{` for a brace"))?;
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
                    out.push(self.piece(value));
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

    fn piece(&mut self, ast: &AstExpr) -> Checked<Expr> {
        let value = self.infer(ast, None)?;
        match &value.ty {
            Type::Str | Type::Int | Type::Bool | Type::Money | Type::Date | Type::Enum(_) | Type::Key(_) => Ok(value),
            Type::Row(table) => {
                let key = Type::Key(*table);
                self.fit(value, &key)
            }
            other => {
                let hint = match other {
                    Type::Option(_) => "test it against None first",
                    Type::Float => "floats do not print; compute in money or int",
                    Type::List(_) => "write `{len(xs)}`, or return the list",
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
