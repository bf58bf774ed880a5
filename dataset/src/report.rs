//! What a report shows: how policies compare, from the kept sums alone, and a few episodes to read.
//!
//! As in `eval`, the unit is the task: proportions are means over tasks and intervals count tasks.

use crate::error::Result;
use crate::eval::{CALL_BUCKETS, Pass, TaskCounts, pass};
use crate::filter::{EpisodeFilter, TaskFilter};
use crate::runs::Run;
use crate::stats::Stats;
use crate::store::Store;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use terrarium_envs::environment::Split;
use terrarium_envs::episode::Episode;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::task::Kind;

/// Values of k that are shown.
const ATTEMPTS: [u64; 6] = [1, 2, 4, 8, 16, 32];
/// Tools and errors shown a policy.
const TOP: usize = 8;

/// All that a report shows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Facts about the database.
    pub meta: BTreeMap<String, String>,
    /// Counts.
    pub stats: Stats,
    /// One for each policy, by name.
    pub policies: Vec<PolicyReport>,
    /// Names of rows of `by_kind`, in order.
    pub kinds: Vec<String>,
    /// Names of rows of `by_calls`, in order.
    pub calls: Vec<String>,
    /// Names of rows of `by_split`, in order.
    pub splits: Vec<String>,
    /// The last runs, newest first.
    pub runs: Vec<RunRow>,
    /// Episodes to read, ordered by task, policy, sample.
    pub episodes: Vec<ReportEpisode>,
}

/// How one policy does.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyReport {
    /// Its label.
    pub policy: String,
    /// Tasks that it tried.
    pub tasks: u64,
    /// Episodes.
    pub episodes: u64,
    /// Those with a reward.
    pub scored: u64,
    /// Those solved.
    pub solved: u64,
    /// pass@k and pass^k for each k up to the most scored episodes that a task has.
    pub pass: Vec<Pass>,
    /// Success by kind; none where no task was scored.
    pub by_kind: Vec<Option<Pass>>,
    /// Success by calls of the reference solution.
    pub by_calls: Vec<Option<Pass>>,
    /// Success by split.
    pub by_split: Vec<Option<Pass>>,
    /// How episodes ended, in the fixed order of outcomes.
    pub outcomes: Vec<OutcomeRow>,
    /// Means an episode.
    pub mean: Means,
    /// Calls that did not go well, the most frequent first.
    pub call_errors: Vec<CallRow>,
    /// Calls in all.
    pub call_count: u64,
}

/// Episodes that ended in one way.
#[derive(Clone, Debug, Serialize)]
pub struct OutcomeRow {
    /// Outcome.
    pub outcome: &'static str,
    /// The reward it carries.
    pub reward: Option<f64>,
    /// Episodes.
    pub episodes: u64,
}

/// Means an episode.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Means {
    /// Tool calls.
    pub calls: f64,
    /// Assistant messages.
    pub turns: f64,
    /// A quarter of the bytes of all messages.
    pub text_tokens: f64,
    /// Sampled tokens of the embedded model; 0 for others.
    pub sampled_tokens: f64,
}

/// Calls of one outcome.
#[derive(Clone, Debug, Serialize)]
pub struct CallRow {
    /// `bad_arguments`, a tool error's code, a trap's name, ...
    pub outcome: String,
    /// Calls.
    pub calls: u64,
}

/// A run in the report.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// Number.
    pub id: i64,
    /// Command.
    pub command: String,
    /// Policy, if there is one.
    pub policy: String,
    /// Seed.
    pub seed: u64,
    /// Options. Not serialised: with numbers of any precision, only JSON can hold them.
    #[serde(skip)]
    pub options: Value,
    /// Whether it came to its end.
    pub finished: bool,
    /// What it came to, as far as its summary says so: episodes, those solved, seconds.
    pub episodes: Option<u64>,
    pub solved: Option<u64>,
    pub seconds: Option<f64>,
}

/// An episode in the report.
#[derive(Clone, Debug, Serialize)]
pub struct ReportEpisode {
    /// Split of its task.
    pub split: &'static str,
    /// Kind of its task.
    pub kind: &'static str,
    /// The episode, without token traces.
    pub episode: Episode,
}

/// One cell of `pass_counts`.
#[derive(Clone)]
struct Cell {
    split: String,
    kind: String,
    calls: i64,
    counts: TaskCounts,
    tasks: u64,
}

impl Store {
    /// Gathers a report, with at most `episodes` episodes to read: of tasks evenly spread, one of each policy.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn report(&self, episodes: usize) -> Result<Report> {
        let stats = self.stats().await?;
        let mut cells: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
        {
            type Row = (String, String, String, i64, i64, i64, i64);
            let mut reader = self.reader().await?;
            let query = "SELECT policy, split, kind, calls_from, scored, solved, tasks FROM pass_counts ORDER BY 1, 2, 3, 4, 5, 6";
            for (policy, split, kind, calls, scored, solved, tasks) in
                self.sql(sqlx::query_as::<_, Row>(query).fetch_all(&mut *reader).await)?
            {
                let counts = TaskCounts { episodes: 0, scored: scored.cast_unsigned(), solved: solved.cast_unsigned() };
                let cell = Cell { split, kind, calls, counts, tasks: tasks.cast_unsigned() };
                cells.entry(policy).or_default().push(cell);
            }
        }
        let names = |name: fn(&Cell) -> String| -> Vec<String> {
            cells.values().flatten().map(name).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let ordered = |mut names: Vec<String>, order: &[&str]| {
            names.sort_by_key(|name| order.iter().position(|o| o == name));
            names
        };
        let kinds = ordered(names(|c| c.kind.clone()), &Kind::ALL.map(Kind::name));
        let splits = ordered(names(|c| c.split.clone()), &Split::ALL.map(Split::name));
        let buckets: BTreeSet<i64> = cells.values().flatten().map(|c| c.calls).collect();
        let mut policies = Vec::with_capacity(cells.len());
        for (policy, cells) in &cells {
            let of = |wanted: &dyn Fn(&Cell) -> bool| one(cells.iter().filter(|c| wanted(c)), 1);
            let most = cells.iter().map(|c| c.counts.scored).max().unwrap_or(0);
            let attempts = ATTEMPTS.into_iter().filter(|k| *k <= most);
            let (outcomes, mean) = self.endings(policy).await?;
            let count = |wanted: &dyn Fn(&OutcomeRow) -> bool| -> u64 {
                outcomes.iter().filter(|o| wanted(o)).map(|o| o.episodes).sum()
            };
            let (call_errors, call_count) = self.call_errors(policy).await?;
            policies.push(PolicyReport {
                policy: policy.clone(),
                tasks: cells.iter().map(|c| c.tasks).sum(),
                episodes: count(&|_| true),
                scored: count(&|o| o.reward.is_some()),
                solved: count(&|o| o.outcome == Outcome::Solved.name()),
                pass: attempts.filter_map(|k| one(cells.iter(), k)).collect(),
                by_kind: kinds.iter().map(|kind| of(&|c| c.kind == *kind)).collect(),
                by_calls: buckets.iter().map(|calls| of(&|c| c.calls == *calls)).collect(),
                by_split: splits.iter().map(|split| of(&|c| c.split == *split)).collect(),
                outcomes,
                mean,
                call_errors,
                call_count,
            });
        }
        let episodes = self.some_episodes(policies.len(), episodes).await?;
        let runs = self.runs().await?.into_iter().rev().take(20).map(run_row).collect();
        let calls = buckets.into_iter().map(bucket_name).collect();
        Ok(Report { meta: self.meta().await?, stats, policies, kinds, calls, splits, runs, episodes })
    }

    async fn endings(&self, policy: &str) -> Result<(Vec<OutcomeRow>, Means)> {
        type Row = (String, i64, i64, i64, i64, i64);
        let mut reader = self.reader().await?;
        let query = "SELECT outcome, sum(episodes), sum(turns), sum(steps), sum(text_bytes), sum(sampled_tokens) FROM episode_totals \
            WHERE policy = ? GROUP BY outcome";
        let rows = self.sql(sqlx::query_as::<_, Row>(query).bind(policy).fetch_all(&mut *reader).await)?;
        let mut sums = [0.0; 5];
        let mut found = BTreeMap::new();
        for (outcome, episodes, turns, steps, bytes, sampled) in rows {
            for (sum, value) in sums.iter_mut().zip([episodes, turns, steps, bytes, sampled]) {
                *sum += value as f64;
            }
            found.insert(outcome, episodes.cast_unsigned());
        }
        let [episodes, turns, steps, bytes, sampled] = sums;
        let each = |sum: f64| if episodes > 0.0 { sum / episodes } else { 0.0 };
        let mean = Means {
            calls: each(steps),
            turns: each(turns),
            text_tokens: each(bytes / 4.0),
            sampled_tokens: each(sampled),
        };
        let row = |outcome: Outcome| {
            let episodes = *found.get(outcome.name())?;
            Some(OutcomeRow { outcome: outcome.name(), reward: outcome.reward(), episodes })
        };
        Ok((Outcome::ALL.into_iter().filter_map(row).collect(), mean))
    }

    async fn call_errors(&self, policy: &str) -> Result<(Vec<CallRow>, u64)> {
        let mut reader = self.reader().await?;
        let query = "SELECT outcome, sum(calls) FROM call_totals WHERE policy = ? GROUP BY outcome ORDER BY 2 DESC, 1";
        let rows = sqlx::query_as::<_, (String, i64)>(query).bind(policy).fetch_all(&mut *reader).await;
        let rows: Vec<CallRow> =
            self.sql(rows)?.into_iter().map(|(outcome, n)| CallRow { outcome, calls: n.cast_unsigned() }).collect();
        let all = rows.iter().map(|row| row.calls).sum();
        Ok((rows.into_iter().filter(|row| row.outcome != "ok").take(TOP).collect(), all))
    }

    /// Episodes to read.
    async fn some_episodes(&self, policies: usize, most: usize) -> Result<Vec<ReportEpisode>> {
        let tasks = most / policies.max(1);
        let ids: Vec<String> = {
            // The ends of ids are hashes: ordered by them, the first few are spread over environments.
            let mut reader = self.reader().await?;
            let query = "SELECT task_id FROM (SELECT DISTINCT task_id FROM task_totals) ORDER BY substr(task_id, -8), task_id LIMIT ?";
            self.sql(sqlx::query_scalar(query).bind(tasks as i64).fetch_all(&mut *reader).await)?
        };
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = EpisodeFilter {
            tasks: TaskFilter { ids, ..TaskFilter::default() },
            without_traces: true,
            ..EpisodeFilter::default()
        };
        let mut cursor = self.episodes(&filter).await?;
        let mut episodes: Vec<ReportEpisode> = Vec::new();
        while let Some(stored) = cursor.next_stored().await? {
            let key = &stored.episode.key;
            let again = episodes.last().is_some_and(|last| {
                (&last.episode.key.task_id, &last.episode.key.policy) == (&key.task_id, &key.policy)
            });
            if !again {
                let (split, kind) = (stored.split.name(), stored.kind.name());
                episodes.push(ReportEpisode { split, kind, episode: stored.episode });
            }
        }
        Ok(episodes)
    }
}

/// Estimates over cells for one k.
fn one<'a>(cells: impl Iterator<Item = &'a Cell>, k: u64) -> Option<Pass> {
    pass(cells.map(|cell| (cell.counts, cell.tasks)), k)
}

fn bucket_name(first: i64) -> String {
    let next = CALL_BUCKETS.iter().find(|bucket| i64::from(**bucket) > first);
    next.map_or_else(|| format!("{first}+"), |next| format!("{first}–{}", next - 1))
}

fn run_row(run: Run) -> RunRow {
    let number = |name: &str| run.summary.as_ref()?.get(name);
    RunRow {
        id: run.id,
        command: run.start.command,
        policy: run.start.policy.unwrap_or_default(),
        seed: run.start.seed,
        options: run.start.options,
        finished: run.summary.is_some(),
        episodes: number("episodes").and_then(Value::as_u64),
        solved: number("solved").and_then(Value::as_u64),
        seconds: number("seconds").and_then(Value::as_f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_by_their_ends() {
        assert_eq!([1, 3, 13, 21].map(bucket_name), ["1–2", "3–4", "13–20", "21+"]);
    }
}
