//! Storing episodes: the store is the scheduler's sink.

use crate::error::{Error, Result};
use crate::filter::TaskFilter;
use crate::rows::pack::Packer;
use crate::rows::{episode as rows, trace};
use crate::store::Store;
use crate::summaries::Batch;
use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::{QueryBuilder, Sqlite};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terrarium_envs::episode::{Episode, EpisodeKey};
use terrarium_envs::error::SinkError;
use terrarium_envs::sink::{EpisodeSink, Samples};

impl Store {
    /// Stores episodes, all or nothing.
    ///
    /// # Errors
    /// [`Error::EpisodeExists`] for a key that is taken, [`Error::Unknown`] for an episode of a task that is not stored,
    /// [`Error::Refused`] for a reward that does not fit its outcome.
    pub async fn put_episodes(&self, episodes: Vec<Episode>) -> Result<()> {
        let keys: Vec<EpisodeKey> = episodes.iter().map(|e| e.key.clone()).collect();
        match self.try_put(episodes).await {
            Err(Error::Refused { detail, .. }) => Err(self.why_refused(&keys, detail).await),
            other => other,
        }
    }

    async fn try_put(&self, mut episodes: Vec<Episode>) -> Result<()> {
        if episodes.is_empty() {
            return Ok(());
        }
        let batch = Batch::of(&episodes);
        let mut transaction = self.begin().await?;
        let connection = transaction.connection();
        let last: i64 = self
            .sql(sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM episodes").fetch_one(&mut *connection).await)?;
        let mut systems: BTreeMap<String, Arc<str>> = BTreeMap::new();
        for episode in &episodes {
            if !systems.contains_key(&episode.environment_id) {
                let system = self.system(&mut *connection, &episode.environment_id).await?;
                let unknown = || Error::Unknown {
                    what: "environment",
                    id: episode.environment_id.clone(),
                    path: self.path().to_path_buf(),
                };
                systems.insert(episode.environment_id.clone(), system.ok_or_else(unknown)?);
            }
        }
        let mut episode_rows = Vec::with_capacity(episodes.len());
        let mut step_rows = Vec::with_capacity(episodes.iter().map(|e| e.steps.len()).sum());
        let mut trace_rows = Vec::new();
        let mut packer = Packer::new();
        for (id, episode) in (last + 1..).zip(&mut episodes) {
            let system = Arc::clone(&systems[&episode.environment_id]);
            episode_rows.push(rows::write(id, episode, &system));
            trace_rows.extend(trace::write(id, &episode.traces, &mut packer));
            let steps = std::mem::take(&mut episode.steps);
            step_rows.extend(steps.into_iter().enumerate().map(|(number, step)| rows::write_step(id, number, step)));
        }
        self.sql(rows::TABLE.insert(&mut *connection, episode_rows).await)?;
        self.sql(rows::STEPS.insert(&mut *connection, step_rows).await)?;
        self.sql(trace::TABLE.insert(&mut *connection, trace_rows).await)?;
        self.add_to_summaries(&mut *connection, &batch).await?;
        transaction.commit().await
    }

    /// Which episode a constraint refused, in words.
    async fn why_refused(&self, keys: &[EpisodeKey], detail: String) -> Error {
        let mut seen = BTreeSet::new();
        for key in keys {
            let exists = || Error::EpisodeExists {
                task_id: key.task_id.clone(),
                policy: key.policy.clone(),
                sample: key.sample,
            };
            if !seen.insert(key) {
                return exists();
            }
            match self.key_state(key).await {
                Ok((false, _)) => {
                    return Error::Unknown { what: "task", id: key.task_id.clone(), path: self.path().to_path_buf() };
                }
                Ok((true, true)) => return exists(),
                Ok((true, false)) => {}
                Err(error) => return error,
            }
        }
        Error::Refused { what: "an episode".to_owned(), detail }
    }

    /// Whether the task and the episode of a key are stored.
    async fn key_state(&self, key: &EpisodeKey) -> Result<(bool, bool)> {
        let mut reader = self.reader().await?;
        let query = "SELECT EXISTS (SELECT 1 FROM tasks WHERE id = ?), \
            EXISTS (SELECT 1 FROM episodes WHERE task_id = ? AND policy = ? AND sample = ?)";
        let query = sqlx::query_as(query).bind(&key.task_id).bind(&key.task_id).bind(&key.policy).bind(key.sample);
        self.sql(query.fetch_one(&mut *reader).await)
    }

    /// Deletes the episodes of a policy that broke through no fault of their own (`policy_error`, `harness_error`), so that they are run
    /// again. Gives their number.
    pub async fn forget_broken(&self, policy: &str, tasks: &TaskFilter) -> Result<u64> {
        let mut transaction = self.begin().await?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "DELETE FROM episodes WHERE id IN (SELECT e.id FROM episodes e JOIN tasks t ON t.id = e.task_id \
             WHERE e.outcome IN ('policy_error', 'harness_error') AND e.policy = ",
        );
        query.push_bind(policy);
        tasks.push(&mut query, "e.task_id", "e.environment_id");
        query.push(")");
        let done = self.sql(query.build().execute(transaction.connection()).await)?.rows_affected();
        if done > 0 {
            self.count_again(transaction.connection()).await?;
        }
        transaction.commit().await?;
        Ok(done)
    }

    /// All stored samples of a policy.
    pub async fn stored_samples(&self, policy: &str) -> Result<Samples> {
        let mut reader = self.reader().await?;
        let query = sqlx::query_as::<_, (String, u32)>("SELECT task_id, sample FROM episodes WHERE policy = ?");
        let mut rows = query.bind(policy).fetch(&mut *reader);
        let mut samples = Samples::default();
        while let Some((task_id, sample)) = self.sql(rows.try_next().await)? {
            samples.insert(&task_id, sample);
        }
        Ok(samples)
    }
}

#[async_trait]
impl EpisodeSink for Store {
    async fn stored(&self, policy: &str) -> Result<Samples, SinkError> {
        Ok(self.stored_samples(policy).await?)
    }

    async fn put(&self, episodes: Vec<Episode>) -> Result<(), SinkError> {
        Ok(self.put_episodes(episodes).await?)
    }
}
