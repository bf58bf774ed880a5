//! Checks over the whole suite: names that must differ in the component's interface, and that there is something to do.

use super::{Checker, names};
use crate::types::Span;
use std::collections::BTreeMap;

impl Checker<'_> {
    pub(super) fn whole_suite(&mut self) {
        let start = Span { file: 0, line: 1, column: 1 };
        if !self.diagnostics.is_empty() {
            return;
        }
        if self.suite.tables.is_empty() {
            self.diagnostics.report(
                start,
                "the suite has no table",
                "declare one: `member = table(\"member\", key(\"M\", 4), ...)`",
            );
        }
        if self.suite.tools.is_empty() {
            self.diagnostics.report(start, "the suite has no tool", "declare one: `tool(function, ...)`");
        }
        for (i, parameter) in self.suite.parameters.iter().enumerate() {
            if self.suite.parameters[..i].iter().any(|earlier| earlier.name == parameter.name) {
                let message = format!("two policy parameters are called `{}`", parameter.name);
                self.diagnostics.report(start, message, "rename the suite's, or the module's");
            }
        }
        // Tables, records, enums and tools share one namespace in the component's interface.
        let mut taken: BTreeMap<String, &'static str> = BTreeMap::new();
        for reserved in names::RESERVED {
            taken.insert(reserved.to_owned(), "predeclared");
        }
        let mut all: Vec<(String, String, &'static str, Span)> = Vec::new();
        for table in &self.suite.tables {
            all.push((table.name.clone(), table.name.clone(), "a table", table.span));
        }
        for record in &self.suite.records {
            all.push((names::interface_name(&record.name), record.name.clone(), "a record", record.span));
        }
        for one in &self.suite.enums {
            let column = self
                .suite
                .tables
                .iter()
                .flat_map(|t| t.columns.iter().map(move |c| (format!("{}_{}", t.name, c.name), c.span)));
            let span = column.into_iter().find(|(n, _)| *n == one.name).map_or(start, |(_, s)| s);
            all.push((one.name.clone(), one.name.clone(), "an enum", span));
        }
        for tool in &self.suite.tools {
            all.push((tool.name.clone(), tool.name.clone(), "a tool", tool.span));
        }
        for (name, written, what, span) in all {
            if let Some(first) = taken.get(&name) {
                let message = format!("`{written}` is {what}, and {first} has the same name in the interface");
                self.diagnostics.report(span, message, "rename one of the two");
                continue;
            }
            taken.insert(name, what);
        }
    }
}
