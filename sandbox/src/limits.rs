//! Limits of one call and of one sandbox, and the part of them that the engine asks about while a guest runs.

use crate::error::{Error, Result};
use std::path::PathBuf;

/// Configuration of a sandbox.
#[derive(Clone, Debug)]
pub struct Config {
    /// Limits of every call.
    pub limits: Limits,
    /// Where compiled programs are kept between runs; `None` (the default) compiles each time.
    pub cache_dir: Option<PathBuf>,
    /// Instances that may be alive at once. Default 4096. Each costs a few KiB and address space.
    pub instances_max: u32,
    /// Loaded programs kept in memory for the next `load` of the same bytes. Default 64; 0 keeps none.
    pub programs_max: usize,
    /// Whether compiled code is optimised. Default true. Without, a program is compiled in less time and runs slower, with the same results and
    /// the same fuel: right for programs that are called a few times only.
    pub optimize: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { limits: Limits::default(), cache_dir: None, instances_max: 4096, programs_max: 64, optimize: true }
    }
}

/// What one call, and the instance it runs in, may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel of one call (argument passing and clean-up included). Default 100 million, roughly 0.1 s.
    pub fuel_per_call: u64,
    /// Linear memory of an instance, in bytes. Default 64 MiB.
    pub memory_bytes_max: usize,
    /// Elements over all function tables of a foreign component. Default 10,000. Our own suites have no tables.
    pub table_elements_max: usize,
    /// Native stack of guest code, in bytes. Default 512 KiB; at most 1 MiB, so that it fits a thread.
    pub stack_bytes_max: usize,
    /// JSON text of one reply, in bytes. Default 1 MiB.
    pub output_bytes_max: usize,
    /// JSON text of `state()`, `diff()` or `net_diff()`, in bytes, roughly. Default 64 MiB.
    pub state_bytes_max: usize,
    /// Wall-clock backstop of one call, in milliseconds. Default 5000. Fuel should end a call long before.
    pub epoch_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            fuel_per_call: 100_000_000,
            memory_bytes_max: 64 << 20,
            table_elements_max: 10_000,
            stack_bytes_max: 512 << 10,
            output_bytes_max: 1 << 20,
            state_bytes_max: 64 << 20,
            epoch_ms: 5_000,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<()> {
        let l = &self.limits;
        within("fuel_per_call", l.fuel_per_call, 1, u64::MAX / 2)?;
        within("memory_bytes_max", l.memory_bytes_max as u64, 64 << 10, 1 << 32)?;
        within("table_elements_max", l.table_elements_max as u64, 0, 10_000_000)?;
        within("stack_bytes_max", l.stack_bytes_max as u64, 16 << 10, 1 << 20)?;
        within("output_bytes_max", l.output_bytes_max as u64, 16, 1 << 30)?;
        within("state_bytes_max", l.state_bytes_max as u64, 16, 1 << 32)?;
        within("epoch_ms", l.epoch_ms, 10, 3_600_000)?;
        within("instances_max", u64::from(self.instances_max), 1, 20_000)
    }
}

fn within(name: &'static str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(Error::Limit { name, value, least, most }) }
}

/// The engine asks this before memory or tables grow; it also notes that something was refused, which types the trap that follows.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    table_elements_max: usize,
    pub(crate) refused: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Limiter {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            table_elements: 0,
            table_elements_max: limits.table_elements_max,
            refused: false,
        }
    }

    fn grow(total: &mut usize, most: usize, current: usize, desired: usize, refused: &mut bool) -> bool {
        let wanted = total.saturating_add(desired.saturating_sub(current));
        let allowed = wanted <= most;
        if allowed {
            *total = wanted;
        } else {
            *refused = true;
        }
        allowed
    }
}

impl wasmtime::ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(Self::grow(&mut self.memory_bytes, self.memory_bytes_max, current, desired, &mut self.refused))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(Self::grow(&mut self.table_elements, self.table_elements_max, current, desired, &mut self.refused))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}
