//! CUDA kernels of the sparse parts (`model/kernels/*.cu`), compiled at run time.
//!
//! - [`sparse`]: attention over selected rows and its gradients; [`index`]: indexer scores, top-k and gradients of scores: they check
//!   shapes, take memory and describe a [`Launch`].
//! - [`compile`]: NVRTC, found at run time; [`device`]: a GPU, its driver found at run time. A machine that has neither runs the plain
//!   definitions.
//!
//! A launch goes to a [`Runner`]: [`device::Device`] is one; the tests have another, which runs the same kernel text on the CPU
//! (`model/kernels/emulator/`), so that all of this but the driver calls is tested without a GPU. Who runs the kernels for tensors of
//! which device is said once, with [`register`]; opening a GPU does that.

pub mod compile;
pub mod device;
pub mod index;
pub mod sparse;

use std::sync::{PoisonError, RwLock};

use tch::{Kind, Tensor};

use crate::{Error, Result};

/// A file of kernels, with what it may be compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Without `.cu`.
    pub name: &'static str,
    pub text: &'static str,
    /// Its kernels.
    pub kernels: &'static [&'static str],
}

/// What all files include, under this name.
pub const HEADER: (&str, &str) = ("tile.cuh", include_str!("../../../kernels/tile.cuh"));

macro_rules! source {
    ($name:literal, $($kernel:literal),+) => {
        Source { name: $name, text: include_str!(concat!("../../../kernels/", $name, ".cu")), kernels: &[$($kernel),+] }
    };
}

/// Forward pass of attention over selected rows.
pub const SPARSE_ATTENTION: Source = source!("sparse_attention", "sparse_attention", "combine_parts");
/// Its gradients.
pub const SPARSE_ATTENTION_BACKWARD: Source =
    source!("sparse_attention_backward", "sparse_attention_backward", "add_shares");
/// Scores of the indexer.
pub const INDEXER_SCORES: Source = source!("indexer_scores", "indexer_scores");
/// Their gradients.
pub const INDEXER_BACKWARD: Source = source!("indexer_backward", "indexer_query_backward", "indexer_key_backward");
/// Deterministic top-k.
pub const TOP_K: Source = source!("top_k", "top_k");

/// A file and the constants it is compiled with, which make one set of machine code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub source: Source,
    pub constants: Vec<(&'static str, i64)>,
}

/// The programs at the sizes of DeepSeek-V3.2, which `make test` compiles to machine code.
pub fn published() -> Vec<Program> {
    let program = |source, constants: &[(&'static str, i64)]| Program { source, constants: constants.to_vec() };
    let latent = [("WIDTH", 576), ("RANK", 512)];
    let index = [("HEADS", 64), ("HEAD_WIDTH", 128)];
    let with = |sizes: [(&'static str, i64); 2], fp8| [sizes[0], sizes[1], ("FP8", fp8)];
    vec![
        program(SPARSE_ATTENTION, &with(latent, 0)),
        program(SPARSE_ATTENTION, &with(latent, 1)),
        program(SPARSE_ATTENTION_BACKWARD, &latent),
        program(INDEXER_SCORES, &with(index, 0)),
        program(INDEXER_SCORES, &with(index, 1)),
        program(INDEXER_BACKWARD, &index[1..]),
        program(TOP_K, &[]),
    ]
}

/// An argument of a kernel, in the order of its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument {
    Pointer(u64),
    Int(i32),
    Float(f32),
}

/// A kernel with everything it needs to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    pub program: Program,
    pub kernel: &'static str,
    pub grid: [u32; 3],
    pub threads: u32,
    pub shared_bytes: u32,
    pub arguments: Vec<Argument>,
}

/// What runs kernels on tensors in its memory, one after the other.
pub trait Runner: Sync {
    /// Begin to run a kernel; later work on the same tensors waits for it.
    ///
    /// # Errors
    /// [`Error::Kernel`] if it cannot be compiled or started.
    fn run(&self, launch: &Launch) -> Result<()>;
}

/// Runners, each with the device whose tensors it works on.
static RUNNERS: RwLock<Vec<(tch::Device, &'static dyn Runner)>> = RwLock::new(Vec::new());

/// From now on kernels run for tensors on `place`, by `runner`; another one that was registered before is forgotten.
pub fn register(place: tch::Device, runner: &'static dyn Runner) {
    let mut runners = RUNNERS.write().unwrap_or_else(PoisonError::into_inner);
    runners.retain(|(other, _)| *other != place);
    runners.push((place, runner));
}

/// Who runs kernels for tensors on `place`.
pub(crate) fn runner_for(place: tch::Device) -> Option<&'static dyn Runner> {
    if place == tch::Device::Cpu {
        return None;
    }
    let runners = RUNNERS.read().unwrap_or_else(PoisonError::into_inner);
    runners.iter().find(|(other, _)| *other == place).map(|(_, runner)| *runner)
}

/// Where a tensor's numbers begin; null for none.
fn pointer(tensor: Option<&Tensor>) -> Argument {
    Argument::Pointer(tensor.map_or(0, |tensor| tensor.data_ptr() as u64))
}

fn int(value: i64) -> Argument {
    Argument::Int(i32::try_from(value).expect("sizes are checked"))
}

/// Check a tensor at the border of this module: kind, shape (-1: any size), contiguous, sizes within 32 bits.
fn check(kernel: &'static str, name: &str, tensor: &Tensor, kind: Kind, shape: &[i64]) -> Result<()> {
    let found = tensor.size();
    let fits = found.len() == shape.len()
        && found.iter().zip(shape).all(|(found, expected)| *expected == -1 || found == expected)
        && found.iter().all(|size| i32::try_from(*size).is_ok());
    if fits && tensor.kind() == kind && tensor.is_contiguous() {
        return Ok(());
    }
    let layout = if tensor.is_contiguous() { "" } else { ", not contiguous" };
    let reason =
        format!("{name} is {:?} {found:?}{layout}, and must be {kind:?} {shape:?} (-1: any size)", tensor.kind());
    Err(Error::Kernel { kernel, reason })
}

/// Refuse what a kernel was not written for.
fn require(kernel: &'static str, holds: bool, reason: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Kernel { kernel, reason: reason() }) }
}

/// Blocks of `size` that `count` things fill.
fn blocks(count: i64, size: i64) -> i64 {
    (count + size - 1) / size
}

/// Bytes of a tile of bfloat16 in shared memory, as `Tile` in tile.cuh lays it out.
fn tile_bytes(rows: i64, columns: i64) -> i64 {
    rows * blocks(columns, 64) * 64 * 2
}

/// Rows of heads or keys in a tile.
const TILE: i64 = 64;
/// Threads of a block, in every kernel but top-k.
const THREADS: u32 = 256;
/// Shared memory a block can have on compute capability 9.0, 10.0 and 12.0's larger siblings.
const SHARED_BYTES_MAX: i64 = 227 << 10;
