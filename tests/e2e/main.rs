//! User journeys through the `terrarium` binary: fresh directory, no network, no environment.

#[path = "../support/endpoint.rs"]
mod endpoint;

mod agents;
mod attacks;
mod collection;
mod exports;
mod journey;
mod kills;
#[cfg(feature = "torch")]
mod model;
mod remote;
mod replay;
mod resume;
mod suites;
mod support;
