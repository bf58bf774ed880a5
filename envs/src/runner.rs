//! The synchronous fast path: run tool calls in a world and score the end. Certificates, replays and re-scoring use it directly,
//! the episode loop drives it for an agent.

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::submit;
use crate::task::ToolCall;
use crate::verifier::{Score, Verifier, try_verify};
use crate::world::{CallRecord, Loaded, StateDiff, Status, World};
use serde_json::Value;
use std::sync::Arc;
use terrarium_sandbox::Sandbox;

/// Runs calls in one environment, one world at a time.
pub struct Runner {
    world: World,
    fresh: bool,
}

/// What a list of calls came to.
#[derive(Clone, Debug, PartialEq)]
pub struct SolutionRun {
    /// The verdict.
    pub score: Score,
    /// One record a call, `submit` included; shorter than the list if a call trapped or `submit` came early.
    pub results: Vec<CallRecord>,
    /// What was submitted.
    pub answer: Option<Value>,
    /// Whether the world trapped: then the score is 0 and means nothing.
    pub trapped: bool,
}

impl Runner {
    /// A runner for an environment.
    ///
    /// # Errors
    /// As [`Loaded::load`].
    pub fn new(sandbox: &Sandbox, environment: &Environment) -> Result<Self> {
        Runner::with(&Loaded::load(sandbox, &Arc::new(environment.clone()))?)
    }

    /// A runner for a loaded environment.
    ///
    /// # Errors
    /// [`Error::World`] when its world cannot be started.
    pub fn with(loaded: &Arc<Loaded>) -> Result<Self> {
        Ok(Runner { world: loaded.start()?, fresh: true })
    }

    /// Puts the world back to its beginning. Free if nothing was called since.
    ///
    /// # Errors
    /// [`Error::World`] when it cannot be started again.
    pub fn reset(&mut self) -> Result<()> {
        if !self.fresh {
            self.world.reset()?;
            self.fresh = true;
        }
        Ok(())
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// [`Error::World`] when our own side fails.
    pub fn call(&mut self, call: &ToolCall) -> Result<CallRecord> {
        self.fresh = false;
        self.world.call(&call.name, &call.arguments)
    }

    /// The verdict on the world as it stands and an answer.
    ///
    /// # Errors
    /// [`Error::Verifier`] for a broken verifier, or one that expects changes of a world that keeps no readable state;
    /// [`Error::World`] when the state cannot be read.
    pub fn score(&self, verifier: &Verifier, answer: Option<&Value>) -> Result<Score> {
        let diff = match self.world.net_diff()? {
            Some(diff) => diff,
            None if verifier.change.is_empty() && verifier.answer.is_some() => StateDiff::default(),
            None => {
                return Err(Error::Verifier("it compares rows, but this component keeps no readable state".to_owned()));
            }
        };
        try_verify(verifier, &diff, answer)
    }

    /// All rows, `{"tables": {name: [rows]}}`; none for foreign components, which keep no readable state.
    ///
    /// # Errors
    /// [`Error::World`] when the state cannot be read.
    pub fn readable_state(&self) -> Result<Option<Value>> {
        match self.world.state() {
            Ok(state) => Ok(Some(state)),
            Err(Error::World { source: terrarium_sandbox::Error::NoState, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The world, for marks, differences, state and forks.
    pub fn world(&mut self) -> &mut World {
        self.fresh = false;
        &mut self.world
    }
}

/// Runs calls from the beginning of the world and scores what they lead to. Stops after `submit` or a trap.
///
/// # Errors
/// As [`Runner::call`] and [`Runner::score`].
pub fn run_solution(runner: &mut Runner, verifier: &Verifier, calls: &[ToolCall]) -> Result<SolutionRun> {
    runner.reset()?;
    let mut run =
        SolutionRun { score: Score::default(), results: Vec::with_capacity(calls.len()), answer: None, trapped: false };
    for call in calls {
        if call.name == submit::NAME {
            match submit::answer(&call.arguments) {
                Ok(answer) => {
                    run.answer = answer;
                    run.results.push(CallRecord { result: submit::ACCEPTED.to_owned(), status: Status::Ok, fuel: 0 });
                    break;
                }
                Err(message) => run.results.push(CallRecord::refused(Status::BadArguments, &message)),
            }
            continue;
        }
        let record = runner.call(call)?;
        run.trapped = matches!(record.status, Status::Trap { .. });
        run.results.push(record);
        if run.trapped {
            return Ok(run);
        }
    }
    run.score = runner.score(verifier, run.answer.as_ref())?;
    Ok(run)
}
