//! How far a run is, and what it came to.

use crate::outcome::Outcome;
use crate::usage::Reading;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The present rate is that of so long.
const RECENT: Duration = Duration::from_secs(20);

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
    /// Episodes with a reward among `done`.
    pub scored: u64,
    /// Episodes by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Episodes a second since the run began.
    pub rate: f64,
    /// Episodes a second in the last 20 seconds.
    pub rate_now: f64,
    /// Sampled tokens a second in the last 20 seconds, episodes under way included where the policy counts them; none if it does not.
    pub tokens_now: Option<f64>,
    /// Time left at the present rate, if both are known.
    pub left: Option<Duration>,
    /// Requests of the policy that met trouble, by kind.
    pub trouble: BTreeMap<&'static str, u64>,
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
    /// Tokens sampled in the episodes of this run, where they are counted.
    pub completion_tokens: u64,
    /// Requests of the policy that met trouble, by kind.
    pub trouble: BTreeMap<&'static str, u64>,
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
    /// Tokens sampled in stored episodes.
    tokens: u64,
    outcomes: BTreeMap<Outcome, u64>,
    /// When, episodes done, tokens sampled: the newest last, the first some 20 seconds old.
    recent: VecDeque<(Instant, u64, u64)>,
}

impl Tally {
    pub(super) fn new(total: Option<u64>) -> Self {
        let now = Instant::now();
        Tally {
            started: now,
            total,
            done: 0,
            skipped: 0,
            tokens: 0,
            outcomes: BTreeMap::new(),
            recent: VecDeque::from([(now, 0, 0)]),
        }
    }

    pub(super) fn add(&mut self, episodes: &[(Outcome, u64)], skipped: u64) {
        self.done += episodes.len() as u64;
        self.skipped = skipped;
        for (outcome, tokens) in episodes {
            *self.outcomes.entry(*outcome).or_default() += 1;
            self.tokens += tokens;
        }
    }

    fn solved(&self) -> u64 {
        self.outcomes.get(&Outcome::Solved).copied().unwrap_or(0)
    }

    pub(super) fn progress(&mut self, reading: Option<Reading>) -> Progress {
        let tokens = reading.as_ref().map_or(self.tokens, |r| r.completion_tokens);
        let now = Instant::now();
        // Half a second apart is close enough: the window stays short.
        if self.recent.back().is_none_or(|(at, ..)| now - *at >= Duration::from_millis(500)) {
            self.recent.push_back((now, self.done, tokens));
        }
        while self.recent.len() > 1 && self.recent.get(1).is_some_and(|(at, ..)| now - *at > RECENT) {
            self.recent.pop_front();
        }
        let (since, done_then, tokens_then) = self.recent.front().copied().unwrap_or((self.started, 0, 0));
        let a_second = |count: u64, since: Instant| {
            let seconds = (now - since).as_secs_f64();
            if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
        };
        let rate_now = a_second(self.done.saturating_sub(done_then), since);
        let left = self.total.map(|total| total.saturating_sub(self.done + self.skipped));
        let known = reading.is_some() || self.tokens > 0;
        Progress {
            done: self.done,
            skipped: self.skipped,
            total: self.total,
            solved: self.solved(),
            scored: self.outcomes.iter().filter(|(o, _)| o.reward().is_some()).map(|(_, n)| n).sum(),
            outcomes: self.outcomes.clone(),
            rate: a_second(self.done, self.started),
            rate_now,
            tokens_now: known.then(|| a_second(tokens.saturating_sub(tokens_then), since)),
            left: left
                .filter(|_| rate_now > 0.0)
                .and_then(|left| Duration::try_from_secs_f64(left as f64 / rate_now).ok()),
            trouble: reading.map(|r| r.trouble).unwrap_or_default(),
        }
    }

    pub(super) fn summary(self, cancelled: bool, stopped: Option<String>, reading: Option<Reading>) -> Summary {
        Summary {
            episodes: self.done,
            skipped: self.skipped,
            solved: self.solved(),
            seconds: self.started.elapsed().as_secs_f64(),
            outcomes: self.outcomes,
            completion_tokens: self.tokens,
            trouble: reading.map(|r| r.trouble).unwrap_or_default(),
            cancelled,
            stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_adds_up() {
        let mut tally = Tally::new(Some(10));
        tally.started -= Duration::from_secs(10);
        tally.recent = VecDeque::from([(tally.started, 0, 0)]);
        tally.add(&[(Outcome::Solved, 30), (Outcome::Failed, 10), (Outcome::PolicyError, 0)], 2);
        let progress = tally.progress(None);
        assert_eq!((progress.done, progress.skipped, progress.solved, progress.scored), (3, 2, 1, 2));
        assert!((progress.rate_now - 0.3).abs() < 0.01, "{progress:?}");
        assert!(progress.tokens_now.is_some_and(|t| (t - 4.0).abs() < 0.1), "{progress:?}");
        assert!(progress.left.is_some_and(|l| (l.as_secs_f64() - 16.7).abs() < 0.2), "{progress:?}");
        let reading =
            Reading { completion_tokens: 400, trouble: BTreeMap::from([("server", 2)]), ..Reading::default() };
        let progress = tally.progress(Some(reading));
        assert!(progress.tokens_now.is_some_and(|t| (t - 40.0).abs() < 1.0), "{progress:?}");
        assert_eq!(progress.trouble["server"], 2);
        assert_eq!(tally.summary(false, None, None).completion_tokens, 40);
    }
}
