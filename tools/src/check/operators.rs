//! Binary operators: which operand types they take, and what is meant when they do not fit.

use super::body::Body;
use super::flow::facts;
use super::{Checked, Item, places};
use crate::tree::{BinaryOp, Expr, ExprKind};
use crate::types::{Span, Type};
use starlark_syntax::syntax::ast::{AstExpr, BinOp, ExprP};

impl Body<'_, '_> {
    pub(super) fn operator(
        &mut self,
        expr: &AstExpr,
        left: &AstExpr,
        op: BinOp,
        right: &AstExpr,
        want: Option<&Type>,
    ) -> Checked<Expr> {
        let span = self.at(expr.span);
        let binary = match op {
            BinOp::And | BinOp::Or => return self.logic(left, op, right, span),
            BinOp::Equal | BinOp::NotEqual => return self.equality(expr, left, op, right),
            BinOp::In | BinOp::NotIn => return self.membership(expr, left, op, right),
            BinOp::Less => return self.ordering(expr, left, BinaryOp::Less, right),
            BinOp::LessOrEqual => return self.ordering(expr, left, BinaryOp::LessEqual, right),
            BinOp::Greater => return self.ordering(expr, left, BinaryOp::Greater, right),
            BinOp::GreaterOrEqual => return self.ordering(expr, left, BinaryOp::GreaterEqual, right),
            BinOp::Add => BinaryOp::Add,
            BinOp::Subtract => BinaryOp::Subtract,
            BinOp::Multiply => BinaryOp::Multiply,
            BinOp::Divide => BinaryOp::Divide,
            BinOp::FloorDivide => BinaryOp::FloorDivide,
            BinOp::Percent => BinaryOp::Modulo,
            BinOp::BitAnd | BinOp::BitOr | BinOp::BitXor | BinOp::LeftShift | BinOp::RightShift => {
                let hint = match op {
                    BinOp::BitAnd => "write `and`",
                    BinOp::BitOr if matches!(left.node, ExprP::Dict(_)) || matches!(right.node, ExprP::Dict(_)) => {
                        "write `for k, v in other.items():` and `d[k] = v`"
                    }
                    BinOp::BitOr => "write `or`",
                    BinOp::BitXor => "write `!=` between two conditions",
                    _ => "multiply or divide with `*` and `//`",
                };
                return Err(self.report(expr.span, format!("there is no operator `{}`", op.to_string().trim()), hint));
            }
        };
        if let (BinaryOp::Add, Some((dict, key))) = (binary, places::entry_or_empty(left, "get")) {
            self.settle_lists(dict, key, right);
        }
        let list = want.filter(|w| matches!(w, Type::List(_)));
        let (left, right) =
            if list.is_none() && matches!(left.node, ExprP::List(_)) && !matches!(right.node, ExprP::List(_)) {
                let right = self.infer(right, None)?;
                let ty = right.ty.clone();
                (self.infer(left, Some(&ty))?, right)
            } else {
                let left = self.infer(left, list)?;
                let ty = if matches!(left.ty, Type::List(_)) { Some(left.ty.clone()) } else { None };
                let right = self.infer(right, ty.as_ref())?;
                (left, right)
            };
        self.arithmetic(binary, left, right, span)
    }

    /// The typed form of `left op right` for arithmetic operators.
    pub(super) fn arithmetic(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Checked<Expr> {
        use BinaryOp::{Add, Divide, FloorDivide, Modulo, Multiply, Subtract};
        use Type::{Date, Float, Int, List, Money, Str};
        let ty = match (op, &left.ty, &right.ty) {
            (Add | Subtract | Multiply | FloorDivide | Modulo, Int, Int) => Int,
            (Add | Subtract | Multiply | Divide, Float, Float) => Float,
            (Add | Subtract, Money, Money) => Money,
            (Multiply | FloorDivide, Money, Int) => Money,
            (Add | Subtract, Date, Int) => Date,
            (Subtract, Date, Date) => Int,
            (Add, Str, Str) => Str,
            (Add, List(a), List(b)) if a == b => left.ty.clone(),
            // Operands in the order the tree has: money before int, date before days.
            (Multiply, Int, Money) | (Add, Int, Date) => return self.arithmetic(op, right, left, span),
            _ => return Err(self.no_operator(op, &left, &right, span)),
        };
        Ok(Expr { ty, kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span })
    }

    fn no_operator(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> crate::syntax::Reported {
        use BinaryOp::{Add, Divide, Modulo, Multiply};
        use Type::{Date, Float, Int, List, Money, Option, Str};
        let sign = sign(op);
        let hint = match (op, &left.ty, &right.ty) {
            (_, Option(_), _) | (_, _, Option(_)) => {
                format!("one side may be None: {}", self.test_first())
            }
            (Divide, Int, Int) => "write `//` for whole division, or `float(a) / float(b)`".to_owned(),
            (Divide, Money, Int) => "write `//` to divide money".to_owned(),
            (Multiply, Money, Float) | (Multiply, Float, Money) => {
                "write `percent(amount, p)` with a whole percentage".to_owned()
            }
            (Divide | Multiply | BinaryOp::FloorDivide, Money, Money) => {
                "money is multiplied and divided by whole numbers".to_owned()
            }
            (Modulo, Str, _) => "write an f-string: `f\"{name} owes {amount}\"`".to_owned(),
            (Multiply, Str, _) | (Multiply, _, Str) => "texts are not repeated".to_owned(),
            (Add, Str, _) | (Add, _, Str) => "write an f-string: `f\"{a}{b}\"`".to_owned(),
            (_, Int, Float) => "convert the int: `float(x)`, or write it with a point".to_owned(),
            (_, Float, Int) => "convert the int: `float(x)`, or write it with a point".to_owned(),
            (_, Money, Int | Float) | (_, Int | Float, Money) => "write amounts as `money_of(\"12.50\")`".to_owned(),
            (Add, List(_), List(_)) => "both lists must hold the same type".to_owned(),
            (Add, List(inner), other) if **inner == *other => "write `xs + [x]`".to_owned(),
            (_, Type::Bool, _) | (_, _, Type::Bool) => "conditions are not numbers: write `1 if c else 0`".to_owned(),
            (Add, Date, Date) => "add days to a date: `d + days(n)`".to_owned(),
            _ => String::new(),
        };
        let message =
            format!("`{sign}` does not take {} and {}", self.c.type_name(&left.ty), self.c.type_name(&right.ty));
        self.c.diagnostics.report(span, message, hint)
    }

    fn logic(&mut self, left: &AstExpr, op: BinOp, right: &AstExpr, span: Span) -> Checked<Expr> {
        let left = self.condition(left);
        let known = left.as_ref().map(facts).unwrap_or_default();
        let known = if op == BinOp::And { known.yes } else { known.no };
        let right = self.knowing(&known, |b| b.condition(right));
        let (left, right) = (Box::new(left?), Box::new(right?));
        let kind = if op == BinOp::And { ExprKind::And(left, right) } else { ExprKind::Or(left, right) };
        Ok(Expr { ty: Type::Bool, kind, span })
    }

    fn negated(expr: Expr, negate: bool) -> Expr {
        if !negate {
            return expr;
        }
        let span = expr.span;
        Expr { ty: Type::Bool, kind: ExprKind::Not(Box::new(expr)), span }
    }

    fn equality(&mut self, expr: &AstExpr, left: &AstExpr, op: BinOp, right: &AstExpr) -> Checked<Expr> {
        let span = self.at(expr.span);
        let negate = op == BinOp::NotEqual;
        if places::is_none(left) || places::is_none(right) {
            let other = if places::is_none(left) { right } else { left };
            let other_span = other.span;
            let mut other = self.infer(other, None)?;
            // A test of something already known to be present is allowed.
            if let ExprKind::Unwrap(inner) = other.kind {
                other = *inner;
            }
            if !matches!(other.ty, Type::Option(_)) {
                let hint = match &other.kind {
                    ExprKind::Get { table, .. } => {
                        format!(
                            "`get` fails by itself; to test, write `{}.find(key) == None`",
                            self.c.suite.tables[*table].name
                        )
                    }
                    ExprKind::Local(_) if matches!(other.ty, Type::Row(_)) => {
                        "`get` fails by itself; use `find` to get an option".to_owned()
                    }
                    _ => "remove the test".to_owned(),
                };
                let message = format!("this is {} and never None", self.c.type_name(&other.ty));
                return Err(self.report(other_span, message, hint));
            }
            let test = Expr { ty: Type::Bool, kind: ExprKind::IsNone(Box::new(other)), span };
            return Ok(Self::negated(test, negate));
        }
        let (left, right) = self.pair(left, right)?;
        let (left, right) = self.unify(left, right, |b, left, right| b.no_comparison(left, right, span))?;
        let plain = if let Type::Option(inner) = &left.ty { &**inner } else { &left.ty };
        let fine = match plain {
            Type::Row(_) => !matches!(left.ty, Type::Option(_)),
            Type::Bool => true,
            Type::Tuple(parts) => parts.iter().all(is_compared),
            other => other.is_ordered(),
        };
        if !fine {
            let message = format!("{} cannot be compared with `==`", self.c.type_name(&left.ty));
            let hint = match plain {
                Type::List(_) => "compare `len(xs)`, or elements",
                Type::Row(_) => "test it against None first",
                _ => "compare its fields",
            };
            return Err(self.report(expr.span, message, hint));
        }
        let op = if negate { BinaryOp::NotEqual } else { BinaryOp::Equal };
        Ok(Expr { ty: Type::Bool, kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span })
    }

    /// Two operands where either may be a literal that takes the other's type.
    fn pair(&mut self, left: &AstExpr, right: &AstExpr) -> Checked<(Expr, Expr)> {
        if places::is_pliable(left) && !places::is_pliable(right) {
            let right = self.infer(right, None)?;
            let ty = right.ty.clone();
            return Ok((self.infer(left, Some(&ty))?, right));
        }
        let left = self.infer(left, None)?;
        let ty = left.ty.clone();
        Ok((left, self.infer(right, Some(&ty))?))
    }

    fn ordering(&mut self, expr: &AstExpr, left: &AstExpr, op: BinaryOp, right: &AstExpr) -> Checked<Expr> {
        let span = self.at(expr.span);
        let (left, right) = self.pair(left, right)?;
        if left.ty != right.ty {
            return Err(self.no_comparison(&left, &right, span));
        }
        if !left.ty.is_ordered() {
            let message = format!("{} has no order", self.c.type_name(&left.ty));
            let hint = match left.ty {
                Type::Option(_) => "take both into variables and test them against None first",
                _ => "compare columns of it",
            };
            return Err(self.report(expr.span, message, hint));
        }
        Ok(Expr { ty: Type::Bool, kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span })
    }

    fn no_comparison(&mut self, left: &Expr, right: &Expr, span: Span) -> crate::syntax::Reported {
        let hint = match (&left.ty, &right.ty) {
            (Type::Money, Type::Int | Type::Float | Type::Str) | (Type::Int | Type::Float | Type::Str, Type::Money) => {
                "write the amount as `money_of(\"10.00\")`"
            }
            (Type::Date, Type::Str) | (Type::Str, Type::Date) => "write the date as `date_of(\"2026-03-01\")`",
            (Type::Date, Type::Int) | (Type::Int, Type::Date) => "compare with `today() + days(n)`",
            (Type::Int, Type::Float) | (Type::Float, Type::Int) => "convert the int: `float(x)`",
            (Type::Key(_), Type::Str) | (Type::Str, Type::Key(_)) => "compare with a parameter of type `key_of(table)`",
            (Type::Key(_), Type::Key(_) | Type::Row(_)) | (Type::Row(_), Type::Key(_)) => {
                "these are keys of different tables"
            }
            (Type::Enum(_), Type::Str) | (Type::Str, Type::Enum(_)) => "declare the text with the enum's type",
            (Type::Option(_), _) | (_, Type::Option(_)) => self.test_first(),
            _ => "",
        };
        let message = format!("{} and {} cannot be compared", self.c.type_name(&left.ty), self.c.type_name(&right.ty));
        self.c.diagnostics.report(span, message, hint)
    }

    fn membership(&mut self, expr: &AstExpr, left: &AstExpr, op: BinOp, right: &AstExpr) -> Checked<Expr> {
        let span = self.at(expr.span);
        let negate = op == BinOp::NotIn;
        if let Some(name) = places::identifier(right)
            && self.lookup(name).is_none()
            && matches!(self.c.items.get(name), Some(Item::Table(_)))
        {
            let hint = format!("write `{name}.find(key) != None`");
            return Err(self.report(expr.span, format!("`in` does not look into the table `{name}`"), hint));
        }
        let (item, list) = if matches!(right.node, ExprP::List(_)) {
            let item = self.infer(left, None)?;
            // An element type that the item can be compared with.
            let element = if let Type::Row(table) = item.ty { Type::Key(table) } else { item.ty.clone() };
            let list = self.infer(right, Some(&element.list()))?;
            (item, list)
        } else {
            let list = self.infer(right, None)?;
            let want = match &list.ty {
                Type::List(inner) => (**inner).clone(),
                Type::Dict(key, _) => (**key).clone(),
                other => other.clone(),
            };
            (self.infer(left, Some(&want))?, list)
        };
        let kind = match &list.ty {
            Type::List(inner) => {
                let inner = (**inner).clone();
                let item = self.fit(item, &inner)?;
                let plain = if let Type::Option(inner) = &inner { inner } else { &inner };
                if !is_compared(plain) {
                    let message = format!("`in` does not compare {}", self.c.type_name(&inner));
                    return Err(self.report(expr.span, message, "compare a field: `x.id in [y.id for y in ys]`"));
                }
                ExprKind::InList { item: Box::new(item), list: Box::new(list) }
            }
            Type::Dict(key, _) => {
                let key = (**key).clone();
                ExprKind::InDict { key: Box::new(self.fit(item, &key)?), dict: Box::new(list) }
            }
            Type::Str => {
                let item = self.fit(item, &Type::Str)?;
                ExprKind::InStr { part: Box::new(item), text: Box::new(list) }
            }
            other => {
                let message = format!("`in` does not look into {}", self.c.type_name(other));
                let hint = if matches!(other, Type::Option(_)) {
                    "test it against None first"
                } else {
                    "`in` is for lists, dicts and texts"
                };
                return Err(self.report(expr.span, message, hint));
            }
        };
        Ok(Self::negated(Expr { ty: Type::Bool, kind, span }, negate))
    }
}

/// Whether `==` is defined for values that are no options.
fn is_compared(ty: &Type) -> bool {
    match ty {
        Type::Tuple(parts) => parts.iter().all(is_compared),
        Type::Option(inner) => !matches!(**inner, Type::Row(_)) && is_compared(inner),
        Type::Bool | Type::Row(_) => true,
        other => other.is_ordered(),
    }
}

fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::FloorDivide => "//",
        BinaryOp::Modulo => "%",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
    }
}
