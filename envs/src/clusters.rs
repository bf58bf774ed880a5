//! Clusters of near-duplicates: which environments, and which tasks, are much the same. They say something about a collection and nothing
//! about what is in it, so they are kept beside environments and tasks and are no part of them.

/// The clusters of an environment and of its tasks: names of 16 hex digits, empty where none was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// That of the environment.
    pub environment: String,
    /// Those of its tasks, in their order.
    pub tasks: Vec<String>,
}
