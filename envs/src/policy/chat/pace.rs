//! How often an endpoint is asked: a steady pace for all conversations together, and a pause for all when it says that it is too much.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Shared by the agents of one policy.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time between requests.
    interval: Option<Duration>,
    /// Nothing is sent before.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most so many requests a minute; none: any number.
    pub(super) fn new(requests_per_minute: Option<f64>) -> Self {
        let interval = requests_per_minute
            .filter(|rate| rate.is_finite() && *rate > 0.0)
            .map(|rate| Duration::from_secs_f64((60.0 / rate).min(86_400.0)));
        Pace { interval, next: Mutex::new(None) }
    }

    /// Waits until a request may be sent. Requests go out in the order in which they came here.
    pub(super) async fn wait(&self) {
        while let Some((at, mine)) = self.turn() {
            tokio::time::sleep_until(at).await;
            if mine {
                return;
            }
        }
    }

    /// When a request may be sent, and whether that moment was reserved for it; none: now.
    fn turn(&self) -> Option<(Instant, bool)> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let at = next.filter(|at| *at > now);
        match self.interval {
            Some(interval) => {
                let at = at.unwrap_or(now);
                *next = Some(at + interval);
                Some((at, true))
            }
            None => at.map(|at| (at, false)),
        }
    }

    /// Nobody sends anything for so long.
    pub(super) fn pause(&self, time: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + time;
        *next = Some(next.map_or(until, |at| at.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_keep_their_distance_and_pauses_hold_for_all() {
        let pace = Pace::new(Some(12_000.0));
        let began = Instant::now();
        for _ in 0..11 {
            pace.wait().await;
        }
        assert!(began.elapsed() >= Duration::from_millis(50), "{:?}", began.elapsed());

        let free = Pace::new(None);
        free.wait().await;
        assert!(free.next.lock().expect("no panic").is_none(), "nothing to wait for");
        let began = Instant::now();
        free.pause(Duration::from_millis(40));
        tokio::join!(free.wait(), free.wait());
        assert!(began.elapsed() >= Duration::from_millis(40), "{:?}", began.elapsed());
    }
}
