//! Running stored episodes again: the same messages through today's episode loop, sandbox and verifier, compared byte by byte.
//!
//! No policy is asked. A scripted agent says what the stored one said, turn by turn, on the stored component and under the stored
//! conditions (budget, faults, user, cuts); results, changes, fuel, checks, reward and outcome must come out the same. Durations are not compared. Not run again are episodes whose end has nothing to do
//! with the world: `epoch_deadline` (wall clock) and `harness_error`.
//!
//! Where everything up to the verdict came out the same, the verdict is one on the stored episode, and can be recorded beside it
//! ([`crate::rescores`]). Where not, it is one on another episode, and never is.

use crate::error::{Error, Result};
use crate::filter::EpisodeFilter;
use crate::rescores::{Recorded, Verdict};
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
/// Bytes shown of a text before its first difference, and from there on.
const SHOWN: (usize, usize) = (32, 48);

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
    /// Verdicts recorded.
    pub recorded: u64,
    /// Verdicts that were recorded before.
    pub known: u64,
    /// Episodes that came out otherwise before any verdict, so that there is none on the stored one.
    pub diverged: u64,
    /// Episodes of which the same verifier said something else before, which stays: somebody changed the rules of the verifier without
    /// raising `terrarium_envs::verifier::RULES`.
    pub contradicted: u64,
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
    /// The step it is in, from 0; none when all steps are the same and something after them differs.
    pub step: Option<u32>,
    /// What differs: `result`, `outcome`, `diff`, `fuel`, `call`, `turn`, `steps`, `message 4`, `checks`, ...
    pub part: String,
    /// The first byte that differs, from the beginning of that part.
    pub byte: usize,
    /// What is stored there: the bytes around the difference, `…` where more follow.
    pub stored: String,
    /// What came out now.
    pub now: String,
}

/// Whether verdicts are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// No.
    Nothing,
    /// Beside the first verdicts.
    Verdicts,
}

/// Verdicts a transaction.
const BATCH: usize = 256;

/// Runs the episodes that a filter means again. `progress` is told the number done after each.
///
/// # Errors
/// Those of reading the store, and [`Error::Replay`] when a stored component does not load.
pub async fn rescore(
    store: &Store,
    sandbox: &Sandbox,
    filter: &EpisodeFilter,
    record: Record,
    mut progress: impl FnMut(u64) + Send,
) -> Result<RescoreReport> {
    let mut verdicts = Vec::new();
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
        let verifier = task.verifier.name();
        current = Some((loaded, task));
        report.episodes += 1;
        report.calls += stored.steps.len() as u64;
        report.reward_changed += u64::from(stored.reward != now.reward);
        if !same_course(&stored, &now) {
            report.diverged += 1;
        } else if record == Record::Verdicts {
            verdicts.push((stored.key.clone(), Verdict::of(&now, verifier)));
            if verdicts.len() == BATCH {
                report.note(store.put_verdicts(&std::mem::take(&mut verdicts)).await?);
            }
        }
        match first_difference(&stored, &now) {
            None => report.identical += 1,
            Some(found) => {
                *report.different.entry(found.what).or_default() += 1;
                if report.differences.len() < LISTED_MAX {
                    report.differences.push(found.report(stored.key));
                }
            }
        }
        progress(report.episodes);
    }
    report.note(store.put_verdicts(&verdicts).await?);
    Ok(report)
}

impl RescoreReport {
    fn note(&mut self, recorded: Recorded) {
        self.recorded += recorded.added;
        self.known += recorded.known;
        self.contradicted += recorded.contradicted.len() as u64;
    }
}

/// Whether everything that a verdict is about came out the same: calls, results, changes, messages, answer. What a call costs is not.
fn same_course(stored: &Episode, now: &Episode) -> bool {
    let same_step = |(a, b): (&Step, &Step)| {
        (&a.result, &a.outcome, &a.diff, &a.call_id, &a.tool, &a.arguments, a.turn)
            == (&b.result, &b.outcome, &b.diff, &b.call_id, &b.tool, &b.arguments, b.turn)
    };
    stored.steps.len() == now.steps.len()
        && stored.steps.iter().zip(&now.steps).all(same_step)
        && stored.messages == now.messages
        && stored.answer == now.answer
        && stored.turns == now.turns
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

/// The first difference, whole.
struct Found {
    /// Stable name, for counting.
    what: &'static str,
    step: Option<u32>,
    part: String,
    stored: String,
    now: String,
}

impl Found {
    fn report(&self, key: EpisodeKey) -> Difference {
        let byte = first_byte(&self.stored, &self.now);
        let (stored, now) = (around(&self.stored, byte), around(&self.now, byte));
        Difference { key, step: self.step, part: self.part.clone(), byte, stored, now }
    }
}

/// The first byte in which two texts differ; the length of the shorter one where it begins the longer one.
fn first_byte(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count()
}

/// The characters of a text around a byte.
fn around(text: &str, byte: usize) -> String {
    let start = text.floor_char_boundary(byte.saturating_sub(SHOWN.0));
    let end = text.ceil_char_boundary(byte.saturating_add(SHOWN.1));
    let mark = |cut: bool| if cut { "…" } else { "" };
    format!("{}{}{}", mark(start > 0), &text[start..end], mark(end < text.len()))
}

fn first_difference(stored: &Episode, now: &Episode) -> Option<Found> {
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    for (n, (a, b)) in (0..).zip(stored.steps.iter().zip(&now.steps)) {
        let parts: [Part; 6] = [
            ("result", |s| s.result.clone()),
            ("outcome", |s| s.outcome.clone()),
            ("diff", |s| s.diff.clone()),
            ("fuel", |s| s.fuel.to_string()),
            ("call", |s| format!("{} {} {}", s.call_id, s.tool, s.arguments)),
            ("turn", |s| s.turn.to_string()),
        ];
        for (what, part) in parts {
            let (stored, now) = (part(a), part(b));
            if stored != now {
                return Some(Found { what, step: Some(n), part: what.to_owned(), stored, now });
            }
        }
    }
    let found = |what, part: String, stored, now| Some(Found { what, step: None, part, stored, now });
    if stored.steps.len() != now.steps.len() {
        let (stored, now) = (stored.steps.len().to_string(), now.steps.len().to_string());
        return found("steps", "number of steps".to_owned(), stored, now);
    }
    for (n, (a, b)) in stored.messages.iter().zip(&now.messages).enumerate() {
        if a != b {
            return found("messages", format!("message {n}"), text(a), text(b));
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
    let (what, stored, now) = rest.into_iter().find(|(_, a, b)| a != b)?;
    found(what, what.to_owned(), stored, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_found_and_shown_whole() {
        let check = |a: &str, b: &str, byte: usize| {
            assert_eq!(first_byte(a, b), byte, "{a} {b}");
            assert_eq!(first_byte(b, a), byte, "{a} {b}");
        };
        check("", "x", 0);
        check("abc", "abd", 2);
        check("abc", "abcd", 3);
        // Both letters begin with the same byte: the difference is inside a character.
        check("“é”", "“è”", 4);
        assert_eq!(around("“é”", 4), "“é”");
        let long = format!("{}é{}", "a".repeat(40), "b".repeat(60));
        assert_eq!(around(&long, 41), format!("…{}é{}…", "a".repeat(31), "b".repeat(47)));
        assert_eq!(around("abc", 3), "abc");
    }
}
