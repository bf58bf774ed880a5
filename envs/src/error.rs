//! What can fail on our own side. What an agent, a tool or an endpoint does wrong is an [`crate::outcome::Outcome`], not an error.

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Error of a store of episodes, opaque to the scheduler: it stops the run and is shown to the user.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Failures of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sandbox could not load, start or read a world.
    #[error("the world of {environment} failed: {source}")]
    World {
        /// Environment id, or what was known of it.
        environment: String,
        /// What the sandbox said.
        source: terrarium_sandbox::Error,
    },
    /// An environment does not hang together.
    #[error("environment {environment}: {message}")]
    Environment {
        /// Its id.
        environment: String,
        /// What does not fit.
        message: String,
    },
    /// A verifier cannot be evaluated.
    #[error("the verifier is broken: {0}")]
    Verifier(String),
    /// A policy's name or options make no sense.
    #[error("policy `{policy}`: {message}")]
    Policy {
        /// As typed.
        policy: String,
        /// What to do about it.
        message: String,
    },
    /// The store of episodes failed; the run stopped, what was stored stays.
    #[error("episodes could not be stored: {0}")]
    Sink(#[source] SinkError),
    /// A worker ended without a result: a defect of a policy or of this crate.
    #[error("a worker broke down: {0}")]
    Worker(String),
}
