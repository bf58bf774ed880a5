//! What an instance has done: enough to rebuild it after a trap and to fork it at any step.
//!
//! A step is one call, whatever became of it. Calls that changed something are logged, and replaying them gives the same state. On the
//! core path the log is cut into chapters of at most [`CHAPTER_CALLS`] calls or [`CHAPTER_BYTES`] of arguments, each of which starts from a
//! snapshot, so that a rebuild replays few calls; the last [`CHAPTERS_MAX`] chapters within [`HISTORY_BYTES_MAX`] are kept. Foreign
//! components, whose memory cannot be read, have one chapter, which ends the history when it passes [`FOREIGN_CALLS_MAX`] calls or
//! [`FOREIGN_BYTES_MAX`] of arguments.

use crate::error::{Error, Result};
use crate::snapshot::Snapshot;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;

/// Logged calls of a chapter.
const CHAPTER_CALLS: usize = 64;
/// Bytes of logged arguments of a chapter.
const CHAPTER_BYTES: usize = 256 << 10;
/// Chapters kept besides the open one.
const CHAPTERS_MAX: usize = 64;
/// Snapshots and arguments of the chapters kept, in bytes, roughly.
const HISTORY_BYTES_MAX: usize = 16 << 20;
/// Steps whose place in the journal is remembered.
const MARKS_MAX: usize = 1 << 20;
/// Calls of a foreign component that are kept for replay.
pub const FOREIGN_CALLS_MAX: usize = 10_000;
/// Bytes of arguments of a foreign component that are kept for replay.
pub const FOREIGN_BYTES_MAX: usize = 16 << 20;

/// The history of an instance.
#[derive(Default)]
pub(crate) struct History {
    steps: u32,
    /// Length of the journal before each step.
    marks: Vec<u32>,
    /// Finished chapters, oldest first.
    closed: VecDeque<Chapter>,
    open: Chapter,
    /// The log of a foreign component passed its bounds.
    full: bool,
}

/// A part of the history: the state at `first`, and the calls since.
#[derive(Clone, Default)]
pub(crate) struct Chapter {
    first: u32,
    /// State at `first`; `None` is the fresh program.
    pub(crate) base: Option<Arc<Snapshot>>,
    pub(crate) log: Vec<Logged>,
    /// Of arguments.
    bytes: usize,
}

/// A call to repeat.
#[derive(Clone)]
pub(crate) struct Logged {
    step: u32,
    pub(crate) export: usize,
    pub(crate) arguments: Value,
    pub(crate) fuel: u64,
}

impl History {
    /// Steps made.
    pub(crate) fn steps(&self) -> u32 {
        self.steps
    }

    /// A step begins; the journal has `mark` entries.
    pub(crate) fn step(&mut self, mark: u32) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push(mark);
        }
        self.steps += 1;
    }

    /// Length of the journal before a step that was made.
    pub(crate) fn mark(&self, step: u32) -> Option<u32> {
        self.marks.get(step as usize).copied()
    }

    /// Keeps the call of the last step.
    pub(crate) fn log(&mut self, export: usize, arguments: &Value, fuel: u64) {
        if !self.full {
            self.open.bytes += weight(arguments);
            self.open.log.push(Logged { step: self.steps - 1, export, arguments: arguments.clone(), fuel });
        }
    }

    /// Whether the open chapter should be closed with a snapshot.
    pub(crate) fn is_long(&self) -> bool {
        self.open.log.len() >= CHAPTER_CALLS || self.open.bytes >= CHAPTER_BYTES
    }

    /// Starts a chapter from the present state.
    pub(crate) fn fold(&mut self, snapshot: Snapshot) {
        let next = Chapter { first: self.steps, base: Some(Arc::new(snapshot)), ..Chapter::default() };
        self.closed.push_back(std::mem::replace(&mut self.open, next));
        let weight = |c: &Chapter| c.bytes + c.base.as_ref().map_or(0, |base| base.bytes());
        let total = |chapters: &VecDeque<Chapter>| chapters.iter().map(weight).sum::<usize>();
        while self.closed.len() > CHAPTERS_MAX || total(&self.closed) > HISTORY_BYTES_MAX {
            self.closed.pop_front();
        }
    }

    /// Gives the log up if it is that of a foreign component and too long.
    pub(crate) fn bound_foreign(&mut self) {
        if self.open.log.len() > FOREIGN_CALLS_MAX || self.open.bytes > FOREIGN_BYTES_MAX {
            self.full = true;
            self.open.log = Vec::new();
        }
    }

    /// What leads to the present state.
    ///
    /// # Errors
    /// `LogFull`.
    pub(crate) fn open(&self) -> Result<&Chapter> {
        if self.full {
            return Err(Error::LogFull { calls_max: FOREIGN_CALLS_MAX, bytes_max: FOREIGN_BYTES_MAX });
        }
        Ok(&self.open)
    }

    /// A history that starts from the present state.
    pub(crate) fn onwards(&self, snapshot: Snapshot) -> History {
        let base = Some(Arc::new(snapshot));
        let open = Chapter { first: self.steps, base, ..Chapter::default() };
        History { steps: self.steps, marks: self.marks.clone(), open, ..History::default() }
    }

    /// The history up to a step, which is not made.
    ///
    /// # Errors
    /// `LogFull`; `BadStep` for a step that was not reached or is no longer kept.
    pub(crate) fn until(&self, step: u32) -> Result<History> {
        let open = self.open()?;
        let chapter = std::iter::once(open).chain(self.closed.iter().rev()).find(|c| c.first <= step);
        let chapter = match chapter {
            Some(chapter) if step <= self.steps => chapter,
            _ => {
                let first = self.closed.front().unwrap_or(open).first;
                return Err(Error::BadStep { step, first, last: self.steps });
            }
        };
        let log: Vec<Logged> = chapter.log.iter().take_while(|l| l.step < step).cloned().collect();
        let open = Chapter { log, ..chapter.clone() };
        let marks = self.marks.iter().take(step as usize).copied().collect();
        Ok(History { steps: step, marks, open, ..History::default() })
    }
}

/// Roughly the bytes a JSON value takes.
fn weight(value: &Value) -> usize {
    16 + match value {
        Value::String(s) => s.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(k, v)| k.len() + weight(v)).sum(),
        _ => 0,
    }
}
