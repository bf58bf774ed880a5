//! A running program: calls, marks, differences, forks; and how it survives a trap.
//!
//! A trap leaves a guest half-way through its writes, so the guest is dropped and rebuilt from the [`crate::history`]: a fresh start, then
//! the last snapshot (core path), then a replay of the calls that changed something since.

use crate::arguments;
use crate::diff::StateDiff;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::history::History;
use crate::journal;
use crate::lift::Reader;
use crate::outcome::{Call, CallOutcome};
use crate::program::{Code, CoreCode, CoreGuest, Program};
use crate::snapshot::Snapshot;
use crate::state::{Budget, View};
use serde_json::Value;
use std::sync::Arc;

/// A place in an instance's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u32);

/// A running program. It can be sent to another thread, not shared.
pub struct Instance {
    program: Arc<Program>,
    /// `None` only after a rebuild failed.
    guest: Option<Guest>,
    history: History,
}

impl Instance {
    pub(crate) fn new(program: Arc<Program>) -> Result<Self> {
        let guest = Some(Guest::start(&program)?);
        Ok(Instance { program, guest, history: History::default() })
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
        let before = self.writes();
        self.history.step(before.map_or(0, |(entries, _)| entries));
        let Some(index) = program.exports.iter().position(|e| e.name == tool) else {
            let message = arguments::unknown_tool(tool, &program.exports);
            return Ok(Call { outcome: CallOutcome::BadArguments { message }, fuel: 0 });
        };
        let export = &program.exports[index];
        if let Err(message) = arguments::check(export, arguments) {
            return Ok(Call { outcome: CallOutcome::BadArguments { message }, fuel: 0 });
        }
        let guest = self.guest.as_mut().ok_or_else(gone)?;
        let (result, fuel) = guest.call(export, arguments, &program.shared.config.limits)?;
        match result {
            Ok(outcome) => {
                if before.is_none() || before != self.writes() {
                    self.remember(index, arguments, fuel);
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

    /// Calls made so far, whatever became of them.
    pub fn steps(&self) -> u32 {
        self.history.steps()
    }

    /// The place in the history before call `step` (from 0), or the present place for `step == steps()`. `None` for a call that was not
    /// made, or beyond the first million.
    pub fn mark_at(&self, step: u32) -> Option<Mark> {
        if step == self.steps() { Some(self.mark()) } else { self.history.mark(step).map(Mark) }
    }

    /// Net difference between `from` and now.
    ///
    /// # Errors
    /// `NoState`, `BadMark` (a mark of another instance), `CorruptState`, `StateTooLarge`.
    pub fn diff(&self, from: Mark) -> Result<StateDiff> {
        let view = self.view()?;
        journal::diff(view, from.0, view.journal_entries()?, self.state_bytes_max())
    }

    /// Net difference between two places of the history, whatever was written since.
    ///
    /// # Errors
    /// As [`Instance::diff`].
    pub fn diff_between(&self, from: Mark, to: Mark) -> Result<StateDiff> {
        journal::diff(self.view()?, from.0, to.0, self.state_bytes_max())
    }

    /// Net difference made by call `step` (from 0).
    ///
    /// # Errors
    /// As [`Instance::diff`]; `BadStep` for a call that was not made.
    pub fn step_diff(&self, step: u32) -> Result<StateDiff> {
        let bad = || Error::BadStep { step, first: 0, last: self.steps().saturating_sub(1) };
        let from = self.history.mark(step).map(Mark).ok_or_else(bad)?;
        self.diff_between(from, self.mark_at(step + 1).ok_or_else(bad)?)
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
        self.view()?.state(&mut Budget::new(self.state_bytes_max()))
    }

    fn state_bytes_max(&self) -> usize {
        self.program.shared.config.limits.state_bytes_max
    }

    /// An independent instance in the same state. Marks of this one hold for the other; of its steps it knows those from here on.
    ///
    /// # Errors
    /// `TooManyInstances`; for a foreign component `LogFull` or `ReplayDiverged`.
    pub fn fork(&self) -> Result<Instance> {
        let history = match self.snapshot() {
            Some(snapshot) => self.history.onwards(snapshot),
            None => self.history.until(self.steps())?,
        };
        self.start(history)
    }

    /// An independent instance in the state before call `step` (from 0), as if the calls from there on had never been made. It costs a
    /// reset and a replay of the calls that wrote, at most 64 of them on the core path.
    ///
    /// # Errors
    /// As [`Instance::fork`]; `BadStep` for a step that was not reached, or lies before a fork or beyond what the history keeps.
    pub fn fork_at(&self, step: u32) -> Result<Instance> {
        self.start(self.history.until(step)?)
    }

    fn start(&self, history: History) -> Result<Instance> {
        let mut fork = Instance { program: Arc::clone(&self.program), guest: None, history };
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
    fn remember(&mut self, export: usize, arguments: &Value, fuel: u64) {
        self.history.log(export, arguments, fuel);
        if self.history.is_long() {
            match self.snapshot() {
                Some(snapshot) => self.history.fold(snapshot),
                None => self.history.bound_foreign(),
            }
        }
    }

    /// Core path only. Memory above the heap pointer holds nothing that a suite reads before writing it.
    fn snapshot(&self) -> Option<Snapshot> {
        let (Some(Guest::Core { guest, .. }), Code::Core(code)) = (&self.guest, &self.program.code) else {
            return None;
        };
        let memory = guest.memory.data(&guest.store);
        let heap = self.view().ok().and_then(|v| v.heap().ok());
        Some(Snapshot::take(memory, code.image.get()?, heap.map_or(memory.len(), |h| h as usize)))
    }

    /// A fresh guest, brought to where the history ends.
    fn rebuild(&mut self) -> Result<()> {
        // Gives its slot back first.
        self.guest = None;
        let chapter = self.history.open()?;
        let program = Arc::clone(&self.program);
        let mut guest = Guest::start(&program)?;
        if let (Guest::Core { guest, .. }, Some(base)) = (&mut guest, &chapter.base) {
            base.apply(guest)?;
        }
        for (position, logged) in chapter.log.iter().enumerate() {
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
        f.debug_struct("Instance").field("program", &self.program).field("steps", &self.steps()).finish_non_exhaustive()
    }
}

fn gone() -> Error {
    Error::Internal("the instance could not be rebuilt after a trap".to_owned())
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
