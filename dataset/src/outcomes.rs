//! How stored episodes ended, without reading them.

use crate::error::Result;
use crate::filter::EpisodeFilter;
use crate::store::Store;
use sqlx::{QueryBuilder, Sqlite};
use terrarium_envs::episode::EpisodeKey;
use terrarium_envs::outcome::Outcome;

impl Store {
    /// Key and outcome of the episodes that a filter means, ordered by task, policy and sample.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] for an unknown outcome, and those of reading.
    pub async fn outcomes(&self, filter: &EpisodeFilter) -> Result<Vec<(EpisodeKey, Outcome)>> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT e.task_id, e.policy, e.sample, e.outcome FROM episodes e CROSS JOIN tasks t ON t.id = e.task_id WHERE TRUE",
        );
        filter.push(&mut query);
        query.push(" ORDER BY e.task_id, e.policy, e.sample");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").push_bind(limit.cast_signed());
        }
        let mut reader = self.reader().await?;
        let rows = query.build_query_as::<(String, String, u32, String)>().fetch_all(&mut *reader).await;
        self.sql(rows)?
            .into_iter()
            .map(|(task_id, policy, sample, outcome)| {
                let known =
                    Outcome::from_name(&outcome).ok_or_else(|| self.corrupt(format!("unknown outcome {outcome}")))?;
                Ok((EpisodeKey { task_id, policy, sample }, known))
            })
            .collect()
    }
}
