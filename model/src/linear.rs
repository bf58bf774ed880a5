//! Matrix products whose rows do not depend on how many rows there are.
//!
//! libtorch's CPU product takes another path for one or a few rows, with another order of additions, so that a token
//! would get other last bits alone than in a batch. From [`ROWS_MIN`] rows on the path is the same (measured for float
//! and double; inner sizes up to 512 and 256 on a machine with AVX-512), so smaller batches are padded with zero rows. This is what makes generation
//! independent of who else is being served; it costs about two microseconds a call.

use tch::Tensor;

/// Products are run with at least this many rows.
pub const ROWS_MIN: i64 = 16;

/// `x w^T`, row by row independent of the number of rows.
///
/// # Shapes
/// `x` [.., N, I], `w` [O, I] -> [.., N, O], of the kind and device of both.
pub fn linear(x: &Tensor, w: &Tensor) -> Tensor {
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
    fn a_row_has_the_same_bits_in_any_batch() {
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
