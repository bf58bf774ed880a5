//! What each tool of a surface is: its WIT type, its JSON Schema, the tables its body reads and writes, and the size of its code.

use crate::compile::{Compiled, Node, expressions_and_statements, tool_type};
use crate::schema::tool_schemas;
use crate::suite::Suite;
use crate::surface::Surface;
use crate::tree::{Expr, ExprKind, Iterable, Statement};
use crate::types::{FunctionId, TableId};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// One tool explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Name shown.
    pub name: String,
    /// Its WIT function type.
    pub wit: String,
    /// JSON Schema of its arguments.
    pub parameters: Json,
    /// Tables that its body, or a function it calls, looks into; in the suite's order.
    pub reads: Vec<String>,
    /// Tables that it inserts into, updates or deletes from.
    pub writes: Vec<String>,
    /// Functions of the suite that run in a call: the tool's own and those it calls.
    pub functions: Vec<String>,
    /// Code size of these functions, in bytes. What two tools share counts for both; helpers of the language are not in it.
    pub code_bytes: usize,
}

/// Explains the tools of a surface that belongs to the suite, and was compiled.
pub fn explain(suite: &Suite, surface: &Surface, compiled: &Compiled) -> Vec<Explained> {
    let schemas = tool_schemas(suite, surface);
    let tools = surface.tools.iter().zip(schemas);
    tools
        .map(|(shown, schema)| {
            let mut found = Found::default();
            found.function(suite, suite.tools[shown.tool].function);
            let functions: Vec<String> = found.functions.iter().map(|id| suite.functions[*id].name.clone()).collect();
            let sizes = compiled.function_bytes.iter().filter(|(name, _)| functions.contains(name));
            let tables = |ids: &BTreeSet<TableId>| ids.iter().map(|id| suite.tables[*id].name.clone()).collect();
            Explained {
                name: shown.name.clone(),
                wit: tool_type(suite, shown),
                parameters: schema.parameters,
                reads: tables(&found.reads),
                writes: tables(&found.writes),
                code_bytes: sizes.map(|(_, bytes)| bytes).sum(),
                functions,
            }
        })
        .collect()
}

#[derive(Default)]
struct Found {
    functions: Vec<FunctionId>,
    reads: BTreeSet<TableId>,
    writes: BTreeSet<TableId>,
}

impl Found {
    /// Adds a function and those it calls; there is no recursion.
    fn function(&mut self, suite: &Suite, id: FunctionId) {
        if self.functions.contains(&id) {
            return;
        }
        self.functions.push(id);
        let mut calls = Vec::new();
        expressions_and_statements(&suite.functions[id].body, &mut |node| match node {
            Node::Expr(expr) => self.expression(expr, &mut calls),
            Node::Statement(statement) => self.statement(statement),
            Node::Body(_) => {}
        });
        for call in calls {
            self.function(suite, call);
        }
    }

    fn expression(&mut self, expr: &Expr, calls: &mut Vec<FunctionId>) {
        match &expr.kind {
            ExprKind::Column { table, .. } | ExprKind::Get { table, .. } | ExprKind::Find { table, .. } => {
                self.reads.insert(*table);
            }
            ExprKind::Comprehension { iterable: Iterable::Table(table), .. } => {
                self.reads.insert(*table);
            }
            ExprKind::Insert { table, .. } => {
                self.writes.insert(*table);
            }
            ExprKind::Call { function, .. } => calls.push(*function),
            _ => {}
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::For { iterable: Iterable::Table(table), .. } => {
                self.reads.insert(*table);
            }
            Statement::SetColumn { table, .. } | Statement::Delete { table, .. } => {
                self.writes.insert(*table);
            }
            _ => {}
        }
    }
}
