//! How stored episodes ended, without reading them.

use crate::error::Result;
use crate::filter::EpisodeFilter;
use crate::store::Store;
use sqlx::{QueryBuilder, Sqlite};
use std::collections::BTreeMap;
use terrarium_envs::outcome::Outcome;

impl Store {
    /// How many of the episodes that a filter means ended how. The filter's `limit` is ignored.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] for an unknown outcome, and those of reading.
    pub async fn outcomes(&self, filter: &EpisodeFilter) -> Result<BTreeMap<Outcome, u64>> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT e.outcome, count(*) FROM episodes e CROSS JOIN tasks t ON t.id = e.task_id WHERE TRUE",
        );
        filter.push(&mut query);
        query.push(" GROUP BY e.outcome");
        let mut reader = self.reader().await?;
        let rows = query.build_query_as::<(String, i64)>().fetch_all(&mut *reader).await;
        self.sql(rows)?
            .into_iter()
            .map(|(outcome, episodes)| {
                let known =
                    Outcome::from_name(&outcome).ok_or_else(|| self.corrupt(format!("unknown outcome {outcome}")))?;
                Ok((known, episodes.cast_unsigned()))
            })
            .collect()
    }
}
