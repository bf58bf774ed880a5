//! The sandbox: engines, limits, cache; it loads programs.

use crate::cache::Cache;
use crate::engine::Engines;
use crate::error::Result;
use crate::limits::Config;
use crate::loader;
use crate::program::{Path, Program};
use indexmap::IndexMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

/// Loads and runs programs under fixed limits. Clones share everything.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
    /// The last programs loaded, oldest first.
    programs: Arc<Mutex<IndexMap<Key, Arc<Program>>>>,
}

/// Bytes and path of a loaded program.
type Key = (blake3::Hash, Path);

/// What programs and instances need of their sandbox; keeps the backstop clock running.
pub(crate) struct Shared {
    pub(crate) engines: Arc<Engines>,
    pub(crate) config: Config,
    pub(crate) cache: Option<Cache>,
    pub(crate) alive: Arc<AtomicU32>,
}

impl Sandbox {
    /// Makes the engines and starts the backstop clock's thread.
    ///
    /// A cache directory that cannot be used is ignored: programs are then compiled each time.
    ///
    /// # Errors
    /// `Limit` for a limit out of range, `Engine` if this machine cannot run WebAssembly.
    pub fn new(config: Config) -> Result<Self> {
        config.check()?;
        let engines = Engines::start(&config)?;
        let cache = config.cache_dir.as_deref().and_then(Cache::open);
        let shared = Shared { engines, config, cache, alive: Arc::new(AtomicU32::new(0)) };
        Ok(Sandbox { shared: Arc::new(shared), programs: Arc::default() })
    }

    /// The configuration in use.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Instances alive now.
    pub fn instances_alive(&self) -> u32 {
        self.shared.alive.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Loads a component: our own suites as core modules, all others as components. The same bytes loaded again give the same program
    /// while it is among the last `programs_max`.
    ///
    /// # Errors
    /// `Invalid`, `TooLarge`, `Import` (names what it wants from outside), `NoTools`, `UnsupportedType`, `DuplicateTool`, `Contract`;
    /// `TooManyInstances`, because one of our suites is started once to learn its initial memory.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Program>> {
        self.load_as(bytes, Path::Auto)
    }

    /// Loads a component for a given call path; tests use it to compare the two.
    ///
    /// # Errors
    /// As [`Sandbox::load`].
    pub fn load_as(&self, bytes: &[u8], path: Path) -> Result<Arc<Program>> {
        let digest = blake3::hash(bytes);
        let programs = || self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut known = programs();
            if let Some(index) = known.get_index_of(&(digest, path)) {
                let last = known.len() - 1;
                known.move_index(index, last);
                return Ok(Arc::clone(&known[last]));
            }
        }
        let program = Arc::new(loader::load(&self.shared, bytes, digest, path)?);
        let mut known = programs();
        known.insert((digest, path), Arc::clone(&program));
        if known.len() > self.shared.config.programs_max {
            known.shift_remove_index(0);
        }
        Ok(program)
    }
}
