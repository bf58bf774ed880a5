//! Runs one episode: asks the agent for its next message, carries out the calls in it, and lets the verifier judge the end.
//!
//! The host numbers calls itself (`call_0`, `call_1`, ...), whatever ids the policy wrote, so that an episode's bytes do not depend on
//! an endpoint. Every call gets a result message, `submit` too. Nothing here fails: what goes wrong becomes an [`Outcome`].

use crate::budget::Budget;
use crate::episode::{Episode, EpisodeKey, Step, TokenTrace};
use crate::error::{Error, Result};
use crate::message::{Message, MessageCall};
use crate::outcome::Outcome;
use crate::policy::{Agent, PolicyFailure, PolicyTurn, Situation};
use crate::runner::Runner;
use crate::submit;
use crate::task::{Task, ToolCall};
use crate::verifier::Check;
use crate::world::{CallRecord, Loaded, Status};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Runs an episode of `task` in its environment. `seed` is stored; the agent was made with it.
pub async fn run_episode(
    loaded: &Arc<Loaded>,
    task: &Task,
    agent: &mut dyn Agent,
    budget: &Budget,
    key: EpisodeKey,
    seed: u64,
) -> Episode {
    let started = Instant::now();
    let mut conversation = Conversation::begin(loaded, task, budget);
    let end = match Runner::with(loaded) {
        Ok(mut runner) => conversation.run(&mut runner, agent).await.unwrap_or_else(End::harness),
        Err(error) => End::harness(error),
    };
    Episode {
        key,
        environment_id: loaded.environment().id.clone(),
        seed,
        outcome: end.outcome,
        reward: end.outcome.reward(),
        checks: end.checks,
        answer: conversation.answer.map(|a| a.to_string()),
        error: end.error,
        messages: conversation.messages,
        steps: conversation.steps,
        traces: conversation.traces,
        turns: conversation.turn,
        elapsed_us: micros(started),
    }
}

/// The record of an episode that could not even begin, because its environment did not load.
pub fn not_run(task: &Task, key: EpisodeKey, seed: u64, error: &Error) -> Episode {
    Episode {
        key,
        environment_id: task.environment_id.clone(),
        seed,
        outcome: Outcome::HarnessError,
        reward: None,
        checks: Vec::new(),
        answer: None,
        error: Some(error.to_string()),
        messages: Vec::new(),
        steps: Vec::new(),
        traces: Vec::new(),
        turns: 0,
        elapsed_us: 0,
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// How an episode ended.
struct End {
    outcome: Outcome,
    checks: Vec<Check>,
    error: Option<String>,
}

impl End {
    fn plain(outcome: Outcome) -> Self {
        End { outcome, checks: Vec::new(), error: None }
    }

    fn broken(outcome: Outcome, error: impl ToString) -> Self {
        End { outcome, checks: Vec::new(), error: Some(error.to_string()) }
    }

    fn harness(error: Error) -> Self {
        End::broken(Outcome::HarnessError, error)
    }
}

/// An episode under way.
struct Conversation<'a> {
    loaded: &'a Arc<Loaded>,
    task: &'a Task,
    budget: &'a Budget,
    messages: Vec<Message>,
    steps: Vec<Step>,
    traces: Vec<TokenTrace>,
    answer: Option<Value>,
    turn: u32,
    /// Malformed messages in a row.
    malformed: u32,
    context_bytes: usize,
}

impl<'a> Conversation<'a> {
    fn begin(loaded: &'a Arc<Loaded>, task: &'a Task, budget: &'a Budget) -> Self {
        let mut conversation = Conversation {
            loaded,
            task,
            budget,
            messages: Vec::with_capacity(2 + 2 * task.solution.len()),
            steps: Vec::with_capacity(task.solution.len()),
            traces: Vec::new(),
            answer: None,
            turn: 0,
            malformed: 0,
            context_bytes: 0,
        };
        conversation.say(Message::System { content: loaded.environment().system.clone() });
        conversation.say(Message::User { content: task.prompt.clone() });
        conversation
    }

    fn say(&mut self, message: Message) {
        self.context_bytes += message.bytes();
        self.messages.push(message);
    }

    async fn run(&mut self, runner: &mut Runner, agent: &mut dyn Agent) -> Result<End> {
        loop {
            if self.turn >= self.budget.turns {
                return Ok(End::plain(Outcome::OutOfTurns));
            }
            if self.context_bytes > self.budget.context_bytes {
                return Ok(End::plain(Outcome::OutOfContext));
            }
            let situation = Situation {
                environment: self.loaded.environment(),
                task: self.task,
                tools: self.loaded.tools(),
                messages: &self.messages,
                turn: self.turn,
            };
            let turn = match agent.act(situation).await {
                Ok(turn) => turn,
                Err(failure @ PolicyFailure::OutOfContext { .. }) => {
                    return Ok(End::broken(Outcome::OutOfContext, failure));
                }
                Err(failure @ PolicyFailure::Failed(_)) => return Ok(End::broken(Outcome::PolicyError, failure)),
            };
            if let Some(end) = self.take_turn(runner, turn)? {
                return Ok(end);
            }
        }
    }

    /// Carries out one assistant message.
    fn take_turn(&mut self, runner: &mut Runner, turn: PolicyTurn) -> Result<Option<End>> {
        let number = self.turn;
        self.turn += 1;
        if let Some(mut trace) = turn.trace {
            trace.turn = number;
            self.traces.push(trace);
        }
        let mut calls = if turn.malformed.is_some() { Vec::new() } else { turn.calls };
        for (i, call) in calls.iter_mut().enumerate() {
            call.id = format!("call_{}", self.steps.len() + i);
        }
        self.say(Message::Assistant { content: turn.content, reasoning: turn.reasoning, calls: calls.clone() });
        if let Some(wrong) = turn.malformed {
            if self.one_more_malformed() {
                return Ok(Some(End::broken(Outcome::FormatError, wrong)));
            }
            let content = format!("Your last message could not be read: {wrong}. Write it again in the required form.");
            self.say(Message::User { content });
            return Ok(None);
        }
        if calls.is_empty() {
            return self.judge(runner).map(Some);
        }
        let mut unreadable = None;
        let mut submitted = false;
        for call in calls {
            if self.steps.len() >= self.budget.calls as usize {
                return Ok(Some(End::plain(Outcome::OutOfTurns)));
            }
            let began = Instant::now();
            let mut diff = String::new();
            let record = match read_arguments(&call.arguments) {
                _ if submitted => CallRecord::refused(
                    Status::ToolError("submitted".to_owned()),
                    "the episode had ended with `submit`",
                ),
                Err(wrong) => {
                    let message = format!("{wrong}; write the arguments of `{}` as one JSON object", call.name);
                    unreadable = Some(message.clone());
                    CallRecord::refused(Status::BadArguments, &message)
                }
                Ok(arguments) if call.name == submit::NAME => match submit::answer(&arguments) {
                    Ok(answer) => {
                        self.answer = answer;
                        submitted = true;
                        CallRecord { result: submit::ACCEPTED.to_owned(), status: Status::Ok, fuel: 0 }
                    }
                    Err(message) => CallRecord::refused(Status::BadArguments, &message),
                },
                Ok(arguments) => {
                    let record = self.call_world(runner, &call.name, arguments, &mut diff)?;
                    if let Status::Trap { outcome, .. } = record.status {
                        let error = record.result.clone();
                        self.record(number, call, record, diff, began);
                        return Ok(Some(End::broken(outcome, error)));
                    }
                    record
                }
            };
            self.record(number, call, record, diff, began);
        }
        if submitted {
            return self.judge(runner).map(Some);
        }
        match unreadable {
            Some(wrong) if self.one_more_malformed() => return Ok(Some(End::broken(Outcome::FormatError, wrong))),
            Some(_) => {}
            None => self.malformed = 0,
        }
        Ok(None)
    }

    /// Calls a tool of the world; `diff` becomes the JSON of what it changed, if it changed anything.
    fn call_world(&self, runner: &mut Runner, name: &str, arguments: Value, diff: &mut String) -> Result<CallRecord> {
        let writes = self.loaded.environment().tools.iter().any(|t| t.writes && t.name == name);
        let mark = writes.then(|| runner.world().mark());
        let record = runner.call(&ToolCall { name: name.to_owned(), arguments })?;
        if let (Some(mark), true) = (mark, record.is_ok())
            && let Some(change) = runner.world().diff_since(mark)?
            && !change.tables.is_empty()
        {
            *diff = serde_json::to_string(&change)
                .map_err(|e| Error::Worker(format!("a difference has no JSON form: {e}")))?;
        }
        Ok(record)
    }

    fn record(&mut self, turn: u32, call: MessageCall, record: CallRecord, diff: String, began: Instant) {
        self.say(Message::Tool { call_id: call.id.clone(), name: call.name.clone(), content: record.result.clone() });
        self.steps.push(Step {
            turn,
            call_id: call.id,
            tool: call.name,
            arguments: call.arguments,
            result: record.result,
            outcome: record.status.name().to_owned(),
            diff,
            fuel: record.fuel,
            elapsed_us: micros(began),
        });
    }

    /// Counts a malformed message; true when it was one too many.
    fn one_more_malformed(&mut self) -> bool {
        self.malformed += 1;
        self.malformed >= self.budget.format_errors
    }

    fn judge(&self, runner: &Runner) -> Result<End> {
        match runner.score(&self.task.verifier, self.answer.as_ref()) {
            Ok(score) => {
                let outcome = if score.solved() { Outcome::Solved } else { Outcome::Failed };
                Ok(End { outcome, checks: score.checks, error: None })
            }
            Err(error @ Error::Verifier(_)) => Ok(End::broken(Outcome::VerifierError, error)),
            Err(error) => Err(error),
        }
    }
}

/// The arguments object of a call. No text at all is an empty object.
fn read_arguments(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("the arguments are not a JSON object".to_owned()),
        Err(error) => Err(format!("the arguments are not JSON: {error}")),
    }
}
