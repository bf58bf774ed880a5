//! Dicts and tuples: literals, comprehensions, lookups, methods, `enumerate`, `zip`, `dict` and `unique`.

use super::arguments::Arguments;
use super::body::{Body, OpenKind};
use super::lists::{Clause, For};
use super::{Checked, names, places};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Iterable, Literal, Otherwise};
use crate::types::{Span, Type};
use starlark_syntax::codemap::Spanned;
use starlark_syntax::syntax::ast::AstExpr;

/// Methods of dicts, for suggestions.
const DICT_METHODS: [&str; 4] = ["get", "items", "keys", "values"];
/// Greatest start of `enumerate`.
const START_MAX: i64 = 1 << 53;

impl Body<'_, '_> {
    /// `(a, b)`.
    pub(super) fn tuple(&mut self, parts: &[AstExpr], want: Option<&Type>, span: Span) -> Checked<Expr> {
        let wanted = match want {
            Some(Type::Tuple(wanted)) if wanted.len() == parts.len() => Some(wanted),
            _ => None,
        };
        let mut checked = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            checked.push(match wanted {
                Some(wanted) => self.check(part, &wanted[i]),
                None => self.infer(part, None),
            });
        }
        let parts = checked.into_iter().collect::<Checked<Vec<_>>>()?;
        if let Some(part) = parts.iter().find(|part| part.ty == Type::Unit) {
            return Err(self.c.diagnostics.report(
                part.span,
                "this call gives no value",
                "call it on a line of its own",
            ));
        }
        Ok(self.tuple_of(parts, span))
    }

    fn tuple_of(&self, parts: Vec<Expr>, span: Span) -> Expr {
        let ty = Type::Tuple(parts.iter().map(|part| part.ty.clone()).collect());
        Expr { ty, kind: ExprKind::Tuple(parts), span }
    }

    /// A part of a tuple.
    pub(super) fn tuple_part(tuple: Expr, index: usize) -> Expr {
        let ty = match &tuple.ty {
            Type::Tuple(parts) => parts.get(index).cloned().unwrap_or(Type::Unit),
            _ => Type::Unit,
        };
        let span = tuple.span;
        Expr { ty, kind: ExprKind::Part { tuple: Box::new(tuple), index }, span }
    }

    /// `tuple[0]`.
    pub(super) fn tuple_index(&mut self, tuple: Expr, index: &AstExpr, span: Span) -> Checked<Expr> {
        let Type::Tuple(parts) = &tuple.ty else { return Err(Reported) };
        let count = parts.len() as i64;
        let index = self.c.whole(index, "the index of a tuple", -count, count - 1)?;
        let index = if index < 0 { index + count } else { index };
        Ok(Expr { span, ..Self::tuple_part(tuple, index as usize) })
    }

    /// `{key: value}`.
    pub(super) fn dict(
        &mut self,
        expr: &AstExpr,
        entries: &[(AstExpr, AstExpr)],
        want: Option<&Type>,
    ) -> Checked<Expr> {
        let span = self.at(expr.span);
        let (mut key_type, mut value_type) = wanted(want);
        if entries.is_empty() {
            let (Some(key), Some(value)) = (key_type, value_type) else {
                let hint = "write `d: dict[K, V] = {}`";
                return Err(self.report(expr.span, "the type of this dict is not known", hint));
            };
            let pairs = Type::Tuple(vec![key.clone(), value.clone()]).list();
            let pairs = Expr { ty: pairs, kind: ExprKind::List(Vec::new()), span };
            return Ok(Expr {
                ty: Type::Dict(Box::new(key), Box::new(value)),
                kind: ExprKind::DictOf(Box::new(pairs)),
                span,
            });
        }
        let mut pairs = Vec::new();
        for (key, value) in entries {
            let key = self.key(key, key_type.as_ref())?;
            let value = match &value_type {
                Some(ty) => self.check(value, ty)?,
                None => self.element(value, None)?,
            };
            key_type.get_or_insert(key.ty.clone());
            value_type.get_or_insert(value.ty.clone());
            pairs.push((key, value));
        }
        self.dict_of_pairs(pairs, span)
    }

    /// The dict of pairs that have one type.
    pub(super) fn dict_of_pairs(&mut self, pairs: Vec<(Expr, Expr)>, span: Span) -> Checked<Expr> {
        let Some((key, value)) = pairs.first() else { return Err(Reported) };
        let pair = Type::Tuple(vec![key.ty.clone(), value.ty.clone()]);
        let ty = Type::Dict(Box::new(key.ty.clone()), Box::new(value.ty.clone()));
        let pairs = pairs.into_iter().map(|(key, value)| {
            let span = key.span;
            self.tuple_of(vec![key, value], span)
        });
        let pairs = Expr { ty: pair.list(), kind: ExprKind::List(pairs.collect()), span };
        Ok(Expr { ty, kind: ExprKind::DictOf(Box::new(pairs)), span })
    }

    /// `{key: value for ...}`.
    pub(super) fn dict_comprehension(
        &mut self,
        key: &AstExpr,
        value: &AstExpr,
        each: &For,
        clauses: &[Clause],
        want: Option<&Type>,
        span: Span,
    ) -> Checked<Expr> {
        let (key_type, value_type) = wanted(want);
        let pairs = self.comprehension(each, clauses, span, &|b| {
            let key = b.key(key, key_type.as_ref())?;
            let value = b.element(value, value_type.as_ref())?;
            Ok(b.tuple_of(vec![key, value], span))
        })?;
        self.dict_from(pairs, span)
    }

    /// The dict of a list of pairs.
    fn dict_from(&mut self, pairs: Expr, span: Span) -> Checked<Expr> {
        if let Type::List(pair) = &pairs.ty
            && let Type::Tuple(parts) = &**pair
            && let [key, value] = parts.as_slice()
            && key.is_key()
        {
            let ty = Type::Dict(Box::new(key.clone()), Box::new(value.clone()));
            return Ok(Expr { ty, kind: ExprKind::DictOf(Box::new(pairs)), span });
        }
        let message = format!("`dict` takes a list of key-value pairs, not {}", self.c.type_name(&pairs.ty));
        let hint = "write `{x.id: x for x in xs}` or `dict(zip(keys, values))`";
        Err(self.c.diagnostics.report(span, message, hint))
    }

    /// The key of an entry; a row stands for its key.
    pub(super) fn key(&mut self, key: &AstExpr, want: Option<&Type>) -> Checked<Expr> {
        if let Some(want) = want {
            return self.check(key, want);
        }
        let found = self.infer(key, None)?;
        let Type::Dict(ty, _) = self.c.dict_type(found.ty.clone(), Type::Int, key.span)? else { return Err(Reported) };
        self.fit(found, &ty)
    }

    /// `dict[key]`.
    pub(super) fn dict_index(&mut self, dict: Expr, key: &AstExpr, span: Span) -> Checked<Expr> {
        let Type::Dict(key_type, value) = &dict.ty else { return Err(Reported) };
        let (key_type, ty) = ((**key_type).clone(), (**value).clone());
        let key = Box::new(self.check(key, &key_type)?);
        Ok(Expr { ty, kind: ExprKind::Lookup { dict: Box::new(dict), key, otherwise: Otherwise::Fail }, span })
    }

    /// `dict.method(...)`.
    pub(super) fn dict_method(
        &mut self,
        expr: &AstExpr,
        dict: Expr,
        method: &Spanned<String>,
        mut arguments: Arguments<'_>,
    ) -> Checked<Expr> {
        let span = self.at(expr.span);
        let Type::Dict(key_type, value_type) = dict.ty.clone() else { return Err(Reported) };
        match method.node.as_str() {
            "get" => {
                let Some(key) = arguments.next() else {
                    return Err(self.report(expr.span, "`get` needs a key", "write `d.get(key, default)`"));
                };
                let key = Box::new(self.check(key, &key_type)?);
                let default = arguments.either("default");
                self.c.no_more(&arguments, &["default"]);
                let (ty, otherwise) = match default {
                    Some(default) if !places::is_none(default) => {
                        let default = self.check(default, &value_type)?;
                        (*value_type, Otherwise::Value(Box::new(default)))
                    }
                    _ if matches!(*value_type, Type::Option(_)) => {
                        let hint = "give a default: `d.get(key, None)` cannot be told from a None that is there; test `key in d`";
                        return Err(self.report(expr.span, "the values of this dict may be None themselves", hint));
                    }
                    _ => (value_type.option(), Otherwise::None),
                };
                Ok(Expr { ty, kind: ExprKind::Lookup { dict: Box::new(dict), key, otherwise }, span })
            }
            "items" | "keys" | "values" => {
                self.c.no_more(&arguments, &[]);
                let items = Self::items(dict, span);
                Ok(match method.node.as_str() {
                    "items" => items,
                    "keys" => self.column_of(items, 0),
                    _ => self.column_of(items, 1),
                })
            }
            "copy" => {
                self.c.no_more(&arguments, &[]);
                Ok(dict)
            }
            name => {
                let hint = match name {
                    "setdefault" => "write `if key not in d:` and `d[key] = value`; for lists `d.setdefault(key, []).append(x)` stands on a line of its own".to_owned(),
                    "pop" | "popitem" | "clear" => "build the dict you want: `{k: v for k, v in d.items() if ..}`".to_owned(),
                    "update" => "write `for k, v in other.items():` and `d[k] = v`".to_owned(),
                    "has_key" => "write `key in d`".to_owned(),
                    "iteritems" => "write `d.items()`".to_owned(),
                    _ => names::did_you_mean(name, DICT_METHODS),
                };
                let message = format!("{} has no method `{name}`", self.c.type_name(&dict.ty));
                Err(self.report(method.span, message, hint))
            }
        }
    }

    fn items(dict: Expr, span: Span) -> Expr {
        let ty = match &dict.ty {
            Type::Dict(key, value) => Type::Tuple(vec![(**key).clone(), (**value).clone()]).list(),
            _ => Type::Unit,
        };
        Expr { ty, kind: ExprKind::Items(Box::new(dict)), span }
    }

    /// The list of one part of each tuple of a list.
    fn column_of(&mut self, tuples: Expr, index: usize) -> Expr {
        let span = tuples.span;
        let Type::List(tuple) = tuples.ty.clone() else { return tuples };
        let local = self.hidden((*tuple).clone());
        let value = Self::tuple_part(Expr { ty: *tuple, kind: ExprKind::Local(local), span }, index);
        let ty = value.ty.clone().list();
        let iterable = Iterable::List(Box::new(tuples));
        Expr { ty, kind: ExprKind::Comprehension { local, iterable, condition: None, value: Box::new(value) }, span }
    }

    /// What runs over a value gets: the keys of a dict, else the value.
    pub(super) fn iterated(&mut self, value: Expr) -> Expr {
        if !matches!(value.ty, Type::Dict(..)) {
            return value;
        }
        let span = value.span;
        let items = Self::items(value, span);
        self.column_of(items, 0)
    }

    /// `enumerate(xs, start)`.
    pub(super) fn enumerate(&mut self, mut arguments: Arguments<'_>) -> Checked<Expr> {
        let span = self.at(arguments.span);
        let start =
            if arguments.positional.len() > 1 { Some(arguments.positional.remove(1)) } else { arguments.take("start") };
        let start = start.map(|s| self.c.whole(s, "the start of `enumerate`", -START_MAX, START_MAX)).transpose()?;
        let ast = self.only(&mut arguments, "enumerate(xs)")?;
        let list = self.infer(ast, None)?;
        let list = self.iterated(list);
        let Type::List(element) = &list.ty else { return Err(self.no_list("enumerate", &list, ast)) };
        let ty = Type::Tuple(vec![Type::Int, (**element).clone()]).list();
        let kind = ExprKind::Enumerate { list: Box::new(list), start: start.unwrap_or(0) };
        Ok(Expr { ty, kind, span })
    }

    /// `zip(xs, ys)`.
    pub(super) fn zip(&mut self, arguments: Arguments<'_>) -> Checked<Expr> {
        let span = self.at(arguments.span);
        self.c.no_more(&Arguments { positional: Vec::new(), ..arguments.clone() }, &[]);
        if arguments.positional.len() < 2 {
            return Err(self.report(arguments.span, "`zip` takes several lists", "write `zip(xs, ys)`"));
        }
        let (mut lists, mut parts) = (Vec::new(), Vec::new());
        for ast in arguments.positional {
            let list = self.infer(ast, None)?;
            let list = self.iterated(list);
            let Type::List(element) = &list.ty else { return Err(self.no_list("zip", &list, ast)) };
            parts.push((**element).clone());
            lists.push(list);
        }
        Ok(Expr { ty: Type::Tuple(parts).list(), kind: ExprKind::Zip(lists), span })
    }

    fn no_list(&mut self, name: &str, found: &Expr, ast: &AstExpr) -> Reported {
        let message = format!("`{name}` takes a list, not {}", self.c.type_name(&found.ty));
        self.report(ast.span, message, "")
    }

    /// `dict(pairs)`; `dict()` is `{}`.
    pub(super) fn dict_call(
        &mut self,
        expr: &AstExpr,
        mut arguments: Arguments<'_>,
        want: Option<&Type>,
    ) -> Checked<Expr> {
        if arguments.positional.is_empty() && arguments.named.is_empty() {
            return self.dict(expr, &[], want);
        }
        if let Some(named) = arguments.named.first() {
            let hint = format!("write `{{\"{}\": ..}}`", named.name);
            return Err(self.report(named.span, "`dict` takes no named arguments", hint));
        }
        let span = self.at(expr.span);
        let pairs = self.only(&mut arguments, "dict(zip(keys, values))")?;
        let pairs = self.infer(pairs, None)?;
        if matches!(pairs.ty, Type::Dict(..)) {
            return Ok(pairs);
        }
        self.dict_from(pairs, span)
    }

    /// `unique(xs)`: each value once, in the order in which they came.
    pub(super) fn unique(&mut self, mut arguments: Arguments<'_>, want: Option<&Type>) -> Checked<Expr> {
        let span = self.at(arguments.span);
        let ast = self.only(&mut arguments, "unique(xs)")?;
        let list = self.infer(ast, want)?;
        let list = self.iterated(list);
        let Type::List(element) = &list.ty else { return Err(self.no_list("unique", &list, ast)) };
        let element = (**element).clone();
        self.c.dict_type(element.clone(), Type::Bool, ast.span)?;
        let local = self.hidden(element.clone());
        let item = Expr { ty: element.clone(), kind: ExprKind::Local(local), span };
        let key = if let Type::Row(table) = element { self.fit(item, &Type::Key(table))? } else { item };
        let yes = Expr { ty: Type::Bool, kind: ExprKind::Literal(Literal::Bool(true)), span };
        let value = Box::new(self.tuple_of(vec![key, yes], span));
        let ty = value.ty.clone().list();
        let iterable = Iterable::List(Box::new(list));
        let pairs = Expr { ty, kind: ExprKind::Comprehension { local, iterable, condition: None, value }, span };
        let dict = self.dict_from(pairs, span)?;
        Ok(self.iterated(dict))
    }

    /// `d.get(key, []) + list` of a dict whose type is not known yet says what it holds.
    pub(super) fn settle_lists(&mut self, dict: &AstExpr, key: &AstExpr, list: &AstExpr) {
        let Some(local) = places::identifier(dict).and_then(|n| self.lookup(n)) else { return };
        if self.open.get(&local).is_none_or(|open| open.kind != OpenKind::Dict) {
            return;
        }
        let (Ok(key), Ok(list)) = (self.key(key, None), self.infer(list, None)) else { return };
        if matches!(list.ty, Type::List(_)) {
            self.settle(local, Type::Dict(Box::new(key.ty), Box::new(list.ty)));
        }
    }

    /// `d.get(key, default)` of a dict whose type is not known yet says what it holds.
    pub(super) fn settle_get(&mut self, object: &AstExpr, name: &str, arguments: &Arguments<'_>) {
        let Some(local) = places::identifier(object).and_then(|n| self.lookup(n)) else { return };
        if self.open.get(&local).is_none_or(|open| open.kind != OpenKind::Dict) || name != "get" {
            return;
        }
        let [key, default] = arguments.positional.as_slice() else { return };
        let (Ok(key), Ok(default)) = (self.key(key, None), self.infer(default, None)) else { return };
        self.settle(local, Type::Dict(Box::new(key.ty), Box::new(default.ty)));
    }
}

/// Types of keys and values that a wanted dict has.
fn wanted(want: Option<&Type>) -> (Option<Type>, Option<Type>) {
    match want {
        Some(Type::Dict(key, value)) => (Some((**key).clone()), Some((**value).clone())),
        _ => (None, None),
    }
}
