//! Matrix products whose numbers do not depend on how many rows there are, nor on threads.
//!
//! libtorch's products choose another order of additions by the number of rows, differently on every machine. Here every
//! number is summed in one order whatever stands beside it, so that a token has the same bits alone, in a batch and in any
//! part of a prompt. A single row, which decoding one conversation has, reads every weight once and pads nothing. Numbers in bfloat16 are
//! summed in float32 and rounded once.

use half::bf16;
use tch::{Kind, Tensor};

use super::{Element, numbers, numbers_mut, side_by_side};

/// Rows that stay near while all weights pass by.
const NEAR: usize = 64;
/// Multiplications below which a second thread is not worth waking.
const ALONE_MAX: usize = 1 << 16;

/// Whether the products here can run these tensors.
pub fn fits(x: &Tensor, w: &Tensor) -> bool {
    let plain = |x: &Tensor| x.device() == tch::Device::Cpu && !super::autograd::wanted(x);
    let kinds = x.kind() == w.kind() && matches!(x.kind(), Kind::Float | Kind::Double | Kind::BFloat16);
    super::available() && kinds && plain(x) && plain(w)
}

/// `x w^T`.
///
/// # Shapes
/// `x` [.., I], `w` [O, I], of one kind that [`fits`] -> [.., O].
pub fn linear(x: &Tensor, w: &Tensor) -> Tensor {
    match x.kind() {
        Kind::Float => linear_of::<f32>(x, w),
        Kind::BFloat16 => linear_of::<bf16>(x, w),
        _ => linear_of::<f64>(x, w),
    }
}

/// One product a head: `x[n, h, :] w[h, :, :]`.
///
/// # Shapes
/// `x` [N, H, I], `w` [H, I, O] with one of its last two dimensions contiguous -> [N, H, O].
pub fn per_head(x: &Tensor, w: &Tensor) -> Tensor {
    match x.kind() {
        Kind::Float => per_head_of::<f32>(x, w),
        Kind::BFloat16 => per_head_of::<bf16>(x, w),
        _ => per_head_of::<f64>(x, w),
    }
}

fn linear_of<T: Lanes>(x: &Tensor, w: &Tensor) -> Tensor {
    let (x, w) = (x.contiguous(), w.contiguous());
    let mut size = x.size();
    let inner = size.pop().expect("x has a last dimension") as usize;
    let (outer, rows) = (w.size()[0] as usize, size.iter().product::<i64>() as usize);
    assert!(w.size()[1] as usize == inner, "x is as wide as w");
    size.push(outer as i64);
    let mut out = Tensor::empty(&size[..], (T::KIND, tch::Device::Cpu));
    multiply(numbers::<T>(&x), numbers::<T>(&w), numbers_mut::<T>(&mut out), [rows, inner, outer]);
    out
}

/// `out[n, o] = sum_i a[n, i] b[o, i]`, on a machine with [`super::available`].
///
/// # Panics
/// If the slices are not as long as their sizes say.
pub(super) fn multiply<T: Lanes>(a: &[T], b: &[T], out: &mut [T], [rows, inner, outer]: [usize; 3]) {
    assert_eq!((a.len(), b.len(), out.len()), (rows * inner, outer * inner, rows * outer), "sizes of a product");
    assert!(super::available(), "callers check for it");
    let result = Cells(out.as_mut_ptr());
    let part = |columns: std::ops::Range<usize>| {
        for first in (0..rows).step_by(NEAR) {
            let count = NEAR.min(rows - first);
            // SAFETY: the operands hold the rows and columns named, the result is `rows` times `outer` numbers of which
            // this part writes its own columns, and the processor has the features.
            unsafe {
                let start = result.at(first * outer + columns.start);
                let (a, b) = (a.as_ptr().add(first * inner), b.as_ptr().add(columns.start * inner));
                T::across((a, inner), (b, inner), (start, outer), [count, inner, columns.len()]);
            }
        }
    };
    if rows * inner * outer < ALONE_MAX {
        part(0..outer);
    } else {
        side_by_side(outer, 16, part);
    }
}

fn per_head_of<T: Lanes>(x: &Tensor, w: &Tensor) -> Tensor {
    let [rows, heads, inner] = x.size()[..] else { unreachable!("callers pass [N, H, I]") };
    let [_, _, outer] = w.size()[..] else { unreachable!("callers pass [H, I, O]") };
    let x = x.contiguous();
    let mut out = Tensor::empty([rows, heads, outer], (T::KIND, tch::Device::Cpu));
    let (rows, heads, inner, outer) = (rows as usize, heads as usize, inner as usize, outer as usize);
    // Where inner numbers lie side by side, products run across them; else outer ones do, and products run along them.
    let across = w.stride()[1] == 1;
    let w = if across { w.transpose(1, 2) } else { w.shallow_clone() };
    let w = if w.stride()[2] == 1 { w } else { w.contiguous() };
    let (head_stride, stride) = (w.stride()[0] as usize, w.stride()[1] as usize);
    let a = numbers::<T>(&x);
    let b = Cells(w.data_ptr().cast::<T>());
    let result = Cells(numbers_mut::<T>(&mut out).as_mut_ptr());
    let part = |range: std::ops::Range<usize>| {
        for head in range {
            for first in (0..rows).step_by(NEAR) {
                let count = NEAR.min(rows - first);
                // SAFETY: a head's rows lie `heads * inner` numbers apart in `x` and `heads * outer` in the result; its
                // matrix lies `head_stride` numbers behind the one before, as libtorch says. Heads write apart.
                unsafe {
                    let a = (a.as_ptr().add((first * heads + head) * inner), heads * inner);
                    let b = (b.at(head * head_stride).cast_const(), stride);
                    let out = (result.at((first * heads + head) * outer), heads * outer);
                    if across {
                        T::across(a, b, out, [count, inner, outer]);
                    } else {
                        T::along(a, b, out, [count, inner, outer]);
                    }
                }
            }
        }
    };
    if rows * heads * inner * outer < ALONE_MAX {
        part(0..heads);
    } else {
        side_by_side(heads, 1, part);
    }
    out
}

/// Numbers that several threads write, each its own.
#[derive(Clone, Copy)]
struct Cells<T>(*mut T);

// SAFETY: threads write disjoint numbers, see the uses.
unsafe impl<T> Send for Cells<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Cells<T> {}

impl<T> Cells<T> {
    /// # Safety
    /// The number exists.
    unsafe fn at(&self, index: usize) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(index) }
    }
}

/// A kind of number with its vectors. Operands are a pointer and the numbers from one row to the next; sizes are rows,
/// inner and outer.
pub(super) trait Lanes: Element + Copy + Send + Sync {
    /// `out[n, o] = sum_i a[n, i] b[o, i]`.
    ///
    /// # Safety
    /// The rows exist, and the processor has AVX-512.
    unsafe fn across(a: (*const Self, usize), b: (*const Self, usize), out: (*mut Self, usize), sizes: [usize; 3]);

    /// `out[n, o] = sum_i a[n, i] b[i, o]`.
    ///
    /// # Safety
    /// As `across`.
    unsafe fn along(a: (*const Self, usize), b: (*const Self, usize), out: (*mut Self, usize), sizes: [usize; 3]);
}

#[cfg(not(target_arch = "x86_64"))]
macro_rules! lanes {
    ($number:ty, $($rest:tt)*) => {
        impl Lanes for $number {
            unsafe fn across(_: (*const Self, usize), _: (*const Self, usize), _: (*mut Self, usize), _: [usize; 3]) {
                unreachable!("fits() is false on this machine");
            }
            unsafe fn along(_: (*const Self, usize), _: (*const Self, usize), _: (*mut Self, usize), _: [usize; 3]) {
                unreachable!("fits() is false on this machine");
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! lanes {
    ($number:ty, $module:ident, $mask:ident, $width:literal, $zero:ident, $set:ident, $load:ident, $load_some:ident, $store_some:ident, $fma:ident, $sum:ident) => {
        impl Lanes for $number {
            unsafe fn across(
                a: (*const Self, usize),
                b: (*const Self, usize),
                out: (*mut Self, usize),
                sizes: [usize; 3],
            ) {
                // SAFETY: the caller's promise.
                unsafe { $module::across(a, b, out, sizes) }
            }
            unsafe fn along(
                a: (*const Self, usize),
                b: (*const Self, usize),
                out: (*mut Self, usize),
                sizes: [usize; 3],
            ) {
                // SAFETY: the caller's promise.
                unsafe { $module::along(a, b, out, sizes) }
            }
        }

        mod $module {
            #[allow(unused_imports, reason = "numbers of two bytes alone need them")]
            use super::half_width::*;
            use std::arch::x86_64::*;

            type From = (*const $number, usize);
            type To = (*mut $number, usize);

            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            pub unsafe fn across(a: From, b: From, out: To, [rows, inner, outer]: [usize; 3]) {
                let mut column = 0;
                while column < outer {
                    let columns = if outer - column >= 4 { 4 } else { 1 };
                    let mut row = 0;
                    while row < rows {
                        let count = (rows - row).min(4);
                        // SAFETY: rows and columns lie within the operands.
                        unsafe {
                            let a = (a.0.add(row * a.1), a.1);
                            let b = (b.0.add(column * b.1), b.1);
                            let out = (out.0.add(row * out.1 + column), out.1);
                            match (count, columns) {
                                (4, 4) => dots::<4, 4>(a, b, out, inner),
                                (3, 4) => dots::<3, 4>(a, b, out, inner),
                                (2, 4) => dots::<2, 4>(a, b, out, inner),
                                (1, 4) => dots::<1, 4>(a, b, out, inner),
                                (4, _) => dots::<4, 1>(a, b, out, inner),
                                (3, _) => dots::<3, 1>(a, b, out, inner),
                                (2, _) => dots::<2, 1>(a, b, out, inner),
                                _ => dots::<1, 1>(a, b, out, inner),
                            }
                        }
                        row += count;
                    }
                    column += columns;
                }
            }

            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn dots<const R: usize, const C: usize>(a: From, b: From, out: To, inner: usize) {
                let mut sums = [[$zero(); C]; R];
                let mut at = 0;
                // SAFETY: the caller promises R rows of `a` and C of `b`, of `inner` numbers each, and their results.
                unsafe {
                    while at + $width <= inner {
                        let mut right = [$zero(); C];
                        for (c, right) in right.iter_mut().enumerate() {
                            *right = $load(b.0.add(c * b.1 + at));
                        }
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let left = $load(a.0.add(r * a.1 + at));
                            for (sum, right) in sums.iter_mut().zip(right) {
                                *sum = $fma(left, right, *sum);
                            }
                        }
                        at += $width;
                    }
                    if at < inner {
                        let mask = ((1u32 << (inner - at)) - 1) as $mask;
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let left = $load_some(mask, a.0.add(r * a.1 + at));
                            for (c, sum) in sums.iter_mut().enumerate() {
                                *sum = $fma(left, $load_some(mask, b.0.add(c * b.1 + at)), *sum);
                            }
                        }
                    }
                    for (r, sums) in sums.into_iter().enumerate() {
                        for (c, sum) in sums.into_iter().enumerate() {
                            *out.0.add(r * out.1 + c) = $sum(sum);
                        }
                    }
                }
            }

            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            pub unsafe fn along(a: From, b: From, out: To, [rows, inner, outer]: [usize; 3]) {
                let mut column = 0;
                while column < outer {
                    let wide = outer - column >= 4 * $width;
                    let columns = if wide { 4 * $width } else { (outer - column).min($width) };
                    let mask = ((1u64 << columns.min($width)) - 1) as $mask;
                    let mut row = 0;
                    while row < rows {
                        let count = (rows - row).min(4);
                        // SAFETY: rows and columns lie within the operands.
                        unsafe {
                            let a = (a.0.add(row * a.1), a.1);
                            let b = (b.0.add(column), b.1);
                            let out = (out.0.add(row * out.1 + column), out.1);
                            match (count, wide) {
                                (4, true) => sums::<4, 4>(a, b, out, inner, mask),
                                (3, true) => sums::<3, 4>(a, b, out, inner, mask),
                                (2, true) => sums::<2, 4>(a, b, out, inner, mask),
                                (1, true) => sums::<1, 4>(a, b, out, inner, mask),
                                (4, false) => sums::<4, 1>(a, b, out, inner, mask),
                                (3, false) => sums::<3, 1>(a, b, out, inner, mask),
                                (2, false) => sums::<2, 1>(a, b, out, inner, mask),
                                _ => sums::<1, 1>(a, b, out, inner, mask),
                            }
                        }
                        row += count;
                    }
                    column += columns;
                }
            }

            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn sums<const R: usize, const C: usize>(a: From, b: From, out: To, inner: usize, mask: $mask) {
                let mut sums = [[$zero(); C]; R];
                // SAFETY: the caller promises R rows of `a`, `inner` rows of `b` with C vectors under the mask, and room
                // for the results.
                unsafe {
                    for at in 0..inner {
                        let mut right = [$zero(); C];
                        for (c, right) in right.iter_mut().enumerate() {
                            *right = $load_some(mask, b.0.add(at * b.1 + c * $width));
                        }
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let left = $set(*a.0.add(r * a.1 + at));
                            for (sum, right) in sums.iter_mut().zip(right) {
                                *sum = $fma(left, right, *sum);
                            }
                        }
                    }
                    for (r, sums) in sums.into_iter().enumerate() {
                        for (c, sum) in sums.into_iter().enumerate() {
                            $store_some(out.0.add(r * out.1 + c * $width), mask, sum);
                        }
                    }
                }
            }
        }
    };
}

lanes!(
    f32,
    single,
    __mmask16,
    16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_reduce_add_ps
);
lanes!(
    half::bf16,
    narrow,
    __mmask16,
    16,
    _mm512_setzero_ps,
    wide_set,
    wide_load,
    wide_load_some,
    narrow_store_some,
    _mm512_fmadd_ps,
    narrow_sum
);
lanes!(
    f64,
    double,
    __mmask8,
    8,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_fmadd_pd,
    _mm512_reduce_add_pd
);

/// Numbers in bfloat16, made wide as they are read and rounded to the nearest even as they are written.
#[cfg(target_arch = "x86_64")]
mod half_width {
    use half::bf16;
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn wide(x: __m256i) -> __m512 {
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(x)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn wide_set(x: bf16) -> __m512 {
        _mm512_set1_ps(x.to_f32())
    }

    /// # Safety
    /// There are sixteen numbers.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub unsafe fn wide_load(x: *const bf16) -> __m512 {
        // SAFETY: the caller's promise.
        wide(unsafe { _mm256_loadu_si256(x.cast()) })
    }

    /// # Safety
    /// The numbers under the mask exist.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub unsafe fn wide_load_some(mask: __mmask16, x: *const bf16) -> __m512 {
        // SAFETY: the caller's promise.
        wide(unsafe { _mm256_maskz_loadu_epi16(mask, x.cast()) })
    }

    /// # Safety
    /// There is room for the numbers under the mask.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub unsafe fn narrow_store_some(out: *mut bf16, mask: __mmask16, x: __m512) {
        let bits = _mm512_castps_si512(x);
        // Half of the last place kept, less one where that place is even.
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
        let numbers = _mm512_mask_blend_epi32(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x), rounded, quiet);
        let narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(numbers));
        // SAFETY: the caller's promise.
        unsafe { _mm256_mask_storeu_epi16(out.cast(), mask, narrow) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn narrow_sum(x: __m512) -> bf16 {
        bf16::from_f32(_mm512_reduce_add_ps(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn close(found: &Tensor, exact: &Tensor, kind: Kind) {
        let error = (found.to_kind(Kind::Double) - exact).abs().max().double_value(&[]);
        // In bfloat16 the last rounding alone is 2^-9 of numbers up to about a hundred.
        let bound = match kind {
            Kind::BFloat16 => exact.abs().max().double_value(&[]) / 256.0,
            Kind::Float => 1e-4,
            _ => 1e-12,
        };
        assert!(error < bound, "{:?} {kind:?}: {error:e}", found.size());
    }

    #[test]
    fn products_are_right_and_rows_do_not_depend_on_company_or_threads() {
        if !super::super::available() {
            return;
        }
        for kind in [Kind::Float, Kind::Double, Kind::BFloat16] {
            for (rows, inner, outer) in
                [(1, 64, 48), (70, 33, 7), (5, 512, 300), (130, 8, 1), (3, 5, 19), (9, 256, 1000)]
            {
                let (x, w) = (
                    Tensor::randn([rows, inner], (kind, Device::Cpu)),
                    Tensor::randn([outer, inner], (kind, Device::Cpu)),
                );
                tch::set_num_threads(1);
                let all = linear(&x, &w);
                let wide = |x: &Tensor| x.to_kind(Kind::Double);
                close(&all, &wide(&x).matmul(&wide(&w).transpose(0, 1)), kind);
                for row in [0, rows / 2, rows - 1] {
                    assert_eq!(linear(&x.narrow(0, row, 1), &w), all.narrow(0, row, 1), "{kind:?} {inner} {row}");
                }
                tch::set_num_threads(2);
                assert_eq!(linear(&x, &w), all, "two threads");
                tch::set_num_threads(1);
            }
            for (rows, heads, inner, outer) in [(1, 4, 16, 32), (33, 3, 24, 70), (6, 16, 64, 256), (2, 1, 3, 5)] {
                let x = Tensor::randn([rows, heads, inner], (kind, Device::Cpu));
                let w = Tensor::randn([heads, inner + 2, outer], (kind, Device::Cpu)).narrow(1, 1, inner);
                let turned =
                    Tensor::randn([heads, outer + 1, inner], (kind, Device::Cpu)).narrow(1, 0, outer).transpose(1, 2);
                for w in [w, turned] {
                    let all = per_head(&x, &w);
                    let wide = |x: &Tensor| x.to_kind(Kind::Double);
                    close(&all, &wide(&x).transpose(0, 1).matmul(&wide(&w)).transpose(0, 1), kind);
                    assert_eq!(per_head(&x.narrow(0, rows - 1, 1), &w), all.narrow(0, rows - 1, 1));
                }
            }
        }
    }
}
