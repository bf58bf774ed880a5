//! How far a run is, and what it came to.

use crate::outcome::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Episodes stored by this run.
    pub done: u64,
    /// Jobs left out because their episodes were stored before.
    pub skipped: u64,
    /// Jobs in all, if known.
    pub total: Option<u64>,
    /// Solved among `done`.
    pub solved: u64,
    /// Episodes by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Episodes a second since the run began.
    pub rate: f64,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Episodes stored by this run.
    pub episodes: u64,
    /// Jobs left out because their episodes were stored before.
    pub skipped: u64,
    /// Solved among `episodes`.
    pub solved: u64,
    /// Episodes by outcome; outcomes that did not occur are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Wall clock.
    pub seconds: f64,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Why it stopped of itself before the end, if it did.
    pub stopped: Option<String>,
}

pub(super) struct Tally {
    started: Instant,
    total: Option<u64>,
    done: u64,
    skipped: u64,
    outcomes: BTreeMap<Outcome, u64>,
}

impl Tally {
    pub(super) fn new(total: Option<u64>) -> Self {
        Tally { started: Instant::now(), total, done: 0, skipped: 0, outcomes: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, outcomes: &[Outcome], skipped: u64) {
        self.done += outcomes.len() as u64;
        self.skipped = skipped;
        for outcome in outcomes {
            *self.outcomes.entry(*outcome).or_default() += 1;
        }
    }

    fn solved(&self) -> u64 {
        self.outcomes.get(&Outcome::Solved).copied().unwrap_or(0)
    }

    pub(super) fn progress(&self) -> Progress {
        let seconds = self.started.elapsed().as_secs_f64();
        Progress {
            done: self.done,
            skipped: self.skipped,
            total: self.total,
            solved: self.solved(),
            outcomes: self.outcomes.clone(),
            rate: if seconds > 0.0 { self.done as f64 / seconds } else { 0.0 },
        }
    }

    pub(super) fn summary(self, cancelled: bool, stopped: Option<String>) -> Summary {
        Summary {
            episodes: self.done,
            skipped: self.skipped,
            solved: self.solved(),
            seconds: self.started.elapsed().as_secs_f64(),
            outcomes: self.outcomes,
            cancelled,
            stopped,
        }
    }
}
