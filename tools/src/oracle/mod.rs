//! The oracle: tool bodies run by the `starlark` interpreter, which we did not write, over rows held on the host.
//!
//! The typed tree is printed as Starlark (`print.rs`), with numbers as Starlark's unbounded integers checked after the
//! fact and rows as handles over a plain table store (`store.rs`). Results and end states must equal those of the
//! compiled suite; `tests/oracle.rs` holds them against each other on random calls. Errors compare by code.
//!
//! Limits: a `range` has at most a million rounds; there is no other bound on time, so the oracle is for tests.

mod builtins;
mod natives;
mod print;
mod store;

use crate::error::{Error, Result};
use crate::suite::Suite;
use crate::surface::Surface;
use crate::types::Type;
use crate::value::{Value as Plain, World, from_json, to_json};
use natives::{Host, from_starlark, to_starlark};
use serde_json::{Map, Value as Json};
use starlark::environment::{FrozenModule, GlobalsBuilder, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect};
use std::cell::RefCell;
use store::Store;

/// What a call of the oracle answers.
#[derive(Clone, Debug, PartialEq)]
pub enum OracleReply {
    /// The value in its JSON form.
    Ok(Json),
    /// A tool error; the call has changed nothing.
    Error {
        /// Code.
        code: String,
        /// Message; may be worded otherwise than the compiled suite's.
        message: String,
    },
}

/// A suite under a surface, run by the reference interpreter.
pub struct Oracle {
    surface: Surface,
    module: FrozenModule,
    host: Host,
}

impl Oracle {
    /// Starts over the rows of a world.
    ///
    /// # Errors
    /// [`Error::Oracle`] when the printed suite does not load, which is a fault of this crate.
    pub fn new(suite: &Suite, surface: &Surface, world: &World) -> Result<Oracle> {
        let source = print::program(suite, surface);
        let module = load(source).map_err(|e| Error::Oracle(e.to_string()))?;
        let store = RefCell::new(Store::new(world));
        let host = Host { suite: suite.clone(), store, failure: RefCell::new(None) };
        Ok(Oracle { surface: surface.clone(), module, host })
    }

    /// Calls a tool by the name shown, with arguments by the names shown; what is left out is the parameter's default.
    ///
    /// # Errors
    /// [`Error::Oracle`] for an unknown tool, arguments that do not fit, or a fault of the interpreter.
    pub fn call(&mut self, tool: &str, arguments: &Json) -> Result<OracleReply> {
        let suite = &self.host.suite;
        let shown = self.surface.tools.iter().find(|shown| shown.name == tool);
        let shown = shown.ok_or_else(|| Error::Oracle(format!("there is no tool `{tool}`")))?;
        let function = suite.tools[shown.tool].function;
        let definition = &suite.functions[function];
        let mut values: Vec<Plain> =
            definition.parameters.iter().map(|p| p.default.as_ref().map_or(Plain::None, Plain::from)).collect();
        for (index, name, _) in &shown.parameters {
            let json = arguments.get(name).unwrap_or(&Json::Null);
            let ty = &definition.parameters[*index].ty;
            values[*index] = from_json(suite, ty, json).map_err(|e| Error::Oracle(format!("{name}: {e}")))?;
        }
        let before = self.host.store.borrow().clone();
        match self.run(function, &values) {
            Ok(value) => Ok(OracleReply::Ok(match definition.returns {
                Type::Unit => Json::Null,
                ref ty => to_json(suite, ty, &value),
            })),
            Err(error) => {
                *self.host.store.borrow_mut() = before;
                match self.host.failure.take() {
                    Some((code, message)) => Ok(OracleReply::Error { code, message }),
                    None => Err(Error::Oracle(error.to_string())),
                }
            }
        }
    }

    fn run(&self, function: usize, arguments: &[Plain]) -> starlark::Result<Plain> {
        Module::with_temp_heap(|module| {
            // The module of a call holds the suite's functions by reference, which keeps them alive for as long as its own values.
            module.import_public_symbols(&self.module);
            let name = format!("f{function}");
            let body = self.module.get(&name).map_err(|_| starlark::Error::new_other(UnknownFunction(name)))?;
            let body = module.heap().access_owned_frozen_value(&body);
            let mut eval = Evaluator::new(&module);
            eval.extra = Some(&self.host);
            let arguments: Vec<_> = arguments.iter().map(|value| to_starlark(value, module.heap())).collect();
            let value = eval.eval_function(body, &arguments, &[])?;
            from_starlark(&self.host, &self.host.suite.functions[function].returns, value)
        })
    }

    /// All rows: `{"tables": {name: [rows]}}`, the same JSON as the sandbox's.
    pub fn state(&self) -> Json {
        let (suite, store) = (&self.host.suite, self.host.store.borrow());
        let tables: Map<_, _> = suite
            .tables
            .iter()
            .enumerate()
            .map(|(id, table)| {
                let rows = store.tables[id].rows.iter().filter(|row| row.live);
                let rows = rows.map(|row| to_json(suite, &Type::Row(id), &Plain::Record(row.values.clone())));
                (table.name.clone(), rows.collect())
            })
            .collect();
        serde_json::json!({ "tables": tables })
    }
}

fn load(source: String) -> starlark::Result<FrozenModule> {
    let ast = AstModule::parse("suite.star", source, &Dialect::Extended)?;
    let globals = GlobalsBuilder::standard().with(natives::natives).build();
    Module::with_temp_heap(|module| {
        {
            let mut eval = Evaluator::new(&module);
            eval.eval_module(ast, &globals)?;
        }
        module.freeze().map_err(|e| starlark::Error::new_other(FreezeFault(format!("{e:?}"))))
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the printed suite has no function `{0}`")]
struct UnknownFunction(String);

#[derive(Debug, thiserror::Error)]
#[error("the module does not freeze: {0}")]
struct FreezeFault(String);
