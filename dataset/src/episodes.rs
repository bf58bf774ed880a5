//! Reading episodes in order, in constant memory.

use crate::error::{Error, Result};
use crate::filter::EpisodeFilter;
use crate::rows::environment::split;
use crate::rows::task::kind;
use crate::rows::{episode as rows, json, trace};
use crate::select::Selection;
use crate::store::Store;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};
use std::collections::{BTreeMap, VecDeque};
use terrarium_envs::environment::Split;
use terrarium_envs::episode::{Episode, EpisodeKey, Step, TokenTrace};
use terrarium_envs::task::Kind;

/// Episodes read at a time: some 2 MB.
const PAGE: i64 = 128;

/// The rows that a cursor reads, numbered from 1 in their order.
pub(crate) const SELECTED: &str = "CREATE TEMP TABLE selected (n INTEGER PRIMARY KEY, id INTEGER NOT NULL)";

/// Reads episodes one after another, ordered by task, policy, sample. It sees the database as it was when it was made, whatever is
/// written meanwhile. It holds a connection of its own until it is dropped.
pub struct EpisodeCursor {
    store: Store,
    connection: SqliteConnection,
    parts: Parts,
    /// Episodes carry the newest verdict on them instead of their first.
    rescored: bool,
    /// The number of the first row that was not read.
    next: i64,
    page: VecDeque<StoredEpisode>,
}

/// An episode and what its task says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEpisode {
    /// The episode.
    pub episode: Episode,
    /// Split of its task.
    pub split: Split,
    /// Kind of its task.
    pub kind: Kind,
    /// Its task's cluster of near-duplicates; empty where none was given.
    pub cluster: String,
    /// The verifier of the later verdict that the episode carries; none where it is the first one.
    pub rescored_by: Option<String>,
}

/// What of an episode is read.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    pub traces: bool,
    /// The changes of the world, step by step.
    pub diffs: bool,
}

impl Parts {
    const ALL: Parts = Parts { traces: true, diffs: true };

    /// What a filter asks for.
    pub fn of(filter: &EpisodeFilter) -> Parts {
        Parts { traces: !filter.without_traces, diffs: !filter.without_diffs }
    }
}

impl Store {
    /// The episodes that a filter means, one after another.
    pub async fn episodes(&self, filter: &EpisodeFilter) -> Result<EpisodeCursor> {
        self.select(&Selection::from(filter.clone())).await
    }

    /// One episode.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it is not stored.
    pub async fn episode(&self, key: &EpisodeKey) -> Result<Episode> {
        let mut reader = self.reader().await?;
        let text = format!("SELECT {} FROM episodes e WHERE task_id = ? AND policy = ? AND sample = ?", rows::COLUMNS);
        let query = sqlx::query(AssertSqlSafe(text)).bind(&key.task_id).bind(&key.policy).bind(key.sample);
        let row = self.sql(query.fetch_optional(&mut *reader).await)?;
        let episodes = self.assemble(&mut reader, row.into_iter().collect(), Parts::ALL).await?;
        let unknown = || Error::Unknown {
            what: "episode",
            id: format!("{} of {} (sample {})", key.task_id, key.policy, key.sample),
            path: self.path().to_path_buf(),
        };
        episodes.into_iter().next().ok_or_else(unknown)
    }

    /// Episodes of rows, with their steps and traces.
    async fn assemble(
        &self,
        connection: &mut SqliteConnection,
        found: Vec<SqliteRow>,
        parts: Parts,
    ) -> Result<Vec<Episode>> {
        let mut ids = Vec::with_capacity(found.len());
        let mut expects_traces = false;
        for row in &found {
            ids.push(self.sql(row.try_get::<i64, _>("id"))?);
            expects_traces |= self.sql(row.try_get::<i64, _>("trace_count"))? > 0;
        }
        let ids = json(&ids);
        let mut steps = self.steps(connection, &ids, parts).await?;
        let mut traces = if parts.traces && expects_traces { Some(self.traces(connection, &ids).await?) } else { None };
        let mut episodes = Vec::with_capacity(found.len());
        for row in &found {
            let id: i64 = self.sql(row.try_get("id"))?;
            let environment_id: &str = self.sql(row.try_get("environment_id"))?;
            let system = self.system(connection, environment_id).await?;
            let system = system.ok_or_else(|| self.corrupt(format!("environment {environment_id} is gone")))?;
            let traces = traces.as_mut().map(|all| all.remove(&id).unwrap_or_default());
            let episode = rows::read(row, steps.remove(&id).unwrap_or_default(), traces, &system);
            episodes.push(episode.map_err(|e| self.corrupt(format!("table episodes: {e}")))?);
        }
        Ok(episodes)
    }

    async fn steps(
        &self,
        connection: &mut SqliteConnection,
        ids: &str,
        parts: Parts,
    ) -> Result<BTreeMap<i64, Vec<Step>>> {
        let columns = if parts.diffs { rows::STEP_COLUMNS } else { rows::STEP_COLUMNS_WITHOUT_DIFF };
        let text = format!(
            "SELECT {columns} FROM steps WHERE episode_id IN (SELECT value FROM json_each(?)) ORDER BY episode_id, number"
        );
        let found = self.sql(sqlx::query(AssertSqlSafe(text)).bind(ids).fetch_all(connection).await)?;
        let mut steps: BTreeMap<i64, Vec<Step>> = BTreeMap::new();
        for row in &found {
            let (episode, step) = self.sql(rows::read_step(row))?;
            steps.entry(episode).or_default().push(step);
        }
        Ok(steps)
    }

    async fn traces(&self, connection: &mut SqliteConnection, ids: &str) -> Result<BTreeMap<i64, Vec<TokenTrace>>> {
        let columns = trace::COLUMNS;
        let text = format!(
            "SELECT {columns} FROM traces WHERE episode_id IN (SELECT value FROM json_each(?)) ORDER BY episode_id, number"
        );
        let found = self.sql(sqlx::query(AssertSqlSafe(text)).bind(ids).fetch_all(connection).await)?;
        let mut traces: BTreeMap<i64, Vec<TokenTrace>> = BTreeMap::new();
        for row in &found {
            let of_episode = traces.entry(self.sql(row.try_get("episode_id"))?).or_default();
            let trace = trace::read(row, of_episode.last()).map_err(|e| self.corrupt(format!("table traces: {e}")))?;
            of_episode.push(trace);
        }
        Ok(traces)
    }
}

impl EpisodeCursor {
    /// A cursor over the rows of `temp.selected` of a connection.
    pub(crate) fn new(store: Store, connection: SqliteConnection, parts: Parts, rescored: bool) -> EpisodeCursor {
        EpisodeCursor { store, connection, parts, rescored, next: 1, page: VecDeque::new() }
    }

    /// The next episode, or none at the end.
    pub async fn next(&mut self) -> Result<Option<Episode>> {
        Ok(self.next_stored().await?.map(|stored| stored.episode))
    }

    /// The next episode with its task's split and kind, or none at the end.
    pub async fn next_stored(&mut self) -> Result<Option<StoredEpisode>> {
        if self.page.is_empty() {
            self.read_page().await?;
        }
        Ok(self.page.pop_front())
    }

    /// All that are left, in one list.
    pub async fn collect(mut self) -> Result<Vec<Episode>> {
        let mut all = Vec::new();
        while let Some(episode) = self.next().await? {
            all.push(episode);
        }
        Ok(all)
    }

    async fn read_page(&mut self) -> Result<()> {
        // Cross joins keep the order of the selection without sorting.
        let text = format!(
            "SELECT {}, t.split, t.kind, t.cluster FROM temp.selected s CROSS JOIN episodes e ON e.id = s.id \
             CROSS JOIN tasks t ON t.id = e.task_id WHERE s.n >= ? AND s.n < ? ORDER BY s.n",
            rows::COLUMNS
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(self.next).bind(self.next + PAGE);
        let found = self.store.sql(query.fetch_all(&mut self.connection).await)?;
        self.next += PAGE;
        let mut heads = Vec::with_capacity(found.len());
        for row in &found {
            let split = split(self.store.sql(row.try_get("split"))?).map_err(|e| self.store.corrupt(e))?;
            let kind = kind(self.store.sql(row.try_get("kind"))?).map_err(|e| self.store.corrupt(e))?;
            let cluster: String = self.store.sql(row.try_get("cluster"))?;
            heads.push((split, kind, cluster, self.store.sql(row.try_get::<i64, _>("id"))?));
        }
        let mut verdicts = BTreeMap::new();
        if self.rescored {
            let ids: Vec<i64> = heads.iter().map(|(_, _, _, id)| *id).collect();
            verdicts = self.store.newest_verdicts(&mut self.connection, &json(&ids)).await?;
        }
        let episodes = self.store.assemble(&mut self.connection, found, self.parts).await?;
        self.page = episodes
            .into_iter()
            .zip(heads)
            .map(|(mut episode, (split, kind, cluster, id))| {
                let verdict = verdicts.remove(&id);
                let rescored_by = verdict.as_ref().map(|verdict| verdict.verifier.clone());
                if let Some(verdict) = verdict {
                    verdict.replace_in(&mut episode);
                }
                StoredEpisode { episode, split, kind, cluster, rescored_by }
            })
            .collect();
        Ok(())
    }
}
