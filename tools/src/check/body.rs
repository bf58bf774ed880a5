//! The state of checking one body (a function, a derived column, or the declared meaning of a tool): locals, scopes,
//! and what is known where.

use super::flow::Flow;
use super::{Checked, Checker, Item, names};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Local};
use crate::types::{FunctionId, LocalId, Span, Type};
use starlark_syntax::codemap::Span as AstSpan;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of body is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function: everything is allowed.
    Function,
    /// A derived column: expressions over a row, no writes, no calls of functions.
    Derived,
    /// `needs` and `effect` of a tool: the same.
    Goal,
}

pub(super) struct Body<'c, 's> {
    pub c: &'c mut Checker<'s>,
    pub kind: Kind,
    pub locals: Vec<Local>,
    /// Names in force, innermost last.
    pub names: Vec<(String, LocalId)>,
    pub flow: Flow,
    /// Depth of loops.
    pub loops: usize,
    pub returns: Type,
    /// Functions called, with the place of the first call.
    pub calls: BTreeMap<FunctionId, Span>,
    /// Whether the body itself writes.
    pub writes: bool,
    /// Locals whose type comes from later use: `xs = []`, `best = None`.
    pub open: BTreeMap<LocalId, Open>,
    /// Locals whose value has a fault: their uses are not reported again.
    pub poisoned: BTreeSet<LocalId>,
    /// Types found for such locals by an earlier pass, by place of the assignment.
    pub known: BTreeMap<Span2, Type>,
    /// Types found in this pass.
    pub found: BTreeMap<Span2, Type>,
}

/// Line and column, ordered.
pub(super) type Span2 = (u32, u32);

/// A local whose type is not known yet.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub at: Span,
    /// What it was set to.
    pub kind: OpenKind,
}

/// A value without a type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenKind {
    /// `None`
    None,
    /// `[]`
    List,
    /// `{}`
    Dict,
}

impl<'c, 's> Body<'c, 's> {
    /// A body whose parameters are given.
    pub fn new(c: &'c mut Checker<'s>, kind: Kind, parameters: Vec<Local>, returns: Type) -> Self {
        let names = parameters.iter().enumerate().map(|(i, l)| (l.name.clone(), i)).collect();
        let flow = Flow::start(parameters.len());
        Body {
            c,
            kind,
            locals: parameters,
            names,
            flow,
            loops: 0,
            returns,
            calls: BTreeMap::new(),
            writes: false,
            open: BTreeMap::new(),
            poisoned: BTreeSet::new(),
            known: BTreeMap::new(),
            found: BTreeMap::new(),
        }
    }

    pub fn report(&mut self, span: AstSpan, message: impl Into<String>, hint: impl Into<String>) -> Reported {
        self.c.report(span, message, hint)
    }

    /// The local a name stands for.
    pub fn lookup(&self, name: &str) -> Option<LocalId> {
        self.names.iter().rev().find(|(n, _)| n == name).map(|(_, id)| *id)
    }

    /// Declare a local; it hides an earlier one of the same name.
    pub fn declare(&mut self, name: &str, ty: Type) -> LocalId {
        self.locals.push(Local { name: name.to_owned(), ty });
        let id = self.locals.len() - 1;
        self.names.push((name.to_owned(), id));
        id
    }

    /// Refuse a variable's name that would hide something of the file or the language.
    pub fn free_name(&mut self, name: &str, span: AstSpan) -> Checked<()> {
        let what = match self.c.items.get(name) {
            Some(Item::Table(_)) => "a table",
            Some(Item::Function(_)) => "a function",
            Some(Item::Parameter(_)) => "a policy parameter",
            Some(_) => "declared at the top of the file",
            None if names::is_taken(name) || name == "money" || name == "date" => "predeclared",
            None => return Ok(()),
        };
        let hint = match what {
            "a table" => format!("call the variable otherwise, for example `{name}_row` or `one_{name}`"),
            "a policy parameter" => "a policy parameter is fixed; use another variable".to_owned(),
            _ => format!("call the variable otherwise, for example `{name}_value`"),
        };
        Err(self.report(span, format!("`{name}` is {what} and cannot be a variable"), hint))
    }

    /// Run with locals of an inner scope; the names declared in it go away.
    pub fn scoped<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let names = self.names.len();
        let result = run(self);
        self.names.truncate(names);
        result
    }

    /// Run under further knowledge, and forget what was learnt inside.
    pub fn knowing<T>(&mut self, present: &[LocalId], run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.flow.clone();
        self.flow = before.with(present);
        let result = run(self);
        self.flow = before;
        result
    }

    /// A name for a variable the author did not write.
    pub fn hidden(&mut self, ty: Type) -> LocalId {
        let name = format!("_{}", self.locals.len());
        self.locals.push(Local { name, ty });
        self.locals.len() - 1
    }

    /// Fix the type of a local whose type was open.
    pub fn settle(&mut self, local: LocalId, ty: Type) {
        if let Some(open) = self.open.remove(&local) {
            self.found.insert((open.at.line, open.at.column), ty.clone());
            self.locals[local].ty = ty;
        }
    }

    /// Report the use of a local whose type is still open.
    pub fn unsettled(&mut self, local: LocalId, open: &Open) -> Reported {
        let name = self.locals[local].name.clone();
        let hint = match open.kind {
            OpenKind::List => format!("write `{name}: list[T] = []` or `{name} = empty(list[T])`"),
            OpenKind::Dict => format!("write `{name}: dict[K, V] = {{}}`"),
            OpenKind::None => format!("write `{name}: option[T] = None`"),
        };
        self.c.diagnostics.report(open.at, format!("the type of `{name}` is not known"), hint)
    }

    /// All names an expression may use, for suggestions.
    pub fn visible(&self) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = self.names.iter().map(|(n, _)| n.clone()).collect();
        all.extend(self.c.items.keys().cloned());
        all.extend(names::PREDECLARED.iter().map(|n| (*n).to_owned()));
        all
    }

    /// Refuse what a declared meaning may not do.
    pub fn only_in_function(&mut self, span: AstSpan, what: &str) -> Checked<()> {
        let place = match self.kind {
            Kind::Function => return Ok(()),
            Kind::Derived => "a derived column",
            Kind::Goal => "the declared meaning of a tool",
        };
        let hint = "state it with expressions over the rows: `table.get(key).column`, comprehensions, comparisons";
        Err(self.report(span, format!("{what} is not allowed in {place}"), hint))
    }

    /// What to do about a value that may be None.
    pub fn test_first(&self) -> &'static str {
        match self.kind {
            Kind::Function => "take it into a variable and test that against None first",
            Kind::Derived | Kind::Goal => {
                "there are no variables here: compare it with `==` and `!=` only, or make the column without `maybe`"
            }
        }
    }

    /// An expression of a local, unwrapped where it is known to be present.
    pub fn local(&mut self, local: LocalId, span: Span) -> Expr {
        let ty = self.locals[local].ty.clone();
        let expr = Expr { ty: ty.clone(), kind: ExprKind::Local(local), span };
        match ty {
            Type::Option(inner) if self.flow.present.contains(&local) => {
                Expr { ty: *inner, kind: ExprKind::Unwrap(Box::new(expr)), span }
            }
            _ => expr,
        }
    }
}
