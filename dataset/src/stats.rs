//! How much of everything a database holds.

use crate::error::Result;
use crate::store::Store;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::collections::BTreeMap;

/// Counts of one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Bytes of the database file, without its log.
    pub bytes: u64,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    /// Environments of each split.
    pub environments: BTreeMap<String, u64>,
    /// Suites that have an environment.
    pub suites: u64,
    /// Tools over all environments.
    pub tools: u64,
    /// Tasks: split, kind, count.
    pub tasks: Vec<(String, String, u64)>,
    /// Calls of reference solutions: mean and most; none without tasks.
    pub calls: Option<(f64, u64)>,
    /// Episodes: policy, outcome, count.
    pub episodes: Vec<(String, String, u64)>,
    /// Candidates refused by synthesis, by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// Tables that are counted row by row. Episodes, steps and traces are many and large: their sums are kept.
const TABLES: [&str; 7] = ["environments", "tasks", "runs", "metrics", "synthesis", "rejected", "rescores"];

impl Store {
    /// Counts everything, at one moment.
    pub async fn stats(&self) -> Result<Stats> {
        let options = self.shared.readers.connect_options();
        let mut connection = self.sql(SqliteConnection::connect_with(&options).await)?;
        // One transaction: one moment. It ends with the connection.
        self.sql(connection.execute("BEGIN").await)?;
        let mut stats = Stats { bytes: std::fs::metadata(self.path()).map_or(0, |m| m.len()), ..Stats::default() };
        for table in TABLES {
            let rows: i64 = self.one(&mut connection, &format!("SELECT count(*) FROM {table}")).await?;
            stats.tables.insert(table.to_owned(), rows.cast_unsigned());
        }
        for (table, column) in [("episodes", "episodes"), ("steps", "steps"), ("traces", "traces")] {
            let query = format!("SELECT coalesce(sum({column}), 0) FROM episode_totals");
            let rows: i64 = self.one(&mut connection, &query).await?;
            stats.tables.insert(table.to_owned(), rows.cast_unsigned());
        }
        let environments: Vec<(String, i64)> =
            self.all(&mut connection, "SELECT split, count(*) FROM environments GROUP BY split").await?;
        stats.environments = environments.into_iter().map(|(split, n)| (split, n.cast_unsigned())).collect();
        stats.suites =
            self.one::<i64>(&mut connection, "SELECT count(DISTINCT suite) FROM environments").await?.cast_unsigned();
        stats.tools = self
            .one::<i64>(&mut connection, "SELECT coalesce(sum(tool_count), 0) FROM environments")
            .await?
            .cast_unsigned();
        let query = "SELECT split, kind, count(*) FROM tasks GROUP BY split, kind ORDER BY split, kind";
        stats.tasks = triples(self.all(&mut connection, query).await?);
        let calls: Vec<(Option<f64>, Option<i64>)> =
            self.all(&mut connection, "SELECT avg(calls), max(calls) FROM tasks").await?;
        stats.calls = calls.first().and_then(|(mean, most)| Some(((*mean)?, (*most)?.cast_unsigned())));
        let query = "SELECT policy, outcome, sum(episodes) FROM episode_totals GROUP BY policy, outcome ORDER BY policy, outcome";
        stats.episodes = triples(self.all(&mut connection, query).await?);
        let query = "SELECT r.key, sum(r.value) FROM synthesis s, json_each(s.rejected) r GROUP BY r.key";
        let rejected: Vec<(String, i64)> = self.all(&mut connection, query).await?;
        stats.rejected = rejected.into_iter().map(|(reason, n)| (reason, n.cast_unsigned())).collect();
        Ok(stats)
    }

    async fn one<T>(&self, connection: &mut SqliteConnection, query: &str) -> Result<T>
    where
        T: Send + Unpin,
        (T,): for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
    {
        self.sql(sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(connection).await)
    }

    async fn all<T>(&self, connection: &mut SqliteConnection, query: &str) -> Result<Vec<T>>
    where
        T: Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
    {
        self.sql(sqlx::query_as(AssertSqlSafe(query)).fetch_all(connection).await)
    }
}

fn triples(rows: Vec<(String, String, i64)>) -> Vec<(String, String, u64)> {
    rows.into_iter().map(|(a, b, n)| (a, b, n.cast_unsigned())).collect()
}
