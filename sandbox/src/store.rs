//! What a wasmtime store carries for us, and how failures of a call are sorted.

use crate::engine::DEADLINE_TICKS;
use crate::error::{Error, Result};
use crate::limits::{Limiter, Limits};
use crate::outcome::Trap;
use crate::sandbox::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wasmtime::{Engine, Store};

/// Data of a store.
pub(crate) struct Host {
    pub(crate) limiter: Limiter,
    /// Counts the instance while it is alive.
    _slot: Slot,
}

/// A place among the live instances.
struct Slot(Arc<AtomicU32>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a call did not give a result.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// wasmtime's error: a trap, or a broken canonical ABI on the component path.
    Trap(wasmtime::Error),
    /// The guest broke the canonical ABI.
    InvalidReply,
    /// The byte budget is used up.
    OutputTooLarge,
    /// Our mistake.
    Internal(&'static str),
}

impl CallFailure {
    /// The trap it is.
    ///
    /// # Errors
    /// `Internal` for our own mistakes.
    pub(crate) fn trap(self, refused_memory: bool) -> Result<Trap> {
        match self {
            CallFailure::Internal(what) => Err(Error::Internal(what.to_owned())),
            CallFailure::InvalidReply => Ok(Trap::invalid_reply()),
            CallFailure::OutputTooLarge => Ok(Trap::OutputTooLarge),
            CallFailure::Trap(error) => Ok(sort(&error, refused_memory)),
        }
    }
}

/// What wasmtime says when a reply passes the hostcall fuel; the type behind it is private (48.0.8, component/func/options.rs).
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls";

fn sort(error: &wasmtime::Error, refused_memory: bool) -> Trap {
    use wasmtime::Trap as T;
    match error.downcast_ref::<T>() {
        Some(T::OutOfFuel) => Trap::OutOfFuel,
        Some(T::Interrupt) => Trap::EpochDeadline,
        Some(T::StackOverflow) => Trap::StackOverflow,
        Some(_) if refused_memory => Trap::OutOfMemory,
        Some(
            T::StringOutOfBounds | T::ListOutOfBounds | T::InvalidDiscriminant | T::InvalidChar | T::UnalignedPointer,
        ) => Trap::invalid_reply(),
        Some(other) => Trap::Other(other.to_string()),
        None if format!("{error:#}").contains(HOSTCALL_FUEL) => Trap::OutputTooLarge,
        None => Trap::invalid_reply(),
    }
}

/// A fresh store with the limits of one call.
pub(crate) fn new_store(shared: &Shared, engine: &Engine) -> Result<Store<Host>> {
    let limits = &shared.config.limits;
    let instances_max = shared.config.instances_max;
    let slot = Slot(Arc::clone(&shared.alive));
    if shared.alive.fetch_add(1, Ordering::Relaxed) >= instances_max {
        return Err(Error::TooManyInstances { instances_max });
    }
    let mut store = Store::new(engine, Host { limiter: Limiter::new(limits), _slot: slot });
    store.limiter(|host| &mut host.limiter);
    start_meter(&mut store, limits)?;
    Ok(store)
}

/// Fills the tank and winds the clock.
pub(crate) fn start_meter(store: &mut Store<Host>, limits: &Limits) -> Result<()> {
    store.set_fuel(limits.fuel_per_call).map_err(|e| Error::Internal(format!("{e:#}")))?;
    store.set_epoch_deadline(DEADLINE_TICKS);
    store.data_mut().limiter.refused = false;
    Ok(())
}

/// Fuel used since [`start_meter`].
pub(crate) fn fuel_used(store: &Store<Host>, limits: &Limits) -> u64 {
    limits.fuel_per_call - store.get_fuel().unwrap_or(0).min(limits.fuel_per_call)
}
