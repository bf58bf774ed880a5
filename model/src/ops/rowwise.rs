//! What is done to float32 rows between products: norms, rotations, gates. One operation each, where libtorch's take five to ten, of some
//! microseconds; a token alone is little more than those. A row's numbers do not depend on its company, nor on threads.

use tch::{Device, Kind, Tensor};

use super::{autograd, numbers, numbers_mut, side_by_side};

/// Numbers below which a second thread is not worth calling.
const ALONE_MAX: usize = 1 << 15;
/// Sums that run side by side in a row, which fixes their order.
const LANES: usize = 16;

/// Whether these tensors are for this module: float32, on the CPU, and no gradients are wanted.
pub fn fits(tensors: &[&Tensor]) -> bool {
    let plain = |x: &&Tensor| x.kind() == Kind::Float && x.device() == Device::Cpu && !autograd::wanted(x);
    super::available() && tensors.iter().all(plain)
}

/// As [`crate::norm::rms_norm`].
///
/// # Shapes
/// `x` [.., I], `weight` `[I]` -> [.., I].
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    let (x, weight) = (x.contiguous(), weight.contiguous());
    let width = weight.numel();
    let weight = numbers::<f32>(&weight);
    by_row(&x, width, |_, row, out| {
        let (lanes, rest) = row.as_chunks::<LANES>();
        let mut sums = [0f32; LANES];
        for chunk in lanes {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum = value.mul_add(*value, *sum);
            }
        }
        let sum = sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>();
        let scale = 1.0 / (sum / width as f32 + eps as f32).sqrt();
        for ((out, value), weight) in out.iter_mut().zip(row).zip(weight) {
            *out = value * scale * weight;
        }
    })
}

/// Turn pairs of numbers, neighbours or those of two halves; the result is in the order of halves. As [`crate::rope::Rotation::apply`].
///
/// # Shapes
/// `x` [B, S, H, D], `cos` and `sin` [B, S, D / 2] -> [B, S, H, D].
pub fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor, neighbours: bool) -> Tensor {
    let [_, _, heads, width] = x.size()[..] else { unreachable!("callers pass [B, S, H, D]") };
    let (x, cos, sin) = (x.contiguous(), cos.contiguous(), sin.contiguous());
    let (heads, width) = (heads as usize, width as usize);
    let (half, stride, other) = if neighbours { (width / 2, 2, 1) } else { (width / 2, 1, width / 2) };
    let (cos, sin) = (numbers::<f32>(&cos), numbers::<f32>(&sin));
    let angles = |row: usize| {
        let first = row / heads * half;
        (&cos[first..][..half], &sin[first..][..half])
    };
    by_row(&x, width, |row, x, out| {
        let (cos, sin) = angles(row);
        let (first, second) = out.split_at_mut(half);
        for i in 0..half {
            let (a, b) = (x[i * stride], x[i * stride + other]);
            first[i] = a * cos[i] - b * sin[i];
            second[i] = b * cos[i] + a * sin[i];
        }
    })
}

/// `silu(gate) * up`, into `gate`.
pub fn gate(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "a number for a number");
    #[cfg(target_arch = "x86_64")]
    if super::available() {
        // SAFETY: the processor has the features, and both slices are of one length.
        unsafe { vector::gate(gate, up) };
        return;
    }
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + (-*gate).exp()) * up;
    }
}

/// `1 / (1 + e^-x)`, of one number.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// A function of rows of `width` numbers, and of a row's index, that writes as many.
fn by_row(x: &Tensor, width: usize, one: impl Fn(usize, &[f32], &mut [f32]) + Sync) -> Tensor {
    let mut out = Tensor::empty(x.size(), (Kind::Float, Device::Cpu));
    let (from, to) = (numbers::<f32>(x), numbers_mut::<f32>(&mut out));
    let run = |range: std::ops::Range<usize>, to: &mut [f32]| {
        let rows = from[range.start * width..range.end * width].chunks_exact(width);
        rows.zip(to.chunks_exact_mut(width)).zip(range).for_each(|((row, out), index)| one(index, row, out));
    };
    if from.len() <= ALONE_MAX {
        run(0..from.len() / width, to);
        return out;
    }
    let parts = side_by_side(from.len() / width, 1, |range| {
        let mut part = vec![0f32; range.len() * width];
        run(range, &mut part);
        part
    });
    let mut rest = to;
    for part in parts {
        let (here, later) = rest.split_at_mut(part.len());
        here.copy_from_slice(&part);
        rest = later;
    }
    out
}

#[cfg(target_arch = "x86_64")]
mod vector {
    use std::arch::x86_64::*;

    use crate::ops::sparse_core::vector::exp;

    /// # Safety
    /// The slices are of one length.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn gate(gate: &mut [f32], up: &[f32]) {
        let one = _mm512_set1_ps(1.0);
        for start in (0..gate.len()).step_by(16) {
            let count = (gate.len() - start).min(16);
            let mask = ((1u32 << count) - 1) as __mmask16;
            // SAFETY: the numbers under the mask exist in both slices.
            unsafe {
                let x = _mm512_maskz_loadu_ps(mask, gate.as_ptr().add(start));
                let up = _mm512_maskz_loadu_ps(mask, up.as_ptr().add(start));
                // e^-|x| is at most one; above the fraction stands it or one, by the sign.
                let power = exp(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_abs_ps(x)));
                let negative = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps());
                let above = _mm512_mask_blend_ps(negative, one, power);
                let silu = _mm512_mul_ps(x, _mm512_div_ps(above, _mm512_add_ps(one, power)));
                _mm512_mask_storeu_ps(gate.as_mut_ptr().add(start), mask, _mm512_mul_ps(silu, up));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    fn near(found: &Tensor, expected: &Tensor) {
        let error = (found.to_kind(Kind::Double) - expected).abs().max().double_value(&[]);
        assert!(error < 2e-6 * expected.abs().max().double_value(&[]).max(1.0), "{:?}: {error:e}", found.size());
    }

    #[test]
    fn as_the_definitions_in_float64_and_in_any_company() {
        if !crate::ops::available() {
            return;
        }
        tch::manual_seed(6);
        let exact = |x: &Tensor| x.to_kind(Kind::Double);
        for (rows, width) in [(1, 512), (3, 19), (400, 256)] {
            let (x, weight) = (random(&[rows, width]) * 3.0, random(&[width]));
            tch::set_num_threads(2);
            let found = rms_norm(&x, &weight, 1e-6);
            near(&found, &crate::norm::rms_norm(&exact(&x), &exact(&weight), 1e-6));
            tch::set_num_threads(1);
            assert_eq!(rms_norm(&x.narrow(0, rows - 1, 1), &weight, 1e-6), found.narrow(0, rows - 1, 1));
        }
        for neighbours in [true, false] {
            let (b, s, heads, width) = (2, 3, 5, 12);
            let (x, cos, sin) = (random(&[b, s, heads, width]), random(&[b, s, width / 2]), random(&[b, s, width / 2]));
            let (p, q) = if neighbours {
                (x.slice(-1, 0, None, 2), x.slice(-1, 1, None, 2))
            } else {
                (x.narrow(-1, 0, width / 2), x.narrow(-1, width / 2, width / 2))
            };
            let (c, n) = (exact(&cos).unsqueeze(2), exact(&sin).unsqueeze(2));
            let expected = Tensor::cat(&[exact(&p) * &c - exact(&q) * &n, exact(&q) * &c + exact(&p) * &n], -1);
            near(&rotate(&x, &cos, &sin, neighbours), &expected);
        }
        let (x, up) = (random(&[1037]) * 20.0, random(&[1037]));
        let mut found = Vec::<f32>::try_from(&x).unwrap();
        gate(&mut found, &Vec::<f32>::try_from(&up).unwrap());
        near(&Tensor::from_slice(&found), &(exact(&x).silu() * exact(&up)));
        assert!(sigmoid(-200.0) >= 0.0 && (sigmoid(0.0) - 0.5).abs() < 1e-7);
    }
}
