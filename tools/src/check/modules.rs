//! Modules: `load("path.star", "name", other = "name")`, `needs_table(..)` in a module and `supply(..)` in the suite.
//!
//! Every file has names of its own; `load` enters some of another file's. A module's tables, enums, records and policy
//! parameters belong to every suite that loads it; its tools to those that load their functions.

use super::{Checker, Declaration, Declared, Item, names, places};
use crate::syntax::{self, Diagnostics, Lines, Parsed, limits};
use crate::types::Span;
use starlark_syntax::syntax::ast::{AstNoPayload, LoadP, StmtP};

/// Most modules of a suite.
const MODULES_MAX: usize = 16;

/// A file of a suite.
pub(super) struct File {
    /// As messages name it.
    pub name: String,
    pub lines: Lines,
    pub parsed: Parsed,
    /// What it loads.
    pub loads: Vec<Load>,
}

/// One name that a file loads.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// Number of the module's file.
    pub from: usize,
    pub remote: String,
    pub local: String,
    pub at: Span,
}

/// Read a suite and its modules, the suite first, each module after the file that loads it first.
pub(super) fn read(
    name: &str,
    source: &str,
    modules: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    let mut waiting = vec![(name.to_owned(), source.to_owned())];
    let mut known = vec![name.to_owned()];
    while files.len() < waiting.len() {
        let number = files.len();
        let (name, source) = waiting[number].clone();
        diagnostics.add_file(&name);
        let lines = Lines::new(number as u32, &source);
        let parsed = syntax::parse(&name, &source, &lines, diagnostics).unwrap_or_default();
        let mut loads = Vec::new();
        for statement in &parsed.statements {
            let StmtP::Load(load) = &statement.node else { continue };
            let path = load.module.node.as_str();
            let at = lines.span(load.module.span.begin().get() as usize);
            let from = match known.iter().position(|k| k == path) {
                Some(from) => from,
                None => {
                    if known.len() > MODULES_MAX {
                        let message = format!("a suite loads at most {MODULES_MAX} modules");
                        diagnostics.report(at, message, "join some of them");
                        continue;
                    }
                    let Some(text) = modules(path).filter(|text| text.len() <= limits::FILE_BYTES_MAX) else {
                        let hint = "a module is named by its path, as in `load(\"processes/payments.star\", \"pay\")`";
                        diagnostics.report(at, format!("there is no module `{path}`"), hint);
                        continue;
                    };
                    known.push(path.to_owned());
                    waiting.push((path.to_owned(), text));
                    known.len() - 1
                }
            };
            if from == 0 {
                diagnostics.report(at, "a module cannot load the suite", "say what it needs: `needs_table(..)`");
                continue;
            }
            for argument in &load.args {
                loads.push(Load {
                    from,
                    remote: argument.their.node.clone(),
                    local: argument.local.node.ident.clone(),
                    at: lines.span(argument.their.span.begin().get() as usize),
                });
            }
        }
        files.push(File { name, lines, parsed, loads });
    }
    if let Some(file) = (0..files.len()).find(|file| loads_itself(&files, *file)) {
        let at = files[file].loads.first().map_or_else(Span::default, |load| load.at);
        diagnostics.report(at, "this module loads itself", "move what both need into a third module");
    }
    files
}

/// Whether a chain of loads leads from a file back to it.
fn loads_itself(files: &[File], start: usize) -> bool {
    let mut met = vec![false; files.len()];
    let mut todo = vec![start];
    while let Some(file) = todo.pop() {
        for load in &files[file].loads {
            if load.from == start {
                return true;
            }
            if !std::mem::replace(&mut met[load.from], true) {
                todo.push(load.from);
            }
        }
    }
    false
}

impl Checker<'_> {
    /// Enter the names that a `load` gives.
    pub(super) fn loaded_names(&mut self, load: &LoadP<AstNoPayload>) {
        for argument in &load.args {
            self.enter(argument.local.span, &argument.local.node.ident, Item::Broken);
        }
    }

    /// Give loaded names what they stand for in their module. Done again whenever names have got a meaning.
    pub(super) fn link(&mut self) {
        let files = self.files;
        // As often as the longest chain of loads can be.
        for _ in 0..files.len() {
            for (number, file) in files.iter().enumerate() {
                for load in &file.loads {
                    self.enter_file(load.from);
                    let item = self.items.get(&load.remote).cloned();
                    let Some(item) = item else {
                        let hint = names::did_you_mean(&load.remote, self.items.keys().map(String::as_str));
                        let message = format!("`{}` has no `{}`", files[load.from].name, load.remote);
                        self.diagnostics.report(load.at, message, hint);
                        continue;
                    };
                    self.enter_file(number);
                    self.items.insert(load.local.clone(), item);
                }
            }
        }
    }

    /// Whether a module's function belongs to the suite's surface: the suite loads it.
    pub(super) fn is_loaded(&self, file: usize, function: &str) -> bool {
        file == 0 || self.files[0].loads.iter().any(|load| load.from == file && load.remote == function)
    }

    /// `supply("path.star", name = table, ..)`: the tables that a module needs.
    pub(super) fn supply(&mut self, declared: &Declared<'_>) {
        let files = self.files;
        self.enter_file(0);
        for call in &declared.supplies {
            let Some(mut arguments) = self.call(call) else { continue };
            let Some(path) = arguments.next() else {
                let hint = "write `supply(\"processes/payments.star\", payer = member)`";
                self.report(call.span, "`supply` names a module", hint);
                continue;
            };
            let Ok(name) = self.text(path, "the module") else { continue };
            let Some(file) = files.iter().skip(1).position(|f| f.name == name).map(|f| f + 1) else {
                self.report(path.span, format!("the suite does not load `{name}`"), "load it first");
                continue;
            };
            for named in &arguments.named {
                let Ok(table) = self.table_named(named.value) else { continue };
                let needed = declared.needs.iter().any(|need| need.file == file && need.name == named.name);
                if !needed {
                    let needs = declared.needs.iter().filter(|n| n.file == file).map(|n| n.name.as_str());
                    let hint = names::did_you_mean(named.name, needs);
                    self.report(named.span, format!("`{name}` needs no table `{}`", named.name), hint);
                    continue;
                }
                self.enter_file(file);
                self.items.insert(named.name.to_owned(), Item::Table(table));
                self.enter_file(0);
            }
        }
        for need in &declared.needs {
            self.enter_file(need.file);
            if need.file == 0 {
                let hint = "a suite declares its own tables; modules need some of the suite's";
                self.report(need.value.span, "`needs_table` stands in a module", hint);
            } else if self.items.get(&need.name) == Some(&Item::Broken) {
                let message = format!("`{}` needs a table `{}` of the suite", files[need.file].name, need.name);
                let hint = format!("write `supply(\"{}\", {} = table)` in the suite", files[need.file].name, need.name);
                let at = files[0]
                    .loads
                    .iter()
                    .find(|load| load.from == need.file)
                    .map_or_else(|| Span { file: 0, line: 1, column: 1 }, |load| load.at);
                self.diagnostics.report(at, message, hint);
            }
        }
    }

    /// The columns that a needed table must have, by name and type.
    pub(super) fn needed_columns(&mut self, needs: &[Declaration<'_>]) {
        for need in needs {
            self.enter_file(need.file);
            let Some(Item::Table(table)) = self.items.get(&need.name).cloned() else { continue };
            let Some(mut arguments) = self.call(need.value) else { continue };
            if arguments.next().is_some_and(|first| places::string(first) != Some(&need.name)) {
                let hint = "write `payer = needs_table(name = str)`";
                self.report(need.value.span, "the columns that a module needs are named", hint);
            }
            for column in &arguments.named {
                let Ok(ty) = self.annotation(column.value) else { continue };
                let found = self.suite.tables[table].columns.iter().find(|c| c.name == column.name);
                let found = found.map(|c| c.ty.clone());
                if found.as_ref() == Some(&ty) {
                    continue;
                }
                let supplied = self.suite.tables[table].name.clone();
                let message = match found {
                    Some(found) => format!(
                        "`{}.{}` is {}, and the module needs {}",
                        supplied,
                        column.name,
                        self.type_name(&found),
                        self.type_name(&ty)
                    ),
                    None => format!("the table `{supplied}` has no column `{}`, which the module needs", column.name),
                };
                self.report(column.span, message, "supply another table, or give it this column");
            }
        }
    }
}
