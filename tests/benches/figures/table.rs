//! The table at the end: one line a figure, with its target and whether it held.

use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One time per iteration, out of criterion's samples.
#[derive(Clone, Copy)]
pub struct Time {
    /// Median over samples, nanoseconds.
    pub median: f64,
    /// The fastest sample, nanoseconds: what the machine does when nothing else runs on it.
    pub best: f64,
}

/// Where criterion leaves what it measured.
pub struct Measured(PathBuf);

impl Measured {
    pub fn at(folder: &Path) -> Measured {
        Measured(folder.to_path_buf())
    }

    /// The time of `group/id` in this run, if it ran.
    pub fn time(&self, id: &str) -> Option<Time> {
        let text = std::fs::read_to_string(self.0.join(id).join("new/sample.json")).ok()?;
        let sample: Value = serde_json::from_str(&text).ok()?;
        let numbers =
            |name: &str| Some(sample[name].as_array()?.iter().filter_map(Value::as_f64).collect::<Vec<f64>>());
        let mut means: Vec<f64> =
            numbers("times")?.into_iter().zip(numbers("iters")?).map(|(time, count)| time / count).collect();
        means.sort_by(f64::total_cmp);
        Some(Time { median: *means.get(means.len() / 2)?, best: *means.first()? })
    }
}

/// The lines so far.
#[derive(Default)]
pub struct Table {
    lines: Vec<[String; 5]>,
    missed: usize,
}

/// What a figure must be.
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Table {
    /// A figure in `unit`: median, best, target.
    pub fn line(&mut self, name: &str, unit: &str, median: f64, best: Option<f64>, target: Target) {
        let (wanted, held) = match target {
            Target::AtMost(most) => (format!("<= {}", number(most)), Some(median <= most)),
            Target::AtLeast(least) => (format!(">= {}", number(least)), Some(median >= least)),
            Target::None => (String::new(), None),
        };
        let verdict = match held {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        self.missed += usize::from(held == Some(false));
        let cells =
            [name.to_owned(), format!("{} {unit}", number(median)), best.map(number).unwrap_or_default(), wanted];
        let [a, b, c, d] = cells;
        self.lines.push([a, b, c, d, verdict.to_owned()]);
    }

    /// A time in microseconds.
    pub fn micros(&mut self, name: &str, time: Option<Time>, target: Target) {
        if let Some(time) = time {
            self.line(name, "us", time.median / 1e3, Some(time.best / 1e3), target);
        }
    }

    /// A time in milliseconds.
    pub fn millis(&mut self, name: &str, time: Option<Time>, target: Target) {
        if let Some(time) = time {
            self.line(name, "ms", time.median / 1e6, Some(time.best / 1e6), target);
        }
    }

    /// A rate per second of something that takes `time`.
    pub fn rate(&mut self, name: &str, time: Option<Time>, target: Target) {
        if let Some(time) = time {
            self.line(name, "/s", 1e9 / time.median, Some(1e9 / time.best), target);
        }
    }

    /// The table as text.
    pub fn text(&self) -> String {
        let head = ["figure", "median", "best", "target", "held"].map(str::to_owned);
        let all: Vec<&[String; 5]> = std::iter::once(&head).chain(&self.lines).collect();
        let width = |i: usize| all.iter().map(|l| l[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..5).map(width).collect();
        let mut out = String::new();
        for line in &all {
            let [name, median, best, target, held] = line;
            let _ = writeln!(
                out,
                "{name:<a$}  {median:>b$}  {best:>c$}  {target:>d$}  {held}",
                a = widths[0],
                b = widths[1],
                c = widths[2],
                d = widths[3]
            );
        }
        let _ =
            write!(out, "{} of {} targets missed", self.missed, self.lines.iter().filter(|l| !l[3].is_empty()).count());
        out
    }
}

/// Three significant digits, thousands in groups.
fn number(value: f64) -> String {
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    fraction.map_or(out.clone(), |f| format!("{out}.{f}"))
}
