//! One database out of several.
//!
//! Everything is compared with what is there already, so that merging again, or going on after a kill, adds nothing twice. What has the
//! same key and other content is a conflict: it is named, what the target holds stays, and the rest goes on. Each batch is a transaction;
//! memory does not depend on how much there is.

use crate::error::{Error, Result};
use crate::filter::{EpisodeFilter, TaskFilter, list};
use crate::runs::Run;
use crate::store::Store;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};
use std::collections::{BTreeMap, BTreeSet};
use terrarium_envs::episode::{Episode, EpisodeKey};

/// Conflicts listed; more are only counted.
const LISTED_MAX: usize = 100;
/// Episodes a transaction.
const BATCH: usize = 256;

/// What happens to an episode whose key is taken by another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// It is a conflict.
    #[default]
    Conflict,
    /// It gets the next free sample number of its task and policy, unless the same episode is there under another number: for samples
    /// that two machines drew for one policy.
    Renumber,
}

/// What a merge did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MergeReport {
    /// Rows added, by table.
    pub added: BTreeMap<&'static str, u64>,
    /// Rows that were there already, by table.
    pub known: BTreeMap<&'static str, u64>,
    /// Episodes that got another sample number (a part of those added).
    pub renumbered: u64,
    /// The first 100 conflicts, in words.
    pub conflicts: Vec<String>,
    /// All conflicts.
    pub conflict_count: u64,
}

impl MergeReport {
    fn add(&mut self, table: &'static str, rows: u64) {
        *self.added.entry(table).or_default() += rows;
    }

    fn know(&mut self, table: &'static str, rows: u64) {
        *self.known.entry(table).or_default() += rows;
    }

    fn conflict(&mut self, text: String) {
        self.conflict_count += 1;
        if self.conflicts.len() < LISTED_MAX {
            self.conflicts.push(text);
        }
    }
}

/// Ids whose content differs: their episodes stay out.
#[derive(Default)]
struct Differing {
    environments: BTreeSet<String>,
    tasks: BTreeSet<String>,
}

impl Store {
    /// Adds what `source` holds. `progress` is told the number of its episodes that were looked at.
    ///
    /// # Errors
    /// [`Error::Exists`] when `source` is this database; those of reading the source and of writing. Conflicts are no errors.
    pub async fn merge(
        &self,
        source: &Store,
        taken: Taken,
        report: &mut MergeReport,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<()> {
        let same = |a: &std::path::Path, b: &std::path::Path| a.canonicalize().ok().zip(b.canonicalize().ok());
        if same(self.path(), source.path()).is_some_and(|(a, b)| a == b) {
            return Err(Error::Exists { path: source.path().to_path_buf() });
        }
        let from = source.path().display().to_string();
        self.merge_meta(source, &from, report).await?;
        let differing = self.merge_environments(source, &from, report).await?;
        self.merge_episodes(source, &from, taken, &differing, report, &mut progress).await?;
        self.merge_runs(source, report).await?;
        self.merge_syntheses(source, report).await
    }

    async fn merge_meta(&self, source: &Store, from: &str, report: &mut MergeReport) -> Result<()> {
        let here = self.meta().await?;
        for (name, value) in source.meta().await? {
            match here.get(&name) {
                None => {
                    self.put_meta(&name, &value).await?;
                    report.add("meta", 1);
                }
                Some(known) if *known == value => report.know("meta", 1),
                Some(known) => report.conflict(format!("{from}: {name} is {value}, and {known} here")),
            }
        }
        Ok(())
    }

    async fn merge_environments(&self, source: &Store, from: &str, report: &mut MergeReport) -> Result<Differing> {
        let mut differing = Differing::default();
        for id in source.environment_ids(None).await? {
            let environment = source.environment(&id).await?;
            let filter = TaskFilter { environment: Some(id.clone()), ..TaskFilter::default() };
            let mut tasks = source.tasks(&filter).await?;
            let mut clusters = source.clusters(&id, &tasks).await?;
            let here: BTreeSet<String> = self.task_ids(&filter).await?.into_iter().collect();
            let is_known = match self.environment(&id).await {
                Ok(_) => true,
                Err(Error::Unknown { .. }) => false,
                Err(error) => return Err(error),
            };
            loop {
                match self.put_clustered(&environment, &tasks, &clusters, None).await {
                    Ok(()) => {
                        let known = tasks.iter().filter(|t| here.contains(&t.id)).count();
                        report.add("environments", u64::from(!is_known));
                        report.know("environments", u64::from(is_known));
                        report.know("tasks", known as u64);
                        report.add("tasks", (tasks.len() - known) as u64);
                        break;
                    }
                    Err(Error::Differs { what: "task", id }) => {
                        report.conflict(format!("{from}: task {id} has other content here"));
                        tasks.retain(|t| t.id != id);
                        clusters = source.clusters(&environment.id, &tasks).await?;
                        differing.tasks.insert(id);
                    }
                    Err(Error::Differs { id, .. }) => {
                        report.conflict(format!("{from}: environment {id} has other content here"));
                        differing.environments.insert(id);
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(differing)
    }

    async fn merge_episodes(
        &self,
        source: &Store,
        from: &str,
        taken: Taken,
        differing: &Differing,
        report: &mut MergeReport,
        progress: &mut (impl FnMut(u64) + Send),
    ) -> Result<()> {
        let mut cursor = source.episodes(&EpisodeFilter::default()).await?;
        let has_verdicts = source.has_verdicts().await?;
        let mut looked_at = 0;
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH {
                match cursor.next().await? {
                    Some(episode) => batch.push(episode),
                    None => break,
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
            looked_at += batch.len() as u64;
            let known = self.known_keys(&batch).await?;
            let mut new = Vec::with_capacity(batch.len());
            // Keys there and here of the episodes that are the same.
            let mut both = Vec::with_capacity(batch.len());
            for mut episode in batch {
                let key = &episode.key;
                let what = || format!("{from}: episode {}@{}#{}", key.task_id, key.policy, key.sample);
                if differing.environments.contains(&episode.environment_id) || differing.tasks.contains(&key.task_id) {
                    report.conflict(format!("{} belongs to a task that has other content here", what()));
                } else if !known.contains(key) {
                    both.push((key.clone(), key.clone()));
                    new.push(episode);
                } else if same(&self.episode(key).await?, &episode) {
                    both.push((key.clone(), key.clone()));
                    report.know("episodes", 1);
                } else if taken == Taken::Conflict {
                    report.conflict(format!("{} has other content here", what()));
                } else {
                    // What is decided below must see what came before.
                    self.add_episodes(std::mem::take(&mut new), report).await?;
                    let there = key.clone();
                    let (sample, is_known) = self.place_for(&episode).await?;
                    episode.key.sample = sample;
                    both.push((there, episode.key.clone()));
                    if is_known {
                        report.know("episodes", 1);
                    } else {
                        report.renumbered += 1;
                        self.add_episodes(vec![episode], report).await?;
                    }
                }
            }
            self.add_episodes(new, report).await?;
            if has_verdicts {
                self.merge_verdicts(source, from, &both, report).await?;
            }
            progress(looked_at);
        }
    }

    async fn add_episodes(&self, episodes: Vec<Episode>, report: &mut MergeReport) -> Result<()> {
        report.add("episodes", episodes.len() as u64);
        self.put_episodes(episodes).await
    }

    /// Which of the keys of these episodes are stored.
    async fn known_keys(&self, episodes: &[Episode]) -> Result<BTreeSet<EpisodeKey>> {
        let tasks: BTreeSet<&str> = episodes.iter().map(|e| e.key.task_id.as_str()).collect();
        let wanted: BTreeSet<&EpisodeKey> = episodes.iter().map(|e| &e.key).collect();
        let mut reader = self.reader().await?;
        let query = "SELECT task_id, policy, sample FROM episodes WHERE task_id IN (SELECT value FROM json_each(?))";
        let query = sqlx::query_as::<_, (String, String, u32)>(query).bind(list(tasks));
        let rows = self.sql(query.fetch_all(&mut *reader).await)?;
        let keys = rows.into_iter().map(|(task_id, policy, sample)| EpisodeKey { task_id, policy, sample });
        Ok(keys.filter(|key| wanted.contains(key)).collect())
    }

    /// Later verdicts on episodes that are the same there and here.
    async fn merge_verdicts(
        &self,
        source: &Store,
        from: &str,
        both: &[(EpisodeKey, EpisodeKey)],
        report: &mut MergeReport,
    ) -> Result<()> {
        let mut verdicts = Vec::new();
        for (there, here) in both {
            verdicts.extend(source.verdicts(there).await?.into_iter().map(|verdict| (here.clone(), verdict)));
        }
        let recorded = self.put_verdicts(&verdicts).await?;
        report.add("rescores", recorded.added);
        report.know("rescores", recorded.known);
        for key in recorded.contradicted {
            let what = format!("episode {}@{}#{}", key.task_id, key.policy, key.sample);
            report.conflict(format!("{from}: the same verifier says something else of {what} here"));
        }
        Ok(())
    }

    /// The sample number that an episode gets whose own is taken, and whether the same episode has it already.
    async fn place_for(&self, episode: &Episode) -> Result<(u32, bool)> {
        let filter = EpisodeFilter {
            tasks: TaskFilter::id(&episode.key.task_id),
            policies: vec![episode.key.policy.clone()],
            ..EpisodeFilter::default()
        };
        let mut cursor = self.episodes(&filter).await?;
        let mut next = 0;
        while let Some(mut known) = cursor.next().await? {
            let sample = known.key.sample;
            next = next.max(sample + 1);
            known.key.sample = episode.key.sample;
            if same(&known, episode) {
                return Ok((sample, true));
            }
        }
        Ok((next, false))
    }

    /// Of runs that are equal in everything but their number, as many are kept as the database has that has most of them.
    async fn merge_runs(&self, source: &Store, report: &mut MergeReport) -> Result<()> {
        let mut here: BTreeMap<String, u64> = BTreeMap::new();
        for run in self.runs().await? {
            *here.entry(self.run_identity(&run).await?).or_default() += 1;
        }
        for run in source.runs().await? {
            let identity = source.run_identity(&run).await?;
            match here.get_mut(&identity) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    report.know("runs", 1);
                }
                _ => {
                    self.copy_run(source, &run).await?;
                    report.add("runs", 1);
                }
            }
        }
        Ok(())
    }

    /// Digest of a run and its metrics, without its number.
    async fn run_identity(&self, run: &Run) -> Result<String> {
        let mut hash = blake3::Hasher::new();
        hash.update(format!("{:?} {:?}", run.start, run.summary).as_bytes());
        let mut reader = self.reader().await?;
        let query = "SELECT step, name, value FROM metrics WHERE run_id = ? ORDER BY step, name";
        let query = sqlx::query_as::<_, (i64, String, Option<f64>)>(query).bind(run.id);
        for row in self.sql(query.fetch_all(&mut *reader).await)? {
            hash.update(format!("{row:?}").as_bytes());
        }
        Ok(hash.finalize().to_hex().to_string())
    }

    async fn copy_run(&self, source: &Store, run: &Run) -> Result<()> {
        let mut reader = source.reader().await?;
        let query = "SELECT step, name, value FROM metrics WHERE run_id = ? ORDER BY step, name";
        let query = sqlx::query_as::<_, (i64, String, Option<f64>)>(query).bind(run.id);
        let metrics = source.sql(query.fetch_all(&mut *reader).await)?;
        let mut transaction = self.begin().await?;
        let id = self.sql(insert_run(transaction.connection(), run).await)?;
        for (step, name, value) in metrics {
            let query = sqlx::query("INSERT INTO metrics (run_id, step, name, value) VALUES (?, ?, ?, ?)");
            let query = query.bind(id).bind(step).bind(name).bind(value);
            self.sql(query.execute(transaction.connection()).await)?;
        }
        transaction.commit().await
    }

    /// Of two states of one synthesis the later one is kept.
    async fn merge_syntheses(&self, source: &Store, report: &mut MergeReport) -> Result<()> {
        let options: Vec<String> = {
            let mut reader = source.reader().await?;
            source.sql(
                sqlx::query_scalar("SELECT options FROM synthesis ORDER BY options").fetch_all(&mut *reader).await,
            )?
        };
        for options in options {
            let Some(progress) = source.synthesis(&options).await? else { continue };
            match self.synthesis(&options).await? {
                Some(known) if known.next_index >= progress.next_index => report.know("synthesis", 1),
                _ => {
                    self.put_synthesis(&progress).await?;
                    report.add("synthesis", 1);
                }
            }
        }
        Ok(())
    }
}

async fn insert_run(connection: &mut SqliteConnection, run: &Run) -> Result<i64, sqlx::Error> {
    let text =
        "INSERT INTO runs (command, policy, seed, version, options, summary) VALUES (?, ?, ?, ?, ?, ?) RETURNING id";
    let start = &run.start;
    let query =
        sqlx::query(AssertSqlSafe(text)).bind(&start.command).bind(&start.policy).bind(start.seed.cast_signed());
    let query =
        query.bind(&start.version).bind(start.options.to_string()).bind(run.summary.as_ref().map(ToString::to_string));
    query.fetch_one(connection).await?.try_get(0)
}

/// Whether two episodes with the same key are the same but for how long they took.
fn same(a: &Episode, b: &Episode) -> bool {
    let timeless = |episode: &Episode| {
        let mut episode = episode.clone();
        episode.elapsed_us = 0;
        episode.steps.iter_mut().for_each(|step| step.elapsed_us = 0);
        episode
    };
    timeless(a) == timeless(b)
}
