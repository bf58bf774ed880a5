//! Kernels for the parts of a pass that libtorch has no fast operation for, and the choice between them and the plain
//! definitions.
//!
//! - [`index_scan`]: indexer scores of a quantised key cache with the best positions picked on the way.
//! - [`sparse_core`]: attention over selected rows.
//! - [`product`]: matrix products whose rows do not depend on their company.
//! - [`rowwise`]: norms, rotations and gates; [`experts`]: feed-forward layers on top of both.
//! - [`mod@cuda`]: the same parts on a GPU.
//! - [`autograd`]: gradients of what a kernel computed.
//! - [`best`]: the running top-k both kinds of scan use; `crew`: the threads they run on.
//!
//! Those of the CPU run on one or all cores ([`crate::runtime::set_threads`]) with the same bits: work is split only where no sum is.
//! They need AVX-512 with VNNI; [`available`] says whether this machine has it, and without it the plain definitions run.

#![expect(unsafe_code, reason = "vector loads and the memory of tensors")]

pub mod autograd;
pub mod best;
mod crew;
pub mod cuda;
pub mod experts;
pub mod index_scan;
pub mod product;
pub mod rowwise;
pub mod sparse_core;

use tch::{Kind, Tensor};

/// Whether this machine can run the kernels.
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Split `0..count` into ranges that threads take in turn; each range starts at a multiple of `grain`. What was found for each, in
/// order.
pub(crate) fn side_by_side<T: Send>(
    count: usize,
    grain: usize,
    work: impl Fn(std::ops::Range<usize>) -> T + Sync,
) -> Vec<T> {
    /// Ranges for each thread: one that comes late, or has lost its processor, leaves more of them to the others.
    const RANGES: usize = 4;
    let threads = threads();
    let grains = count.div_ceil(grain);
    let parts = if threads == 1 { 1 } else { (threads * RANGES).min(grains).max(1) };
    let range =
        |part: usize| (grains * part / parts * grain).min(count)..(grains * (part + 1) / parts * grain).min(count);
    if parts == 1 {
        return vec![work(0..count)];
    }
    let found = crew::in_turn(threads, parts, |turns| turns.map(|part| (part, work(range(part)))).collect::<Vec<_>>());
    let mut results: Vec<Option<T>> = (0..parts).map(|_| None).collect();
    for (part, result) in found.into_iter().flatten() {
        results[part] = Some(result);
    }
    results.into_iter().map(|result| result.expect("every part has run")).collect()
}

/// Threads an operation may use.
pub(crate) fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1)
}

/// Ask for large pages of memory behind a tensor on the CPU that is read here and there, and not in order: with small ones, finding a
/// row's page takes longer than reading the row. Only a hint.
pub(crate) fn large_pages(tensor: &Tensor) {
    /// Bytes of a large page on every machine the kernels are written for.
    const LARGE: usize = 2 << 20;
    #[cfg(target_os = "linux")]
    if tensor.device() == tch::Device::Cpu && tensor.is_contiguous() {
        let start = tensor.data_ptr() as usize;
        let end = start + tensor.numel() * tensor.kind().elt_size_in_bytes();
        let (first, last) = (start.next_multiple_of(LARGE), end / LARGE * LARGE);
        if first < last {
            // SAFETY: the range lies within the tensor's memory, and the advice changes nothing of its contents.
            unsafe { libc::madvise(first as *mut libc::c_void, last - first, libc::MADV_HUGEPAGE) };
        }
    }
}

/// As [`crate::attention::Pass::slots`], on the CPU.
///
/// # Shapes
/// `positions` [B, S, K] and `pages` [B, P] int64 -> [B, S, K] int64.
pub(crate) fn slots(positions: &Tensor, pages: &Tensor, page_size: i64) -> Tensor {
    let (found, pages) = (positions.contiguous(), pages.contiguous());
    let columns = pages.size()[1] as usize;
    let each = positions.numel() / (positions.size()[0] as usize).max(1);
    let pages = numbers::<i64>(&pages);
    let mut slots = Vec::with_capacity(positions.numel());
    for (row, positions) in numbers::<i64>(&found).chunks(each.max(1)).enumerate() {
        let pages = &pages[row * columns..][..columns];
        slots.extend(positions.iter().map(|&position| {
            if position < 0 { -1 } else { pages[(position / page_size) as usize] * page_size + position % page_size }
        }));
    }
    Tensor::from_slice(&slots).view_as(positions)
}

/// The numbers of a tensor.
///
/// # Panics
/// If it is not contiguous, of another kind, or not on the CPU.
fn numbers<T: Element>(tensor: &Tensor) -> &[T] {
    assert!(tensor.is_contiguous() && tensor.kind() == T::KIND && tensor.device() == tch::Device::Cpu, "{tensor:?}");
    let count = tensor.numel();
    if count == 0 {
        return &[];
    }
    // SAFETY: the tensor is contiguous, so that its `count` numbers of this kind lie from `data_ptr` on, and the slice
    // lives no longer than the borrow of the tensor. Nobody writes meanwhile: passes run one at a time.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), count) }
}

/// The numbers of a tensor, to write.
///
/// # Panics
/// As [`numbers`].
fn numbers_mut<T: Element>(tensor: &mut Tensor) -> &mut [T] {
    assert!(tensor.is_contiguous() && tensor.kind() == T::KIND && tensor.device() == tch::Device::Cpu, "{tensor:?}");
    let count = tensor.numel();
    if count == 0 {
        return &mut [];
    }
    // SAFETY: as in `numbers`; the borrow is unique, and storage is shared only with tensors that are not in use.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), count) }
}

/// A kind of number that Rust and libtorch both have.
trait Element {
    const KIND: Kind;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;
}

impl Element for f64 {
    const KIND: Kind = Kind::Double;
}

impl Element for half::bf16 {
    const KIND: Kind = Kind::BFloat16;
}

impl Element for u8 {
    const KIND: Kind = Kind::Uint8;
}

impl Element for i64 {
    const KIND: Kind = Kind::Int64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_worked_on_once() {
        for threads in [1, 2, 3] {
            tch::set_num_threads(threads);
            for (count, grain) in [(0, 4), (1, 4), (7, 4), (8, 4), (100, 16), (5, 1)] {
                let parts = side_by_side(count, grain, |range| range);
                let all: Vec<usize> = parts.iter().cloned().flatten().collect();
                assert_eq!(all, (0..count).collect::<Vec<_>>(), "{threads} {count} {grain}");
                assert!(parts.iter().all(|range| range.start % grain == 0 || range.is_empty()));
            }
        }
        tch::set_num_threads(1);
    }
}
