//! Where finished episodes go.

use crate::episode::{Episode, EpisodeKey};
use async_trait::async_trait;
use std::collections::BTreeSet;

/// Error of a sink, opaque to the scheduler: it stops the run and is shown to the user.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// A store of episodes. Calls come from one writer task, in completion order.
#[async_trait]
pub trait EpisodeSink: Send + Sync {
    /// The keys that are stored already, for this policy: they are not run again.
    async fn stored(&self, policy: &str) -> Result<BTreeSet<EpisodeKey>, SinkError>;
    /// Stores a batch of episodes, all or nothing.
    async fn put(&self, episodes: Vec<Episode>) -> Result<(), SinkError>;
}
