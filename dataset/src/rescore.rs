//! Running stored episodes again: the same messages through today's episode loop, sandbox and verifier, compared byte by byte.
//!
//! No policy is asked. A scripted agent says what the stored one said, turn by turn, on the stored component and under the stored
//! conditions (budget, faults, user, cuts); results, changes, fuel, checks, reward and outcome must come out the same. Durations are not compared. Not run again are episodes whose end has nothing to do
//! with the world: `epoch_deadline` (wall clock) and `harness_error`.

use crate::error::{Error, Result};
use crate::filter::EpisodeFilter;
use crate::store::Store;
use async_trait::async_trait;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use terrarium_envs::Loaded;
use terrarium_envs::context::complaint;
use terrarium_envs::episode::{Episode, EpisodeKey, Step};
use terrarium_envs::episode_loop::{Cast, run_episode};
use terrarium_envs::message::Message;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{Agent, PolicyFailure, PolicyTurn, Situation};
use terrarium_envs::sandbox::Sandbox;
use terrarium_envs::setup::UserKind;
use terrarium_envs::task::Task;
use terrarium_envs::user::{Line, UserVoice};

/// Differences listed; more are only counted.
const LISTED_MAX: usize = 100;

/// What running episodes again came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RescoreReport {
    /// Episodes run again.
    pub episodes: u64,
    /// Tool calls run again.
    pub calls: u64,
    /// Episodes that came out the same to the last byte.
    pub identical: u64,
    /// Episodes that differ, by what differs first.
    pub different: BTreeMap<&'static str, u64>,
    /// Episodes whose reward differs (a part of those).
    pub reward_changed: u64,
    /// Episodes that were not run again, by outcome.
    pub skipped: BTreeMap<&'static str, u64>,
    /// The first 100 that differ.
    pub differences: Vec<Difference>,
}

/// The first difference of one episode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Which episode.
    pub key: EpisodeKey,
    /// Where: `step 3 result`, `checks`, `outcome`, `message 4`, ...
    pub place: String,
    /// What is stored there.
    pub stored: String,
    /// What came out now.
    pub now: String,
}

/// Runs the episodes that a filter means again. `progress` is told the number done after each.
///
/// # Errors
/// Those of reading the store, and [`Error::Replay`] when a stored component does not load.
pub async fn rescore(
    store: &Store,
    sandbox: &Sandbox,
    filter: &EpisodeFilter,
    mut progress: impl FnMut(u64) + Send,
) -> Result<RescoreReport> {
    let mut report = RescoreReport::default();
    let mut cursor = store.episodes(filter).await?;
    // Episodes come ordered by task, tasks by environment: one of each at a time is enough.
    let mut current: Option<(Arc<Loaded>, Arc<Task>)> = None;
    while let Some(stored) = cursor.next().await? {
        if matches!(stored.outcome, Outcome::EpochDeadline | Outcome::HarnessError) {
            *report.skipped.entry(stored.outcome.name()).or_default() += 1;
            continue;
        }
        let (loaded, task) = match current.take() {
            Some((loaded, task)) if task.id == stored.key.task_id => (loaded, task),
            Some((loaded, _)) if loaded.environment().id == stored.environment_id => {
                (loaded, Arc::new(store.task(&stored.key.task_id).await?))
            }
            _ => {
                (load(store, sandbox, &stored.environment_id).await?, Arc::new(store.task(&stored.key.task_id).await?))
            }
        };
        let now = replay(&loaded, &task, &stored).await;
        current = Some((loaded, task));
        report.episodes += 1;
        report.calls += stored.steps.len() as u64;
        report.reward_changed += u64::from(stored.reward != now.reward);
        match first_difference(&stored, &now) {
            None => report.identical += 1,
            Some((what, place, then, now)) => {
                *report.different.entry(what).or_default() += 1;
                if report.differences.len() < LISTED_MAX {
                    report.differences.push(Difference { key: stored.key, place, stored: then, now });
                }
            }
        }
        progress(report.episodes);
    }
    Ok(report)
}

async fn load(store: &Store, sandbox: &Sandbox, id: &str) -> Result<Arc<Loaded>> {
    let environment = Arc::new(store.environment(id).await?);
    Loaded::load(sandbox, &environment)
        .map_err(|e| Error::Replay { environment_id: id.to_owned(), detail: e.to_string() })
}

/// Runs one stored episode again, under the conditions that are stored with it.
pub async fn replay(loaded: &Arc<Loaded>, task: &Task, stored: &Episode) -> Episode {
    let mut agent = Replay::of(stored);
    let mut user = Words::of(stored);
    let modelled = stored.setup.user == UserKind::Model;
    let cast =
        Cast { agent: &mut agent, user: modelled.then_some(&mut user as &mut dyn UserVoice), cuts: Some(&stored.cuts) };
    // Whether a stored episode was in time is not asked again.
    let mut setup = stored.setup.clone();
    setup.budget.time = None;
    let mut now = run_episode(loaded, task, cast, &setup, stored.key.clone(), stored.seed).await;
    now.setup.budget.time = stored.setup.budget.time;
    now
}

/// An agent that says what a stored one said.
struct Replay {
    turns: VecDeque<PolicyTurn>,
    end: PolicyFailure,
}

impl Replay {
    fn of(stored: &Episode) -> Replay {
        let error = stored.error.clone().unwrap_or_default();
        let end = match stored.outcome {
            Outcome::OutOfContext => PolicyFailure::OutOfContext { window: window(&error) },
            _ => PolicyFailure::Failed(error),
        };
        Replay { turns: stored.said().into(), end }
    }
}

/// The size of the window that an error message names.
fn window(error: &str) -> usize {
    error.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse().ok()).unwrap_or(0)
}

#[async_trait]
impl Agent for Replay {
    async fn act(&mut self, _: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        self.turns.pop_front().ok_or_else(|| self.end.clone())
    }
}

/// A user that says what a stored one said.
struct Words {
    left: VecDeque<String>,
    /// Why it could not speak in the end, if that ended the episode.
    end: String,
}

impl Words {
    fn of(stored: &Episode) -> Words {
        let opening = stored.messages.iter().position(|m| matches!(m, Message::User { .. })).map_or(0, |i| i + 1);
        let later = stored.messages.iter().skip(opening).filter_map(|m| match m {
            Message::User { content } if complaint(content).is_none() => Some(content.clone()),
            _ => None,
        });
        let error = stored.error.as_deref().unwrap_or_default();
        Words { left: later.collect(), end: error.strip_prefix("the user: ").unwrap_or(error).to_owned() }
    }
}

#[async_trait]
impl UserVoice for Words {
    async fn say(&mut self, _: &Line, _: &str) -> Result<String, PolicyFailure> {
        self.left.pop_front().ok_or_else(|| PolicyFailure::Failed(self.end.clone()))
    }
}

/// A named part of a step, as text.
type Part = (&'static str, fn(&Step) -> String);

/// The kind and place of the first difference, and both sides of it.
fn first_difference(stored: &Episode, now: &Episode) -> Option<(&'static str, String, String, String)> {
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    for (n, (a, b)) in stored.steps.iter().zip(&now.steps).enumerate() {
        let parts: [Part; 6] = [
            ("result", |s| s.result.clone()),
            ("outcome", |s| s.outcome.clone()),
            ("diff", |s| s.diff.clone()),
            ("fuel", |s| s.fuel.to_string()),
            ("call", |s| format!("{} {} {}", s.call_id, s.tool, s.arguments)),
            ("turn", |s| s.turn.to_string()),
        ];
        for (what, part) in parts {
            if part(a) != part(b) {
                return Some((what, format!("step {n} {what}"), part(a), part(b)));
            }
        }
    }
    if stored.steps.len() != now.steps.len() {
        return Some(("steps", "number of steps".into(), stored.steps.len().to_string(), now.steps.len().to_string()));
    }
    for (n, (a, b)) in stored.messages.iter().zip(&now.messages).enumerate() {
        if a != b {
            return Some(("messages", format!("message {n}"), text(a), text(b)));
        }
    }
    let rest: [(&'static str, String, String); 8] = [
        ("messages", stored.messages.len().to_string(), now.messages.len().to_string()),
        ("answer", text(&stored.answer), text(&now.answer)),
        ("checks", text(&stored.checks), text(&now.checks)),
        ("outcome", stored.outcome.name().into(), now.outcome.name().into()),
        ("reward", text(&stored.reward), text(&now.reward)),
        ("error", text(&stored.error), text(&now.error)),
        ("turns", stored.turns.to_string(), now.turns.to_string()),
        ("traces", text(&stored.traces.len()), text(&now.traces.len())),
    ];
    rest.into_iter().find(|(_, a, b)| a != b).map(|(what, a, b)| (what, what.to_owned(), a, b))
}
