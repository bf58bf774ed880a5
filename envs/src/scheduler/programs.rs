//! Loaded environments, the least recently used one given up first.

use crate::environment::Environment;
use crate::error::Error;
use crate::world::Loaded;
use indexmap::IndexMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use terrarium_sandbox::Sandbox;

type Slot = Arc<OnceLock<Result<Arc<Loaded>, Arc<Error>>>>;

/// A bounded cache of loaded environments. An environment is compiled once, however many workers ask for it at a time.
pub struct Programs {
    sandbox: Sandbox,
    kept_max: usize,
    /// Least recently used first.
    slots: Mutex<IndexMap<String, Slot>>,
}

impl Programs {
    /// A cache that keeps at most `kept_max` (at least one) environments.
    pub fn new(sandbox: Sandbox, kept_max: usize) -> Self {
        Programs { sandbox, kept_max: kept_max.max(1), slots: Mutex::default() }
    }

    /// The environment, loaded.
    ///
    /// # Errors
    /// As [`Loaded::load`]; the error is kept like a success.
    pub fn get(&self, environment: &Arc<Environment>) -> Result<Arc<Loaded>, Arc<Error>> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = slots.shift_remove(&environment.id).unwrap_or_default();
            slots.insert(environment.id.clone(), Arc::clone(&slot));
            while slots.len() > self.kept_max {
                slots.shift_remove_index(0);
            }
            slot
        };
        slot.get_or_init(|| Loaded::load(&self.sandbox, environment).map_err(Arc::new)).clone()
    }
}
