//! Expressions: names, literals, lists, conditions, indexing. Operators, calls and methods have their own files.

use super::body::{Body, Kind, OpenKind};
use super::coerce::coerce;
use super::flow::facts;
use super::{Checked, Constant, Item, names, places};
use crate::builtin::Builtin;
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Literal};
use crate::types::{Span, Type};
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstExpr, AstLiteral, ExprP};

/// A literal's type; `None` for `None`.
pub(super) fn literal_type(literal: &Literal) -> Option<Type> {
    Some(match literal {
        Literal::None => return None,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Float(_) => Type::Float,
        Literal::Str(_) => Type::Str,
        Literal::Money(_) => Type::Money,
        Literal::Date(_) => Type::Date,
        Literal::Enum(id, _) => Type::Enum(*id),
    })
}

impl Body<'_, '_> {
    pub(super) fn at(&self, span: AstSpan) -> Span {
        self.c.place(span)
    }

    /// An expression of exactly this type.
    pub(super) fn check(&mut self, expr: &AstExpr, want: &Type) -> Checked<Expr> {
        let found = self.infer(expr, Some(want))?;
        self.fit(found, want)
    }

    /// A condition.
    pub(super) fn condition(&mut self, expr: &AstExpr) -> Checked<Expr> {
        self.check(expr, &Type::Bool)
    }

    /// An expression of whatever type it has; `want` guides literals that have none of their own.
    pub(super) fn infer(&mut self, expr: &AstExpr, want: Option<&Type>) -> Checked<Expr> {
        let span = self.at(expr.span);
        match &expr.node {
            ExprP::Identifier(name) => self.name(&name.node.ident, expr, want),
            ExprP::Literal(literal) => match literal {
                AstLiteral::Int(value) => {
                    let value = self.c.int(&value.node, expr.span)?;
                    Ok(Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(value)), span })
                }
                AstLiteral::String(text) => self.literal(Literal::Str(text.node.clone()), want, span),
                AstLiteral::Float(value) => self.literal(Literal::Float(value.node), want, span),
                AstLiteral::Bytes(_) => {
                    Err(self.report(expr.span, "there are no byte strings", "write a text in quotes"))
                }
                AstLiteral::Ellipsis => Err(self.report(expr.span, "`...` is no value", "write the body")),
            },
            ExprP::Op(left, op, right) => self.operator(expr, left, *op, right, want),
            ExprP::Not(inner) => {
                let inner = self.condition(inner)?;
                Ok(Expr { ty: Type::Bool, kind: ExprKind::Not(Box::new(inner)), span })
            }
            ExprP::Minus(inner) => self.minus(inner, span),
            ExprP::Plus(inner) => self.infer(inner, want),
            ExprP::BitNot(_) => {
                Err(self.report(expr.span, "there are no bit operators", "write `not` for a condition"))
            }
            ExprP::If(parts) => self.conditional(&parts.0, &parts.1, &parts.2, want, span),
            ExprP::List(items) => self.list(expr, items, want),
            ExprP::ListComprehension(value, each, clauses) => {
                let wanted = want.and_then(|w| if let Type::List(inner) = w { Some(&**inner) } else { None });
                self.comprehension(each, clauses, span, &|b| b.element(value, wanted))
            }
            ExprP::Call(function, call) => self.call(expr, function, call, want),
            ExprP::Dot(object, field) => self.dot(expr, object, field),
            ExprP::Index(parts) => self.index(expr, &parts.0, &parts.1, want),
            ExprP::Slice(list, start, stop, step) => {
                let list = self.infer(list, want)?;
                if !matches!(list.ty, Type::List(_) | Type::Str) {
                    let message = format!("{} cannot be sliced", self.c.type_name(&list.ty));
                    return Err(self.c.diagnostics.report(span, message, "slices are for lists and texts"));
                }
                let ty = list.ty.clone();
                if let Some(step) = step {
                    let back = matches!(self.c.whole(step, "the step", i64::MIN, i64::MAX), Ok(-1));
                    if start.is_some() || stop.is_some() || !back || ty == Type::Str {
                        let hint = "write `xs[start:stop]`; `xs[::-1]` reverses a list";
                        return Err(self.report(step.span, "slices have no step", hint));
                    }
                    return Ok(self.builtin(Builtin::Reversed, vec![list], ty));
                }
                let start = self.bound(start.as_deref())?;
                let stop = self.bound(stop.as_deref())?;
                Ok(Expr { ty, kind: ExprKind::Slice { list: Box::new(list), start, stop }, span })
            }
            ExprP::FString(text) => self.f_string(text, expr.span),
            ExprP::Lambda(_) => {
                let hint = "lambdas stand in `sorted(xs, key = lambda x: ..)`, `derived(..)`, `update_all(..)` and `delete_all(..)`; define a function otherwise";
                Err(self.report(expr.span, "a lambda cannot stand here", hint))
            }
            ExprP::Tuple(parts) => self.tuple(parts, want, span),
            ExprP::Dict(entries) => self.dict(expr, entries, want),
            ExprP::DictComprehension(entry, each, clauses) => {
                self.dict_comprehension(&entry.0, &entry.1, each, clauses, want, span)
            }
            ExprP::Index2(_) => Err(self.report(expr.span, "there is no index with two values", "write `xs[i]`")),
        }
    }

    /// A literal, taken as an enum value where one is wanted.
    fn literal(&mut self, literal: Literal, want: Option<&Type>, span: Span) -> Checked<Expr> {
        let plain = want.map(|w| if let Type::Option(inner) = w { inner } else { w });
        if let (Literal::Str(text), Some(Type::Enum(id))) = (&literal, plain) {
            return self.enum_value(*id, text, span);
        }
        match (literal_type(&literal), want) {
            (Some(ty), _) => Ok(Expr { ty, kind: ExprKind::Literal(literal), span }),
            (None, Some(ty @ Type::Option(_))) => Ok(Expr { ty: ty.clone(), kind: ExprKind::Literal(literal), span }),
            (None, Some(ty)) => {
                let name = self.c.type_name(ty);
                let hint = format!("declare it as `option[{name}]` where it may be missing");
                Err(self.c.diagnostics.report(span, format!("this is None, and {name} is wanted"), hint))
            }
            (None, None) => Err(self.c.diagnostics.report(
                span,
                "the type of this `None` is not known",
                "write `x: option[T] = None`",
            )),
        }
    }

    fn name(&mut self, name: &str, expr: &AstExpr, want: Option<&Type>) -> Checked<Expr> {
        let span = self.at(expr.span);
        match name {
            "True" | "False" => {
                return Ok(Expr { ty: Type::Bool, kind: ExprKind::Literal(Literal::Bool(name == "True")), span });
            }
            "None" => return self.literal(Literal::None, want, span),
            _ => {}
        }
        if let Some(local) = self.lookup(name) {
            if self.poisoned.contains(&local) {
                return Err(Reported);
            }
            if let Some(open) = self.open.get(&local).cloned() {
                match want {
                    Some(ty @ Type::List(_)) if open.kind == OpenKind::List => self.settle(local, ty.clone()),
                    Some(ty @ Type::Dict(..)) if open.kind == OpenKind::Dict => self.settle(local, ty.clone()),
                    Some(ty @ Type::Option(_)) if open.kind == OpenKind::None => self.settle(local, ty.clone()),
                    _ => return Err(self.unsettled(local, &open)),
                }
            }
            if self.flow.reachable && !self.flow.assigned.contains(&local) {
                let hint = format!("give `{name}` a value before the `if` or loop that sets it");
                return Err(self.report(expr.span, format!("`{name}` may have no value here"), hint));
            }
            return Ok(self.local(local, span));
        }
        match self.c.items.get(name).cloned() {
            Some(Item::Parameter(id)) => {
                let ty = self.c.suite.parameters[id].ty.clone();
                Ok(Expr { ty, kind: ExprKind::Parameter(id), span })
            }
            Some(Item::Constant(constant)) => self.constant(&constant, want, span),
            Some(Item::Table(table)) => Ok(self.all_rows(table, span)),
            Some(Item::Broken) => Err(Reported),
            Some(Item::Function(_)) => {
                Err(self.report(expr.span, format!("`{name}` is a function"), format!("call it: `{name}(...)`")))
            }
            Some(Item::Enum(_)) => {
                Err(self.report(expr.span, format!("`{name}` is an enum"), "write its value as a text, `\"standard\"`"))
            }
            Some(Item::Record(_)) => Err(self.report(
                expr.span,
                format!("`{name}` is a record"),
                format!("build one: `{name}(field = value, ...)`"),
            )),
            None if names::PREDECLARED.contains(&name) || name == "money" || name == "date" => {
                Err(self.report(expr.span, format!("`{name}` alone is no value"), format!("call it: `{name}(...)`")))
            }
            None => {
                let visible = self.visible();
                let nearest = names::nearest(name, visible.iter().map(String::as_str));
                let hint = match name {
                    "null" | "nil" | "undefined" | "NULL" => "write `None`".to_owned(),
                    "true" | "TRUE" => "write `True`".to_owned(),
                    "false" | "FALSE" => "write `False`".to_owned(),
                    _ => nearest.map(|n| format!("did you mean `{n}`?")).unwrap_or_default(),
                };
                Err(self.report(expr.span, format!("`{name}` is not known"), hint))
            }
        }
    }

    fn constant(&mut self, constant: &Constant, want: Option<&Type>, span: Span) -> Checked<Expr> {
        match constant {
            Constant::Literal(literal) => self.literal(literal.clone(), want, span),
            Constant::List(items) => {
                let wanted = want.and_then(|w| if let Type::List(inner) = w { Some(&**inner) } else { None });
                let mut list: Vec<Expr> = Vec::new();
                for item in items {
                    let first = list.first().map(|e| e.ty.clone());
                    let item = self.constant(item, wanted.or(first.as_ref()), span)?;
                    let want = wanted.cloned().or(first).unwrap_or_else(|| item.ty.clone());
                    list.push(self.fit(item, &want)?);
                }
                let ty = wanted.cloned().or_else(|| list.first().map(|e| e.ty.clone()));
                let Some(ty) = ty else {
                    return Err(self.c.diagnostics.report(span, "the type of this empty list is not known", ""));
                };
                Ok(Expr { ty: ty.list(), kind: ExprKind::List(list), span })
            }
            Constant::Dict(entries) => {
                let (mut key_type, mut value_type) = match want {
                    Some(Type::Dict(key, value)) => (Some((**key).clone()), Some((**value).clone())),
                    _ => (None, None),
                };
                let mut pairs = Vec::new();
                for (key, value) in entries {
                    let key = self.constant(key, key_type.as_ref(), span)?;
                    let value = self.constant(value, value_type.as_ref(), span)?;
                    pairs.push((
                        self.fit(key.clone(), key_type.get_or_insert(key.ty))?,
                        self.fit(value.clone(), value_type.get_or_insert(value.ty))?,
                    ));
                }
                self.dict_of_pairs(pairs, span)
            }
        }
    }

    fn minus(&mut self, inner: &AstExpr, span: Span) -> Checked<Expr> {
        let inner = self.infer(inner, None)?;
        match (&inner.kind, &inner.ty) {
            (ExprKind::Literal(Literal::Int(n)), _) => {
                let kind = ExprKind::Literal(Literal::Int(-n));
                Ok(Expr { ty: Type::Int, kind, span })
            }
            (_, Type::Int | Type::Float | Type::Money) => {
                Ok(Expr { ty: inner.ty.clone(), kind: ExprKind::Negate(Box::new(inner)), span })
            }
            _ => {
                let message = format!("{} has no negative", self.c.type_name(&inner.ty));
                Err(self.c.diagnostics.report(span, message, "`-` is for int, float and money"))
            }
        }
    }

    fn conditional(
        &mut self,
        condition: &AstExpr,
        then: &AstExpr,
        otherwise: &AstExpr,
        want: Option<&Type>,
        span: Span,
    ) -> Checked<Expr> {
        let condition = self.condition(condition)?;
        let facts = facts(&condition);
        let late = want.is_none() && places::own_type(then) < places::own_type(otherwise);
        let (then, otherwise) = if late {
            let otherwise = self.knowing(&facts.no, |b| b.infer(otherwise, None))?;
            let ty = otherwise.ty.clone();
            let optional = places::is_none(then) && !matches!(ty, Type::Option(_));
            let ty = if optional { ty.option() } else { ty };
            (self.knowing(&facts.yes, |b| b.infer(then, Some(&ty)))?, otherwise)
        } else {
            let then = self.knowing(&facts.yes, |b| b.infer(then, want))?;
            let optional = then.ty.clone();
            let none = places::is_none(otherwise) && want.is_none();
            let optional = if none && !matches!(optional, Type::Option(_)) { optional.option() } else { optional };
            let hint = want.unwrap_or(&optional).clone();
            (then, self.knowing(&facts.no, |b| b.infer(otherwise, Some(&hint)))?)
        };
        let (then, otherwise) = match want {
            Some(want) => match (coerce(then, want), coerce(otherwise, want)) {
                (Ok(then), Ok(otherwise)) => (then, otherwise),
                (Ok(then) | Err(then), Ok(otherwise) | Err(otherwise)) => (then, otherwise),
            },
            None => (then, otherwise),
        };
        let (then, otherwise) = self.unify(then, otherwise, |b, then, otherwise| {
            let message = format!("the branches are {} and {}", b.c.type_name(&then.ty), b.c.type_name(&otherwise.ty));
            b.c.diagnostics.report(span, message, "give both branches one type")
        })?;
        let ty = then.ty.clone();
        let kind = ExprKind::Conditional {
            condition: Box::new(condition),
            then: Box::new(then),
            otherwise: Box::new(otherwise),
        };
        Ok(Expr { ty, kind, span })
    }

    /// Whether this body may write rows.
    pub(super) fn writing(&mut self, span: AstSpan, what: &str) -> Checked<()> {
        if self.kind == Kind::Function {
            self.writes = true;
        }
        self.only_in_function(span, what)
    }
}
