//! The text of the CUDA kernels, run on the CPU.
//!
//! `model/kernels/emulator/` runs a kernel's own code, tensor-core fragments, asynchronous copies and barriers included, with the
//! threads of a block as fibers. Here it is a [`Runner`], so that the launches are tested as well: against the plain definitions in
//! float32 or float64, with the tolerances FlashMLA and DeepGEMM use, and in two orders of warps, which must agree bit by bit.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use support::emulator::Emulator;
use support::kernels::{self, Check};
use terrarium_model::Result;
use terrarium_model::ops::cuda::{Launch, Runner, SPARSE_ATTENTION};

#[test]
fn attention_over_selected_rows() {
    kernels::sparse_forward(&Check::emulated(&Emulator::default()));
}

#[test]
fn gradients_of_attention() {
    kernels::sparse_backward(&Check::emulated(&Emulator::default()));
}

#[test]
fn scores_of_the_indexer() {
    kernels::index_scores(&Check::emulated(&Emulator::default()));
}

#[test]
fn gradients_of_scores() {
    kernels::index_backward(&Check::emulated(&Emulator::default()));
}

#[test]
fn top_k() {
    kernels::top_k(&Check::emulated(&Emulator::default()));
}

/// Runs the kernels with one barrier of attention's forward pass left out.
struct Careless {
    emulator: Emulator,
    barrier: usize,
}

const BARRIER: &str = "__syncthreads();";

impl Runner for Careless {
    fn run(&self, launch: &Launch) -> Result<()> {
        let mut launch = launch.clone();
        let parts: Vec<&str> = launch.program.source.text.split(BARRIER).collect();
        let (before, after) = parts.split_at(self.barrier + 1);
        launch.program.source.text = format!("{};{}", before.join(BARRIER), after.join(BARRIER)).leak();
        self.emulator.run(&launch)
    }
}

/// The emulator would notice a missing barrier, or what it says of the kernels would mean little.
#[test]
fn a_missing_barrier_shows() {
    let barriers = SPARSE_ATTENTION.text.matches(BARRIER).count();
    let caught: Vec<bool> = (0..barriers)
        .map(|barrier| {
            let careless = |descending| Careless { emulator: Emulator { descending }, barrier };
            let (up, down) = (careless(false), careless(true));
            let run = || kernels::sparse_forward(&Check { again: &down, ..Check::emulated(&up) });
            catch_unwind(AssertUnwindSafe(run)).is_err()
        })
        .collect();
    assert_eq!(caught, vec![true; barriers], "which barriers were missed");
}
