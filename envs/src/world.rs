//! A running world: the one file that calls the sandbox. It knows which tools the environment offers and answers every call, good or
//! bad, with the JSON text that an agent sees.

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::outcome::Outcome;
use crate::tool::ToolSpec;
use serde_json::{Value, json};
use std::sync::Arc;
use terrarium_sandbox::{CallOutcome, Instance, Program, Sandbox, Trap};
pub use terrarium_sandbox::{Mark, Row, RowUpdate, StateDiff, TableDiff};

/// An environment whose component is compiled and ready to start worlds. Shared by all its episodes.
pub struct Loaded {
    environment: Arc<Environment>,
    program: Arc<Program>,
    /// As the agent sees them, `submit` last.
    tools: Vec<ToolSpec>,
}

impl Loaded {
    /// Compiles an environment's component (or takes it from the sandbox's cache).
    ///
    /// # Errors
    /// [`Error::World`] when the sandbox refuses the component, [`Error::Environment`] when a tool shown is not in it.
    pub fn load(sandbox: &Sandbox, environment: &Arc<Environment>) -> Result<Arc<Self>> {
        let program = sandbox.load(&environment.component).map_err(|source| world_error(&environment.id, source))?;
        for tool in &environment.tools {
            if !program.tools().iter().any(|export| export.name == tool.name) {
                return Err(Error::Environment {
                    environment: environment.id.clone(),
                    message: format!("tool `{}` is shown but its component does not export it", tool.name),
                });
            }
        }
        Ok(Arc::new(Loaded { environment: Arc::clone(environment), program, tools: environment.shown_tools() }))
    }

    /// The environment.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// The tools as the agent sees them, `submit` last.
    pub fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    /// A fresh world.
    ///
    /// # Errors
    /// [`Error::World`] when it cannot be started.
    pub fn start(self: &Arc<Self>) -> Result<World> {
        let instance = self.program.instantiate().map_err(|source| world_error(&self.environment.id, source))?;
        Ok(World { loaded: Arc::clone(self), instance })
    }
}

fn world_error(environment: &str, source: terrarium_sandbox::Error) -> Error {
    Error::World { environment: environment.to_owned(), source }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The tool answered.
    Ok,
    /// The tool refused, with this code; nothing changed.
    ToolError(String),
    /// The arguments do not fit the tool's parameters; nothing ran.
    BadArguments,
    /// The environment has no such tool; nothing ran.
    UnknownTool,
    /// The world was stopped: the episode ends with this outcome and no reward.
    Trap {
        /// What the episode ends with.
        outcome: Outcome,
        /// The trap's stable name.
        name: &'static str,
    },
}

impl Status {
    /// Stable name: `ok`, the tool error's code, `bad_arguments`, `unknown_tool`, or a trap's name.
    pub fn name(&self) -> &str {
        match self {
            Status::Ok => "ok",
            Status::ToolError(code) => code,
            Status::BadArguments => "bad_arguments",
            Status::UnknownTool => "unknown_tool",
            Status::Trap { name, .. } => name,
        }
    }
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// What the agent sees, JSON text.
    pub result: String,
    /// How it ended.
    pub status: Status,
    /// Fuel used.
    pub fuel: u64,
}

impl CallRecord {
    /// A call that was refused before it reached the world.
    pub(crate) fn refused(status: Status, message: &str) -> Self {
        CallRecord { result: error_text(status.name(), message), status, fuel: 0 }
    }

    /// Whether the tool answered.
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// The result as JSON; null if the text were not JSON, which the sandbox does not produce.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.result).unwrap_or_default()
    }
}

/// The JSON text of an error, as tools and host give it.
pub(crate) fn error_text(code: &str, message: &str) -> String {
    json!({"error": {"code": code, "message": message}}).to_string()
}

/// A running world.
pub struct World {
    loaded: Arc<Loaded>,
    instance: Instance,
}

impl World {
    /// Puts the world back to its beginning.
    ///
    /// # Errors
    /// [`Error::World`] when it cannot be started again.
    pub fn reset(&mut self) -> Result<()> {
        self.instance = self.loaded.start()?.instance;
        Ok(())
    }

    /// What it runs.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// A copy with the same state, independent from now on.
    ///
    /// # Errors
    /// [`Error::World`] when the sandbox cannot copy it.
    pub fn fork(&self) -> Result<World> {
        let instance = self.instance.fork().map_err(|e| self.error(e))?;
        Ok(World { loaded: Arc::clone(&self.loaded), instance })
    }

    /// A world in the state before call `step` (from 0), as if the calls from there on had never been made.
    ///
    /// # Errors
    /// [`Error::World`] when there was no such call, or its state is no longer kept.
    pub fn fork_at(&self, step: u32) -> Result<World> {
        let instance = self.instance.fork_at(step).map_err(|e| self.error(e))?;
        Ok(World { loaded: Arc::clone(&self.loaded), instance })
    }

    /// Calls of tools of this environment so far, whatever became of them.
    pub fn steps(&self) -> u32 {
        self.instance.steps()
    }

    /// The net change made by call `step` (from 0), whatever was written since; none for foreign components.
    ///
    /// # Errors
    /// [`Error::World`] when there was no such call or the state cannot be read.
    pub fn step_diff(&self, step: u32) -> Result<Option<StateDiff>> {
        let diff = self.instance.step_diff(step);
        self.readable(diff)
    }

    /// Calls a tool of the environment (not `submit`, which is the host's).
    ///
    /// # Errors
    /// [`Error::World`] when our own side fails. Whatever the agent or the tool does wrong is in the record.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Result<CallRecord> {
        if !self.loaded.environment.tools.iter().any(|t| t.name == tool) {
            return Ok(self.unknown_tool(tool));
        }
        let call = self.instance.call(tool, arguments).map_err(|e| self.error(e))?;
        let (status, result) = match call.outcome {
            CallOutcome::Ok(result) => (Status::Ok, result),
            CallOutcome::ToolError { code, message } => {
                let text = error_text(&code, &message);
                (Status::ToolError(code), text)
            }
            CallOutcome::BadArguments { message } => (Status::BadArguments, error_text("bad_arguments", &message)),
            CallOutcome::Trap(trap) => {
                let outcome = match trap {
                    Trap::OutOfFuel => Outcome::OutOfFuel,
                    Trap::OutOfMemory => Outcome::OutOfMemory,
                    Trap::EpochDeadline => Outcome::EpochDeadline,
                    _ => Outcome::Trap,
                };
                (Status::Trap { outcome, name: trap.name() }, error_text(trap.name(), &trap.to_string()))
            }
        };
        Ok(CallRecord { result, status, fuel: call.fuel })
    }

    fn unknown_tool(&self, tool: &str) -> CallRecord {
        let names: Vec<&str> = self.loaded.tools.iter().map(|t| t.name.as_str()).collect();
        let hint = match nearest(tool, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the tools are {}", names.join(", ")),
        };
        CallRecord::refused(Status::UnknownTool, &format!("there is no tool `{tool}`; {hint}"))
    }

    /// A point in the world's history for [`World::diff_since`].
    pub fn mark(&self) -> Mark {
        self.instance.mark()
    }

    /// The net change since a mark; none for foreign components, which keep no readable state.
    ///
    /// # Errors
    /// [`Error::World`] when the state cannot be read.
    pub fn diff_since(&self, mark: Mark) -> Result<Option<StateDiff>> {
        let diff = self.instance.diff(mark);
        self.readable(diff)
    }

    /// The net change since the beginning; none for foreign components, which keep no readable state.
    ///
    /// # Errors
    /// [`Error::World`] when the state cannot be read.
    pub fn net_diff(&self) -> Result<Option<StateDiff>> {
        let diff = self.instance.net_diff();
        self.readable(diff)
    }

    /// All rows: `{"tables": {name: [rows]}}`.
    ///
    /// # Errors
    /// [`Error::World`] when the state cannot be read.
    pub fn state(&self) -> Result<Value> {
        self.instance.state().map_err(|e| self.error(e))
    }

    fn readable(&self, diff: terrarium_sandbox::Result<StateDiff>) -> Result<Option<StateDiff>> {
        match diff {
            Ok(diff) => Ok(Some(diff)),
            Err(terrarium_sandbox::Error::NoState) => Ok(None),
            Err(source) => Err(self.error(source)),
        }
    }

    fn error(&self, source: terrarium_sandbox::Error) -> Error {
        world_error(&self.loaded.environment.id, source)
    }
}
