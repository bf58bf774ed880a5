//! Rules by tools: a declared condition evaluated on what results show. Columns are looked up, rows are listed and filtered; the
//! host's rows and their evaluator are never asked.

use crate::solve::filter::Filter;
use crate::solve::known::Found;
use crate::solve::query::order;
use crate::solve::toolbox::Toolbox;
use crate::tasks::goal::Test;
use crate::tasks::reject::{Verdict, reject};
use std::collections::{BTreeMap, BTreeSet};
use terrarium_tools::tree::{BinaryOp, Expr, ExprKind, Iterable};
use terrarium_tools::types::{LocalId, TableId};
use terrarium_tools::value::Value;
use terrarium_tools::visit::children;

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
enum Judged {
    Value(Value),
    Row(TableId, String),
    List(Vec<Judged>),
}

/// What the expression's variables stand for, and the calls looked at so far.
pub struct Scope<'a> {
    /// The tool's arguments by parameter; those the prompt does not mention are `None` values.
    pub arguments: &'a BTreeMap<LocalId, Value>,
    /// The world's date, as the system message states it.
    pub today: i32,
    /// Calls that the value rests on.
    pub calls: BTreeSet<usize>,
    rows: BTreeMap<LocalId, (TableId, String)>,
}

impl<'a> Scope<'a> {
    /// Nothing looked at yet.
    pub fn new(arguments: &'a BTreeMap<LocalId, Value>, today: i32) -> Self {
        Scope { arguments, today, calls: BTreeSet::new(), rows: BTreeMap::new() }
    }
}

/// The arguments that an expression mentions.
pub fn mentioned(expr: &Expr, parameters: usize) -> BTreeSet<LocalId> {
    let mut found = BTreeSet::new();
    walk(expr, &mut |e| {
        if let ExprKind::Local(local) = e.kind
            && local < parameters
        {
            found.insert(local);
        }
    });
    found
}

fn walk(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    for child in children(expr) {
        walk(child, visit);
    }
}

fn unjudgeable<T>(what: &str) -> Verdict<T> {
    reject("unjudgeable", what)
}

impl Toolbox<'_> {
    /// The value of an expression; of a list of records, their keys.
    ///
    /// # Errors
    /// `unjudgeable` for what this planner does not work out, `unreachable` and `too_long` as for descriptions.
    pub fn judge(&mut self, expr: &Expr, scope: &mut Scope<'_>) -> Verdict<Value> {
        let judged = self.judged(expr, scope)?;
        Ok(plain(judged))
    }

    fn judged(&mut self, expr: &Expr, scope: &mut Scope<'_>) -> Verdict<Judged> {
        let value = match &expr.kind {
            ExprKind::Literal(literal) => Value::from(literal),
            ExprKind::Parameter(parameter) => Value::from(&self.surface.parameters[*parameter]),
            ExprKind::Today => Value::Date(scope.today),
            ExprKind::Local(local) => {
                if let Some((table, key)) = scope.rows.get(local) {
                    return Ok(Judged::Row(*table, key.clone()));
                }
                scope.arguments.get(local).cloned().unwrap_or(Value::None)
            }
            ExprKind::Column { row, table, column } => {
                let Judged::Row(_, key) = self.judged(row, scope)? else { return unjudgeable("a column of no row") };
                if *column == 0 {
                    Value::Key(key)
                } else {
                    let (value, call) = self.column(*table, &key, *column)?;
                    scope.calls.insert(call);
                    value
                }
            }
            ExprKind::Get { table, key } | ExprKind::Find { table, key } => {
                return match self.judge(key, scope)? {
                    Value::Key(key) => Ok(Judged::Row(*table, key)),
                    _ => unjudgeable("a row without a key"),
                };
            }
            ExprKind::RowKey(inner) | ExprKind::Some(inner) | ExprKind::Unwrap(inner) => {
                return self.judged(inner, scope);
            }
            ExprKind::IsNone(inner) => Value::Bool(self.judge(inner, scope)? == Value::None),
            ExprKind::Not(inner) => Value::Bool(!self.truth(inner, scope)?),
            ExprKind::And(left, right) => Value::Bool(self.truth(left, scope)? && self.truth(right, scope)?),
            ExprKind::Or(left, right) => Value::Bool(self.truth(left, scope)? || self.truth(right, scope)?),
            ExprKind::Conditional { condition, then, otherwise } => {
                let branch = if self.truth(condition, scope)? { then } else { otherwise };
                return self.judged(branch, scope);
            }
            ExprKind::Binary { op, left, right } => {
                let (left, right) = (self.judge(left, scope)?, self.judge(right, scope)?);
                return Ok(Judged::Value(operate(*op, &left, &right)?));
            }
            ExprKind::Percent { value, percent } => {
                let Value::Int(percent) = self.judge(percent, scope)? else { return unjudgeable("a percentage") };
                let part = |n: i64| {
                    let hundredfold = i128::from(n) * i128::from(percent);
                    let away = if hundredfold < 0 { -50 } else { 50 };
                    ((hundredfold + away) / 100) as i64
                };
                match self.judge(value, scope)? {
                    Value::Int(n) => Value::Int(part(n)),
                    Value::Money(cents) => Value::Money(part(cents)),
                    _ => return unjudgeable("a percentage of something else"),
                }
            }
            ExprKind::Len(list) => Value::Int(self.items(list, scope)?.len() as i64),
            ExprKind::AnyAll { list, all } => {
                let items = match &list.kind {
                    ExprKind::Comprehension { local, iterable: Iterable::Table(table), condition, value } if !all => {
                        match self.comprehension(*local, *table, condition.as_deref(), value, true, scope)? {
                            Judged::List(items) => items,
                            _ => return unjudgeable("a list"),
                        }
                    }
                    _ => self.items(list, scope)?,
                };
                let truths: Vec<bool> = items.into_iter().map(|i| plain(i) == Value::Bool(true)).collect();
                Value::Bool(if *all { truths.iter().all(|t| *t) } else { truths.iter().any(|t| *t) })
            }
            ExprKind::Comprehension { local, iterable: Iterable::Table(table), condition, value } => {
                return self.comprehension(*local, *table, condition.as_deref(), value, false, scope);
            }
            ExprKind::List(items) => {
                let items = items.iter().map(|i| self.judged(i, scope)).collect::<Verdict<Vec<Judged>>>()?;
                return Ok(Judged::List(items));
            }
            ExprKind::InList { item, list } => {
                let item = self.judge(item, scope)?;
                Value::Bool(self.items(list, scope)?.into_iter().any(|i| plain(i) == item))
            }
            _ => return unjudgeable("an expression of another kind"),
        };
        Ok(Judged::Value(value))
    }

    fn truth(&mut self, expr: &Expr, scope: &mut Scope<'_>) -> Verdict<bool> {
        match self.judge(expr, scope)? {
            Value::Bool(truth) => Ok(truth),
            _ => unjudgeable("a condition without truth"),
        }
    }

    fn items(&mut self, expr: &Expr, scope: &mut Scope<'_>) -> Verdict<Vec<Judged>> {
        match self.judged(expr, scope)? {
            Judged::List(items) => Ok(items),
            _ => unjudgeable("a list"),
        }
    }

    /// `[value for local in table if condition]`: listed under what the condition asks for, then filtered. With `only_true`, rows
    /// for which the value is false may be left out.
    fn comprehension(
        &mut self,
        local: LocalId,
        table: TableId,
        condition: Option<&Expr>,
        value: &Expr,
        only_true: bool,
        scope: &mut Scope<'_>,
    ) -> Verdict<Judged> {
        let mut terms = Vec::new();
        if let Some(condition) = condition {
            conjuncts(condition, &mut terms);
        }
        let mut sought = terms.clone();
        if only_true {
            conjuncts(value, &mut sought);
        }
        let mut filters: Vec<(usize, Filter)> = Vec::new();
        for (position, term) in sought.iter().enumerate() {
            if let Some(filter) = self.filter(local, term, scope)? {
                filters.push((position, filter));
            }
        }
        let mut wanted = BTreeSet::new();
        for term in &sought {
            walk(term, &mut |e| {
                if let ExprKind::Column { row, table: t, column } = &e.kind
                    && *t == table
                    && matches!(row.kind, ExprKind::Local(l) if l == local)
                {
                    wanted.insert(*column);
                }
            });
        }
        wanted.remove(&0);
        let given: Vec<Filter> = filters.iter().map(|(_, f)| f.clone()).collect();
        let listing = self.search(table, &given, &wanted)?;
        scope.calls.extend(&listing.found.calls);
        let applied: BTreeSet<usize> =
            listing.applied.iter().filter_map(|at| filters.get(*at)).map(|(position, _)| *position).collect();
        let mut items = Vec::new();
        for key in listing.found.keys {
            scope.rows.insert(local, (table, key));
            let mut holds = true;
            for (position, term) in terms.iter().enumerate() {
                if !applied.contains(&position) && !self.truth(term, scope)? {
                    holds = false;
                    break;
                }
            }
            if !holds {
                continue;
            }
            let mut item = None;
            if sought.len() > terms.len() {
                let mut truth = true;
                for (position, term) in sought.iter().enumerate().skip(terms.len()) {
                    if !applied.contains(&position) && !self.truth(term, scope)? {
                        truth = false;
                        break;
                    }
                }
                item = Some(Judged::Value(Value::Bool(truth)));
            }
            items.push(match item {
                Some(item) => item,
                None => self.judged(value, scope)?,
            });
        }
        scope.rows.remove(&local);
        Ok(Judged::List(items))
    }

    /// The filter that a term `row.column == value` makes for a listing: only keys, and values that the prompt states or words for.
    fn filter(&mut self, local: LocalId, term: &Expr, scope: &mut Scope<'_>) -> Verdict<Option<Filter>> {
        let ExprKind::Binary { op: BinaryOp::Equal, left, right } = &term.kind else { return Ok(None) };
        let column_of = |e: &Expr| match &bare(e).kind {
            ExprKind::Column { row, column, .. } if matches!(row.kind, ExprKind::Local(l) if l == local) => {
                Some(*column)
            }
            _ => None,
        };
        let (column, other) = match (column_of(left), column_of(right)) {
            (Some(column), None) => (column, right),
            (None, Some(column)) => (column, left),
            _ => return Ok(None),
        };
        let mut own_row = false;
        walk(other, &mut |e| own_row |= matches!(e.kind, ExprKind::Local(l) if l == local));
        if own_row {
            return Ok(None);
        }
        let mut inner = Scope::new(scope.arguments, scope.today);
        inner.rows.clone_from(&scope.rows);
        let value = self.judge(other, &mut inner)?;
        scope.calls.extend(&inner.calls);
        Ok(match value {
            Value::Key(key) => Some(Filter::Keys(column, Found { keys: vec![key], calls: inner.calls })),
            Value::Enum(_) => Some(Filter::Test(column, Test::Is(value))),
            _ if matches!(bare(other).kind, ExprKind::Local(_)) => Some(Filter::Test(column, Test::Is(value))),
            _ => None,
        })
    }
}

fn plain(judged: Judged) -> Value {
    match judged {
        Judged::Value(value) => value,
        Judged::Row(_, key) => Value::Key(key),
        Judged::List(items) => Value::List(items.into_iter().map(plain).collect()),
    }
}

/// An expression without coercions around it.
fn bare(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Some(inner) | ExprKind::Unwrap(inner) | ExprKind::RowKey(inner) => bare(inner),
        _ => expr,
    }
}

fn conjuncts<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::And(left, right) => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        _ => out.push(expr),
    }
}

fn operate(op: BinaryOp, left: &Value, right: &Value) -> Verdict<Value> {
    let ordered = |wanted: &dyn Fn(std::cmp::Ordering) -> bool| match order(left, right) {
        Some(ordering) => Ok(Value::Bool(wanted(ordering))),
        None => unjudgeable("values without an order"),
    };
    match (op, left, right) {
        (BinaryOp::Equal, ..) => Ok(Value::Bool(left == right)),
        (BinaryOp::NotEqual, ..) => Ok(Value::Bool(left != right)),
        (BinaryOp::Less, ..) => ordered(&std::cmp::Ordering::is_lt),
        (BinaryOp::LessEqual, ..) => ordered(&std::cmp::Ordering::is_le),
        (BinaryOp::Greater, ..) => ordered(&std::cmp::Ordering::is_gt),
        (BinaryOp::GreaterEqual, ..) => ordered(&std::cmp::Ordering::is_ge),
        (BinaryOp::Add, Value::Int(a), Value::Int(b)) => Ok(Value::Int(a + b)),
        (BinaryOp::Subtract, Value::Int(a), Value::Int(b)) => Ok(Value::Int(a - b)),
        (BinaryOp::Add, Value::Money(a), Value::Money(b)) => Ok(Value::Money(a + b)),
        (BinaryOp::Subtract, Value::Money(a), Value::Money(b)) => Ok(Value::Money(a - b)),
        (BinaryOp::Add, Value::Date(a), Value::Int(b)) => Ok(Value::Date(a + *b as i32)),
        (BinaryOp::Subtract, Value::Date(a), Value::Int(b)) => Ok(Value::Date(a - *b as i32)),
        (BinaryOp::Subtract, Value::Date(a), Value::Date(b)) => Ok(Value::Int(i64::from(a - b))),
        (BinaryOp::Multiply, Value::Int(a), Value::Int(b)) => Ok(Value::Int(a * b)),
        (BinaryOp::Multiply, Value::Money(a), Value::Int(b)) => Ok(Value::Money(a * b)),
        (BinaryOp::Multiply, Value::Int(a), Value::Money(b)) => Ok(Value::Money(a * b)),
        _ => unjudgeable("an operator on other values"),
    }
}
