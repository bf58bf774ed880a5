//! Lists: literals, comprehensions, what loops run over, indexing and slices.

use super::body::Body;
use super::coerce::coerce;
use super::flow::facts;
use super::{Checked, Item, places};
use crate::builtin::Builtin;
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Iterable, Literal};
use crate::types::{LocalId, Span, TableId, Type};
use starlark_syntax::syntax::ast::{AstAssignTarget, AstExpr, ClauseP, ForClauseP};

pub(super) type For = ForClauseP<starlark_syntax::syntax::ast::AstNoPayload>;
pub(super) type Clause = ClauseP<starlark_syntax::syntax::ast::AstNoPayload>;

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
            let step = arguments.next();
            self.c.no_more(&arguments, &[]);
            let zero = Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(0)), span: self.at(over.span) };
            let (start, stop) = match (first, second) {
                (Some(start), Some(stop)) => (self.check(start, &Type::Int)?, self.check(stop, &Type::Int)?),
                (Some(stop), None) => (zero, self.check(stop, &Type::Int)?),
                _ => return Err(self.report(over.span, "`range` needs a bound", "write `range(a, b)`")),
            };
            if let Some(step) = step {
                let by = self.c.whole(step, "the step of `range`", i64::MIN, i64::MAX)?;
                if by == 0 {
                    return Err(self.report(step.span, "the step of `range` is 0", "write 1, or -1 to count down"));
                }
                let by = Expr { ty: Type::Int, kind: ExprKind::Literal(Literal::Int(by)), span: start.span };
                let list = self.builtin(Builtin::Range, vec![start, stop, by], Type::Int.list());
                return Ok((Iterable::List(Box::new(list)), Type::Int));
            }
            return Ok((Iterable::Range { start: Box::new(start), stop: Box::new(stop) }, Type::Int));
        }
        let list = self.infer(over, None)?;
        let list = self.iterated(list);
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

    /// One element of a comprehension.
    pub(super) fn element(&mut self, value: &AstExpr, wanted: Option<&Type>) -> Checked<Expr> {
        let mut value = self.infer(value, wanted)?;
        if let Some(wanted) = wanted {
            value = coerce(value, wanted).unwrap_or_else(|value| value);
        }
        if value.ty == Type::Unit {
            return Err(self.c.diagnostics.report(value.span, "this call gives no value", "write a `for` statement"));
        }
        Ok(value)
    }

    /// `[value for ...]`; `value` checks what stands in front, once its variables are known.
    pub(super) fn comprehension(
        &mut self,
        each: &For,
        clauses: &[Clause],
        span: Span,
        value: &dyn Fn(&mut Self) -> Checked<Expr>,
    ) -> Checked<Expr> {
        let (iterable, ty) = self.iterable(&each.over)?;
        let outer = self.flow.clone();
        let result = self.scoped(|b| {
            let (local, iterable) = b.variables(&each.var, &each.over, iterable, ty, false)?;
            let mut condition: Option<Expr> = None;
            for (i, clause) in clauses.iter().enumerate() {
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
                    // The rest makes a list for each element; those lists follow one another.
                    ClauseP::For(second) => {
                        let inner = b.comprehension(second, &clauses[i + 1..], span, value)?;
                        let ty = inner.ty.clone();
                        let (condition, value) = (condition.map(Box::new), Box::new(inner));
                        let kind = ExprKind::Comprehension { local, iterable, condition, value };
                        let lists = Expr { ty: ty.clone().list(), kind, span };
                        let kind = ExprKind::Builtin { op: Builtin::Flatten, operands: vec![lists] };
                        return Ok(Expr { ty, kind, span });
                    }
                }
            }
            let value = value(b)?;
            let ty = value.ty.clone().list();
            let condition = condition.map(Box::new);
            Ok(Expr { ty, kind: ExprKind::Comprehension { local, iterable, condition, value: Box::new(value) }, span })
        });
        self.flow = outer;
        result
    }

    /// Declare the variables of a loop: one, or one for each part of a tuple. `reuse`: variables of a statement go on
    /// from one loop to the next.
    pub(super) fn variables(
        &mut self,
        target: &AstAssignTarget,
        over: &AstExpr,
        iterable: Iterable,
        ty: Type,
        reuse: bool,
    ) -> Checked<(LocalId, Iterable)> {
        let targets = match places::target(target) {
            places::Target::Name(name) => {
                self.free_name(name, target.span)?;
                let local = self.loop_variable(name, ty, reuse);
                return Ok((local, iterable));
            }
            places::Target::Tuple(targets) => targets,
            _ => return Err(self.report(target.span, "a loop has a variable", "write `for x in xs`")),
        };
        let (Type::Tuple(parts), Iterable::List(list)) = (&ty, iterable) else {
            let message = format!("{} cannot be unpacked", self.c.type_name(&ty));
            let hint = "write `for i, x in enumerate(xs)`, `for a, b in zip(xs, ys)` or `for key, value in d.items()`";
            return Err(self.report(over.span, message, hint));
        };
        if parts.len() != targets.len() {
            let message = format!("{} variables for {}", targets.len(), self.c.type_name(&ty));
            return Err(self.report(target.span, message, "name one variable for each part"));
        }
        let mut into = Vec::new();
        for (target, part) in targets.iter().zip(parts) {
            let places::Target::Name(name) = places::target(target) else {
                let hint = "give it one name and index it: `pair[0]`";
                return Err(self.report(target.span, "parts are not unpacked further", hint));
            };
            self.free_name(name, target.span)?;
            into.push(self.loop_variable(name, part.clone(), reuse));
        }
        Ok((self.hidden(ty), Iterable::Unpack { list, into }))
    }

    /// A loop variable: with `reuse` the one of this name if it has this type, else a new one.
    fn loop_variable(&mut self, name: &str, ty: Type, reuse: bool) -> LocalId {
        let same = self.lookup(name).filter(|l| reuse && self.locals[*l].ty == ty && !self.open.contains_key(l));
        let local = same.unwrap_or_else(|| self.declare(name, ty));
        self.flow.assigned.insert(local);
        self.flow.present.remove(&local);
        local
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
        let ty = match &list.ty {
            Type::Dict(..) => return self.dict_index(list, index, span),
            Type::Tuple(_) => return self.tuple_index(list, index, span),
            Type::List(inner) => (**inner).clone(),
            Type::Str => Type::Str,
            other => {
                let message = format!("{} has no elements", self.c.type_name(other));
                let hint = match other {
                    Type::Option(_) => self.test_first(),
                    Type::Record(_) => "write `record.field`",
                    Type::Row(_) => "write `row.column`",
                    _ => "`[...]` is for lists and texts",
                };
                return Err(self.report(expr.span, message, hint));
            }
        };
        let index = self.check(index, &Type::Int)?;
        Ok(Expr { ty, kind: ExprKind::Index { list: Box::new(list), index: Box::new(index) }, span })
    }

    pub(super) fn bound(&mut self, bound: Option<&AstExpr>) -> Checked<Option<Box<Expr>>> {
        let Some(ast) = bound else { return Ok(None) };
        Ok(Some(Box::new(self.check(ast, &Type::Int)?)))
    }
}
