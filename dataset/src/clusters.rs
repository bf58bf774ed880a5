//! Clusters of near-duplicates beside environments and tasks.

use crate::error::Result;
use crate::store::Store;
use serde_json::json;
use std::collections::BTreeMap;
use terrarium_envs::clusters::Clusters;
use terrarium_envs::task::Task;

impl Store {
    /// Ids of all environments in the order they were stored, which is that of their admission.
    pub async fn environment_ids_as_stored(&self) -> Result<Vec<String>> {
        let mut reader = self.reader().await?;
        self.sql(sqlx::query_scalar("SELECT id FROM environments ORDER BY rowid").fetch_all(&mut *reader).await)
    }

    /// The clusters of an environment and of tasks of it; empty texts where there are none.
    pub async fn clusters(&self, environment_id: &str, tasks: &[Task]) -> Result<Clusters> {
        let mut reader = self.reader().await?;
        let query = sqlx::query_scalar::<_, String>("SELECT cluster FROM environments WHERE id = ?");
        let environment = self.sql(query.bind(environment_id).fetch_optional(&mut *reader).await)?;
        let query = sqlx::query_as::<_, (String, String)>("SELECT id, cluster FROM tasks WHERE environment_id = ?");
        let found = self.sql(query.bind(environment_id).fetch_all(&mut *reader).await)?;
        let mut found: BTreeMap<String, String> = found.into_iter().collect();
        let tasks = tasks.iter().map(|task| found.remove(&task.id).unwrap_or_default()).collect();
        Ok(Clusters { environment: environment.unwrap_or_default(), tasks })
    }

    /// Gives an environment and tasks of it other clusters.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn set_clusters(&self, environment_id: &str, tasks: &[Task], clusters: &Clusters) -> Result<()> {
        let mut transaction = self.begin().await?;
        let query = sqlx::query("UPDATE environments SET cluster = ? WHERE id = ? AND cluster <> ?");
        let query = query.bind(&clusters.environment).bind(environment_id).bind(&clusters.environment);
        self.sql(query.execute(transaction.connection()).await)?;
        let pairs: Vec<_> =
            tasks.iter().zip(&clusters.tasks).map(|(task, cluster)| json!([task.id, cluster])).collect();
        let query = sqlx::query(
            "UPDATE tasks SET cluster = j.value ->> 1 FROM json_each(?) j WHERE tasks.id = j.value ->> 0 AND cluster <> j.value ->> 1",
        );
        self.sql(query.bind(json!(pairs).to_string()).execute(transaction.connection()).await)?;
        transaction.commit().await
    }
}
