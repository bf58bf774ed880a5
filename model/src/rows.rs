//! Operations whose rows do not depend on how many rows there are.
//!
//! This is what makes generation independent of who else is being served and of how a prompt was split. libtorch's CPU
//! code gives a token other last bits alone than in a batch, in two ways:
//! - The matrix product takes another path by the number of rows, with another order of additions, differently on every
//!   machine. So products without gradients are our own ([`crate::ops::product`]) where the processor has AVX-512. Elsewhere,
//!   and with gradients, batches are padded to [`ROWS_MIN`] rows, which helped on some machines: there rows are equal to
//!   about 1e-6 only.
//! - `exp` and its like are computed by vector code, but what is left at the end of the memory block by scalar code, which
//!   rounds differently. So [`elementwise`] pads the block to whole vectors.

use tch::Tensor;

use crate::ops::product;

/// Products are run with at least this many rows.
pub const ROWS_MIN: i64 = 16;
/// Elementwise functions are run on multiples of this many numbers: two vectors of 64 bytes, whatever the kind.
const BLOCK: i64 = 64;

/// Apply an elementwise function so that a number's result does not depend on where in memory it stands.
///
/// # Shapes
/// Any; the result has `x`'s shape and kind. `function` gets and returns one row of numbers.
pub fn elementwise(x: &Tensor, function: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    let count = x.numel() as i64;
    let flat = x.reshape([-1]);
    let rest = count % BLOCK;
    if rest == 0 {
        return function(&flat).view_as(x);
    }
    function(&flat.constant_pad_nd([0, BLOCK - rest])).narrow(0, 0, count).view_as(x)
}

/// `x w^T`, row by row independent of the number of rows.
///
/// # Shapes
/// `x` [.., N, I], `w` [O, I] -> [.., N, O], of the kind and device of both.
pub fn linear(x: &Tensor, w: &Tensor) -> Tensor {
    if product::fits(x, w) {
        return product::linear(x, w);
    }
    let size = x.size();
    let inner = size[size.len() - 1];
    let rows: i64 = size[..size.len() - 1].iter().product();
    if rows >= ROWS_MIN {
        return x.linear::<&Tensor>(w, None);
    }
    let padded = x.reshape([rows, inner]).constant_pad_nd([0, 0, 0, ROWS_MIN - rows]); // [ROWS_MIN, I]
    let mut out = size;
    *out.last_mut().expect("x has a last dimension") = w.size()[0];
    padded.linear::<&Tensor>(w, None).narrow(0, 0, rows).reshape(out)
}

/// One product a head: `x[n, h, :] w[h, :, :]`, independent of the number of rows.
///
/// # Shapes
/// `x` [N, H, I], `w` [H, I, O] -> [N, H, O].
pub fn per_head(x: &Tensor, w: &Tensor) -> Tensor {
    if product::fits(x, w) {
        return product::per_head(x, w);
    }
    let rows = x.size()[0];
    let x = x.transpose(0, 1); // [H, N, I]
    if rows >= ROWS_MIN {
        return x.bmm(w).transpose(0, 1);
    }
    let padded = x.constant_pad_nd([0, 0, 0, ROWS_MIN - rows]); // [H, ROWS_MIN, I]
    padded.bmm(w).narrow(1, 0, rows).transpose(0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn a_number_has_the_same_bits_anywhere() {
        tch::set_num_threads(1);
        for kind in [Kind::Float, Kind::Double] {
            let x = Tensor::randn([999], (kind, Device::Cpu)) * 3.0;
            let functions = [Tensor::sigmoid, Tensor::silu, Tensor::cos, Tensor::sin];
            for function in functions {
                let all = elementwise(&x, function);
                for (start, length) in [(0, 1), (0, 8), (5, 31), (64, 77), (500, 499)] {
                    assert_eq!(elementwise(&x.narrow(0, start, length), function), all.narrow(0, start, length));
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_batch() {
        if !crate::ops::available() {
            return;
        }
        tch::set_num_threads(1);
        for kind in [Kind::Float, Kind::Double] {
            for (inner, outer) in [(64, 48), (48, 128), (64, 512), (32, 64), (128, 64)] {
                let w = Tensor::randn([outer, inner], (kind, Device::Cpu));
                let x = Tensor::randn([200, inner], (kind, Device::Cpu));
                let all = linear(&x, &w);
                for rows in [1, 2, 3, 7, 15, 16, 17, 64, 100] {
                    assert_eq!(linear(&x.narrow(0, 0, rows), &w), all.narrow(0, 0, rows), "{kind:?} {inner} {rows}");
                    assert_eq!(linear(&x.narrow(0, 200 - rows, rows), &w), all.narrow(0, 200 - rows, rows));
                }
            }
            let w = Tensor::randn([4, 16, 32], (kind, Device::Cpu));
            let x = Tensor::randn([200, 4, 16], (kind, Device::Cpu));
            for rows in [1, 2, 15, 16, 100] {
                assert_eq!(per_head(&x.narrow(0, 0, rows), &w), per_head(&x, &w).narrow(0, 0, rows));
            }
        }
    }
}
