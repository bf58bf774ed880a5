//! Coercions, always explicit in the tree: row to key, value to option, text literal to enum value.

use super::body::Body;
use super::{Checked, names};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Literal};
use crate::types::{Span, Type};

/// A placeholder expression without meaning.
pub(super) fn unit() -> Expr {
    Expr { ty: Type::Unit, kind: ExprKind::Literal(Literal::None), span: Span::default() }
}

/// Change an expression to a type, where a coercion exists.
pub(super) fn coerce(expr: Expr, want: &Type) -> Result<Expr, Expr> {
    if expr.ty == *want {
        return Ok(expr);
    }
    let span = expr.span;
    match (&expr.ty, want) {
        (Type::Row(from), Type::Key(to)) if from == to => {
            Ok(Expr { ty: want.clone(), kind: ExprKind::RowKey(Box::new(expr)), span })
        }
        (Type::Option(_), Type::Option(_)) => Err(expr),
        (_, Type::Option(inner)) => {
            let inner = coerce(expr, inner)?;
            Ok(Expr { ty: want.clone(), kind: ExprKind::Some(Box::new(inner)), span })
        }
        _ => Err(expr),
    }
}

/// Whether a value is not None wherever it comes from.
pub(super) fn present(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Some(_) => true,
        ExprKind::Conditional { then, otherwise, .. } => present(then) && present(otherwise),
        _ => !matches!(expr.ty, Type::Option(_)),
    }
}

/// Whether [`coerce`] would succeed.
fn coerces(from: &Type, to: &Type) -> bool {
    match (from, to) {
        _ if from == to => true,
        (Type::Row(from), Type::Key(to)) => from == to,
        (Type::Option(_), _) => false,
        (_, Type::Option(inner)) => coerces(from, inner),
        _ => false,
    }
}

/// The type two expressions can both be coerced to.
fn common(a: &Type, b: &Type) -> Option<Type> {
    if coerces(a, b) {
        return Some(b.clone());
    }
    if coerces(b, a) {
        return Some(a.clone());
    }
    // `option<Key>` against a row.
    match (a, b) {
        (Type::Row(table), _) => common(&Type::Key(*table), b),
        (_, Type::Row(table)) => common(a, &Type::Key(*table)),
        _ => None,
    }
}

impl Body<'_, '_> {
    /// Coerce, or report what does not fit and how to fix it.
    pub(super) fn fit(&mut self, expr: Expr, want: &Type) -> Checked<Expr> {
        coerce(expr, want).map_err(|expr| self.misfit(&expr, want))
    }

    fn misfit(&mut self, expr: &Expr, want: &Type) -> Reported {
        let plain = if let Type::Option(inner) = want { inner } else { want };
        let given = self.c.type_name(&expr.ty);
        let wanted = self.c.type_name(want);
        let hint = match (&expr.ty, plain) {
            (Type::Option(inner), _) if **inner == *want => match &expr.kind {
                ExprKind::Column { .. } | ExprKind::Field { .. } => self.test_first().to_owned(),
                _ => {
                    "it may be None: test `x != None` first, or `require(x != None, \"code\", \"message\")`".to_owned()
                }
            },
            (Type::Option(inner), Type::Key(table)) if matches!(**inner, Type::Row(t) if t == *table) => {
                "it may be None: test it against None first".to_owned()
            }
            (Type::Key(table), Type::Row(other)) if table == other => {
                let name = &self.c.suite.tables[*table].name;
                format!("fetch the row: `{name}.get(key)`")
            }
            (Type::Str, Type::Key(table)) => {
                let name = &self.c.suite.tables[*table].name;
                format!("declare it as `key_of({name})`; keys are not written in a suite")
            }
            (Type::Str, Type::Enum(_)) => {
                format!("declare the variable's type: `x: {} = \"...\"`", self.c.type_name(plain))
            }
            (Type::Str, Type::Money) => "write `money_of(\"12.50\")`".to_owned(),
            (Type::Str, Type::Date) => "write `date_of(\"2026-03-01\")`".to_owned(),
            (Type::Int | Type::Float, Type::Money) => {
                "write `money_of(\"12.00\")`; `money_of(\"1.00\") * n` for a computed amount".to_owned()
            }
            (Type::Int, Type::Float) => match expr.kind {
                ExprKind::Literal(Literal::Int(n)) => format!("write `{n}.0`"),
                _ => "write `float(x)`".to_owned(),
            },
            (Type::Float, Type::Int) => "use `//` for whole division; a float cannot become an int".to_owned(),
            (Type::Int, Type::Date) => "write `today() + days(n)`".to_owned(),
            (Type::Int | Type::Bool | Type::Money | Type::Date | Type::Enum(_) | Type::Key(_), Type::Str) => {
                "write it in an f-string: `f\"{x}\"`".to_owned()
            }
            (Type::Int, Type::Bool) => "write a comparison, `x != 0`".to_owned(),
            (Type::List(_), Type::Bool) => "write `len(xs) > 0`".to_owned(),
            (Type::Str, Type::Bool) => "write `x != \"\"`".to_owned(),
            (Type::Option(_), Type::Bool) => "write `x != None`".to_owned(),
            (Type::Row(_), Type::Record(record)) => {
                let name = &self.c.suite.records[*record].name;
                format!("build the record: `{name}(field = row.column, ...)`")
            }
            (Type::List(inner), Type::List(_)) if matches!(**inner, Type::Row(_)) => {
                "convert each element: `[f(x) for x in xs]`".to_owned()
            }
            (_, Type::List(inner)) if **inner == expr.ty => "write `[x]`".to_owned(),
            _ => String::new(),
        };
        self.c.diagnostics.report(expr.span, format!("this is {given}, and {wanted} is wanted"), hint)
    }

    /// Bring two expressions to one type, for `==` and the branches of a condition.
    pub(super) fn unify(
        &mut self,
        left: Expr,
        right: Expr,
        fault: impl FnOnce(&mut Self, &Expr, &Expr) -> Reported,
    ) -> Checked<(Expr, Expr)> {
        let Some(ty) = common(&left.ty, &right.ty) else { return Err(fault(self, &left, &right)) };
        Ok((self.fit(left, &ty)?, self.fit(right, &ty)?))
    }

    /// The value of a text literal where an enum is expected.
    pub(super) fn enum_value(&mut self, id: usize, text: &str, span: Span) -> Checked<Expr> {
        let cases = &self.c.suite.enums[id].cases;
        let ty = Type::Enum(id);
        if let Some(case) = cases.iter().position(|c| c == text) {
            return Ok(Expr { ty, kind: ExprKind::Literal(Literal::Enum(id, case as u32)), span });
        }
        let hint = names::did_you_mean(text, cases.iter().map(String::as_str));
        let message = format!("`{text}` is no value of {}", self.c.type_name(&ty));
        Err(self.c.diagnostics.report(span, message, hint))
    }
}
