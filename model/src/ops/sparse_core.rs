//! Attention over selected rows, float32: the fast form of [`crate::attention::sparse`].
//!
//! Heads lie side by side in a vector, sixteen at a time, and a number of a row is multiplied into all of them at once, so
//! that every selected row is read once for all heads, where it lies, and sums over a row or over the selection run in one
//! fixed order: a query gets the same bits alone, in a batch, and on any number of threads. Rows are fetched from memory a
//! few ahead of their use.

use tch::{Kind, Tensor};

use super::{numbers, numbers_mut, side_by_side};

/// Heads in one vector.
const LANES: usize = 16;

/// Whether [`attend`] (float32, on this machine) or [`attend_double`] (float64) can run these tensors.
pub fn fits(query: &Tensor, rows: &Tensor, kind: Kind) -> bool {
    let plain = |x: &Tensor| x.kind() == kind && x.device() == tch::Device::Cpu && !super::autograd::wanted(x);
    (kind == Kind::Double || super::available()) && plain(query) && plain(rows) && rows.is_contiguous()
}

/// As [`crate::attention::sparse::sparse_attention`].
///
/// # Shapes
/// `query` [Q, H, W] and `rows` [N, W] float32, `slots` [Q, K] int64 in -1..N -> [Q, H, rank].
pub fn attend(query: &Tensor, rows: &Tensor, slots: &Tensor, rank: i64, scale: f64) -> Tensor {
    let [count, heads, width] = query.size()[..] else { unreachable!("callers pass [Q, H, W]") };
    let mut out = Tensor::empty([count, heads, rank], (Kind::Float, tch::Device::Cpu));
    if out.numel() == 0 {
        return out;
    }
    let (query, slots) = (query.contiguous(), slots.contiguous());
    let shape = Shape {
        heads: heads as usize,
        width: width as usize,
        rank: rank as usize,
        selected: slots.size()[1] as usize,
        scale: scale as f32,
    };
    assert!(shape.rank <= shape.width && rows.size()[1] == width, "rows are as wide as queries");
    let (query, rows, slots) = (numbers::<f32>(&query), numbers::<f32>(rows), numbers::<i64>(&slots));
    let last = (rows.len() / shape.width) as i64;
    assert!(slots.iter().all(|&slot| slot < last), "a slot lies beyond the rows");
    let size = shape.heads * shape.rank;
    let out_numbers = numbers_mut::<f32>(&mut out);
    let one = |index: usize| {
        let query = &query[index * shape.heads * shape.width..][..shape.heads * shape.width];
        (query, &slots[index * shape.selected..][..shape.selected])
    };
    if count == 1 {
        let (query, slots) = one(0);
        shape.shared(query, rows, slots, out_numbers);
        return out;
    }
    let parts = side_by_side(count as usize, 1, |range| {
        let mut part = vec![0f32; range.len() * size];
        let mut work = Work::default();
        for (index, out) in range.zip(part.chunks_exact_mut(size)) {
            let (query, slots) = one(index);
            shape.alone(query, rows, slots, &mut work, out);
        }
        part
    });
    let mut rest = out_numbers;
    for part in parts {
        let (here, later) = rest.split_at_mut(part.len());
        here.copy_from_slice(&part);
        rest = later;
    }
    out
}

/// As [`attend`] of rows that are stored narrower, bfloat16 or packed: the selected ones are made wide first, each once.
///
/// # Shapes
/// As [`attend`], `query` of any kind, which is the result's; `widen` makes [n, W] float32 of some rows.
pub fn attend_widened(
    query: &Tensor,
    rows: &Tensor,
    slots: &Tensor,
    rank: i64,
    scale: f64,
    widen: impl FnOnce(&Tensor) -> Tensor,
) -> Tensor {
    let slots = slots.contiguous();
    let mut places = vec![-1i64; rows.size()[0] as usize];
    let mut used: Vec<i64> = Vec::new();
    let moved: Vec<i64> = numbers::<i64>(&slots)
        .iter()
        .map(|&slot| {
            let Some(place) = usize::try_from(slot).ok().map(|slot| &mut places[slot]) else { return -1 };
            if *place < 0 {
                *place = used.len() as i64;
                used.push(slot);
            }
            *place
        })
        .collect();
    let moved = Tensor::from_slice(&moved).view_as(&slots);
    if used.is_empty() {
        used.push(0); // there are no rows without numbers
    }
    let wide = widen(&rows.index_select(0, &Tensor::from_slice(&used))).contiguous();
    attend(&query.to_kind(Kind::Float), &wide, &moved, rank, scale).to_kind(query.kind())
}

/// The same in float64, heads one after the other: what golden values are compared with, in a fixed order as well.
///
/// # Shapes
/// As [`attend`], float64.
pub fn attend_double(query: &Tensor, rows: &Tensor, slots: &Tensor, rank: i64, scale: f64) -> Tensor {
    let [count, heads, width] = query.size()[..] else { unreachable!("callers pass [Q, H, W]") };
    let (query, slots) = (query.contiguous(), slots.contiguous());
    let (width, rank, selected) = (width as usize, rank as usize, slots.size()[1] as usize);
    let (queries, rows, slots) = (numbers::<f64>(&query), numbers::<f64>(rows), numbers::<i64>(&slots));
    let parts = side_by_side(count as usize, 1, |range| {
        let mut out = vec![0f64; range.len() * heads as usize * rank];
        let per_query = heads as usize * width;
        for (index, out) in range.zip(out.chunks_exact_mut(heads as usize * rank)) {
            let kept: Vec<&[f64]> = slots[index * selected..][..selected]
                .iter()
                .filter(|&&slot| slot >= 0)
                .map(|&slot| &rows[slot as usize * width..][..width])
                .collect();
            let heads = queries[index * per_query..][..per_query].chunks_exact(width);
            for (head, out) in heads.zip(out.chunks_exact_mut(rank)) {
                let scores: Vec<f64> = kept.iter().map(|row| dot(head, row) * scale).collect();
                let largest = scores.iter().copied().fold(f64::MIN, f64::max);
                let mut total = 0.0;
                for (score, row) in scores.iter().zip(&kept) {
                    let weight = (score - largest).exp();
                    total += weight;
                    out.iter_mut().zip(*row).for_each(|(out, value)| *out += weight * value);
                }
                if total > 0.0 {
                    out.iter_mut().for_each(|out| *out /= total);
                }
            }
        }
        out
    });
    Tensor::from_slice(&parts.concat()).view([count, heads, rank as i64])
}

/// Sums eight products side by side, which is one fixed order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0f64; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// Sizes of one query's problem.
#[derive(Debug, Clone, Copy)]
struct Shape {
    heads: usize,
    width: usize,
    rank: usize,
    selected: usize,
    scale: f32,
}

/// Memory that is used again for the next query.
#[derive(Debug, Default)]
struct Work {
    query: Vec<[f32; LANES]>,   // [W]
    weights: Vec<[f32; LANES]>, // [K]
    mixed: Vec<[f32; LANES]>,   // [rank]
}

impl Shape {
    /// One query on one thread.
    fn alone(&self, query: &[f32], rows: &[f32], slots: &[i64], work: &mut Work, out: &mut [f32]) {
        for first in (0..self.heads).step_by(LANES) {
            self.turn(query, first, &mut work.query);
            work.weights.resize(self.selected, [0.0; LANES]);
            work.mixed.resize(self.rank, [0.0; LANES]);
            self.scores(&work.query, rows, slots, &mut work.weights);
            let total = softmax(&mut work.weights);
            self.mix(&work.weights, rows, slots, 0, &mut work.mixed);
            self.spread(&work.mixed, &total, first, 0, out);
        }
    }

    /// One query on all threads: they share the selection for the scores, and the columns for the sums.
    fn shared(&self, query: &[f32], rows: &[f32], slots: &[i64], out: &mut [f32]) {
        /// Selected rows and columns below which a second thread is not worth waking.
        const GRAIN: usize = 128;
        for first in (0..self.heads).step_by(LANES) {
            let mut turned = Vec::new();
            self.turn(query, first, &mut turned);
            let parts = side_by_side(self.selected, GRAIN, |range| {
                let mut weights = vec![[0f32; LANES]; range.len()];
                self.scores(&turned, rows, &slots[range], &mut weights);
                weights
            });
            let mut weights = parts.concat();
            let total = softmax(&mut weights);
            let parts = side_by_side(self.rank, GRAIN, |range| {
                let mut mixed = vec![[0f32; LANES]; range.len()];
                self.mix(&weights, rows, slots, range.start, &mut mixed);
                (range.start, mixed)
            });
            for (column, mixed) in parts {
                self.spread(&mixed, &total, first, column, out);
            }
        }
    }

    /// Sixteen heads from `first` on, a column after the other, scaled; missing heads are zero.
    fn turn(&self, query: &[f32], first: usize, turned: &mut Vec<[f32; LANES]>) {
        turned.clear();
        turned.resize(self.width, [0.0; LANES]);
        for (lane, head) in query.chunks_exact(self.width).skip(first).take(LANES).enumerate() {
            for (column, value) in turned.iter_mut().zip(head) {
                column[lane] = value * self.scale;
            }
        }
    }

    /// Divide by the sums of the weights and put the columns where they belong.
    fn spread(&self, mixed: &[[f32; LANES]], total: &[f32; LANES], first: usize, column: usize, out: &mut [f32]) {
        let heads = out.chunks_exact_mut(self.rank).skip(first).take(LANES);
        for (lane, head) in heads.enumerate() {
            // Without any valid slot the sum is zero, and so is the output.
            let inverse = if total[lane] > 0.0 { 1.0 / total[lane] } else { 0.0 };
            for (out, values) in head[column..].iter_mut().zip(mixed) {
                *out = values[lane] * inverse;
            }
        }
    }

    /// Scores of the selected rows, minus infinity for invalid slots.
    fn scores(&self, query: &[[f32; LANES]], rows: &[f32], slots: &[i64], scores: &mut [[f32; LANES]]) {
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: `fits` has checked for the processor's features and `attend` the slots.
            unsafe { vector::scores(query, rows, slots, scores) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("fits() is false on this machine");
    }

    /// Sums of the rows' columns `column..column + mixed.len()`, weighted.
    fn mix(&self, weights: &[[f32; LANES]], rows: &[f32], slots: &[i64], column: usize, mixed: &mut [[f32; LANES]]) {
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: as in `scores`; the columns lie within the rank, which is at most the width.
            unsafe { vector::mix(weights, rows, slots, self.width, column, mixed) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("fits() is false on this machine");
    }
}

/// Scores to weights relative to the largest, and their sums, a head at a time.
fn softmax(weights: &mut [[f32; LANES]]) -> [f32; LANES] {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: `fits` has checked for the processor's features.
        unsafe { vector::softmax(weights) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("fits() is false on this machine");
}

#[cfg(target_arch = "x86_64")]
pub(super) mod vector {
    use std::arch::x86_64::*;

    use super::LANES;

    /// Rows whose scores are summed side by side.
    const ROWS: usize = 8;
    /// Columns that are summed side by side.
    const COLUMNS: usize = 16;
    /// Rows that stay in the nearest cache while their columns are summed.
    const NEAR: usize = 32;
    /// Bytes of one line of memory.
    const LINE: usize = 64;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(x: &[f32; LANES]) -> __m512 {
        // SAFETY: the array holds sixteen numbers.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(x: &mut [f32; LANES], value: __m512) {
        // SAFETY: the array holds sixteen numbers.
        unsafe { _mm512_storeu_ps(x.as_mut_ptr(), value) }
    }

    /// Scores of rows, ROWS at a time; the next ones are on their way from memory meanwhile.
    ///
    /// # Safety
    /// Slots are below the number of rows.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn scores(query: &[[f32; LANES]], rows: &[f32], slots: &[i64], scores: &mut [[f32; LANES]]) {
        let width = query.len();
        let row = |slot: i64| {
            // SAFETY: the caller promises that the row exists; row 0 does as well.
            unsafe { rows.as_ptr().add(slot.max(0) as usize * width) }
        };
        let fetch = |slot: i64| {
            for line in (0..width * 4).step_by(LINE) {
                // SAFETY: a prefetch reads nothing, whatever the address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(row(slot).cast::<i8>().add(line)) };
            }
        };
        slots.iter().take(ROWS).for_each(|&slot| fetch(slot));
        for (index, (some, scores)) in slots.chunks(ROWS).zip(scores.chunks_mut(ROWS)).enumerate() {
            slots.iter().skip((index + 1) * ROWS).take(ROWS).for_each(|&slot| fetch(slot));
            let mut pointers = [row(0); ROWS];
            for (pointer, slot) in pointers.iter_mut().zip(some) {
                *pointer = row(*slot);
            }
            let mut sums = [_mm512_setzero_ps(); ROWS];
            for (column, q) in query.iter().enumerate() {
                let q = load(q);
                for (sum, pointer) in sums.iter_mut().zip(pointers) {
                    // SAFETY: the row has `width` numbers.
                    let value = unsafe { *pointer.add(column) };
                    *sum = _mm512_fmadd_ps(_mm512_set1_ps(value), q, *sum);
                }
            }
            for ((score, sum), slot) in scores.iter_mut().zip(sums).zip(some) {
                store(score, if *slot < 0 { _mm512_set1_ps(f32::NEG_INFINITY) } else { sum });
            }
        }
    }

    /// # Safety
    /// Slots are below the number of rows, and `column + mixed.len()` is at most `width`.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn mix(
        weights: &[[f32; LANES]],
        rows: &[f32],
        slots: &[i64],
        width: usize,
        column: usize,
        mixed: &mut [[f32; LANES]],
    ) {
        mixed.fill([0.0; LANES]);
        for (weights, slots) in weights.chunks(NEAR).zip(slots.chunks(NEAR)) {
            for (part, mixed) in mixed.chunks_mut(COLUMNS).enumerate() {
                let column = column + part * COLUMNS;
                // SAFETY: the caller's promise, for fewer columns.
                unsafe {
                    match <&mut [[f32; LANES]; COLUMNS]>::try_from(&mut *mixed) {
                        Ok(whole) => some_columns(weights, rows, slots, width, column, whole),
                        Err(_) => {
                            for (offset, mixed) in mixed.iter_mut().enumerate() {
                                let one = std::array::from_mut(mixed);
                                some_columns::<1>(weights, rows, slots, width, column + offset, one);
                            }
                        }
                    }
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn some_columns<const COUNT: usize>(
        weights: &[[f32; LANES]],
        rows: &[f32],
        slots: &[i64],
        width: usize,
        column: usize,
        mixed: &mut [[f32; LANES]; COUNT],
    ) {
        let mut sums = [_mm512_setzero_ps(); COUNT];
        for (sum, mixed) in sums.iter_mut().zip(&*mixed) {
            *sum = load(mixed);
        }
        for (weight, slot) in weights.iter().zip(slots) {
            let weight = load(weight);
            // SAFETY: the caller promises that the row and its columns exist.
            let row = unsafe { rows.as_ptr().add((*slot).max(0) as usize * width + column) };
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as above.
                let value = unsafe { *row.add(i) };
                *sum = _mm512_fmadd_ps(_mm512_set1_ps(value), weight, *sum);
            }
        }
        for (mixed, sum) in mixed.iter_mut().zip(sums) {
            store(mixed, sum);
        }
    }

    /// Scores to `exp(score - largest)`, and their sums in the order of the selection.
    #[target_feature(enable = "avx512f")]
    pub fn softmax(weights: &mut [[f32; LANES]]) -> [f32; LANES] {
        let mut largest = _mm512_set1_ps(f32::MIN);
        for weight in &*weights {
            largest = _mm512_max_ps(largest, load(weight));
        }
        let mut total = _mm512_setzero_ps();
        for weight in weights {
            let value = exp(_mm512_sub_ps(load(weight), largest));
            total = _mm512_add_ps(total, value);
            store(weight, value);
        }
        let mut sums = [0.0; LANES];
        store(&mut sums, total);
        sums
    }

    /// `e^x` for `x <= 0`, to about one unit in the last place; 0 below -87.
    ///
    /// `x = n ln 2 + r` with `|r| <= ln 2 / 2`; `e^r` by its Taylor series to the seventh power, whose rest is below
    /// `0.35^8 / 8! < 6e-9`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn exp(x: __m512) -> __m512 {
        let keep = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, _mm512_set1_ps(-87.0));
        let x = _mm512_max_ps(x, _mm512_set1_ps(-87.0));
        let n = _mm512_roundscale_ps::<0>(_mm512_mul_ps(x, _mm512_set1_ps(std::f32::consts::LOG2_E)));
        // ln 2 in two parts, the first exact in few bits.
        let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693_359_4), x);
        let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.121_944_4e-4), r);
        let mut sum = _mm512_set1_ps(1.0 / 5040.0);
        for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(coefficient));
        }
        _mm512_maskz_scalef_ps(keep, sum, n)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn exponentials_are_right_to_the_last_place_or_two() {
            if !crate::ops::available() {
                return;
            }
            for step in 0..87_000 {
                let x = -(step as f32) / 1000.0;
                let mut found = [0.0; LANES];
                // SAFETY: the processor has the features, see above.
                unsafe { store(&mut found, exp(_mm512_set1_ps(x))) };
                let error = (f64::from(found[3]) / f64::from(x).exp() - 1.0).abs();
                assert!(error < 2.5e-7, "{x}: {error:e}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::sparse::plain;
    use tch::Device;

    /// What each case must cover is in its sizes: heads below, at and above a vector, odd ranks, invalid slots.
    const CASES: [(i64, i64, i64, i64, i64, i64, f64); 8] = [
        (1, 16, 256, 32, 700, 512, 0.0),
        (3, 16, 256, 32, 700, 512, 0.1),
        (5, 4, 32, 16, 90, 12, 0.3),
        (2, 20, 19, 5, 40, 33, 0.2),
        (1, 128, 64, 64, 50, 9, 0.0),
        (4, 1, 1, 1, 3, 1, 0.5),
        (2, 16, 32, 16, 20, 40, 1.0),
        (1, 8, 40, 8, 20, 600, 0.9),
    ];

    #[test]
    fn agrees_with_the_plain_definition_on_any_number_of_threads() {
        if !super::super::available() {
            return;
        }
        tch::manual_seed(8);
        for (queries, heads, rank, rotated, count, selected, invalid) in CASES {
            let options = (Kind::Float, Device::Cpu);
            let query = Tensor::randn([queries, heads, rank + rotated], options);
            let rows = Tensor::randn([count, rank + rotated], options);
            let slots = Tensor::randint(count, [queries, selected], (Kind::Int64, Device::Cpu));
            let drop = Tensor::rand([queries, selected], options).lt(invalid);
            let slots = slots.masked_fill(&drop, -1);
            assert!(fits(&query, &rows, Kind::Float));
            tch::set_num_threads(1);
            let found = attend(&query, &rows, &slots, rank, 0.1);
            let wide = |x: &Tensor| x.to_kind(Kind::Double);
            let exact = plain(&wide(&query), &wide(&rows), &slots, rank, 0.1);
            let error = (wide(&found) - &exact).abs().max().double_value(&[]);
            assert!(error < 5e-6, "{queries} {heads} {rank} {selected}: {error:e}");
            let double = attend_double(&wide(&query), &wide(&rows), &slots, rank, 0.1);
            let error = (double - &exact).abs().max().double_value(&[]);
            assert!(error < 1e-12, "float64, {queries} {heads} {rank} {selected}: {error:e}");
            tch::set_num_threads(2);
            assert_eq!(attend(&query, &rows, &slots, rank, 0.1), found, "two threads");
            tch::set_num_threads(1);
            for index in 0..queries {
                let one = attend(&query.narrow(0, index, 1), &rows, &slots.narrow(0, index, 1), rank, 0.1);
                assert_eq!(one, found.narrow(0, index, 1), "alone");
            }
            let longer = slots.constant_pad_nd([0, 7]).slice_scatter(
                &(Tensor::zeros([queries, 7], (Kind::Int64, Device::Cpu)) - 1),
                1,
                selected,
                selected + 7,
                1,
            );
            assert_eq!(attend(&query, &rows, &longer, rank, 0.1), found, "invalid slots add nothing");
        }
    }
}
