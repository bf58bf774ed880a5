//! Which episodes or tasks an export takes, decided once by one query into a temporary table of the reading connection.
//!
//! Conditions apply in this order: filter, expression, tokens, split safety, best of a group, total of tokens, limit.

use crate::episodes::{EpisodeCursor, Parts, SELECTED};
use crate::error::Result;
use crate::expression::Expression;
use crate::filter::{EpisodeFilter, list};
use crate::rows::task as task_rows;
use crate::store::Store;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, QueryBuilder, Row, Sqlite};
use std::collections::VecDeque;
use terrarium_envs::environment::Split;
use terrarium_envs::task::Task;

/// Which episodes or tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// By split, kind, policy, outcome. Its limit counts rows. For tasks, policies restrict whose episodes the expression's `episodes`,
    /// `scored`, `solved` and `pass_rate` count; outcomes do not matter.
    pub episodes: EpisodeFilter,
    /// A condition on the columns of [`crate::Subject::Episode`] (or [`crate::Subject::Task`], for rows that are tasks).
    pub expression: Option<Expression>,
    /// At most so many tokens an episode: exact where there are token traces, else a quarter of the bytes of messages and tools.
    pub tokens_max: Option<u64>,
    /// At most so many tokens in all. Tasks are taken in the order of their hash, so that a small total still has all environments.
    pub tokens_total: Option<u64>,
    /// Only the best so many of each task and policy: by reward, then fewest calls, fewest turns, lowest sample.
    pub best: Option<u32>,
    /// Leave out tasks of the training split whose cluster of near-duplicates has a task of another split.
    pub split_safe: bool,
    /// Only episodes with token traces.
    pub traced: bool,
    /// Episodes are judged by the newest later verdict on them ([`crate::rescores`]), where there is one.
    pub rescored: bool,
}

impl From<EpisodeFilter> for Selection {
    fn from(episodes: EpisodeFilter) -> Selection {
        Selection { episodes, ..Selection::default() }
    }
}

/// Reads tasks one after another, ordered by id, as the database was when the cursor was made.
pub struct TaskCursor {
    store: Store,
    connection: SqliteConnection,
    next: i64,
    page: VecDeque<StoredTask>,
}

/// A task as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTask {
    /// The task.
    pub task: Task,
    /// Its cluster of near-duplicates; empty where none was given.
    pub cluster: String,
}

/// Tasks read at a time.
const PAGE: i64 = 256;

impl Store {
    /// The episodes that a selection means, one after another.
    ///
    /// # Errors
    /// [`crate::Error::Expression`], and those of reading.
    pub async fn select(&self, selection: &Selection) -> Result<EpisodeCursor> {
        let mut connection = self.snapshot().await?;
        self.select_unsafe_tasks(&mut connection, selection).await?;
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO temp.selected (id) SELECT id FROM (");
        candidates(&mut query, selection);
        query.push(")");
        if let Some(total) = selection.tokens_total {
            query.push(" WHERE so_far <= ").push_bind(total.cast_signed());
        }
        query.push(" ORDER BY task_id, policy, sample");
        limit(&mut query, selection.episodes.limit);
        self.fill(&mut connection, query).await?;
        Ok(EpisodeCursor::new(self.clone(), connection, Parts::of(&selection.episodes), selection.rescored))
    }

    /// Pairs of a solved and a failed episode of one task, each pair one after the other, solved first: the best solved with the first
    /// failed, the second best with the second, as long as there are both. `best` limits the pairs of a task, `limit` all pairs.
    ///
    /// # Errors
    /// As [`Store::select`].
    pub async fn select_pairs(&self, selection: &Selection) -> Result<EpisodeCursor> {
        let mut connection = self.snapshot().await?;
        self.select_unsafe_tasks(&mut connection, selection).await?;
        let pairs = selection.best;
        let selection = Selection { best: None, tokens_total: None, ..selection.clone() };
        let mut query = QueryBuilder::<Sqlite>::new(
            "WITH ranked AS (SELECT id, task_id, outcome = 'solved' AS good, \
            row_number() OVER (PARTITION BY task_id, outcome = 'solved' ORDER BY step_count, turns, policy, sample) AS place FROM (",
        );
        candidates(&mut query, &selection);
        query.push(
            ") WHERE reward IS NOT NULL), pairs AS (SELECT a.task_id, a.place, a.id AS chosen, b.id AS rejected \
             FROM ranked a JOIN ranked b ON b.task_id = a.task_id AND b.place = a.place AND NOT b.good WHERE a.good",
        );
        if let Some(pairs) = pairs {
            query.push(" AND a.place <= ").push_bind(i64::from(pairs));
        }
        query.push(" ORDER BY a.task_id, a.place");
        limit(&mut query, selection.episodes.limit);
        query.push(
            ") INSERT INTO temp.selected (id) SELECT id FROM (SELECT task_id, place, 0 AS half, chosen AS id FROM pairs \
             UNION ALL SELECT task_id, place, 1, rejected FROM pairs) ORDER BY task_id, place, half",
        );
        self.fill(&mut connection, query).await?;
        Ok(EpisodeCursor::new(self.clone(), connection, Parts::of(&selection.episodes), selection.rescored))
    }

    /// The tasks that a selection means, one after another.
    ///
    /// # Errors
    /// As [`Store::select`].
    pub async fn select_tasks(&self, selection: &Selection) -> Result<TaskCursor> {
        let mut connection = self.snapshot().await?;
        self.select_unsafe_tasks(&mut connection, selection).await?;
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT INTO temp.selected (id) SELECT t.rowid FROM tasks t WHERE TRUE");
        selection.episodes.tasks.push(&mut query, "t.id", "t.environment_id");
        if selection.split_safe {
            query.push(" AND t.id NOT IN (SELECT id FROM temp.unsafe_tasks)");
        }
        if let Some(expression) = &selection.expression {
            query.push(" AND t.id IN (SELECT task_id FROM (");
            task_facts(&mut query, selection);
            query.push(") WHERE (").push(expression.sql()).push("))");
        }
        query.push(" ORDER BY t.id");
        limit(&mut query, selection.episodes.limit);
        self.fill(&mut connection, query).await?;
        Ok(TaskCursor { store: self.clone(), connection, next: 1, page: VecDeque::new() })
    }

    /// A connection of its own in a transaction that sees one state of the database, with an empty table `temp.selected`.
    async fn snapshot(&self) -> Result<SqliteConnection> {
        let options = self.shared.readers.connect_options();
        let mut connection = self.sql(SqliteConnection::connect_with(&options).await)?;
        self.sql(connection.execute(SELECTED).await)?;
        self.sql(connection.execute("BEGIN").await)?;
        // The first read fixes what the transaction sees.
        self.sql(sqlx::query("SELECT 1 FROM meta LIMIT 1").fetch_optional(&mut connection).await)?;
        Ok(connection)
    }

    async fn fill(&self, connection: &mut SqliteConnection, mut query: QueryBuilder<Sqlite>) -> Result<()> {
        self.sql(query.build().execute(connection).await).map(|_| ())
    }

    /// Fills `temp.unsafe_tasks`: training tasks whose cluster has a task of another split.
    async fn select_unsafe_tasks(&self, connection: &mut SqliteConnection, selection: &Selection) -> Result<()> {
        if !selection.split_safe {
            return Ok(());
        }
        self.sql(connection.execute("CREATE TEMP TABLE unsafe_tasks (id TEXT PRIMARY KEY) WITHOUT ROWID").await)?;
        let query = sqlx::query(
            "INSERT INTO temp.unsafe_tasks (id) SELECT id FROM tasks WHERE split = ?1 AND cluster <> '' \
             AND cluster IN (SELECT cluster FROM tasks WHERE split <> ?1)",
        );
        self.sql(query.bind(Split::Train.name()).execute(&mut *connection).await).map(|_| ())
    }
}

/// Episodes that fit, with the columns that ranking needs.
fn candidates(query: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    let facts = selection.tokens_max.is_some() || selection.tokens_total.is_some();
    query.push("SELECT *");
    if selection.tokens_total.is_some() {
        query.push(", sum(tokens) OVER (ORDER BY substr(task_id, -8), task_id, policy, sample) AS so_far");
    }
    query.push(" FROM (SELECT *");
    if selection.best.is_some() {
        query.push(
            ", row_number() OVER (PARTITION BY task_id, policy ORDER BY reward DESC, step_count, turns, sample) AS place",
        );
    }
    query.push(" FROM (SELECT e.id, e.task_id, e.policy, e.sample, e.outcome, e.reward, e.step_count, e.turns");
    if facts {
        query.push(", r.tokens");
    }
    let (episodes, results) = if selection.rescored { ("judged", "results_judged") } else { ("episodes", "results") };
    query.push(" FROM ").push(episodes).push(" e CROSS JOIN tasks t ON t.id = e.task_id");
    if facts {
        query.push(" CROSS JOIN results r ON r.episode_id = e.id");
    }
    query.push(" WHERE TRUE");
    selection.episodes.push(query);
    if selection.traced {
        query.push(" AND e.trace_count > 0");
    }
    if selection.split_safe {
        query.push(" AND e.task_id NOT IN (SELECT id FROM temp.unsafe_tasks)");
    }
    if let Some(most) = selection.tokens_max {
        query.push(" AND r.tokens <= ").push_bind(most.cast_signed());
    }
    if let Some(expression) = &selection.expression {
        query
            .push(" AND e.id IN (SELECT episode_id FROM ")
            .push(results)
            .push(" WHERE (")
            .push(expression.sql())
            .push("))");
    }
    query.push("))");
    if let Some(best) = selection.best {
        query.push(" WHERE place <= ").push_bind(i64::from(best));
    }
}

/// The columns of [`crate::Subject::Task`], counting the episodes of the policies that are meant.
fn task_facts(query: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    query.push(
        "SELECT t.id AS task_id, t.environment_id, n.suite, n.domain, t.split, t.kind, t.difficulty, t.calls, t.writes, t.tool_count, \
         t.depth, t.distractors, coalesce(s.episodes, 0) AS episodes, coalesce(s.scored, 0) AS scored, \
         coalesce(s.solved, 0) AS solved, CAST(s.solved AS REAL) / nullif(s.scored, 0) AS pass_rate \
         FROM tasks t JOIN environments n ON n.id = t.environment_id LEFT JOIN (SELECT task_id, sum(episodes) AS episodes, \
         sum(scored) AS scored, sum(solved) AS solved FROM ",
    );
    query.push(if selection.rescored { "task_totals_judged" } else { "task_totals" });
    let filter = &selection.episodes;
    if !filter.policies.is_empty() {
        query.push(" WHERE policy IN (SELECT value FROM json_each(").push_bind(list(&filter.policies)).push("))");
    }
    query.push(" GROUP BY task_id) s ON s.task_id = t.id");
}

fn limit(query: &mut QueryBuilder<Sqlite>, limit: Option<u64>) {
    if let Some(limit) = limit {
        query.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    }
}

impl TaskCursor {
    /// The next task, or none at the end.
    pub async fn next(&mut self) -> Result<Option<StoredTask>> {
        if self.page.is_empty() {
            let text = format!(
                "SELECT {}, t.cluster FROM temp.selected s CROSS JOIN tasks t ON t.rowid = s.id WHERE s.n >= ? AND s.n < ? ORDER BY s.n",
                task_rows::COLUMNS
            );
            let query = sqlx::query(AssertSqlSafe(text)).bind(self.next).bind(self.next + PAGE);
            let rows = self.store.sql(query.fetch_all(&mut self.connection).await)?;
            self.next += PAGE;
            for row in &rows {
                let task = task_rows::read(row).map_err(|e| self.store.corrupt(format!("table tasks: {e}")))?;
                let cluster = self.store.sql(row.try_get("cluster"))?;
                self.page.push_back(StoredTask { task, cluster });
            }
        }
        Ok(self.page.pop_front())
    }
}
