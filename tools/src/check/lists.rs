//! Lists: literals, comprehensions, what loops run over, indexing and slices.

use super::body::Body;
use super::coerce::coerce;
use super::flow::facts;
use super::{Checked, Item, places};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Iterable, Literal};
use crate::types::{Span, TableId, Type};
use starlark_syntax::syntax::ast::{AstExpr, ClauseP, ForClauseP};

type For = ForClauseP<starlark_syntax::syntax::ast::AstNoPayload>;
type Clause = ClauseP<starlark_syntax::syntax::ast::AstNoPayload>;

impl Body<'_, '_> {
    /// A table's name as a value: the list of its rows.
    pub(super) fn all_rows(&mut self, table: TableId, span: Span) -> Expr {
        let local = self.hidden(Type::Row(table));
        let value = Expr { ty: Type::Row(table), kind: ExprKind::Local(local), span };
        let kind = ExprKind::Comprehension {
            local,
            iterable: Iterable::Table(table),
            condition: None,
            value: Box::new(value),
        };
        Expr { ty: Type::Row(table).list(), kind, span }
    }

    pub(super) fn list(&mut self, expr: &AstExpr, items: &[AstExpr], want: Option<&Type>) -> Checked<Expr> {
        let span = self.at(expr.span);
        let wanted = match want {
            Some(Type::List(inner)) => Some((**inner).clone()),
            Some(Type::Option(inner)) => {
                if let Type::List(inner) = &**inner {
                    Some((**inner).clone())
                } else {
                    None
                }
            }
            _ => None,
        };
        let mut decided: Option<(usize, Expr)> = None;
        let element = if let Some(element) = wanted {
            element
        } else {
            // The first element with a type of its own decides.
            let own = items.iter().position(|i| !places::is_pliable(i));
            let Some(first) = own.or_else(|| items.iter().position(|i| !places::is_none(i))) else {
                let hint = "write `empty(list[T])`, or `xs: list[T] = []`";
                return Err(self.report(expr.span, "the type of this list is not known", hint));
            };
            let found = self.infer(&items[first], None)?;
            let ty = found.ty.clone();
            decided = Some((first, found));
            let optional = items.iter().any(places::is_none) && !matches!(ty, Type::Option(_));
            if optional { ty.option() } else { ty }
        };
        let mut list: Vec<Checked<Expr>> = Vec::new();
        for (i, item) in items.iter().enumerate() {
            list.push(match decided.take_if(|(at, _)| *at == i) {
                Some((_, found)) => self.fit(found, &element),
                None => self.check(item, &element),
            });
        }
        let items = list.into_iter().collect::<Checked<Vec<_>>>()?;
        Ok(Expr { ty: element.list(), kind: ExprKind::List(items), span })
    }

    /// What a loop runs over, and the type of its variable.
    pub(super) fn iterable(&mut self, over: &AstExpr) -> Checked<(Iterable, Type)> {
        if let Some(name) = places::identifier(over)
            && self.lookup(name).is_none()
            && let Some(Item::Table(table)) = self.c.items.get(name)
        {
            return Ok((Iterable::Table(*table), Type::Row(*table)));
        }
        if super::called_name(over) == Some("range") {
            let Some(mut arguments) = self.c.call(over) else { return Err(Reported) };
            let (first, second) = (arguments.next(), arguments.next());
            if let Some(step) = arguments.next() {
                return Err(self.report(
                    step.span,
                    "`range` has no step",
                    "write `range(a, b)` and compute from the index",
                ));
            }
            self.c.no_more(&arguments, &[]);
            let zero = Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(0)), span: self.at(over.span) };
            let (start, stop) = match (first, second) {
                (Some(start), Some(stop)) => (self.check(start, &Type::Int)?, self.check(stop, &Type::Int)?),
                (Some(stop), None) => (zero, self.check(stop, &Type::Int)?),
                _ => return Err(self.report(over.span, "`range` needs a bound", "write `range(a, b)`")),
            };
            return Ok((Iterable::Range { start: Box::new(start), stop: Box::new(stop) }, Type::Int));
        }
        let list = self.infer(over, None)?;
        match &list.ty {
            Type::List(inner) => {
                let ty = (**inner).clone();
                Ok((Iterable::List(Box::new(list)), ty))
            }
            other => {
                let message = format!("{} cannot be looped over", self.c.type_name(other));
                let hint = match other {
                    Type::Int => "write `range(n)`",
                    Type::Option(_) => "test it against None first",
                    _ => "loop over a table, a list or `range(a, b)`",
                };
                Err(self.report(over.span, message, hint))
            }
        }
    }

    pub(super) fn comprehension(
        &mut self,
        value: &AstExpr,
        each: &For,
        clauses: &[Clause],
        want: Option<&Type>,
        span: Span,
    ) -> Checked<Expr> {
        let places::Target::Name(name) = places::target(&each.var) else {
            return Err(self.report(
                each.var.span,
                "a comprehension has one variable",
                "there are no tuples to unpack",
            ));
        };
        self.free_name(name, each.var.span)?;
        let (iterable, ty) = self.iterable(&each.over)?;
        let wanted = want.and_then(|w| if let Type::List(inner) = w { Some((**inner).clone()) } else { None });
        let outer = self.flow.clone();
        let result = self.scoped(|b| {
            let local = b.declare(name, ty);
            b.flow.assigned.insert(local);
            let mut condition: Option<Expr> = None;
            for clause in clauses {
                match clause {
                    ClauseP::If(test) => {
                        let test = b.condition(test)?;
                        b.flow.present.extend(facts(&test).yes);
                        condition = Some(match condition {
                            None => test,
                            Some(left) => {
                                let span = left.span;
                                Expr { ty: Type::Bool, kind: ExprKind::And(Box::new(left), Box::new(test)), span }
                            }
                        });
                    }
                    ClauseP::For(second) => {
                        let hint = "write nested `for` statements that append to a list";
                        return Err(b.report(second.var.span, "a comprehension has one `for`", hint));
                    }
                }
            }
            let mut value = b.infer(value, wanted.as_ref())?;
            if let Some(wanted) = &wanted {
                value = coerce(value, wanted).unwrap_or_else(|value| value);
            }
            if value.ty == Type::Unit {
                return Err(b.c.diagnostics.report(value.span, "this call gives no value", "write a `for` statement"));
            }
            let ty = value.ty.clone().list();
            let condition = condition.map(Box::new);
            Ok(Expr { ty, kind: ExprKind::Comprehension { local, iterable, condition, value: Box::new(value) }, span })
        });
        self.flow = outer;
        result
    }

    pub(super) fn index(
        &mut self,
        expr: &AstExpr,
        list: &AstExpr,
        index: &AstExpr,
        want: Option<&Type>,
    ) -> Checked<Expr> {
        let span = self.at(expr.span);
        if let Some(name) = places::identifier(list)
            && self.lookup(name).is_none()
            && let Some(Item::Table(_)) = self.c.items.get(name)
        {
            let hint = format!("write `{name}.get(key)` or `{name}.find(key)`");
            return Err(self.report(expr.span, "rows are not found with `[...]`", hint));
        }
        let _ = want;
        let list = self.infer(list, None)?;
        let Type::List(inner) = &list.ty else {
            let message = format!("{} has no elements", self.c.type_name(&list.ty));
            let hint = if list.ty == Type::Str {
                "texts are not indexed; test with `startswith`, `endswith` or `in`"
            } else {
                "`[...]` is for lists"
            };
            return Err(self.report(expr.span, message, hint));
        };
        let ty = (**inner).clone();
        let index = self.check(index, &Type::Int)?;
        Ok(Expr { ty, kind: ExprKind::Index { list: Box::new(list), index: Box::new(index) }, span })
    }

    pub(super) fn bound(&mut self, bound: Option<&AstExpr>) -> Checked<Option<Box<Expr>>> {
        let Some(ast) = bound else { return Ok(None) };
        let bound = self.check(ast, &Type::Int)?;
        if matches!(bound.kind, ExprKind::Literal(Literal::Int(n)) if n < 0) {
            return Err(self.report(ast.span, "slices do not count from the end", "write `xs[:len(xs) - n]`"));
        }
        Ok(Some(Box::new(bound)))
    }
}
