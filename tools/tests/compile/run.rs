//! Compiles a suite and runs its tools.

use serde_json::{Value as Json, json};
use std::sync::OnceLock;
use terrarium_sandbox::{CallOutcome, Config, Instance, Sandbox};
use terrarium_tools::compile::{Compiled, compile};
use terrarium_tools::{Suite, Surface, World};

/// One engine for all tests.
pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(Config::default()).expect("the sandbox starts"))
}

/// A suite with all its tools, compiled and validated.
pub fn compiled(suite: &Suite, world: &World) -> Compiled {
    let compiled = compile(suite, &Surface::plain(suite), world).expect("the suite compiles");
    wasmparser::Validator::new().validate_all(&compiled.component).expect("the component is valid");
    compiled
}

/// A running suite.
pub struct Desk(pub Instance);

impl Desk {
    pub fn new(suite: &Suite, world: &World) -> Desk {
        let program = sandbox().load(&compiled(suite, world).component).expect("the component loads");
        Desk(program.instantiate().expect("the component starts"))
    }

    /// The value of a call, or the text `code: message` of its error.
    pub fn call(&mut self, tool: &str, arguments: Json) -> Result<Json, String> {
        match self.0.call(tool, &arguments).expect("the sandbox works").outcome {
            CallOutcome::Ok(text) => Ok(serde_json::from_str(&text).expect("results are JSON")),
            CallOutcome::ToolError { code, message } => Err(format!("{code}: {message}")),
            other => panic!("{tool}({arguments}): {other:?}"),
        }
    }

    /// The value of a call that succeeds.
    pub fn ok(&mut self, tool: &str, arguments: Json) -> Json {
        self.call(tool, arguments.clone()).unwrap_or_else(|e| panic!("{tool}({arguments}): {e}"))
    }

    /// The code of a call that fails.
    pub fn code(&mut self, tool: &str, arguments: Json) -> String {
        let error = self.call(tool, arguments.clone()).expect_err(tool);
        error.split(':').next().unwrap_or_default().to_owned()
    }

    /// The rows of a table.
    pub fn rows(&self, table: &str) -> Json {
        self.0.state().expect("the state reads")["tables"][table].clone()
    }

    /// The net changes since the start.
    pub fn changes(&self) -> Json {
        json!(self.0.net_diff().expect("the journal reads"))
    }
}
