//! A wish to stop, shared by whoever may have it and whoever must heed it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a run to stop: it finishes what is under way, stores it and returns. Clones are the same wish; it cannot be taken back.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    wanted: Arc<AtomicBool>,
}

impl Cancel {
    /// Nobody wants to stop yet.
    pub fn new() -> Self {
        Cancel::default()
    }

    /// Asks to stop.
    pub fn cancel(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}
