//! Clusters of near-duplicates of everything that a database holds, found again.

use anyhow::Result;
use terrarium_dataset::{Store, TaskFilter};
use terrarium_synth::dedup::Admitted;

/// Gives every environment and task its cluster, as if all had been admitted in the order in which they are stored; so rows of different
/// databases, and those of before there were clusters, are in clusters with each other. Gives the numbers of clusters of environments
/// and of tasks.
pub async fn again(store: &Store) -> Result<(usize, usize)> {
    let mut admitted = Admitted::default();
    for id in store.environment_ids_as_stored().await? {
        let environment = store.environment(&id).await?;
        let tasks = store.tasks(&TaskFilter::environment(&id)).await?;
        let clusters = admitted.cluster(&environment, &tasks);
        store.set_clusters(&id, &tasks, &clusters).await?;
    }
    Ok(admitted.clusters())
}
