//! Rotary positions, with YaRN stretching (arXiv 2309.00071).
//!
//! The rotation comes in two layouts that a checkpoint fixes: latent attention turns neighbouring pairs
//! ([`Layout::Interleaved`]), DeepSeek's indexer turns the two halves against each other ([`Layout::Halves`]). Mixing
//! them up does not crash, it only spoils long contexts.

use tch::{Device, Kind, Tensor};

use crate::config::Rope;
use crate::ops::rowwise;
use crate::place::wide;
use crate::rows::elementwise;

/// Which dimensions are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// (0, 1), (2, 3), ...
    Interleaved,
    /// (0, D/2), (1, D/2 + 1), ...
    Halves,
}

/// Angles of some positions, shared by all layers of a pass.
#[derive(Debug)]
pub struct Rotation {
    cos: Tensor, // [B, S, Dr/2]
    sin: Tensor, // [B, S, Dr/2]
}

/// Frequencies of one rotation of `width` dimensions, in radians a position, fastest first.
///
/// # Shapes
/// [width / 2], float64, on the CPU.
pub fn frequencies(rope: &Rope, width: i64) -> Vec<f64> {
    let dims = width as f64;
    let plain = (0..width / 2).map(|pair| rope.theta.powf(-2.0 * pair as f64 / dims));
    let Some(yarn) = rope.yarn else {
        return plain.collect();
    };
    // The dimension whose wave makes `turns` turns within the original context.
    let dimension_of = |turns: f64| {
        let ratio = yarn.original_max_position_embeddings / (turns * std::f64::consts::TAU);
        dims * ratio.ln() / (2.0 * rope.theta.ln())
    };
    let low = dimension_of(yarn.beta_fast).floor().max(0.0);
    let mut high = dimension_of(yarn.beta_slow).ceil().min(dims - 1.0);
    if high - low < 0.001 {
        high = low + 0.001; // no division by zero
    }
    plain
        .enumerate()
        .map(|(pair, fast)| {
            let stretched = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
            fast / yarn.factor * stretched + fast * (1.0 - stretched)
        })
        .collect()
}

/// Factor on cosines and sines that YaRN asks for: 1 where `mscale` equals `mscale_all_dim`, as in DeepSeek-V3.2.
pub fn magnitude(rope: &Rope) -> f64 {
    match rope.yarn {
        None => 1.0,
        Some(yarn) if yarn.mscale != 0.0 && yarn.mscale_all_dim != 0.0 => {
            yarn.magnitude(yarn.mscale) / yarn.magnitude(yarn.mscale_all_dim)
        }
        Some(yarn) => yarn.magnitude(1.0),
    }
}

impl Rotation {
    /// The angles of `positions`.
    ///
    /// # Shapes
    /// `positions` [B, S] int64; `frequencies` [Dr/2] float64 on the same device; computed in float64, kept in `kind`, at least float32.
    pub fn new(positions: &Tensor, frequencies: &Tensor, magnitude: f64, kind: Kind) -> Self {
        let angle = positions.to_kind(Kind::Double).unsqueeze(-1) * frequencies; // [B, S, Dr/2]
        let kind = wide(kind);
        Self {
            cos: (elementwise(&angle, Tensor::cos) * magnitude).to_kind(kind),
            sin: (elementwise(&angle, Tensor::sin) * magnitude).to_kind(kind),
        }
    }

    /// Rotate the last dimension of `x`. The result of [`Layout::Interleaved`] comes in halves order: queries and keys
    /// are permuted alike, so that their dot products are those of the original order.
    ///
    /// # Shapes
    /// `x` [B, S, H, Dr] -> [B, S, H, Dr], of `x`'s kind.
    pub fn apply(&self, x: &Tensor, layout: Layout) -> Tensor {
        if rowwise::fits(&[x, &self.cos]) {
            return rowwise::rotate(x, &self.cos, &self.sin, layout == Layout::Interleaved);
        }
        let (width, kind) = (x.size()[3], x.kind());
        let x = x.to_kind(self.cos.kind());
        let (a, b) = match layout {
            Layout::Interleaved => (x.slice(-1, 0, None, 2), x.slice(-1, 1, None, 2)),
            Layout::Halves => (x.narrow(-1, 0, width / 2), x.narrow(-1, width / 2, width / 2)),
        };
        let (cos, sin) = (self.cos.unsqueeze(2), self.sin.unsqueeze(2)); // [B, S, 1, Dr/2]
        Tensor::cat(&[&a * &cos - &b * &sin, &b * &cos + &a * &sin], -1).to_kind(kind)
    }
}

/// [`frequencies`] as a tensor on `device`.
pub fn frequency_tensor(rope: &Rope, width: i64, device: Device) -> Tensor {
    Tensor::from_slice(&frequencies(rope, width)).to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Yarn;

    #[test]
    fn without_stretching_frequencies_are_powers_of_the_base() {
        let rope = Rope { theta: 10_000.0, yarn: None };
        let found = frequencies(&rope, 4);
        assert!((found[0] - 1.0).abs() < 1e-15 && (found[1] - 0.01).abs() < 1e-15);
        assert!((magnitude(&rope) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn yarn_keeps_fast_and_divides_slow_frequencies() {
        let yarn = Yarn {
            factor: 40.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            mscale: 1.0,
            mscale_all_dim: 1.0,
            original_max_position_embeddings: 4096.0,
        };
        let stretched = frequencies(&Rope { theta: 10_000.0, yarn: Some(yarn) }, 64);
        let plain = frequencies(&Rope { theta: 10_000.0, yarn: None }, 64);
        assert!((stretched[0] - plain[0]).abs() < 1e-18);
        assert!((stretched[31] - plain[31] / 40.0).abs() < 1e-18);
        assert!(stretched.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn a_quarter_turn_in_both_layouts() {
        let positions = Tensor::from_slice(&[1i64]).reshape([1, 1]);
        let quarter = Tensor::from_slice(&[std::f64::consts::FRAC_PI_2, 0.0]);
        let rotation = Rotation::new(&positions, &quarter, 1.0, Kind::Double);
        let x = Tensor::from_slice(&[1.0f64, 2.0, 3.0, 4.0]).reshape([1, 1, 1, 4]);
        let check = |layout, expected: &[f64]| {
            let found = rotation.apply(&x, layout).reshape([4]);
            assert!((found - Tensor::from_slice(expected)).abs().max().double_value(&[]) < 1e-12);
        };
        check(Layout::Halves, &[-3.0, 2.0, 1.0, 4.0]);
        check(Layout::Interleaved, &[-2.0, 3.0, 1.0, 4.0]);
    }
}
