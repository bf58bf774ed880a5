//! Finding tasks. They are stored with their environment.

use crate::error::{Error, Result};
use crate::filter::TaskFilter;
use crate::rows::task as rows;
use crate::store::Store;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};
use terrarium_envs::task::Task;

impl Store {
    /// The task with an id.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is none.
    pub async fn task(&self, id: &str) -> Result<Task> {
        let mut reader = self.reader().await?;
        let found = self.find_task(&mut reader, id).await?;
        found.ok_or_else(|| Error::Unknown { what: "task", id: id.to_owned(), path: self.path().to_path_buf() })
    }

    /// The tasks that a filter means, ordered by id (so those of one environment stand together).
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        let mut query = select(rows::COLUMNS, filter);
        let mut reader = self.reader().await?;
        let found = self.sql(query.build().fetch_all(&mut *reader).await)?;
        found.iter().map(|row| rows::read(row).map_err(|e| self.corrupt(format!("table tasks: {e}")))).collect()
    }

    /// The ids of the tasks that a filter means, in order.
    pub async fn task_ids(&self, filter: &TaskFilter) -> Result<Vec<String>> {
        let mut query = select("t.id", filter);
        let mut reader = self.reader().await?;
        self.sql(query.build_query_scalar().fetch_all(&mut *reader).await)
    }

    pub(crate) async fn find_task(&self, connection: &mut SqliteConnection, id: &str) -> Result<Option<Task>> {
        let text = format!("SELECT {} FROM tasks t WHERE t.id = ?", rows::COLUMNS);
        let found = self.sql(sqlx::query(AssertSqlSafe(text)).bind(id).fetch_optional(connection).await)?;
        found.map(|row| rows::read(&row).map_err(|e| self.corrupt(format!("task {id}: {e}")))).transpose()
    }
}

fn select(columns: &str, filter: &TaskFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(format!("SELECT {columns} FROM tasks t WHERE TRUE"));
    filter.push(&mut query, "t.id", "t.environment_id");
    query.push(" ORDER BY t.id");
    if let Some(limit) = filter.limit {
        query.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    }
    query
}
