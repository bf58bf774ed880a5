//! A running program: calls, marks, differences, forks; and how it survives a trap.
//!
//! A trap leaves a guest half-way through its writes, so the guest is dropped and rebuilt: a fresh start, then the last snapshot (core
//! path), then a replay of the calls that changed something since. Calls are kept up to a bound: on the core path the log is folded into a
//! snapshot after [`FOLD_CALLS`] calls or [`FOLD_BYTES`] of arguments; foreign components, whose memory cannot be read, are replayed from
//! the beginning and can no longer be rebuilt or forked after [`FOREIGN_CALLS_MAX`] calls or [`FOREIGN_BYTES_MAX`].

use crate::arguments;
use crate::diff::StateDiff;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::journal;
use crate::lift::Reader;
use crate::outcome::{Call, CallOutcome};
use crate::program::{Code, CoreCode, CoreGuest, Program};
use crate::snapshot::Snapshot;
use crate::state::{Budget, View};
use serde_json::Value;
use std::sync::Arc;

/// Logged calls after which the core path takes a snapshot.
const FOLD_CALLS: usize = 64;
/// Bytes of logged arguments after which the core path takes a snapshot.
const FOLD_BYTES: usize = 256 << 10;
/// Calls of a foreign component that are kept for replay.
pub const FOREIGN_CALLS_MAX: usize = 10_000;
/// Bytes of arguments of a foreign component that are kept for replay.
pub const FOREIGN_BYTES_MAX: usize = 16 << 20;

/// A place in an instance's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u32);

/// A running program. It can be sent to another thread, not shared.
pub struct Instance {
    program: Arc<Program>,
    /// `None` only after a rebuild failed.
    guest: Option<Guest>,
    /// State that `log` starts from; `None` is the fresh program.
    base: Option<Arc<Snapshot>>,
    log: Vec<Logged>,
    log_bytes: usize,
    /// A foreign component made more calls than are kept.
    log_full: bool,
}

/// A call to repeat.
#[derive(Clone)]
struct Logged {
    export: usize,
    arguments: Value,
    fuel: u64,
}

impl Instance {
    pub(crate) fn new(program: Arc<Program>) -> Result<Self> {
        let guest = Some(Guest::start(&program)?);
        Ok(Instance { program, guest, base: None, log: Vec::new(), log_bytes: 0, log_full: false })
    }

    /// The program it runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Calls a tool. Arguments are a JSON object; money, dates and enumerations have the forms that [`crate::ValueType`] states. After a
    /// trap the instance is as it was before the call.
    ///
    /// # Errors
    /// Only failures of our own side: `LogFull` or `ReplayDiverged` when the instance could not be rebuilt after a trap (it is then
    /// unusable), `Internal`.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Result<Call> {
        let program = Arc::clone(&self.program);
        let Some(index) = program.exports.iter().position(|e| e.name == tool) else {
            let message = arguments::unknown_tool(tool, &program.exports);
            return Ok(Call { outcome: CallOutcome::BadArguments { message }, fuel: 0 });
        };
        let export = &program.exports[index];
        if let Err(message) = arguments::check(export, arguments) {
            return Ok(Call { outcome: CallOutcome::BadArguments { message }, fuel: 0 });
        }
        let before = self.writes();
        let guest = self.guest.as_mut().ok_or_else(gone)?;
        let (result, fuel) = guest.call(export, arguments, &program.shared.config.limits)?;
        match result {
            Ok(outcome) => {
                if before.is_none() || before != self.writes() {
                    self.remember(index, arguments, fuel)?;
                }
                Ok(Call { outcome, fuel })
            }
            Err(failure) => {
                let refused = guest.was_refused();
                self.rebuild()?;
                Ok(Call { outcome: CallOutcome::Trap(failure.trap(refused)?), fuel })
            }
        }
    }

    /// The present place in the history: how much has been written.
    pub fn mark(&self) -> Mark {
        Mark(self.view().ok().and_then(|v| v.journal().ok()).map_or(0, |(_, length)| length))
    }

    /// Net difference between `from` and now.
    ///
    /// # Errors
    /// `NoState`, `BadMark` (a mark of another instance), `CorruptState`, `StateTooLarge`.
    pub fn diff(&self, from: Mark) -> Result<StateDiff> {
        journal::diff(self.view()?, from.0, self.program.shared.config.limits.state_bytes_max)
    }

    /// Net difference between the fresh program and now.
    ///
    /// # Errors
    /// As [`Instance::diff`].
    pub fn net_diff(&self) -> Result<StateDiff> {
        self.diff(Mark(0))
    }

    /// All rows: `{"tables": {name: [row, ...]}}`, tables in the suite's order, rows in insertion order.
    ///
    /// # Errors
    /// `NoState`, `CorruptState`, `StateTooLarge`.
    pub fn state(&self) -> Result<Value> {
        self.view()?.state(&mut Budget::new(self.program.shared.config.limits.state_bytes_max))
    }

    /// An independent instance in the same state. Marks of this one hold for the other.
    ///
    /// # Errors
    /// `TooManyInstances`; for a foreign component `LogFull` or `ReplayDiverged`.
    pub fn fork(&self) -> Result<Instance> {
        let mut fork = Instance {
            program: Arc::clone(&self.program),
            guest: None,
            base: self.base.clone(),
            log: Vec::new(),
            log_bytes: 0,
            log_full: false,
        };
        if let Some(snapshot) = self.snapshot() {
            fork.base = Some(Arc::new(snapshot));
        } else if self.log_full {
            return Err(log_full());
        } else {
            fork.log.clone_from(&self.log);
            fork.log_bytes = self.log_bytes;
        }
        fork.rebuild()?;
        Ok(fork)
    }

    /// Memory with its layout.
    fn view(&self) -> Result<View<'_>> {
        let layout = self.program.state.as_ref().ok_or(Error::NoState)?;
        match self.guest.as_ref().ok_or_else(gone)? {
            Guest::Core { guest, .. } => Ok(View { layout, memory: Reader(guest.memory.data(&guest.store)) }),
            Guest::Component { .. } => Err(Error::NoState),
        }
    }

    /// What changes with every call that changes anything: journal length and heap pointer. `None`: not known.
    fn writes(&self) -> Option<(u32, u32)> {
        let view = self.view().ok()?;
        Some((view.journal().ok()?.1, view.heap().ok()?))
    }

    /// Keeps a call for replay, within the bounds.
    fn remember(&mut self, export: usize, arguments: &Value, fuel: u64) -> Result<()> {
        if self.log_full {
            return Ok(());
        }
        self.log_bytes += weight(arguments);
        self.log.push(Logged { export, arguments: arguments.clone(), fuel });
        if self.log.len() < FOLD_CALLS && self.log_bytes < FOLD_BYTES {
            return Ok(());
        }
        if let Some(snapshot) = self.snapshot() {
            self.base = Some(Arc::new(snapshot));
            self.log.clear();
            self.log_bytes = 0;
        } else if self.log.len() > FOREIGN_CALLS_MAX || self.log_bytes > FOREIGN_BYTES_MAX {
            self.log_full = true;
            self.log = Vec::new();
        }
        Ok(())
    }

    /// Core path only. Memory above the heap pointer holds nothing that a suite reads before writing it.
    fn snapshot(&self) -> Option<Snapshot> {
        let (Some(Guest::Core { guest, .. }), Code::Core(code)) = (&self.guest, &self.program.code) else {
            return None;
        };
        let memory = guest.memory.data(&guest.store);
        let heap = self.view().ok().and_then(|v| v.heap().ok());
        Some(Snapshot::take(memory, &code.image, heap.map_or(memory.len(), |h| h as usize)))
    }

    /// A fresh guest, brought to the state of `base` and `log`.
    fn rebuild(&mut self) -> Result<()> {
        // Gives its slot back first.
        self.guest = None;
        if self.log_full {
            return Err(log_full());
        }
        let program = Arc::clone(&self.program);
        let mut guest = Guest::start(&program)?;
        if let (Guest::Core { guest, .. }, Some(base)) = (&mut guest, &self.base) {
            base.apply(guest)?;
        }
        for (position, logged) in self.log.iter().enumerate() {
            let export = &program.exports[logged.export];
            let (result, fuel) = guest.call(export, &logged.arguments, &program.shared.config.limits)?;
            let diverged = |what: String| Error::ReplayDiverged { call: position, tool: export.name.clone(), what };
            if let Err(failure) = result {
                return Err(diverged(failure.trap(guest.was_refused())?.to_string()));
            }
            if fuel != logged.fuel {
                return Err(diverged(format!("{fuel} fuel instead of {}", logged.fuel)));
            }
        }
        self.guest = Some(guest);
        Ok(())
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("program", &self.program).field("log", &self.log.len()).finish_non_exhaustive()
    }
}

fn gone() -> Error {
    Error::Internal("the instance could not be rebuilt after a trap".to_owned())
}

fn log_full() -> Error {
    Error::LogFull { calls_max: FOREIGN_CALLS_MAX, bytes_max: FOREIGN_BYTES_MAX }
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

/// Instances move between threads.
const _: fn() = || {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    is_send::<Instance>();
    is_shared::<crate::Sandbox>();
    is_shared::<Program>();
    is_send::<(CoreGuest, CoreCode)>();
};
