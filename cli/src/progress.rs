//! Progress on stderr: a bar with rate and time left on a terminal, a settled line every ten seconds elsewhere.
//! While episodes are rolled out it also says how they end, how many tokens a second are sampled, and what trouble an endpoint makes.

use crate::args::Global;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use terrarium_envs::scheduler::Progress as Rolling;

/// The stage whose message says everything.
pub const ROLLOUT: &str = "rollout";
const LINE_EVERY: Duration = Duration::from_secs(10);

/// One stage of a command.
pub struct Progress {
    bar: ProgressBar,
    stage: &'static str,
    unit: &'static str,
    started: Instant,
    /// When the last line was written; none where lines are not wanted.
    last_line: Option<Mutex<Instant>>,
}

impl Progress {
    /// A stage of `total` things called `unit`.
    pub fn new(global: &Global, stage: &'static str, unit: &'static str, total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(total),
            if terminal && !global.quiet { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
        );
        let template = if stage == ROLLOUT {
            "{prefix:>12} {bar:20} {msg}"
        } else {
            "{prefix:>12} {bar:30} {pos}/{len} {per_sec} {eta} left  {msg}"
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(stage);
        let now = Instant::now();
        let last_line = (!terminal && !global.quiet).then(|| Mutex::new(now));
        Progress { bar, stage, unit, started: now, last_line }
    }

    /// `done` things are done; `message` says what else is worth knowing.
    pub fn at(&self, done: u64, message: &str) {
        self.bar.set_position(done);
        self.bar.set_message(message.to_owned());
        self.line(|stage| {
            let rate = done as f64 / self.started.elapsed().as_secs_f64();
            let total = self.bar.length().unwrap_or(done);
            let left = if rate > 0.0 { total.saturating_sub(done) as f64 / rate } else { f64::NAN };
            format!("{stage}: {done}/{total} {} ({rate:.0}/s, {left:.0} s left) {message}", self.unit)
        });
    }

    /// Shows how far a rollout is. The rate and the time left are those of the last seconds, not of the whole run.
    pub fn rolling(&self, progress: &Rolling) {
        self.bar.set_position(progress.done + progress.skipped);
        let text = rolling_text(progress);
        self.bar.set_message(text.clone());
        self.line(|stage| format!("{stage}: {text}"));
    }

    /// Writes a line, where lines are wanted and it is time for one.
    fn line(&self, text: impl FnOnce(&str) -> String) {
        let Some(Ok(mut last_line)) = self.last_line.as_ref().map(Mutex::lock) else { return };
        if last_line.elapsed() >= LINE_EVERY {
            *last_line = Instant::now();
            // Nothing is left to tell if stderr is closed.
            let _ = writeln!(std::io::stderr().lock(), "{}", text(self.stage));
        }
    }

    /// The stage is over.
    pub fn finish(self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}

/// `120/500, 8.3/s, 46 s left | 71 % solved | 85 solved, 34 failed, 1 policy_error | 950 tokens/s | trouble: 3 rate_limited`.
fn rolling_text(progress: &Rolling) -> String {
    let seen = progress.done + progress.skipped;
    let mut text = match progress.total {
        Some(total) => format!("{seen}/{total}"),
        None => seen.to_string(),
    };
    text.push_str(&format!(", {}/s", rounded(progress.rate_now)));
    if let Some(left) = progress.left {
        text.push_str(&format!(", {} left", spoken(left)));
    }
    if progress.scored > 0 {
        text.push_str(&format!(" | {:.0} % solved", 100.0 * progress.solved as f64 / progress.scored as f64));
    }
    let counts = |text: &mut String, counts: Vec<(&str, u64)>| {
        let parts: Vec<String> = counts.into_iter().map(|(name, n)| format!("{n} {name}")).collect();
        text.push_str(&parts.join(", "));
    };
    if progress.outcomes.len() > 1 {
        text.push_str(" | ");
        counts(&mut text, progress.outcomes.iter().map(|(o, n)| (o.name(), *n)).collect());
    }
    if let Some(tokens) = progress.tokens_now {
        text.push_str(&format!(" | {} tokens/s", rounded(tokens)));
    }
    if !progress.trouble.is_empty() {
        text.push_str(" | trouble: ");
        counts(&mut text, progress.trouble.iter().map(|(name, n)| (*name, *n)).collect());
    }
    text
}

fn rounded(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use terrarium_envs::outcome::Outcome;

    #[test]
    fn a_rollout_is_told_in_one_line() {
        let progress = Rolling {
            done: 118,
            skipped: 2,
            total: Some(500),
            solved: 84,
            scored: 117,
            outcomes: BTreeMap::from([(Outcome::Solved, 84), (Outcome::Failed, 33), (Outcome::PolicyError, 1)]),
            rate: 9.0,
            rate_now: 8.26,
            tokens_now: Some(950.4),
            left: Some(Duration::from_secs(46)),
            trouble: BTreeMap::from([("rate_limited", 3)]),
        };
        assert_eq!(
            rolling_text(&progress),
            "120/500, 8.3/s, 46 s left | 72 % solved | 84 solved, 33 failed, 1 policy_error | 950 tokens/s | trouble: 3 rate_limited"
        );
        assert_eq!([119, 120, 7200].map(|s| spoken(Duration::from_secs(s))), ["119 s", "2 min", "2 h 0 min"]);
    }
}
