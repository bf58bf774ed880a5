//! Attention over selected rows only: the plain definition, and the choice of who computes it.
//!
//! `out[q, h] = sum_k softmax_k(scale * query[q, h] . rows[slots[q, k]]) * rows[slots[q, k]][..R]`

use tch::{Device, Kind, Tensor};

use crate::cache::packed;
use crate::ops::cuda::Runner;
use crate::ops::{autograd, available, cuda, sparse_core};
use crate::place::wide;
use crate::{Error, Result};

/// Gathered rows of one step hold at most this many numbers (64 MiB of float32); longer queries run in several steps.
const GATHERED_MAX: i64 = 1 << 24;

/// Attend from every query to its selected rows: by the kernel of the GPU, that of the CPU, or the definition. Differentiable, but for
/// packed rows.
///
/// Invalid slots (-1) take no part; a query without any valid slot gets zeros. Repeated slots count twice.
///
/// # Shapes
/// `query` [Q, H, R + Dr]; `rows` [N, R + Dr], or [N, bytes] uint8 as [`packed`] makes them; `slots` [Q, K] int64 in -1..N
/// -> [Q, H, R], of `query`'s kind.
pub fn sparse_attention(query: &Tensor, rows: &Tensor, slots: &Tensor, rank: i64, scale: f64) -> Tensor {
    if let Some(runner) = cuda::sparse::attender(query, rows, rank) {
        return by_kernel(runner, query, rows, slots, rank, scale).unwrap_or_else(|error| panic!("{error}"));
    }
    if sparse_core::fits(query, rows, Kind::Float) {
        return sparse_core::attend(query, rows, slots, rank, scale);
    }
    if sparse_core::fits(query, rows, Kind::Double) {
        return sparse_core::attend_double(query, rows, slots, rank, scale);
    }
    let narrow = matches!(rows.kind(), Kind::BFloat16 | Kind::Uint8) && query.kind() != Kind::Double;
    let learns = autograd::wanted(query) || autograd::wanted(rows);
    if narrow && !learns && available() && rows.device() == Device::Cpu {
        let widen = |rows: &Tensor| widened(rows, query.size()[2], rank);
        return sparse_core::attend_widened(query, rows, slots, rank, scale, widen);
    }
    plain(query, rows, slots, rank, scale)
}

/// By the kernels of a GPU, with their gradients where they are wanted.
fn by_kernel(
    runner: &'static dyn Runner,
    query: &Tensor,
    rows: &Tensor,
    slots: &Tensor,
    rank: i64,
    scale: f64,
) -> Result<Tensor> {
    let held = (query.detach().contiguous(), rows.detach(), slots.to_kind(Kind::Int).contiguous());
    let parts = cuda::sparse::parts_for(held.0.size()[0], held.2.size()[1]);
    let attended = cuda::sparse::attend(runner, &held.0, &held.1, &held.2, rank, scale, parts)?;
    if !autograd::wanted(query) && !autograd::wanted(rows) {
        return Ok(attended.out);
    }
    let out = attended.out.shallow_clone();
    let attended = cuda::sparse::Attended { out: attended.out.detach(), ..attended };
    let backward = move |d_out: &Tensor| {
        let (query, rows, slots) = &held;
        let d_out = d_out.to_kind(Kind::BFloat16).contiguous();
        let gradients = cuda::sparse::backward(runner, query, rows, slots, &attended, &d_out, scale)?;
        Ok::<_, Error>(vec![Some(gradients.query), Some(gradients.rows.to_kind(rows.kind()))])
    };
    autograd::attach(&[query, rows], out, Box::new(backward))
}

/// Stored rows in float32.
fn widened(rows: &Tensor, width: i64, rank: i64) -> Tensor {
    let rows = if rows.kind() == Kind::Uint8 { packed::unpack(rows, width, rank) } else { rows.shallow_clone() };
    rows.to_kind(Kind::Float)
}

/// The definition, in libtorch's operations: differentiable, for every kind and device.
///
/// # Shapes
/// As [`sparse_attention`].
pub fn plain(query: &Tensor, rows: &Tensor, slots: &Tensor, rank: i64, scale: f64) -> Tensor {
    let (queries, selected, width) = (query.size()[0], slots.size()[1], query.size()[2]);
    let step = (GATHERED_MAX / (selected * width)).clamp(1, queries.max(1));
    if step >= queries {
        return attend(query, rows, slots, rank, scale);
    }
    let parts: Vec<Tensor> = (0..queries)
        .step_by(step as usize)
        .map(|start| {
            let length = step.min(queries - start);
            attend(&query.narrow(0, start, length), rows, &slots.narrow(0, start, length), rank, scale)
        })
        .collect();
    Tensor::cat(&parts, 0)
}

fn attend(query: &Tensor, rows: &Tensor, slots: &Tensor, rank: i64, scale: f64) -> Tensor {
    let (queries, selected, width) = (slots.size()[0], slots.size()[1], query.size()[2]);
    let kind = wide(query.kind());
    let gathered = rows.index_select(0, &slots.clamp_min(0).reshape([-1])); // [Q K, R + Dr], or their bytes
    let gathered = if rows.kind() == Kind::Uint8 { packed::unpack(&gathered, width, rank) } else { gathered };
    let gathered = gathered.to_kind(kind).view([queries, selected, width]); // [Q, K, R + Dr]
    let invalid = slots.lt(0).unsqueeze(1); // [Q, 1, K]
    let scores = query.to_kind(kind).bmm(&gathered.transpose(1, 2)) * scale; // [Q, H, K]
    // The smallest number instead of minus infinity: a row without valid slots stays finite, in gradients too.
    let lowest = if kind == Kind::Double { f64::MIN } else { f64::from(f32::MIN) };
    let weights = scores.masked_fill(&invalid, lowest).softmax(-1, None::<Kind>).masked_fill(&invalid, 0.0);
    weights.bmm(&gathered.narrow(2, 0, rank)).to_kind(query.kind()) // [Q, H, R]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One case of the contract, with what it must cover.
    struct Case {
        queries: i64,
        heads: i64,
        rows: i64,
        selected: i64,
        invalid: f64,
    }

    #[test]
    fn agrees_with_a_loop_over_queries_and_heads() {
        tch::set_num_threads(1);
        tch::manual_seed(7);
        let (rank, rotated, scale) = (5, 3, 0.4);
        let cases = [
            Case { queries: 4, heads: 2, rows: 9, selected: 3, invalid: 0.0 },
            Case { queries: 1, heads: 1, rows: 1, selected: 1, invalid: 0.0 },
            Case { queries: 7, heads: 3, rows: 6, selected: 11, invalid: 0.4 },
            Case { queries: 3, heads: 2, rows: 4, selected: 5, invalid: 1.0 },
        ];
        for case in cases {
            let options = (Kind::Double, Device::Cpu);
            let query = Tensor::randn([case.queries, case.heads, rank + rotated], options);
            let rows = Tensor::randn([case.rows, rank + rotated], options);
            let slots = Tensor::randint(case.rows, [case.queries, case.selected], (Kind::Int64, Device::Cpu));
            let drop = Tensor::rand([case.queries, case.selected], options).lt(case.invalid);
            let slots = slots.masked_fill(&drop, -1);
            let found = plain(&query, &rows, &slots, rank, scale);
            for q in 0..case.queries {
                let kept: Vec<i64> =
                    Vec::<i64>::try_from(slots.get(q)).unwrap().into_iter().filter(|&s| s >= 0).collect();
                for h in 0..case.heads {
                    let mut expected = vec![0.0; rank as usize];
                    let dot = |s: i64| (query.get(q).get(h) * rows.get(s)).sum(None::<Kind>).double_value(&[]) * scale;
                    let total: f64 = kept.iter().map(|&s| dot(s).exp()).sum();
                    for &s in &kept {
                        for (r, sum) in expected.iter_mut().enumerate() {
                            *sum += dot(s).exp() / total * rows.double_value(&[s, r as i64]);
                        }
                    }
                    for (r, sum) in expected.iter().enumerate() {
                        assert!((found.double_value(&[q, h, r as i64]) - sum).abs() < 1e-10);
                    }
                }
            }
        }
    }

    #[test]
    fn narrow_rows_are_attended_as_what_they_stand_for() {
        tch::set_num_threads(1);
        tch::manual_seed(9);
        let (rank, width, scale) = (128, 160, 0.1);
        let rows = Tensor::randn([90, width], (Kind::Float, Device::Cpu));
        let slots = Tensor::randint(90, [6, 40], (Kind::Int64, Device::Cpu));
        let slots = slots.masked_fill(&Tensor::rand([6, 40], (Kind::Float, Device::Cpu)).lt(0.2), -1);
        for (stored, kind) in [
            (packed::pack(&rows, rank), Kind::Float),
            (packed::pack(&rows, rank), Kind::BFloat16),
            (rows.to_kind(Kind::BFloat16), Kind::BFloat16),
        ] {
            let query = Tensor::randn([6, 16, width], (Kind::Float, Device::Cpu)).to_kind(kind);
            let exact = |x: &Tensor| x.to_kind(Kind::Double);
            let expected = plain(&exact(&query), &exact(&widened(&stored, width, rank)), &slots, rank, scale);
            let bound = if kind == Kind::Float { 1e-5 } else { 2.0 / 256.0 };
            for found in
                [sparse_attention(&query, &stored, &slots, rank, scale), plain(&query, &stored, &slots, rank, scale)]
            {
                assert_eq!(found.kind(), kind);
                let error = (exact(&found) - &expected).abs().max().double_value(&[]);
                assert!(error < bound, "{:?} {kind:?}: {error:e}", stored.kind());
            }
            // Against the rows themselves: half a step of e4m3, which averages out.
            let far = plain(&exact(&query), &exact(&rows), &slots, rank, scale);
            let error = (&expected - &far).norm().double_value(&[]) / far.norm().double_value(&[]);
            assert!(error < 0.04, "{:?}: {error:e} of the exact result", stored.kind());
        }
        let none = Tensor::full([2, 3], -1, (Kind::Int64, Device::Cpu));
        let query = Tensor::randn([2, 16, width], (Kind::Float, Device::Cpu));
        assert_eq!(
            sparse_attention(&query, &packed::pack(&rows, rank), &none, rank, scale).abs().max(),
            Tensor::from(0f32)
        );
    }

    #[test]
    fn invalid_slots_add_nothing_to_the_bits() {
        tch::set_num_threads(1);
        for kind in [Kind::Float, Kind::Double] {
            let query = Tensor::randn([3, 4, 48], (kind, Device::Cpu));
            let rows = Tensor::randn([100, 48], (kind, Device::Cpu));
            let slots = Tensor::randint(100, [3, 64], (Kind::Int64, Device::Cpu));
            let longer = slots.constant_pad_nd([0, 64]).slice_scatter(&(slots.zeros_like() - 1), 1, 64, 128, 1);
            let short = sparse_attention(&query, &rows, &slots, 32, 0.2);
            assert_eq!(sparse_attention(&query, &rows, &longer, 32, 0.2), short);
            assert_eq!(
                sparse_attention(&query.narrow(0, 1, 1), &rows, &slots.narrow(0, 1, 1), 32, 0.2),
                short.narrow(0, 1, 1)
            );
        }
    }
}
