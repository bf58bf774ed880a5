//! `min`, `max` and `sorted`.

use super::Checked;
use super::arguments::Arguments;
use super::body::Body;
use crate::builtin::Builtin;
use crate::tree::{BinaryOp, Expr, ExprKind};
use crate::types::{LocalId, Span, Type};
use starlark_syntax::syntax::ast::AstExpr;

impl Body<'_, '_> {
    pub(super) fn extreme(
        &mut self,
        max: bool,
        mut arguments: Arguments<'_>,
        want: Option<&Type>,
        span: Span,
    ) -> Checked<Expr> {
        let (key, default) = (arguments.take("key"), arguments.take("default"));
        self.c.no_more(&Arguments { positional: Vec::new(), ..arguments.clone() }, &["key", "default"]);
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
                // Where an option is wanted, the least of some values is put into one; the values themselves are none.
                let plain = want.map(|want| if let Type::Option(inner) = want { inner } else { want });
                let first = self.infer(first, plain)?;
                let ty = first.ty.clone();
                let mut items = vec![first];
                for item in rest {
                    items.push(self.check(item, &ty)?);
                }
                Expr { ty: ty.list(), kind: ExprKind::List(items), span }
            }
        };
        let list = self.iterated(list);
        let Type::List(inner) = &list.ty else {
            let message =
                format!("`{}` takes a list or several values, not {}", arguments.of, self.c.type_name(&list.ty));
            return Err(self.report(arguments.span, message, ""));
        };
        let ty = (**inner).clone();
        if key.is_none() && default.is_none() && !matches!(ty, Type::Tuple(_)) {
            if !ty.is_ordered() {
                let hint = format!("say by what: `{}(xs, key = lambda x: x.price)`", arguments.of);
                let message = format!("{} has no order", self.c.type_name(&ty));
                return Err(self.report(arguments.span, message, hint));
            }
            return Ok(Expr { ty, kind: ExprKind::Extreme { list: Box::new(list), max }, span });
        }
        // The first of the sorted list; a default stands behind its end.
        let mut sorted = self.sort(list, key, max, span)?;
        if let Some(default) = default {
            let default = self.check(default, &ty)?;
            let one = Expr { ty: ty.clone().list(), kind: ExprKind::List(vec![default]), span };
            sorted = self.arithmetic(BinaryOp::Add, sorted, one, span)?;
        }
        Ok(self.builtin(Builtin::First, vec![sorted], ty))
    }

    pub(super) fn sorted(&mut self, mut arguments: Arguments<'_>, want: Option<&Type>, span: Span) -> Checked<Expr> {
        let key = arguments.take("key");
        let reverse = match arguments.take("reverse") {
            Some(value) => self.c.flag(value, "`reverse`")?,
            None => false,
        };
        let list = self.only(&mut arguments, "sorted(xs, key = lambda x: x.due)")?;
        let list_span = list.span;
        // The list itself is never None.
        let want = want.map(|ty| if let Type::Option(inner) = ty { &**inner } else { ty });
        let list = self.infer(list, want)?;
        let list = self.iterated(list);
        if !matches!(list.ty, Type::List(_)) {
            let message = format!("`sorted` takes a list, not {}", self.c.type_name(&list.ty));
            return Err(self.report(list_span, message, ""));
        }
        self.sort(list, key, reverse, span)
    }

    /// The list sorted by a key, or by its elements. Several keys are as many stable sorts, the last key first.
    fn sort(&mut self, list: Expr, key: Option<&AstExpr>, reverse: bool, span: Span) -> Checked<Expr> {
        let Type::List(inner) = &list.ty else { return Err(crate::syntax::Reported) };
        let element = (**inner).clone();
        let (local, keys) = match key {
            Some(key) => self.lambda_keys(key, element)?,
            None => {
                let local = self.hidden(element.clone());
                (local, vec![Expr { ty: element, kind: ExprKind::Local(local), span }])
            }
        };
        let keys = keys.into_iter().flat_map(parts).collect();
        self.sort_by(list, local, keys, reverse, span)
    }

    fn sort_by(&mut self, mut list: Expr, local: LocalId, keys: Vec<Expr>, reverse: bool, span: Span) -> Checked<Expr> {
        for key in keys.into_iter().rev() {
            if !(key.ty.is_ordered() || key.ty == Type::Bool) {
                let (message, hint) = match &key.kind {
                    ExprKind::Local(l) if *l == local => (
                        format!("{} has no order", self.c.type_name(&key.ty)),
                        "say by what: `sorted(xs, key = lambda x: x.due)`",
                    ),
                    _ => (
                        format!("the key is {}, which has no order", self.c.type_name(&key.ty)),
                        "sort by an int, float, str, money, date, bool, enum or key, or by several: `(x.due, x.name)`",
                    ),
                };
                return Err(self.c.diagnostics.report(key.span, message, hint));
            }
            let ty = list.ty.clone();
            let kind = ExprKind::Sorted { list: Box::new(list), local, key: Box::new(key), reverse };
            list = Expr { ty, kind, span };
        }
        Ok(list)
    }
}

/// The keys that one stands for: the parts of a tuple, or itself.
fn parts(key: Expr) -> Vec<Expr> {
    match &key.ty {
        Type::Tuple(types) => (0..types.len()).flat_map(|i| parts(Body::tuple_part(key.clone(), i))).collect(),
        _ => vec![key],
    }
}
