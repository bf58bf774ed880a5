//! User journeys through the `terrarium` binary: fresh directory, no network, no environment.

mod attacks;
mod exports;
mod journey;
#[cfg(feature = "torch")]
mod model;
mod resume;
mod suites;
mod support;
