//! Cache rows in fp8: the latent part as e4m3 with one float32 scale for every 128 numbers, the rotated part in bfloat16.
//!
//! At 512 + 64 numbers a row has 512 + 4 * 4 + 2 * 64 = 656 bytes, the layout FlashMLA reads. A scale is the group's largest magnitude
//! over 448, at least 1e-4, rounded up to a power of two, so that what is stored is exact in bfloat16 again.

use tch::{Kind, Tensor};

/// Numbers that share a scale.
pub const GROUP: i64 = 128;
/// The largest e4m3 number.
const LARGEST: f64 = 448.0;

/// Bytes of a row.
pub fn row_bytes(width: i64, rank: i64) -> i64 {
    rank + rank / GROUP * 4 + 2 * (width - rank)
}

/// Pack rows.
///
/// # Shapes
/// `rows` [N, W] floating, `rank` a multiple of 128 -> [N, row_bytes] uint8.
pub fn pack(rows: &Tensor, rank: i64) -> Tensor {
    let [n, width] = rows.size()[..] else { panic!("rows are [N, W]") };
    assert!(rank % GROUP == 0 && rank <= width, "rank {rank} of {width}");
    let groups = rank / GROUP;
    let latent = rows.narrow(1, 0, rank).to_kind(Kind::Float).reshape([n, groups, GROUP]);
    let largest = latent.abs().amax(-1, true); // [N, groups, 1]
    let scale = (largest / LARGEST).clamp_min(1e-4).log2().ceil().exp2();
    let bytes = (latent / &scale).clamp(-LARGEST, LARGEST).to_kind(Kind::Float8e4m3fn).view_dtype(Kind::Uint8);
    let rotated = rows.narrow(1, rank, width - rank).to_kind(Kind::BFloat16).contiguous().view_dtype(Kind::Uint8);
    let scale = scale.reshape([n, groups]).contiguous().view_dtype(Kind::Uint8);
    Tensor::cat(&[bytes.reshape([n, rank]), scale, rotated], 1)
}

/// What packed rows stand for.
///
/// # Shapes
/// `packed` [N, row_bytes] uint8 -> [N, W] bfloat16, exactly.
pub fn unpack(packed: &Tensor, width: i64, rank: i64) -> Tensor {
    let n = packed.size()[0];
    assert_eq!(packed.size()[1], row_bytes(width, rank), "bytes of a row");
    let groups = rank / GROUP;
    let part = |from: i64, length: i64, kind: Kind| packed.narrow(1, from, length).contiguous().view_dtype(kind);
    let latent = part(0, rank, Kind::Float8e4m3fn).to_kind(Kind::Float).reshape([n, groups, GROUP]);
    let scale = part(rank, groups * 4, Kind::Float).reshape([n, groups, 1]);
    let rotated = part(rank + groups * 4, 2 * (width - rank), Kind::BFloat16);
    Tensor::cat(&[(latent * scale).reshape([n, rank]).to_kind(Kind::BFloat16), rotated], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn packed_rows_are_near_and_stay_the_same() {
        tch::manual_seed(1);
        let rows = Tensor::randn([7, 576], (Kind::Float, Device::Cpu))
            * Tensor::from_slice(&[1e-3f32, 1.0, 50.0, 0.0, 1.0, 1.0, 9.0]).view([7, 1]);
        let packed = pack(&rows, 512);
        assert_eq!((packed.size(), row_bytes(576, 512)), (vec![7, 656], 656));
        let back = unpack(&packed, 576, 512);
        // Half of the last of three bits, of the larger of the number and the smallest normal one: 2^-6 of the scale.
        let latent = back.narrow(1, 0, 512).to_kind(Kind::Float);
        let exact = rows.narrow(1, 0, 512);
        let scale = (exact.view([7, 4, 128]).abs().amax(-1, true) / 448.0).clamp_min(1e-4) * 2.0;
        let bound = exact.abs().view([7, 4, 128]) / 16.0 + scale * (1.0 / 512.0);
        assert!(((latent - &exact).abs().view([7, 4, 128]) - bound).max().double_value(&[]) <= 0.0);
        assert_eq!(back.narrow(1, 512, 64), rows.narrow(1, 512, 64).to_kind(Kind::BFloat16));
        assert_eq!(unpack(&pack(&back, 512), 576, 512), back, "packing what was packed changes nothing");
    }
}
