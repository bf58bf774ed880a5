//! Where the time of a pass goes, for `terrarium model bench`.
//!
//! Off unless [`measure`] is on the stack of the same thread; then each part of a pass adds its time to its stage.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tch::Device;

use crate::runtime::synchronise;

/// The parts of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Norms, rotations and the projections of attention.
    Projections,
    /// Keys, queries and head weights of the indexer.
    IndexerProjections,
    /// Writing the new rows and keys to the cache.
    Cache,
    /// Scores of all earlier keys and the choice of the best.
    Indexer,
    /// Attention over the selected rows.
    Core,
    /// Dense layers and mixtures of experts.
    FeedForward,
}

/// All stages, in the order of a pass.
pub const STAGES: [Stage; 6] =
    [Stage::Projections, Stage::IndexerProjections, Stage::Cache, Stage::Indexer, Stage::Core, Stage::FeedForward];

impl Stage {
    /// `projections`, `indexer_projections`, `cache`, `indexer`, `core` or `feed_forward`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Projections => "projections",
            Self::IndexerProjections => "indexer_projections",
            Self::Cache => "cache",
            Self::Indexer => "indexer",
            Self::Core => "core",
            Self::FeedForward => "feed_forward",
        }
    }
}

/// Time by stage, in the order of [`STAGES`].
pub type Times = [Duration; STAGES.len()];

thread_local! {
    static TIMES: RefCell<Option<(Device, Times)>> = const { RefCell::new(None) };
}

/// Run `work`, a pass on `device`, and say how much of its time each stage took on this thread. A GPU is waited for after each stage.
pub fn measure<T>(device: Device, work: impl FnOnce() -> T) -> (T, Times) {
    TIMES.with(|times| times.replace(Some((device, Times::default()))));
    let result = work();
    (result, TIMES.with(RefCell::take).map_or_else(Times::default, |(_, times)| times))
}

/// Run a part of a pass; stages do not nest.
pub(crate) fn stage<T>(stage: Stage, work: impl FnOnce() -> T) -> T {
    let Some(device) = TIMES.with(|times| times.borrow().as_ref().map(|(device, _)| *device)) else {
        return work();
    };
    let start = Instant::now();
    let result = work();
    synchronise(device);
    let spent = start.elapsed();
    TIMES.with(|times| {
        if let Some((_, times)) = times.borrow_mut().as_mut() {
            times[STAGES.iter().position(|other| *other == stage).expect("all stages are listed")] += spent;
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_added_to_its_stage_and_only_while_measuring() {
        let wait = || std::thread::sleep(Duration::from_millis(3));
        stage(Stage::Core, wait);
        let ((), times) = measure(Device::Cpu, || {
            stage(Stage::Core, wait);
            stage(Stage::Cache, || ());
            stage(Stage::Core, wait);
        });
        let of = |stage: Stage| times[STAGES.iter().position(|other| *other == stage).unwrap()];
        assert!(of(Stage::Core) >= Duration::from_millis(6) && of(Stage::Indexer).is_zero());
        assert!(measure(Device::Cpu, || ()).1.iter().all(Duration::is_zero));
    }
}
