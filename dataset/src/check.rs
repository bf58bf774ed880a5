//! Whether a database is sound: SQLite's own checks, then that every row can be read and says nothing impossible.

use crate::error::{Error, Result};
use crate::filter::{EpisodeFilter, TaskFilter};
use crate::store::Store;
use crate::summaries;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;
use terrarium_envs::environment::Split;

/// Findings listed; more are only counted.
const LISTED_MAX: usize = 100;

/// What a check looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckReport {
    /// Rows looked at, by table.
    pub checked: BTreeMap<&'static str, u64>,
    /// What is wrong; at most 100 are listed.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub found: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where: `file`, `environment <id>`, `task <id>`, `episode <task> <policy> <sample>`.
    pub place: String,
    /// What.
    pub detail: String,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.found == 0
    }

    fn add(&mut self, place: impl Into<String>, detail: impl Into<String>) {
        self.found += 1;
        if self.findings.len() < LISTED_MAX {
            self.findings.push(Finding { place: place.into(), detail: detail.into() });
        }
    }

    fn count(&mut self, table: &'static str, rows: u64) {
        *self.checked.entry(table).or_default() += rows;
    }
}

impl Store {
    /// Checks the whole database: `PRAGMA integrity_check` (pages, indexes, unique keys, column rules), foreign keys, digests of
    /// components, splits of tasks, rewards against outcomes, and the sums against what they count. Reads everything twice.
    ///
    /// # Errors
    /// Only what keeps it from looking at all: locked, no permission. Damage is a finding.
    pub async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        self.check_file(&mut report).await?;
        if !report.is_sound() {
            // Rows of a damaged file would be reported as many times as they are met.
            return Ok(report);
        }
        let splits = self.check_environments(&mut report).await?;
        self.check_tasks(&mut report, &splits).await?;
        self.check_episodes(&mut report).await?;
        let (read, wrong) = self.check_verdicts().await?;
        report.count("rescores", read);
        wrong.into_iter().for_each(|detail| report.add("rescores", detail));
        self.check_summaries(&mut report).await?;
        Ok(report)
    }

    /// The quick part: whether SQLite finds its pages in order (`PRAGMA quick_check`).
    ///
    /// # Errors
    /// [`Error::Corrupt`] with what it found first.
    pub async fn quick_check(&self) -> Result<()> {
        let mut reader = self.reader().await?;
        let said: Vec<String> = self.sql(sqlx::query_scalar("PRAGMA quick_check(1)").fetch_all(&mut *reader).await)?;
        match said.as_slice() {
            [ok] if ok == "ok" => Ok(()),
            said => Err(self.corrupt(said.join("; "))),
        }
    }

    async fn check_file(&self, report: &mut CheckReport) -> Result<()> {
        let mut reader = self.reader().await?;
        let said = sqlx::query_scalar::<_, String>(AssertSqlSafe(format!("PRAGMA integrity_check({LISTED_MAX})")))
            .fetch_all(&mut *reader)
            .await;
        match self.sql(said) {
            Ok(said) => said.into_iter().filter(|line| line != "ok").for_each(|line| report.add("file", line)),
            Err(Error::Corrupt { detail, .. }) => report.add("file", detail),
            Err(error) => return Err(error),
        }
        match self.sql(sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *reader).await) {
            Ok(rows) => {
                for row in rows {
                    let table: String = self.sql(row.try_get(0))?;
                    let parent: String = self.sql(row.try_get(2))?;
                    report.add("file", format!("a row of {table} refers to a row of {parent} that is not there"));
                }
            }
            Err(Error::Corrupt { detail, .. }) => report.add("file", detail),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn check_summaries(&self, report: &mut CheckReport) -> Result<()> {
        for table in summaries::TABLES {
            report.count(table, 1);
            let (extra, missing) = self.summary_differences(table).await?;
            if extra + missing > 0 {
                let detail = format!(
                    "{extra} sums are not what the episodes come to, {missing} are missing; `terrarium stats --rebuild` counts them again"
                );
                report.add(format!("table {table}"), detail);
            }
        }
        Ok(())
    }

    async fn check_environments(&self, report: &mut CheckReport) -> Result<BTreeMap<String, Split>> {
        let mut splits = BTreeMap::new();
        for id in self.environment_ids(None).await? {
            report.count("environments", 1);
            let place = format!("environment {id}");
            match self.environment(&id).await {
                Ok(environment) => {
                    let digest = blake3::hash(&environment.component).to_hex();
                    if digest.as_str() != environment.digest {
                        report.add(place, format!("its component's digest is {digest}, not {}", environment.digest));
                    }
                    splits.insert(id, environment.split);
                }
                Err(Error::Corrupt { detail, .. }) => report.add(place, detail),
                Err(error) => return Err(error),
            }
        }
        Ok(splits)
    }

    async fn check_tasks(&self, report: &mut CheckReport, splits: &BTreeMap<String, Split>) -> Result<()> {
        for id in self.task_ids(&TaskFilter::default()).await? {
            report.count("tasks", 1);
            let place = format!("task {id}");
            match self.task(&id).await {
                Ok(task) => {
                    if splits.get(&task.environment_id).is_some_and(|split| *split != task.split) {
                        report.add(&place, format!("its split {} is not its environment's", task.split.name()));
                    }
                    if !id.starts_with(&format!("{}/", task.environment_id)) {
                        report.add(
                            &place,
                            format!("its id does not begin with its environment's, {}", task.environment_id),
                        );
                    }
                }
                Err(Error::Corrupt { detail, .. }) => report.add(place, detail),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn check_episodes(&self, report: &mut CheckReport) -> Result<()> {
        let mut cursor = self.episodes(&EpisodeFilter::default()).await?;
        loop {
            let episode = match cursor.next().await {
                Ok(Some(episode)) => episode,
                Ok(None) => return Ok(()),
                // The rows after it cannot be reached in order: one finding stands for the rest.
                Err(Error::Corrupt { detail, .. }) => {
                    report.add("episodes", detail);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            report.count("episodes", 1);
            report.count("steps", episode.steps.len() as u64);
            report.count("traces", episode.traces.len() as u64);
            let place = format!("episode {} {} {}", episode.key.task_id, episode.key.policy, episode.key.sample);
            if episode.reward != episode.outcome.reward() {
                report.add(&place, format!("outcome {} carries reward {:?}", episode.outcome.name(), episode.reward));
            }
            if !episode.key.task_id.starts_with(&format!("{}/", episode.environment_id)) {
                report.add(&place, format!("its environment {} is not its task's", episode.environment_id));
            }
            if episode.traces.iter().any(|t| t.tokens() != t.logprobs.len()) {
                report.add(&place, "a token trace has not one log-probability a token");
            }
        }
    }
}
