//! How well policies do: pass@1, pass@k and pass^k with intervals, by kind and difficulty.
//!
//! The unit is the task: a policy's proportion is the mean over tasks, and intervals count tasks, so that many samples of few tasks do
//! not look like many tasks. Episodes without a reward (the run broke) are counted apart and enter no proportion.

use crate::error::Result;
use crate::filter::EpisodeFilter;
use crate::rows::task::kind;
use crate::statistics::{Estimate, Z_95, pass_at_k, pass_pow_k, wilson};
use crate::store::Store;
use futures::TryStreamExt;
use serde::Serialize;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::collections::BTreeMap;
use terrarium_envs::task::Kind;

/// Calls of the reference solution at which a new bucket of difficulty begins.
pub const CALL_BUCKETS: [u32; 6] = [1, 3, 5, 8, 13, 21];

/// One row of an evaluation. Ordered by policy, then all kinds before each kind, all difficulties before each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvalRow {
    /// Policy.
    pub policy: String,
    /// Kind; none for all together.
    pub kind: Option<Kind>,
    /// Calls of the reference solution, first and last of the bucket (no last: open); none for all together.
    pub calls: Option<(u32, Option<u32>)>,
    /// Tasks with at least one episode.
    pub tasks: u64,
    /// Episodes.
    pub episodes: u64,
    /// Those with a reward.
    pub scored: u64,
    /// Those solved.
    pub solved: u64,
    /// For each k: the estimates, over the tasks that have at least k scored episodes.
    pub pass: Vec<Pass>,
}

/// Estimates for one k.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pass {
    /// Attempts.
    pub k: u64,
    /// Tasks with at least so many scored episodes.
    pub tasks: u64,
    /// Chance that at least one of k attempts succeeds.
    pub at: Estimate,
    /// Chance that all of k attempts succeed.
    pub pow: Estimate,
}

/// One task of one policy.
#[derive(Clone, Copy)]
pub(crate) struct TaskCounts {
    pub episodes: u64,
    pub scored: u64,
    pub solved: u64,
}

/// The first and last number of calls of the bucket that `calls` falls in.
pub fn bucket(calls: u32) -> (u32, Option<u32>) {
    let index = CALL_BUCKETS.iter().rposition(|first| *first <= calls).unwrap_or(0);
    (CALL_BUCKETS[index], CALL_BUCKETS.get(index + 1).map(|next| next - 1))
}

/// The values of k that are reported for a wish of up to `k`: powers of two below it, and itself.
fn attempts(k: u64) -> Vec<u64> {
    let mut all: Vec<u64> = (0..63).map(|n| 1 << n).take_while(|n| *n < k).collect();
    all.push(k.max(1));
    all
}

impl Store {
    /// Evaluates the episodes that a filter means, for up to `k` attempts. The filter's `limit` is ignored.
    pub async fn eval(&self, filter: &EpisodeFilter, k: u64) -> Result<Vec<EvalRow>> {
        type Key = (String, Option<Kind>, Option<(u32, Option<u32>)>);
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT e.policy, t.kind, t.calls, count(*) AS episodes, count(e.reward) AS scored, \
             sum(e.outcome = 'solved') AS solved FROM episodes e CROSS JOIN tasks t ON t.id = e.task_id WHERE TRUE",
        );
        filter.push(&mut query);
        query.push(" GROUP BY e.task_id, e.policy");
        let mut groups: BTreeMap<Key, Vec<TaskCounts>> = BTreeMap::new();
        let mut reader = self.reader().await?;
        let mut rows = query.build().fetch(&mut *reader);
        while let Some(row) = self.sql(rows.try_next().await)? {
            let count = |column| self.sql(row.try_get::<i64, _>(column)).map(i64::cast_unsigned);
            let policy: String = self.sql(row.try_get("policy"))?;
            let kind = kind(self.sql(row.try_get("kind"))?).map_err(|e| self.corrupt(e))?;
            let bucket = bucket(self.sql(row.try_get("calls"))?);
            for key_kind in [None, Some(kind)] {
                for key_bucket in [None, Some(bucket)] {
                    let counts =
                        TaskCounts { episodes: count("episodes")?, scored: count("scored")?, solved: count("solved")? };
                    groups.entry((policy.clone(), key_kind, key_bucket)).or_default().push(counts);
                }
            }
        }
        drop(rows);
        let ks = attempts(k);
        let row = |((policy, kind, calls), tasks): (Key, Vec<TaskCounts>)| EvalRow {
            policy,
            kind,
            calls,
            tasks: tasks.len() as u64,
            episodes: tasks.iter().map(|t| t.episodes).sum(),
            scored: tasks.iter().map(|t| t.scored).sum(),
            solved: tasks.iter().map(|t| t.solved).sum(),
            pass: ks.iter().filter_map(|k| pass(tasks.iter().map(|t| (*t, 1)), *k)).collect(),
        };
        Ok(groups.into_iter().map(row).collect())
    }
}

/// Estimates for one k over tasks, each with how many there are like it; none if no task has k scored episodes.
pub(crate) fn pass(tasks: impl Iterator<Item = (TaskCounts, u64)>, k: u64) -> Option<Pass> {
    let (mut n, mut at, mut pow) = (0, 0.0, 0.0);
    for (task, count) in tasks {
        if let (Some(a), Some(p)) = (pass_at_k(task.scored, task.solved, k), pass_pow_k(task.scored, task.solved, k)) {
            n += count;
            at += a * count as f64;
            pow += p * count as f64;
        }
    }
    Some(Pass { k, tasks: n, at: wilson(at, n, Z_95)?, pow: wilson(pow, n, Z_95)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_every_number_of_calls_once() {
        assert_eq!([0, 1, 2, 3, 7, 8, 20, 21, 500].map(|n| bucket(n).0), [1, 1, 1, 3, 5, 8, 13, 21, 21]);
        assert_eq!((bucket(4), bucket(99)), ((3, Some(4)), (21, None)));
        assert_eq!((attempts(1), attempts(4), attempts(6)), (vec![1], vec![1, 2, 4], vec![1, 2, 4, 6]));
    }
}
