//! Progress on stderr: a bar with rate and time left on a terminal, a settled line every ten seconds elsewhere.

use crate::args::Global;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

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
        let style = ProgressStyle::with_template("{prefix:>12} {bar:30} {pos}/{len} {per_sec} {eta} left  {msg}");
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
        let Some(last_line) = &self.last_line else { return };
        let Ok(mut last_line) = last_line.lock() else { return };
        if last_line.elapsed() >= LINE_EVERY {
            *last_line = Instant::now();
            let seconds = self.started.elapsed().as_secs_f64();
            let rate = done as f64 / seconds;
            let total = self.bar.length().unwrap_or(done);
            let left = if rate > 0.0 { total.saturating_sub(done) as f64 / rate } else { f64::NAN };
            let _ = writeln!(
                std::io::stderr().lock(),
                "{}: {done}/{total} {} ({rate:.0}/s, {left:.0} s left) {message}",
                self.stage,
                self.unit,
            );
        }
    }

    /// The stage is over.
    pub fn finish(self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}
