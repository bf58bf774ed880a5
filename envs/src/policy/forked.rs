//! A branch of an episode: says what a stored episode said for its first steps, then lets another policy go on.
//!
//! The prefix runs through the ordinary loop in a world of its own, so the branch is an episode like any other: it replays and
//! re-scores by itself.

use super::{Agent, Policy, PolicyFailure, PolicyTurn, SharedPolicy, Situation};
use crate::episode::Episode;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::setup::{Fork, Setup};
use crate::usage::Meter;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::Arc;

/// The policy that goes on from a step of an episode.
pub struct Forked {
    inner: SharedPolicy,
    origin: Arc<Episode>,
    turns: Vec<PolicyTurn>,
    fork: Fork,
}

impl Forked {
    /// `inner` goes on after the first `steps` steps of `origin`.
    ///
    /// # Errors
    /// [`Error::Policy`] when `steps` is more than the episode has, or falls between the calls of one message.
    pub fn new(inner: SharedPolicy, origin: Arc<Episode>, steps: u32) -> Result<Self> {
        let fail = |message: String| {
            let policy = format!("{}@{}#{}", origin.key.task_id, origin.key.policy, origin.key.sample);
            Error::Policy { policy, message }
        };
        let (at, have) = (steps as usize, origin.steps.len());
        if at > have {
            return Err(fail(format!("it has {have} steps; it cannot branch after step {at}")));
        }
        let turn_after = match (at.checked_sub(1).map(|last| origin.steps[last].turn), origin.steps.get(at)) {
            (None, _) => 0,
            (Some(before), Some(next)) if next.turn == before => {
                let first = origin.steps.iter().filter(|s| s.turn < before).count();
                let end = origin.steps.iter().filter(|s| s.turn <= before).count();
                return Err(fail(format!(
                    "steps {first} to {} were made by one message; branch after step {first} or {end}",
                    end - 1
                )));
            }
            (Some(before), _) => before + 1,
        };
        let turns = origin.said().into_iter().take(turn_after as usize).collect();
        let key = &origin.key;
        let fork = Fork {
            policy: key.policy.clone(),
            sample: key.sample,
            seed: origin.setup.surroundings_seed(origin.seed),
            steps,
        };
        Ok(Forked { inner, origin, turns, fork })
    }

    /// The conditions of the branch: those of the episode, which its prefix needs, and where it branched off.
    pub fn setup(&self) -> Setup {
        Setup { fork: Some(self.fork.clone()), parallel: None, ..self.origin.setup.clone() }
    }
}

impl Policy for Forked {
    fn label(&self) -> String {
        let Fork { policy, sample, steps, .. } = &self.fork;
        format!("{}/{policy}#{sample}@{steps}", self.inner.label())
    }

    fn agent(&self, seed: u64) -> Box<dyn Agent> {
        Box::new(Branch { prefix: self.turns.clone().into(), then: self.inner.agent(seed) })
    }

    fn window(&self) -> Option<u64> {
        self.inner.window()
    }

    fn meter(&self) -> Option<&Meter> {
        self.inner.meter()
    }

    fn scripted(&self) -> bool {
        self.inner.scripted()
    }
}

struct Branch {
    prefix: VecDeque<PolicyTurn>,
    then: Box<dyn Agent>,
}

#[async_trait]
impl Agent for Branch {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        match self.prefix.pop_front() {
            Some(turn) => Ok(turn),
            None => self.then.act(situation).await,
        }
    }

    async fn summarise(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        self.then.summarise(situation).await
    }
}

impl Episode {
    /// What the policy said, turn by turn, out of the stored messages.
    pub fn said(&self) -> Vec<PolicyTurn> {
        let mut turns: Vec<PolicyTurn> = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            let Message::Assistant { content, reasoning, calls } = message else { continue };
            let malformed = match self.messages.get(index + 1) {
                // The host's word on a message it could not read.
                Some(Message::User { content }) if calls.is_empty() => crate::context::complaint(content),
                None if calls.is_empty() && self.outcome == crate::outcome::Outcome::FormatError => self.error.clone(),
                _ => None,
            };
            let turn = turns.len() as u32;
            turns.push(PolicyTurn {
                content: content.clone(),
                reasoning: reasoning.clone(),
                calls: calls.clone(),
                trace: self.traces.iter().find(|t| t.turn == turn).cloned(),
                usage: self.usage.iter().rfind(|u| u.turn == turn).copied(),
                malformed,
            });
        }
        turns
    }
}
