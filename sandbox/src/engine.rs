//! The two engines: a strict one for our own suites, and one for components from elsewhere; and the thread that advances the
//! wall-clock backstop of both.
//!
//! Both meter fuel, interrupt on epochs, canonicalise NaNs, and lack threads, shared memory, relaxed SIMD and everything
//! asynchronous. The strict one also lacks SIMD, tail calls, 64-bit memories and several memories, and takes its memories
//! from a pool with copy-on-write images, which is what makes a reset cost microseconds.

use crate::error::{Error, Result};
use crate::limits::Config;
use std::sync::{Arc, Weak};
use std::time::Duration;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmFeatures};

/// Ticks of the backstop clock in one `epoch_ms`.
const TICKS: u64 = 20;

/// Pool slots beyond `instances_max`: loading a program runs it once.
const SPARE_SLOTS: u32 = 64;

/// Dirty memory that a reset cleans in place rather than giving back to the system, in bytes.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;

/// Both engines.
pub(crate) struct Engines {
    /// For core modules of our own suites, and for whole components that keep to the same bounds.
    pub(crate) own: Engine,
    /// For all other components.
    pub(crate) foreign: Engine,
}

/// Epoch deadline of a call, in ticks from now: between 1 and 1.05 `epoch_ms`.
pub(crate) const DEADLINE_TICKS: u64 = TICKS + 1;

impl Engines {
    /// Makes both engines and starts the clock, which stops when the engines are dropped.
    pub(crate) fn start(config: &Config) -> Result<Arc<Self>> {
        let own = own_engine(config)?;
        let foreign = Engine::new(&foreign_config(config)).map_err(engine_error)?;
        let engines = Arc::new(Engines { own, foreign });
        let weak = Arc::downgrade(&engines);
        let period = Duration::from_micros(config.limits.epoch_ms * 1000 / TICKS);
        std::thread::Builder::new()
            .name("terrarium-epoch".to_owned())
            .stack_size(128 << 10)
            .spawn(move || tick(&weak, period))
            .map_err(|e| Error::Engine(format!("the backstop clock's thread did not start: {e}")))?;
        Ok(engines)
    }
}

fn tick(engines: &Weak<Engines>, period: Duration) {
    loop {
        std::thread::sleep(period);
        let Some(engines) = engines.upgrade() else { return };
        engines.own.increment_epoch();
        engines.foreign.increment_epoch();
    }
}

fn engine_error(error: wasmtime::Error) -> Error {
    Error::Engine(format!("{error:#}"))
}

/// Tries the fastest setting first: whole 4 GiB reservations (no bounds checks) and in-place cleaning of dirty pages, which needs
/// `PAGEMAP_SCAN` (Linux 6.7). Machines without one or the other get the plain setting.
fn own_engine(config: &Config) -> Result<Engine> {
    let mut last = None;
    for (reservation, scan) in [(1 << 32, true), (1 << 32, false), (0, false)] {
        match Engine::new(&own_config(config, reservation, scan)) {
            Ok(engine) => return Ok(engine),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Error::Engine("no setting tried".to_owned()), engine_error))
}

fn own_config(config: &Config, reservation: u64, scan: bool) -> wasmtime::Config {
    let limits = &config.limits;
    let mut c = common_config(config);
    c.wasm_features(
        WasmFeatures::SIMD | WasmFeatures::TAIL_CALL | WasmFeatures::MEMORY64 | WasmFeatures::MULTI_MEMORY,
        false,
    );
    let slots = config.instances_max + SPARE_SLOTS;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .max_core_instances_per_component(1)
        .max_memories_per_component(1)
        .total_core_instances(slots)
        .total_memories(slots)
        .total_tables(0)
        .max_tables_per_module(0)
        .max_memories_per_module(1)
        .max_memory_size(limits.memory_bytes_max)
        .max_unused_warm_slots(256);
    if scan {
        pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES).pagemap_scan(Enabled::Yes);
    }
    c.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    c.memory_reservation(reservation.max(limits.memory_bytes_max as u64));
    c
}

fn foreign_config(config: &Config) -> wasmtime::Config {
    let mut c = common_config(config);
    c.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    c
}

fn common_config(config: &Config) -> wasmtime::Config {
    let mut c = wasmtime::Config::new();
    c.consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(config.limits.stack_bytes_max)
        .cranelift_opt_level(if config.optimize { OptLevel::Speed } else { OptLevel::None })
        .cranelift_nan_canonicalization(true)
        .memory_init_cow(true)
        .concurrency_support(false)
        .wasm_backtrace_max_frames(None)
        // Only backtraces would use these two; without them compiled code is smaller and loads faster.
        .generate_address_map(false)
        .native_unwind_info(false);
    c.wasm_features(
        WasmFeatures::RELAXED_SIMD
            | WasmFeatures::THREADS
            | WasmFeatures::CUSTOM_PAGE_SIZES
            | WasmFeatures::WIDE_ARITHMETIC,
        false,
    );
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stops_with_the_engines() {
        let engines = Engines::start(&Config::default()).expect("engines");
        let weak = Arc::downgrade(&engines);
        drop(engines);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn proposals_we_leave_out_are_refused() {
        let engines = Engines::start(&Config::default()).expect("engines");
        let check = |engine: &Engine, text: &str, accepted: bool| {
            let bytes = wat::parse_str(text).expect("wat");
            assert_eq!(wasmtime::Module::new(engine, &bytes).is_ok(), accepted, "{text}");
        };
        let simd = r"(module (func (result v128) v128.const i64x2 1 2))";
        let relaxed = r"(module (func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle))";
        let memory64 = r"(module (memory i64 1))";
        let memories = r"(module (memory 1) (memory 1))";
        let tail = r"(module (func $f return_call $f))";
        let shared = r"(module (memory 1 1 shared))";
        let table = r"(module (table 1 funcref))";
        for text in [simd, relaxed, memory64, memories, tail, shared, table] {
            check(&engines.own, text, false);
        }
        for text in [relaxed, shared] {
            check(&engines.foreign, text, false);
        }
        for text in [simd, table] {
            check(&engines.foreign, text, true);
        }
    }
}
