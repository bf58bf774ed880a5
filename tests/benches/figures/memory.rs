//! Ten thousand live worlds, and a million resets.

use crate::worlds::{Call, run};
use std::sync::Arc;
use std::time::Instant;
use terrarium_envs::sandbox::{CallOutcome, Instance, Program};

/// Private memory of this process, in bytes: what nobody else maps and what it wrote itself.
pub fn private_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kilobytes = |line: &str| line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    1024 * text.lines().filter(|l| l.starts_with("Private_")).map(kilobytes).sum::<u64>()
}

/// What many live worlds take.
pub struct Live {
    /// Private bytes of all of them, before a call.
    pub untouched: u64,
    /// The same after one search and one write in each.
    pub used: u64,
    /// Time to make one, nanoseconds.
    pub each_ns: f64,
}

/// Makes `count` worlds, then a search and a write in each. All are alive at the end.
pub fn live(program: &Arc<Program>, count: usize, search: &Call, write: &Call) -> Live {
    let before = private_bytes();
    let started = Instant::now();
    let mut worlds: Vec<Instance> = (0..count).map(|_| program.instantiate().expect("a world")).collect();
    let each_ns = started.elapsed().as_nanos() as f64 / count as f64;
    let untouched = private_bytes().saturating_sub(before);
    for world in &mut worlds {
        for call in [search, write] {
            assert!(matches!(run(world, call), CallOutcome::Ok(_)), "{call:?}");
        }
    }
    Live { untouched, used: private_bytes().saturating_sub(before), each_ns }
}

/// Resets that failed among `count`: the world could not be made, or is not as it was (every thousandth is looked into).
pub fn failed_resets(program: &Arc<Program>, count: usize, write: &Call) -> usize {
    let mut failed = 0;
    for n in 0..count {
        match program.instantiate() {
            Err(_) => failed += 1,
            Ok(mut world) if n % 1000 == 0 => {
                let clean = world.net_diff().is_ok_and(|d| d.is_empty());
                let writes = matches!(run(&mut world, write), CallOutcome::Ok(_));
                failed += usize::from(!clean || !writes);
            }
            Ok(_) => {}
        }
    }
    failed
}
