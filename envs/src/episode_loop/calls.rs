//! Carrying out the calls of one message, in order.

use super::conversation::Conversation;
use super::{End, micros};
use crate::episode::Step;
use crate::error::{Error, Result};
use crate::faults::{Faults, SPOKE};
use crate::message::{Message, MessageCall};
use crate::outcome::Outcome;
use crate::runner::Runner;
use crate::submit;
use crate::task::ToolCall;
use crate::user::{Line, Script};
use crate::world::{CallRecord, Status};
use serde_json::Value;
use std::time::Instant;

/// What the calls of one message came to.
#[derive(Default)]
pub(super) struct Done {
    /// The episode is over, without a verdict.
    pub(super) end: Option<End>,
    /// `submit` was accepted.
    pub(super) submitted: bool,
    /// Arguments that were no JSON object: what was wrong with the last.
    pub(super) unreadable: Option<String>,
    /// The user has something to say.
    pub(super) user: Option<Line>,
}

impl Conversation<'_> {
    /// Carries out the calls of turn `number`. Each gets a result, whatever happens to it.
    pub(super) fn carry_out(&mut self, runner: &mut Runner, number: u32, calls: Vec<MessageCall>) -> Result<Done> {
        let mut done = Done::default();
        let count = calls.len();
        let batch = self.faults.as_mut().map_or(count, |faults| faults.batch(count));
        for (i, call) in calls.into_iter().enumerate() {
            if self.steps.len() >= self.setup.budget.calls as usize {
                done.end = Some(End::plain(Outcome::OutOfTurns));
                return Ok(done);
            }
            let began = Instant::now();
            let mut diff = String::new();
            let record = if done.submitted {
                refused("submitted", "the episode had ended with `submit`")
            } else if i >= batch {
                Faults::not_carried_out(batch, count)
            } else {
                self.carry_out_one(runner, &call, &mut done, &mut diff)?
            };
            let trap = match record.status {
                Status::Trap { outcome, .. } => Some(End::broken(outcome, &record.result)),
                _ => None,
            };
            self.record(number, call, record, diff, began);
            if trap.is_some() {
                done.end = trap;
                return Ok(done);
            }
        }
        Ok(done)
    }

    fn carry_out_one(
        &mut self,
        runner: &mut Runner,
        call: &MessageCall,
        done: &mut Done,
        diff: &mut String,
    ) -> Result<CallRecord> {
        let arguments = match read_arguments(&call.arguments) {
            Ok(arguments) => arguments,
            Err(wrong) => {
                let message = format!("{wrong}; write the arguments of `{}` as one JSON object", call.name);
                done.unreadable = Some(message.clone());
                return Ok(CallRecord::refused(Status::BadArguments, &message));
            }
        };
        let submits = call.name == submit::NAME;
        if done.user.is_none() && (submits || self.writes(&call.name)) {
            done.user = self.user.as_mut().and_then(Script::interrupt);
        }
        if done.user.is_some() {
            return Ok(refused(SPOKE, "nothing was done: the user has just said something, read it first"));
        }
        if submits {
            return Ok(match submit::answer(&arguments) {
                Ok(answer) => {
                    self.answer = answer;
                    done.submitted = true;
                    CallRecord { result: submit::ACCEPTED.to_owned(), status: Status::Ok, fuel: 0 }
                }
                Err(message) => CallRecord::refused(Status::BadArguments, &message),
            });
        }
        if let Some(refusal) = self.faults.as_mut().and_then(|faults| faults.before(&call.name)) {
            return Ok(refusal);
        }
        let record = self.call_world(runner, &call.name, arguments, diff)?;
        Ok(match self.faults.as_mut() {
            Some(faults) => faults.after(&call.name, &call.arguments, record),
            None => record,
        })
    }

    fn writes(&self, tool: &str) -> bool {
        self.loaded.environment().tools.iter().any(|t| t.writes && t.name == tool)
    }

    /// Calls a tool of the world; `diff` becomes the JSON of what it changed, if it changed anything.
    fn call_world(&self, runner: &mut Runner, name: &str, arguments: Value, diff: &mut String) -> Result<CallRecord> {
        let mark = self.writes(name).then(|| runner.world().mark());
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
}

fn refused(code: &str, message: &str) -> CallRecord {
    CallRecord::refused(Status::ToolError(code.to_owned()), message)
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
