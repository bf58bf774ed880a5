//! Environments, tasks, verifiers, certificates, policies and episodes.
//!
//! What must hold: a reward is null unless the verifier ran or the agent itself ran out of turns, context or patience with the format
//! (`outcome`); nothing that verifies can be reached by an agent (`verifier`, `submit`); the bytes of an episode depend on the stored
//! component, the task, the policy and the seed alone, never on concurrency (`scheduler`), a clock or hash-map order (wall-clock
//! fields are marked and never exported). This crate speaks no SQL, prints nothing and reads no process environment.

pub mod budget;
pub mod canonical;
pub mod certificate;
pub mod clusters;
pub mod context;
pub mod environment;
pub mod episode;
pub mod episode_loop;
pub mod error;
pub mod faults;
pub mod message;
pub mod nearest;
pub mod outcome;
pub mod policy;
pub mod random;
pub mod runner;
pub mod scheduler;
pub mod setup;
pub mod sink;
pub mod submit;
pub mod system;
pub mod task;
pub mod tool;
pub mod usage;
pub mod user;
pub mod verifier;
pub mod world;

pub use budget::Budget;
pub use error::{Error, Result};
pub use runner::{Runner, SolutionRun, run_solution};
pub use setup::Setup;
pub use terrarium_sandbox as sandbox;
pub use world::Loaded;
