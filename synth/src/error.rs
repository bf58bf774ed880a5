//! This crate's errors. A candidate that is turned down is no error: it is counted by its reason ([`crate::report`]).

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of synthesis itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A suite of the library, or one given by the caller, does not parse.
    #[error("suite `{suite}` does not check: {source}")]
    Suite {
        /// Its slug or file.
        suite: String,
        /// What is wrong with it.
        #[source]
        source: terrarium_tools::Error,
    },
    /// A world does not compile: a fault of the compiler or of world generation.
    #[error("environment candidate {index} of suite `{suite}` does not compile: {source}")]
    Compile {
        /// The suite.
        suite: String,
        /// The candidate.
        index: u64,
        /// What the compiler said.
        #[source]
        source: terrarium_tools::Error,
    },
    /// An environment does not run.
    #[error(transparent)]
    Environment(#[from] terrarium_envs::Error),
    /// The options cannot be met.
    #[error("{0}")]
    Options(String),
    /// So many candidates in a row were turned down that the wish cannot be met.
    #[error(
        "{candidates} environment candidates gave only {environments} of {wanted} environments; the most frequent reason is \
         `{reason}`; ask for fewer environments (--envs) or give more suites (--suites), since worlds must differ in what they offer"
    )]
    Exhausted {
        /// Candidates tried.
        candidates: u64,
        /// Environments admitted.
        environments: u64,
        /// Environments asked for.
        wanted: u64,
        /// Why most candidates were turned down.
        reason: String,
    },
    /// A prompt template is broken: a fault of this crate.
    #[error("prompt template `{template}`: {source}")]
    Template {
        /// Its name.
        template: String,
        /// What minijinja said.
        #[source]
        source: minijinja::Error,
    },
    /// Something has no JSON form: a fault of this crate.
    #[error("cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A worker thread broke down.
    #[error("a worker of synthesis broke down: {0}")]
    Worker(String),
}
