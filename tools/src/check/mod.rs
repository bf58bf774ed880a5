//! From syntax tree to [`Suite`]: names, types, flow and the declared meaning of tools. Every fault is reported with a
//! place and a hint, and checking goes on after one, so that an author sees them together.
//!
//! Order: names of the whole file first (so declarations may refer to later ones), then constants, enums, parameters,
//! columns, derived columns, records, signatures, bodies, tools.

mod arguments;
mod assign;
mod body;
mod calls;
mod coerce;
mod columns;
mod constants;
mod declarations;
mod dicts;
mod docs;
mod elements;
mod expressions;
mod finds;
mod flow;
mod format;
mod functions;
mod goals;
mod lists;
mod methods;
pub(crate) mod names;
mod numbers;
mod one_of;
mod operators;
mod order;
mod places;
mod predeclared;
mod records;
mod room;
mod statements;
mod tables;
mod texts;
mod tools;
mod types;
mod whole;

use crate::error::Diagnostic;
use crate::suite::Suite;
use crate::syntax::{self, Diagnostics, Lines, Reported};
use crate::tree::{Literal, Parameter};
use crate::types::{EnumId, FunctionId, ParameterId, RecordId, Span, TableId, Type};
use indexmap::IndexMap;
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstExpr, AstStmt, DefP, ExprP, StmtP};
use std::collections::BTreeSet;

/// A result whose error was already reported.
type Checked<T> = Result<T, Reported>;
type Def = DefP<starlark_syntax::syntax::ast::AstNoPayload>;

/// Check a suite file. `file` is only used in messages.
///
/// # Errors
/// All faults found, ordered by place; at most 100.
pub fn parse_suite(file: &str, source: &str) -> Result<Suite, Vec<Diagnostic>> {
    let lines = Lines::new(source);
    let mut diagnostics = Diagnostics::new(file);
    let Some(parsed) = syntax::parse(file, source, &lines, &mut diagnostics) else {
        return Err(diagnostics.into_sorted());
    };
    let mut checker = Checker::new(file, &lines, diagnostics);
    checker.formats = parsed.formats;
    checker.check(&parsed.statements);
    if checker.diagnostics.is_empty() { Ok(checker.suite) } else { Err(checker.diagnostics.into_sorted()) }
}

/// What a name at the top of the file stands for.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Parameter(ParameterId),
    Constant(Constant),
    Enum(EnumId),
    Record(RecordId),
    Table(TableId),
    Function(FunctionId),
    /// A declaration with a fault: its uses are not reported again.
    Broken,
}

/// A constant of the file.
#[derive(Clone, Debug, PartialEq)]
enum Constant {
    Literal(Literal),
    List(Vec<Constant>),
    Dict(Vec<(Constant, Constant)>),
}

/// What callers know of a function.
#[derive(Clone, Debug)]
struct Signature {
    name: String,
    parameters: Vec<Parameter>,
    returns: Type,
    /// The signature has a fault: calls are not checked.
    broken: bool,
}

/// Declarations of one kind, in file order: name, its place, and the call or definition.
struct Declared<'a> {
    suites: Vec<&'a AstExpr>,
    constants: Vec<(String, &'a AstExpr)>,
    parameters: Vec<(String, &'a AstExpr)>,
    enums: Vec<(String, &'a AstExpr)>,
    records: Vec<(String, &'a AstExpr)>,
    tables: Vec<(String, &'a AstExpr)>,
    functions: Vec<&'a Def>,
    tools: Vec<&'a AstExpr>,
}

struct Checker<'s> {
    lines: &'s Lines<'s>,
    diagnostics: Diagnostics,
    /// Format specifications of f-strings, by byte offset.
    formats: Vec<(usize, String)>,
    suite: Suite,
    items: IndexMap<String, Item>,
    signatures: Vec<Signature>,
    /// Derived columns whose type is not known yet.
    pending: BTreeSet<(TableId, usize)>,
    /// Columns with a fault: their uses are not reported again.
    broken: BTreeSet<(TableId, usize)>,
    /// Records with a faulty field.
    broken_records: BTreeSet<RecordId>,
}

impl<'s> Checker<'s> {
    fn new(file: &str, lines: &'s Lines<'s>, diagnostics: Diagnostics) -> Self {
        let suite = Suite {
            name: String::new(),
            title: String::new(),
            domain: String::new(),
            policy: String::new(),
            files: vec![file.to_owned()],
            parameters: Vec::new(),
            enums: Vec::new(),
            records: Vec::new(),
            tables: Vec::new(),
            functions: Vec::new(),
            tools: Vec::new(),
        };
        Checker {
            lines,
            diagnostics,
            formats: Vec::new(),
            suite,
            items: IndexMap::new(),
            signatures: Vec::new(),
            pending: BTreeSet::new(),
            broken: BTreeSet::new(),
            broken_records: BTreeSet::new(),
        }
    }

    fn place(&self, span: AstSpan) -> Span {
        self.lines.span(span.begin().get() as usize)
    }

    fn report(&mut self, span: AstSpan, message: impl Into<String>, hint: impl Into<String>) -> Reported {
        let place = self.place(span);
        self.diagnostics.report(place, message, hint)
    }

    fn check(&mut self, statements: &[AstStmt]) {
        let declared = self.collect(statements);
        self.constants(&declared.constants);
        self.enums(&declared.enums);
        self.parameters(&declared.parameters);
        self.suite_call(&declared.suites, statements);
        let derived = self.tables(&declared.tables);
        self.derived_columns(&derived);
        self.records(&declared.records);
        self.signatures(&declared.functions);
        self.functions(&declared.functions);
        self.tools(&declared.tools);
        self.whole_suite();
    }

    /// Sort the top-level statements by kind and enter their names.
    fn collect<'a>(&mut self, statements: &'a [AstStmt]) -> Declared<'a> {
        let mut declared = Declared {
            suites: Vec::new(),
            constants: Vec::new(),
            parameters: Vec::new(),
            enums: Vec::new(),
            records: Vec::new(),
            tables: Vec::new(),
            functions: Vec::new(),
            tools: Vec::new(),
        };
        for (index, statement) in statements.iter().enumerate() {
            self.collect_one(index, statement, &mut declared);
        }
        declared
    }

    fn collect_one<'a>(&mut self, index: usize, statement: &'a AstStmt, declared: &mut Declared<'a>) {
        match &statement.node {
            StmtP::Def(def) => {
                let name = def.name.node.ident.clone();
                let item = Item::Function(declared.functions.len());
                if self.enter(def.name.span, &name, item) {
                    declared.functions.push(def);
                }
            }
            StmtP::Assign(assign) => {
                let places::Target::Name(name) = places::target(&assign.lhs) else {
                    self.report(
                        assign.lhs.span,
                        "at the top of a file only names are assigned",
                        "write `NAME = ...`, one name a line",
                    );
                    return;
                };
                let name = name.to_owned();
                let value = &assign.rhs;
                let (item, list) = match called_name(value) {
                    Some("parameter") => (Item::Parameter(declared.parameters.len()), &mut declared.parameters),
                    Some("enum") => (Item::Enum(declared.enums.len()), &mut declared.enums),
                    Some("record") => (Item::Record(declared.records.len()), &mut declared.records),
                    Some("table") => (Item::Table(declared.tables.len()), &mut declared.tables),
                    _ => (Item::Broken, &mut declared.constants),
                };
                if self.enter(assign.lhs.span, &name, item) {
                    list.push((name, value));
                }
            }
            StmtP::Expression(call) => match called_name(call) {
                Some("suite") => declared.suites.push(call),
                Some("tool") => declared.tools.push(call),
                Some(name @ ("table" | "enum" | "record" | "parameter")) => {
                    let hint = format!("write `name = {name}(...)`");
                    self.report(call.span, format!("this {name} has no name"), hint);
                }
                _ if index == 0 && places::string(call).is_some() => {}
                Some(name) => {
                    let hint = "calls at the top of a file are `suite(...)` and `tool(...)`";
                    self.report(call.span, format!("`{name}(...)` does nothing here"), hint);
                }
                None => {
                    self.report(call.span, "this expression does nothing here", "remove it");
                }
            },
            StmtP::Load(_) => {
                self.report(statement.span, "`load` is not offered yet", "keep the whole suite in one file");
            }
            StmtP::If(..) | StmtP::IfElse(..) | StmtP::For(_) => {
                let hint = "declarations are data; what varies between worlds is a `parameter(...)`";
                self.report(statement.span, "the top of a file holds declarations only", hint);
            }
            StmtP::Pass => {}
            _ => {
                self.report(statement.span, "the top of a file holds declarations only", "move this into a function");
            }
        }
    }

    /// Enter a top-level name; false if it is taken or predeclared.
    fn enter(&mut self, span: AstSpan, name: &str, item: Item) -> bool {
        if names::PREDECLARED.contains(&name) || names::RESERVED.contains(&name) {
            self.report(
                span,
                format!("`{name}` is predeclared"),
                format!("choose another name, for example `{name}_value`"),
            );
            return false;
        }
        if self.items.contains_key(name) {
            self.report(span, format!("`{name}` is declared twice"), "rename or remove one of the two");
            return false;
        }
        self.items.insert(name.to_owned(), item);
        true
    }
}

/// `f` of `f(...)`.
fn called_name(expr: &AstExpr) -> Option<&str> {
    match &expr.node {
        ExprP::Call(function, _) => places::identifier(function),
        _ => None,
    }
}
