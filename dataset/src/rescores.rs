//! Verdicts of later verifiers, kept beside those that were given when the episodes ran. Nothing is ever overwritten.

use crate::error::Result;
use crate::rows::{from_json, json};
use crate::store::Store;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;
use terrarium_envs::episode::{Episode, EpisodeKey};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::verifier::Check;

/// What a verifier says of a stored episode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Which verifier: [`terrarium_envs::verifier::Verifier::name`].
    pub verifier: String,
    /// How the episode ended.
    pub outcome: Outcome,
    /// The reward; none for a run that broke.
    pub reward: Option<f64>,
    /// Why it ended so, where something is to be said.
    pub error: Option<String>,
    /// What was checked.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// What `verifier` said when an episode ran.
    pub fn of(episode: &Episode, verifier: String) -> Verdict {
        Verdict {
            verifier,
            outcome: episode.outcome,
            reward: episode.reward,
            error: episode.error.clone(),
            checks: episode.checks.clone(),
        }
    }

    /// Puts it in the place of an episode's own.
    pub fn replace_in(self, episode: &mut Episode) {
        episode.outcome = self.outcome;
        episode.reward = self.reward;
        episode.error = self.error;
        episode.checks = self.checks;
    }
}

/// What became of verdicts that were to be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// New ones.
    pub added: u64,
    /// Those that stood there already.
    pub known: u64,
    /// Episodes of which the same verifier said something else before; that stays.
    pub contradicted: Vec<EpisodeKey>,
}

const COLUMNS: &str = "r.verifier, r.outcome, r.reward, r.error, r.checks";

impl Store {
    /// Records verdicts, all or nothing. One that stands there already is known; one that contradicts what the same verifier said before
    /// is left out and named.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] for a reward that does not fit its outcome, and those of writing. Episodes that are not stored are skipped.
    pub async fn put_verdicts(&self, verdicts: &[(EpisodeKey, Verdict)]) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        let mut transaction = self.begin().await?;
        for (key, verdict) in verdicts {
            let connection = transaction.connection();
            let query = sqlx::query_scalar("SELECT id FROM episodes WHERE task_id = ? AND policy = ? AND sample = ?");
            let query = query.bind(&key.task_id).bind(&key.policy).bind(key.sample);
            let Some(episode) = self.sql(query.fetch_optional(&mut *connection).await)? else { continue };
            let episode: i64 = episode;
            let said = format!("SELECT {COLUMNS} FROM rescores r WHERE r.episode_id = ? AND r.verifier = ?");
            let said = sqlx::query(AssertSqlSafe(said)).bind(episode).bind(&verdict.verifier);
            match self.sql(said.fetch_optional(&mut *connection).await)? {
                Some(row) if self.verdict(&row)? == *verdict => recorded.known += 1,
                Some(_) => recorded.contradicted.push(key.clone()),
                None => {
                    let query = "INSERT INTO rescores (episode_id, verifier, outcome, reward, error, checks) VALUES (?, ?, ?, ?, ?, ?)";
                    let query = sqlx::query(query).bind(episode).bind(&verdict.verifier).bind(verdict.outcome.name());
                    let query = query.bind(verdict.reward).bind(&verdict.error).bind(json(&verdict.checks));
                    self.sql(query.execute(connection).await)?;
                    recorded.added += 1;
                }
            }
        }
        transaction.commit().await?;
        Ok(recorded)
    }

    /// Later verdicts on an episode, the oldest first.
    pub async fn verdicts(&self, key: &EpisodeKey) -> Result<Vec<Verdict>> {
        let mut reader = self.reader().await?;
        let text = format!(
            "SELECT {COLUMNS} FROM rescores r JOIN episodes e ON e.id = r.episode_id \
             WHERE e.task_id = ? AND e.policy = ? AND e.sample = ? ORDER BY r.id"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(&key.task_id).bind(&key.policy).bind(key.sample);
        let rows = self.sql(query.fetch_all(&mut *reader).await)?;
        rows.iter().map(|row| self.verdict(row)).collect()
    }

    /// Whether there are any later verdicts at all.
    pub(crate) async fn has_verdicts(&self) -> Result<bool> {
        let mut reader = self.reader().await?;
        self.sql(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM rescores)").fetch_one(&mut *reader).await)
    }

    /// The newest verdicts on episodes, by their internal ids; `ids` is a JSON array.
    pub(crate) async fn newest_verdicts(
        &self,
        connection: &mut SqliteConnection,
        ids: &str,
    ) -> Result<BTreeMap<i64, Verdict>> {
        let text = format!(
            "SELECT r.episode_id, {COLUMNS} FROM rescores r WHERE r.id IN \
             (SELECT max(n.id) FROM rescores n WHERE n.episode_id IN (SELECT value FROM json_each(?)) GROUP BY n.episode_id)"
        );
        let rows = self.sql(sqlx::query(AssertSqlSafe(text)).bind(ids).fetch_all(connection).await)?;
        rows.iter().map(|row| Ok((self.sql(row.try_get("episode_id"))?, self.verdict(row)?))).collect()
    }

    /// How many later verdicts can be read, and what is wrong with the others.
    pub(crate) async fn check_verdicts(&self) -> Result<(u64, Vec<String>)> {
        let mut reader = self.reader().await?;
        let (mut read, mut wrong, mut after) = (0, Vec::new(), 0_i64);
        loop {
            let text = format!("SELECT r.id, {COLUMNS} FROM rescores r WHERE r.id > ? ORDER BY r.id LIMIT 1000");
            let rows = self.sql(sqlx::query(AssertSqlSafe(text)).bind(after).fetch_all(&mut *reader).await)?;
            let Some(last) = rows.last() else { return Ok((read, wrong)) };
            after = self.sql(last.try_get("id"))?;
            for row in &rows {
                match self.verdict(row) {
                    Ok(_) => read += 1,
                    Err(error) => wrong.push(error.to_string()),
                }
            }
        }
    }

    fn verdict(&self, row: &sqlx::sqlite::SqliteRow) -> Result<Verdict> {
        let outcome: &str = self.sql(row.try_get("outcome"))?;
        let checks: &str = self.sql(row.try_get("checks"))?;
        let damaged = |what: String| self.corrupt(format!("table rescores: {what}"));
        Ok(Verdict {
            verifier: self.sql(row.try_get("verifier"))?,
            outcome: Outcome::from_name(outcome).ok_or_else(|| damaged(format!("there is no outcome {outcome}")))?,
            reward: self.sql(row.try_get("reward"))?,
            error: self.sql(row.try_get("error"))?,
            checks: from_json("checks", checks).map_err(damaged)?,
        })
    }
}
