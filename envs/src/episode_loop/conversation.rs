//! An episode under way: whose turn it is, what the policy sees, when it is over.

use super::{Cast, End};
use crate::context::{self, Cut, Strategy};
use crate::episode::{Step, TokenTrace};
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::policy::{Agent, PolicyFailure, PolicyTurn, Situation};
use crate::runner::Runner;
use crate::setup::{Setup, UserKind};
use crate::task::Task;
use crate::usage::{Trouble, Usage};
use crate::user::{Line, Script};
use crate::world::Loaded;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::time::Instant;

/// An episode under way.
pub(super) struct Conversation<'a> {
    pub(super) loaded: &'a Arc<Loaded>,
    pub(super) task: &'a Task,
    pub(super) setup: &'a Setup,
    seed: u64,
    pub(super) messages: Vec<Message>,
    pub(super) steps: Vec<Step>,
    pub(super) traces: Vec<TokenTrace>,
    pub(super) usage: Vec<Usage>,
    pub(super) cuts: Vec<Cut>,
    pub(super) answer: Option<Value>,
    pub(super) turn: u32,
    /// Malformed messages in a row.
    malformed: u32,
    context_bytes: usize,
    /// Tokens sampled in messages.
    sampled: u64,
    /// Usage of the last message, and the bytes of the view it was made from.
    last_prompt: Option<(Usage, u64)>,
    /// Whether a message of the agent has thinking in it, so that views must be made.
    thinks: bool,
    pub(super) faults: Option<Faults<'a>>,
    pub(super) user: Option<Script>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(loaded: &'a Arc<Loaded>, task: &'a Task, setup: &'a Setup, seed: u64) -> Self {
        Conversation {
            loaded,
            task,
            setup,
            seed,
            messages: Vec::with_capacity(2 + 2 * task.solution.len()),
            steps: Vec::with_capacity(task.solution.len()),
            traces: Vec::new(),
            usage: Vec::new(),
            cuts: Vec::new(),
            answer: None,
            turn: 0,
            malformed: 0,
            context_bytes: 0,
            sampled: 0,
            last_prompt: None,
            thinks: false,
            faults: Faults::new(&setup.faults, seed),
            user: None,
        }
    }

    /// Says what stands at the beginning.
    pub(super) fn open(&mut self, runner: &Runner) -> Result<()> {
        if self.setup.user != UserKind::Silent {
            let rows = runner.readable_state()?.unwrap_or_default();
            self.user = Some(Script::new(&self.task.prompt, &rows, self.seed));
        }
        let prompt = self.user.as_ref().map_or(&*self.task.prompt, Script::opening).to_owned();
        self.say(Message::System { content: self.loaded.environment().system.clone() });
        self.say(Message::User { content: prompt });
        Ok(())
    }

    pub(super) fn say(&mut self, message: Message) {
        self.context_bytes += message.bytes();
        self.messages.push(message);
    }

    pub(super) async fn run(&mut self, runner: &mut Runner, cast: &mut Cast<'_>) -> Result<End> {
        let setup = self.setup;
        let budget = &setup.budget;
        let deadline = budget.time.map(|time| Instant::now() + time);
        loop {
            if self.turn >= budget.turns {
                return Ok(End::plain(Outcome::OutOfTurns));
            }
            if self.context_bytes > budget.context_bytes {
                return Ok(End::plain(Outcome::OutOfContext));
            }
            if let Some(most) = budget.tokens
                && self.sampled > most
            {
                let why = format!("the budget of {most} sampled tokens is used up");
                return Ok(End::broken(Outcome::OutOfContext, why));
            }
            let turn = match deadline {
                None => self.next_message(cast).await,
                Some(deadline) => match tokio::time::timeout_at(deadline, self.next_message(cast)).await {
                    Ok(turn) => turn,
                    Err(_elapsed) => {
                        let message = format!("the episode took longer than {:?}", budget.time.unwrap_or_default());
                        Err(PolicyFailure::Endpoint { trouble: Trouble::OutOfTime, message })
                    }
                },
            };
            let end = match turn {
                Ok(turn) => self.take_turn(runner, cast, turn).await?,
                Err(failure) => Some(End::broken(outcome_of(&failure), failure)),
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// The agent's next message; its view of the conversation is made smaller first where that is due.
    async fn next_message(&mut self, cast: &mut Cast<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let mut may_cut = true;
        if self.is_cut_due(cast) {
            may_cut = !self.cut(cast).await?;
        }
        let (mut said, mut bytes) = self.ask(cast.agent).await;
        // The policy knows its window better than our estimate does.
        if let Err(PolicyFailure::OutOfContext { .. }) = said
            && may_cut
            && cast.cuts.is_none()
            && self.cut(cast).await?
        {
            (said, bytes) = self.ask(cast.agent).await;
        }
        let turn = said?;
        let counted = turn.usage.or_else(|| turn.trace.as_ref().map(tokens_of));
        if let Some(usage) = counted {
            let usage = Usage { turn: self.turn, ..usage };
            self.sampled += usage.completion;
            self.last_prompt = Some((usage, bytes));
            self.usage.push(usage);
        }
        Ok(turn)
    }

    /// Asks for a message; also gives the bytes of the view, where a window is minded.
    async fn ask(&self, agent: &mut dyn Agent) -> (Result<PolicyTurn, PolicyFailure>, u64) {
        let view = self.view();
        let bytes = if self.setup.context.window.is_some() { context::bytes(&view) } else { 0 };
        (agent.act(self.situation(&view)).await, bytes)
    }

    fn view(&self) -> Cow<'_, [Message]> {
        if self.cuts.is_empty() && !self.thinks {
            return Cow::Borrowed(&self.messages);
        }
        context::view(&self.messages, self.cuts.last())
    }

    fn situation<'s>(&'s self, view: &'s [Message]) -> Situation<'s> {
        Situation {
            environment: self.loaded.environment(),
            task: self.task,
            tools: self.loaded.tools(),
            messages: view,
            turn: self.turn,
            missing: self.user.as_ref().is_some_and(Script::is_missing),
        }
    }

    fn is_cut_due(&self, cast: &Cast<'_>) -> bool {
        if let Some(stored) = cast.cuts {
            return stored.get(self.cuts.len()).is_some_and(|cut| cut.at == self.messages.len());
        }
        let plan = &self.setup.context;
        if plan.window.is_none() || plan.strategy == Strategy::None {
            return false;
        }
        let last = self.last_prompt.as_ref().map(|(usage, bytes)| (usage, *bytes));
        plan.is_due(context::tokens(context::bytes(&self.view()), last))
    }

    /// Makes the view smaller; false if there is nothing to leave out.
    async fn cut(&mut self, cast: &mut Cast<'_>) -> Result<bool, PolicyFailure> {
        if let Some(cut) = cast.cuts.and_then(|stored| stored.get(self.cuts.len())) {
            self.cuts.push(cut.clone());
            return Ok(true);
        }
        let strategy = self.setup.context.strategy;
        let Some(mut cut) = context::cut(strategy, &self.messages, self.cuts.last()) else { return Ok(false) };
        if strategy == Strategy::Summary {
            let (turn, digest) = {
                let view = self.view();
                (cast.agent.summarise(self.situation(&view)).await?, context::digest(&view))
            };
            cut.summary = Some(if turn.content.trim().is_empty() { digest } else { turn.content });
            if let Some(usage) = turn.usage {
                self.usage.push(Usage { turn: self.turn, ..usage });
            }
        }
        self.cuts.push(cut);
        Ok(true)
    }

    /// Carries out one message of the agent.
    async fn take_turn(&mut self, runner: &mut Runner, cast: &mut Cast<'_>, turn: PolicyTurn) -> Result<Option<End>> {
        let number = self.turn;
        self.turn += 1;
        self.thinks |= !turn.reasoning.is_empty();
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
            self.say(Message::User { content: context::complain(&wrong) });
            return Ok(None);
        }
        if calls.is_empty() {
            self.malformed = 0;
            return match self.user.as_mut().and_then(Script::answer) {
                Some(line) => Ok(self.user_says(cast, line).await),
                None => self.judge(runner).map(Some),
            };
        }
        let done = self.carry_out(runner, number, calls)?;
        if let Some(end) = done.end {
            return Ok(Some(end));
        }
        if done.submitted {
            return self.judge(runner).map(Some);
        }
        match done.unreadable {
            Some(wrong) if self.one_more_malformed() => return Ok(Some(End::broken(Outcome::FormatError, wrong))),
            Some(_) => {}
            None => self.malformed = 0,
        }
        match done.user {
            Some(line) => Ok(self.user_says(cast, line).await),
            None => Ok(None),
        }
    }

    /// Lets the simulated user speak. Whoever words it may fail: then the episode ends.
    async fn user_says(&mut self, cast: &mut Cast<'_>, line: Line) -> Option<End> {
        let content = match cast.user.as_mut() {
            None => line.text,
            Some(voice) => {
                let heard = self.messages.iter().rev().find_map(|m| match m {
                    Message::Assistant { content, .. } => Some(content.as_str()),
                    _ => None,
                });
                match voice.say(&line, heard.unwrap_or_default()).await {
                    Ok(words) => line.worded(words),
                    Err(failure) => return Some(End::broken(Outcome::PolicyError, format!("the user: {failure}"))),
                }
            }
        };
        self.say(Message::User { content });
        None
    }

    /// Counts a malformed message; true when it was one too many.
    fn one_more_malformed(&mut self) -> bool {
        self.malformed += 1;
        self.malformed >= self.setup.budget.format_errors
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

fn outcome_of(failure: &PolicyFailure) -> Outcome {
    match failure {
        PolicyFailure::OutOfContext { .. } => Outcome::OutOfContext,
        PolicyFailure::Endpoint { .. } | PolicyFailure::Failed(_) => Outcome::PolicyError,
    }
}

/// The usage that a trace shows.
fn tokens_of(trace: &TokenTrace) -> Usage {
    Usage { prompt: trace.prompt_ids.len() as u64, completion: trace.tokens() as u64, ..Usage::default() }
}
