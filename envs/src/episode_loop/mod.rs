//! Runs one episode: asks the agent for its next message, carries out the calls in it, and lets the verifier judge the end.
//!
//! The host numbers calls itself (`call_0`, `call_1`, ...), whatever ids the policy wrote, so that an episode's bytes do not depend on
//! an endpoint. Every call gets a result message, `submit` too. Nothing here fails: what goes wrong becomes an [`Outcome`].

mod calls;
mod conversation;

use crate::context::Cut;
use crate::episode::{Episode, EpisodeKey};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::policy::Agent;
use crate::runner::Runner;
use crate::setup::Setup;
use crate::task::Task;
use crate::user::UserVoice;
use crate::verifier::Check;
use crate::world::Loaded;
use conversation::Conversation;
use std::sync::Arc;
use std::time::Instant;

/// Who takes part in an episode.
pub struct Cast<'a> {
    /// The agent.
    pub agent: &'a mut dyn Agent,
    /// Who words what a simulated user says; none: its script as it stands.
    pub user: Option<&'a mut dyn UserVoice>,
    /// The cuts of a stored episode: then the view is cut where it was cut, and nothing is judged anew.
    pub cuts: Option<&'a [Cut]>,
}

impl<'a> Cast<'a> {
    /// An agent by itself.
    pub fn alone(agent: &'a mut dyn Agent) -> Self {
        Cast { agent, user: None, cuts: None }
    }
}

/// Runs an episode of `task` in its environment. `seed` is stored; the agent was made with it.
pub async fn run_episode(
    loaded: &Arc<Loaded>,
    task: &Task,
    mut cast: Cast<'_>,
    setup: &Setup,
    key: EpisodeKey,
    seed: u64,
) -> Episode {
    let started = Instant::now();
    let mut conversation = Conversation::new(loaded, task, setup, setup.surroundings_seed(seed));
    let end = match Runner::with(loaded) {
        Ok(mut runner) => match conversation.open(&runner) {
            Ok(()) => conversation.run(&mut runner, &mut cast).await.unwrap_or_else(End::harness),
            Err(error) => End::harness(error),
        },
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
        setup: setup.clone(),
        usage: conversation.usage,
        cuts: conversation.cuts,
        messages: conversation.messages,
        steps: conversation.steps,
        traces: conversation.traces,
        turns: conversation.turn,
        elapsed_us: micros(started),
    }
}

/// The record of an episode that could not even begin, because its environment did not load.
pub fn not_run(task: &Task, setup: &Setup, key: EpisodeKey, seed: u64, error: &Error) -> Episode {
    Episode {
        key,
        environment_id: task.environment_id.clone(),
        seed,
        outcome: Outcome::HarnessError,
        reward: None,
        checks: Vec::new(),
        answer: None,
        error: Some(error.to_string()),
        setup: setup.clone(),
        usage: Vec::new(),
        cuts: Vec::new(),
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
