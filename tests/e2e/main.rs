//! User journeys through the `terrarium` binary: fresh directory, no network, no environment.

mod attacks;
mod exports;
mod journey;
mod replay;
mod resume;
mod suites;
mod support;
