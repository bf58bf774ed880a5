//! How far a synthesis has come, so that running it again goes on where it was killed.

use crate::error::Result;
use crate::rows::{from_json, json};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;

/// The progress of one synthesis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Synthesis {
    /// Digest of everything that decides the candidates: seed, kinds, difficulty, suites, language version.
    pub options: String,
    /// The first candidate that has not been judged.
    pub next_index: u64,
    /// Candidates refused so far, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The synthesizer's own, as JSON.
    pub state: serde_json::Value,
    /// Refused candidates to look at. Writing adds to those stored, and never takes one away.
    pub examples: Vec<RejectedExample>,
}

/// A candidate that was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RejectedExample {
    /// Its index.
    pub candidate: u64,
    /// Why: one of a fixed list of names.
    pub reason: String,
    /// The particulars.
    pub detail: String,
}

/// A reason for turning candidates down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Its name.
    pub reason: String,
    /// Candidates turned down for it, over all syntheses.
    pub candidates: u64,
    /// A few particulars.
    pub examples: Vec<String>,
}

impl Store {
    /// Why candidates were turned down, the most frequent reason first; one reason alone, if asked for.
    pub async fn rejections(&self, reason: Option<&str>) -> Result<Vec<Rejection>> {
        let mut reader = self.reader().await?;
        let query = "SELECT r.key, sum(r.value) FROM synthesis s, json_each(s.rejected) r WHERE ?1 IS NULL OR r.key = ?1 \
            GROUP BY r.key ORDER BY 2 DESC, 1";
        let found = self.sql(sqlx::query_as::<_, (String, i64)>(query).bind(reason).fetch_all(&mut *reader).await)?;
        let mut all = Vec::with_capacity(found.len());
        for (reason, candidates) in found {
            let query =
                "SELECT DISTINCT detail FROM rejected WHERE reason = ? AND detail <> '' ORDER BY detail LIMIT 5";
            let examples = self.sql(sqlx::query_scalar(query).bind(&reason).fetch_all(&mut *reader).await)?;
            all.push(Rejection { reason, candidates: candidates.cast_unsigned(), examples });
        }
        Ok(all)
    }

    /// The states of all syntheses, as the synthesizer wrote them.
    pub async fn synthesis_states(&self) -> Result<Vec<serde_json::Value>> {
        let mut reader = self.reader().await?;
        let query = sqlx::query_scalar::<_, String>("SELECT state FROM synthesis ORDER BY options");
        let found = self.sql(query.fetch_all(&mut *reader).await)?;
        found.iter().map(|state| from_json("state", state).map_err(|e| self.corrupt(e))).collect()
    }

    /// The progress of the synthesis with these options, if there was one. Examples come ordered by candidate.
    pub async fn synthesis(&self, options: &str) -> Result<Option<Synthesis>> {
        let mut reader = self.reader().await?;
        let query = sqlx::query_as::<_, (i64, String, String)>(
            "SELECT next_index, rejected, state FROM synthesis WHERE options = ?",
        );
        let Some((next_index, rejected, state)) = self.sql(query.bind(options).fetch_optional(&mut *reader).await)?
        else {
            return Ok(None);
        };
        let query =
            "SELECT candidate, reason, detail FROM rejected WHERE options = ? ORDER BY candidate, reason, detail";
        let query = sqlx::query_as::<_, (i64, String, String)>(query);
        let examples = self.sql(query.bind(options).fetch_all(&mut *reader).await)?;
        Ok(Some(Synthesis {
            options: options.to_owned(),
            next_index: next_index.cast_unsigned(),
            rejected: from_json("rejected", &rejected).map_err(|e| self.corrupt(e))?,
            state: from_json("state", &state).map_err(|e| self.corrupt(e))?,
            examples: examples
                .into_iter()
                .map(|(candidate, reason, detail)| RejectedExample {
                    candidate: candidate.cast_unsigned(),
                    reason,
                    detail,
                })
                .collect(),
        }))
    }

    /// Stores progress alone: after the last candidates, which made no environment.
    pub async fn put_synthesis(&self, progress: &Synthesis) -> Result<()> {
        let mut transaction = self.begin().await?;
        self.sql(write(transaction.connection(), progress).await)?;
        transaction.commit().await
    }
}

pub async fn write(connection: &mut SqliteConnection, progress: &Synthesis) -> Result<(), sqlx::Error> {
    let query = "INSERT INTO synthesis (options, next_index, rejected, state) VALUES (?, ?, ?, ?) ON CONFLICT (options) \
        DO UPDATE SET next_index = excluded.next_index, rejected = excluded.rejected, state = excluded.state";
    sqlx::query(query)
        .bind(&progress.options)
        .bind(progress.next_index.cast_signed())
        .bind(json(&progress.rejected))
        .bind(json(&progress.state))
        .execute(&mut *connection)
        .await?;
    for example in &progress.examples {
        sqlx::query("INSERT OR IGNORE INTO rejected (options, candidate, reason, detail) VALUES (?, ?, ?, ?)")
            .bind(&progress.options)
            .bind(example.candidate.cast_signed())
            .bind(&example.reason)
            .bind(&example.detail)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
