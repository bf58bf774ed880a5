//! Storing and finding environments.

use crate::error::{Error, Result};
use crate::rows::{environment as rows, task as task_rows};
use crate::store::Store;
use crate::synthesis::{self, Synthesis};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite};
use std::sync::Arc;
use terrarium_envs::clusters::Clusters;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::task::Task;

impl Store {
    /// Stores an environment, its tasks and how far the synthesis that made them has come, all or nothing. What is stored already
    /// and equal is left as it is, so that the same call may be made again.
    ///
    /// # Errors
    /// [`Error::Differs`] when an id is taken by other content; [`Error::Refused`] for a task of another environment.
    pub async fn put_environment_with_tasks(
        &self,
        environment: &Environment,
        tasks: &[Task],
        progress: Option<&Synthesis>,
    ) -> Result<()> {
        self.put_clustered(environment, tasks, &Clusters::default(), progress).await
    }

    /// The same with the clusters of near-duplicates that they belong to. What is stored already keeps the clusters it has.
    ///
    /// # Errors
    /// Those of [`Store::put_environment_with_tasks`].
    pub async fn put_clustered(
        &self,
        environment: &Environment,
        tasks: &[Task],
        clusters: &Clusters,
        progress: Option<&Synthesis>,
    ) -> Result<()> {
        if let Some(task) = tasks.iter().find(|t| t.environment_id != environment.id || t.split != environment.split) {
            return Err(Error::Refused {
                what: format!("task {}", task.id),
                detail: format!("it is not of environment {} and its split", environment.id),
            });
        }
        // Packing the component takes longer than all else and needs no lock.
        let row = rows::write(environment, &clusters.environment);
        let mut transaction = self.begin().await?;
        let known = self.find_environment(transaction.connection(), &environment.id).await?;
        let mut new_tasks = Vec::with_capacity(tasks.len());
        let clustered = |n: usize| (&tasks[n], clusters.tasks.get(n).map_or("", String::as_str));
        match known {
            None => {
                self.sql(rows::TABLE.insert(transaction.connection(), vec![row]).await)?;
                new_tasks.extend((0..tasks.len()).map(clustered));
            }
            Some(known) if known == *environment => {
                for (n, task) in tasks.iter().enumerate() {
                    match self.find_task(transaction.connection(), &task.id).await? {
                        None => new_tasks.push(clustered(n)),
                        Some(known) if known == *task => {}
                        Some(_) => return Err(Error::Differs { what: "task", id: task.id.clone() }),
                    }
                }
            }
            Some(_) => return Err(Error::Differs { what: "environment", id: environment.id.clone() }),
        }
        let new_tasks = new_tasks.into_iter().map(|(task, cluster)| task_rows::write(task, cluster)).collect();
        self.sql(task_rows::TABLE.insert(transaction.connection(), new_tasks).await)?;
        if let Some(progress) = progress {
            self.sql(synthesis::write(transaction.connection(), progress).await)?;
        }
        transaction.commit().await
    }

    /// Stores more tasks of an environment that is stored.
    ///
    /// # Errors
    /// [`Error::Unknown`] when the environment is not stored, and those of [`Store::put_environment_with_tasks`].
    pub async fn put_tasks(&self, environment_id: &str, tasks: &[Task]) -> Result<()> {
        let environment = self.environment(environment_id).await?;
        self.put_environment_with_tasks(&environment, tasks, None).await
    }

    /// The environment with an id.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is none.
    pub async fn environment(&self, id: &str) -> Result<Environment> {
        let mut reader = self.reader().await?;
        let found = self.find_environment(&mut reader, id).await?;
        found.ok_or_else(|| Error::Unknown { what: "environment", id: id.to_owned(), path: self.path().to_path_buf() })
    }

    /// All environments of a split (or all there are), ordered by id, components included (some 20 KB each).
    pub async fn environments(&self, split: Option<Split>) -> Result<Vec<Environment>> {
        let mut query = QueryBuilder::<Sqlite>::new(format!("SELECT {} FROM environments", rows::COLUMNS));
        if let Some(split) = split {
            query.push(" WHERE split = ").push_bind(split.name());
        }
        query.push(" ORDER BY id");
        let mut reader = self.reader().await?;
        let found = self.sql(query.build().fetch_all(&mut *reader).await)?;
        found.iter().map(|row| rows::read(row).map_err(|e| self.corrupt(format!("table environments: {e}")))).collect()
    }

    /// Ids of all environments of a split (or of all), in order.
    pub async fn environment_ids(&self, split: Option<Split>) -> Result<Vec<String>> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT id FROM environments");
        if let Some(split) = split {
            query.push(" WHERE split = ").push_bind(split.name());
        }
        query.push(" ORDER BY id");
        let mut reader = self.reader().await?;
        self.sql(query.build_query_scalar().fetch_all(&mut *reader).await)
    }

    /// Id and signature of all environments in the order they were stored: what their variety is measured on.
    pub async fn signatures(&self) -> Result<Vec<(String, Vec<String>)>> {
        let mut reader = self.reader().await?;
        let query = sqlx::query_as::<_, (String, String)>("SELECT id, signature FROM environments ORDER BY rowid");
        let found = self.sql(query.fetch_all(&mut *reader).await)?;
        let read =
            |(id, text): (String, String)| crate::rows::from_json("signature", &text).map(|signature| (id, signature));
        found.into_iter().map(|row| read(row).map_err(|e| self.corrupt(e))).collect()
    }

    pub(crate) async fn find_environment(
        &self,
        connection: &mut SqliteConnection,
        id: &str,
    ) -> Result<Option<Environment>> {
        let text = format!("SELECT {} FROM environments WHERE id = ?", rows::COLUMNS);
        let found = self.sql(sqlx::query(AssertSqlSafe(text)).bind(id).fetch_optional(connection).await)?;
        found.map(|row| rows::read(&row).map_err(|e| self.corrupt(format!("environment {id}: {e}")))).transpose()
    }

    /// The system message of an environment, remembered. `None` if the environment is not stored.
    pub(crate) async fn system(
        &self,
        connection: &mut SqliteConnection,
        environment_id: &str,
    ) -> Result<Option<Arc<str>>> {
        if let Some(system) = self.shared.systems.lock().await.get(environment_id) {
            return Ok(Some(Arc::clone(system)));
        }
        let query = sqlx::query("SELECT system FROM environments WHERE id = ?").bind(environment_id);
        let Some(row) = self.sql(query.fetch_optional(connection).await)? else { return Ok(None) };
        let system: Arc<str> = self.sql(row.try_get::<&str, _>(0))?.into();
        let mut systems = self.shared.systems.lock().await;
        if systems.len() >= SYSTEMS_MAX {
            systems.clear();
        }
        systems.insert(environment_id.to_owned(), Arc::clone(&system));
        Ok(Some(system))
    }
}

/// System messages kept in memory; some 2 KB each.
const SYSTEMS_MAX: usize = 10_000;
