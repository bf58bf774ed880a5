//! Normalisation layers.

use tch::{Kind, Tensor};

use crate::ops::rowwise;

/// Root-mean-square norm: `x / sqrt(mean(x^2) + eps) * weight` over the last dimension, in at least float32.
///
/// # Shapes
/// `x` [.., I], `weight` `[I]` -> [.., I], of `x`'s kind.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    if rowwise::fits(&[x, weight]) {
        return rowwise::rms_norm(x, weight, eps);
    }
    let kind = x.kind();
    let wide = if kind == Kind::Double { x.shallow_clone() } else { x.to_kind(Kind::Float) };
    let mean = wide.square().mean_dim(-1, true, None::<Kind>); // [.., 1]
    (&wide * (mean + eps).rsqrt()).to_kind(kind) * weight
}

/// Layer norm with weight and bias over the last dimension: `(x - mean) / sqrt(variance + eps) * weight + bias`.
///
/// # Shapes
/// `x` [.., I], `weight` and `bias` `[I]` -> [.., I].
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Tensor {
    x.layer_norm([weight.size()[0]], Some(weight), Some(bias), eps, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_of_a_known_row() {
        let x = Tensor::from_slice(&[3.0f64, 4.0]).reshape([1, 2]);
        let ones = Tensor::from_slice(&[1.0f64, 2.0]);
        let root = rms_norm(&x, &ones, 0.0);
        assert!((root.double_value(&[0, 0]) - 3.0 / 12.5f64.sqrt()).abs() < 1e-12);
        assert!((root.double_value(&[0, 1]) - 8.0 / 12.5f64.sqrt()).abs() < 1e-12);
        let layer = layer_norm(&x, &ones, &ones, 0.0);
        assert!((layer.double_value(&[0, 0]) - 0.0).abs() < 1e-12);
        assert!((layer.double_value(&[0, 1]) - 4.0).abs() < 1e-12);
    }
}
