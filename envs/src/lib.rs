//! Environments, tasks, verifiers, certificates, policies and episodes.

pub mod certificate;
pub mod environment;
pub mod episode;
pub mod message;
pub mod outcome;
pub mod policy;
pub mod sink;
pub mod task;
pub mod verifier;
