//! Commands that wrote episodes or trained, and the numbers they gave on the way.

use crate::error::{Error, Result};
use crate::rows::{from_json, json};
use crate::store::Store;

/// A run as it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct RunStart {
    /// `rollout`, `eval`, `train sft`, ...
    pub command: String,
    /// Label of the policy, if there is one.
    pub policy: Option<String>,
    /// Seed.
    pub seed: u64,
    /// Version of the program.
    pub version: String,
    /// Its options.
    pub options: serde_json::Value,
}

/// A stored run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its number, from 1.
    pub id: i64,
    /// How it began.
    pub start: RunStart,
    /// Its summary; none while it runs, and for a run that was killed.
    pub summary: Option<serde_json::Value>,
}

impl Store {
    /// Notes that a run begins; gives its number.
    pub async fn begin_run(&self, run: &RunStart) -> Result<i64> {
        let mut transaction = self.begin().await?;
        let query = "INSERT INTO runs (command, policy, seed, version, options) VALUES (?, ?, ?, ?, ?)";
        let query = sqlx::query(query).bind(&run.command).bind(&run.policy).bind(run.seed.cast_signed());
        let done = query.bind(&run.version).bind(json(&run.options)).execute(transaction.connection()).await;
        let id = self.sql(done)?.last_insert_rowid();
        transaction.commit().await?;
        Ok(id)
    }

    /// Notes how a run ended.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such run.
    pub async fn finish_run(&self, id: i64, summary: &serde_json::Value) -> Result<()> {
        let mut transaction = self.begin().await?;
        let query = sqlx::query("UPDATE runs SET summary = ? WHERE id = ?").bind(json(summary)).bind(id);
        if self.sql(query.execute(transaction.connection()).await)?.rows_affected() == 0 {
            return Err(Error::Unknown { what: "run", id: id.to_string(), path: self.path().to_path_buf() });
        }
        transaction.commit().await
    }

    /// All runs, in order.
    pub async fn runs(&self) -> Result<Vec<Run>> {
        type Row = (i64, String, Option<String>, i64, String, String, Option<String>);
        let mut reader = self.reader().await?;
        let query = "SELECT id, command, policy, seed, version, options, summary FROM runs ORDER BY id";
        let rows = self.sql(sqlx::query_as::<_, Row>(query).fetch_all(&mut *reader).await)?;
        let read = |(id, command, policy, seed, version, options, summary): Row| {
            let options = from_json("options", &options)?;
            let summary = summary.map(|s| from_json("summary", &s)).transpose()?;
            Ok(Run { id, start: RunStart { command, policy, seed: seed.cast_unsigned(), version, options }, summary })
        };
        rows.into_iter().map(|row| read(row).map_err(|e: String| self.corrupt(e))).collect()
    }

    /// Stores numbers of one step of a run. A name that exists for that step is overwritten; a value that is not a number is kept as null.
    pub async fn put_metrics(&self, run: i64, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let mut transaction = self.begin().await?;
        for (name, value) in values {
            let query = "INSERT INTO metrics (run_id, step, name, value) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value";
            let query = sqlx::query(query)
                .bind(run)
                .bind(step.cast_signed())
                .bind(*name)
                .bind(Some(*value).filter(|v| !v.is_nan()));
            self.sql(query.execute(transaction.connection()).await)?;
        }
        transaction.commit().await
    }

    /// The values of one metric of a run, as (step, value), ordered by step. Values that were no number are left out.
    pub async fn metric(&self, run: i64, name: &str) -> Result<Vec<(u64, f64)>> {
        let mut reader = self.reader().await?;
        let query = "SELECT step, value FROM metrics WHERE run_id = ? AND name = ? AND value IS NOT NULL ORDER BY step";
        let rows = sqlx::query_as::<_, (i64, f64)>(query).bind(run).bind(name).fetch_all(&mut *reader).await;
        Ok(self.sql(rows)?.into_iter().map(|(step, value)| (step.cast_unsigned(), value)).collect())
    }
}
