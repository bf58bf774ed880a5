//! From syntax tree to [`Suite`]: names, types, flow and the declared meaning of tools. Every fault is reported with a
//! place and a hint, and checking goes on after one, so that an author sees them together.
//!
//! A suite is one file and the modules it loads (`modules.rs`), each with names of its own.
//!
//! Order: names of all files first (so declarations may refer to later ones), then constants, enums, parameters,
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
mod modules;
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
use crate::syntax::{Diagnostics, Reported};
use crate::tree::{Literal, Parameter};
use crate::types::{EnumId, FunctionId, ParameterId, RecordId, Span, TableId, Type};
use indexmap::IndexMap;
use modules::File;
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{AstExpr, AstStmt, DefP, ExprP, StmtP};
use std::collections::BTreeSet;

/// A result whose error was already reported.
type Checked<T> = Result<T, Reported>;
type Def = DefP<starlark_syntax::syntax::ast::AstNoPayload>;

/// Check a suite that loads no module. `file` is only used in messages.
///
/// # Errors
/// All faults found, ordered by place; at most 100.
pub fn parse_suite(file: &str, source: &str) -> Result<Suite, Vec<Diagnostic>> {
    parse_suite_with(file, source, &|_| None)
}

/// Check a suite and the modules it loads. `modules` finds the text of a module by the path that `load` names; paths are
/// those of the library or relative to a folder, as the caller likes.
///
/// # Errors
/// All faults found, ordered by file and place; at most 100.
pub fn parse_suite_with(
    file: &str,
    source: &str,
    modules: &dyn Fn(&str) -> Option<String>,
) -> Result<Suite, Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::default();
    let files = modules::read(file, source, modules, &mut diagnostics);
    if !diagnostics.is_empty() {
        return Err(diagnostics.into_sorted());
    }
    let mut checker = Checker::new(&files, diagnostics);
    checker.check();
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

/// A declaration: its file, name and value.
struct Declaration<'a> {
    file: usize,
    name: String,
    value: &'a AstExpr,
}

/// Declarations by kind: the suite's own, then those of the modules, each in file order.
#[derive(Default)]
struct Declared<'a> {
    suites: Vec<&'a AstExpr>,
    constants: Vec<Declaration<'a>>,
    parameters: Vec<Declaration<'a>>,
    enums: Vec<Declaration<'a>>,
    records: Vec<Declaration<'a>>,
    tables: Vec<Declaration<'a>>,
    functions: Vec<(usize, &'a Def)>,
    tools: Vec<(usize, &'a AstExpr)>,
    /// `NAME = needs_table(..)` of modules.
    needs: Vec<Declaration<'a>>,
    /// `supply(..)` of the suite.
    supplies: Vec<&'a AstExpr>,
}

struct Checker<'s> {
    files: &'s [File],
    /// The file whose declarations are being checked; `items` are the names in force in it.
    file: usize,
    diagnostics: Diagnostics,
    suite: Suite,
    items: IndexMap<String, Item>,
    /// Names of the other files.
    scopes: Vec<IndexMap<String, Item>>,
    signatures: Vec<Signature>,
    /// Derived columns whose type is not known yet.
    pending: BTreeSet<(TableId, usize)>,
    /// Columns with a fault: their uses are not reported again.
    broken: BTreeSet<(TableId, usize)>,
    /// Records with a faulty field.
    broken_records: BTreeSet<RecordId>,
}

impl<'s> Checker<'s> {
    fn new(files: &'s [File], diagnostics: Diagnostics) -> Self {
        let suite = Suite {
            name: String::new(),
            title: String::new(),
            domain: String::new(),
            policy: String::new(),
            files: files.iter().map(|file| file.name.clone()).collect(),
            parameters: Vec::new(),
            enums: Vec::new(),
            records: Vec::new(),
            tables: Vec::new(),
            functions: Vec::new(),
            tools: Vec::new(),
        };
        Checker {
            files,
            file: 0,
            diagnostics,
            suite,
            items: IndexMap::new(),
            scopes: vec![IndexMap::new(); files.len()],
            signatures: Vec::new(),
            pending: BTreeSet::new(),
            broken: BTreeSet::new(),
            broken_records: BTreeSet::new(),
        }
    }

    /// Go on in another file: its names are in force.
    fn enter_file(&mut self, file: usize) {
        if file != self.file {
            self.scopes[self.file] = std::mem::take(&mut self.items);
            self.items = std::mem::take(&mut self.scopes[file]);
            self.file = file;
        }
    }

    fn place(&self, span: AstSpan) -> Span {
        self.files[self.file].lines.span(span.begin().get() as usize)
    }

    fn report(&mut self, span: AstSpan, message: impl Into<String>, hint: impl Into<String>) -> Reported {
        let place = self.place(span);
        self.diagnostics.report(place, message, hint)
    }

    fn check(&mut self) {
        let files = self.files;
        let mut declared = Declared::default();
        for (number, file) in files.iter().enumerate() {
            self.enter_file(number);
            for (index, statement) in file.parsed.statements.iter().enumerate() {
                self.collect_one(index, statement, &mut declared);
            }
        }
        self.link();
        self.constants(&declared.constants);
        self.link();
        self.enums(&declared.enums);
        self.parameters(&declared.parameters);
        self.supply(&declared);
        self.link();
        self.enter_file(0);
        self.suite_call(&declared.suites, &files[0].parsed.statements);
        let derived = self.tables(&declared.tables);
        self.derived_columns(&derived);
        self.needed_columns(&declared.needs);
        self.records(&declared.records);
        self.signatures(&declared.functions);
        self.functions(&declared.functions);
        self.tools(&declared.tools);
        self.enter_file(0);
        self.whole_suite();
    }

    fn collect_one<'a>(&mut self, index: usize, statement: &'a AstStmt, declared: &mut Declared<'a>) {
        let file = self.file;
        match &statement.node {
            StmtP::Def(def) => {
                let name = def.name.node.ident.clone();
                let item = Item::Function(declared.functions.len());
                if self.enter(def.name.span, &name, item) {
                    declared.functions.push((file, def));
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
                    Some("needs_table") => (Item::Broken, &mut declared.needs),
                    _ => (Item::Broken, &mut declared.constants),
                };
                if self.enter(assign.lhs.span, &name, item) {
                    list.push(Declaration { file, name, value });
                }
            }
            StmtP::Expression(call) => match called_name(call) {
                Some("suite") if file > 0 => {
                    let hint = "a module declares tables, functions and tools for suites that load it";
                    self.report(call.span, "a module has no `suite(...)`", hint);
                }
                Some("suite") => declared.suites.push(call),
                Some("tool") => declared.tools.push((file, call)),
                Some("supply") => declared.supplies.push(call),
                Some(name @ ("table" | "enum" | "record" | "parameter" | "needs_table")) => {
                    let hint = format!("write `name = {name}(...)`");
                    self.report(call.span, format!("this {name} has no name"), hint);
                }
                _ if index == 0 && places::string(call).is_some() => {}
                Some(name) => {
                    let hint = "calls at the top of a file are `suite(...)`, `supply(...)` and `tool(...)`";
                    self.report(call.span, format!("`{name}(...)` does nothing here"), hint);
                }
                None => {
                    self.report(call.span, "this expression does nothing here", "remove it");
                }
            },
            StmtP::Load(load) => self.loaded_names(load),
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
