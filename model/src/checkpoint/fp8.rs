//! Weights stored as fp8 e4m3 with one scale a block (DeepSeek-V3, arXiv 2412.19437, section 3.3).
//!
//! A byte is sign, four bits of exponent (bias 7) and three of mantissa; there is no infinity, and all ones is not a
//! number. A matrix [O, I] comes with scales [ceil(O / block rows), ceil(I / block columns)], by which the numbers of a
//! block are multiplied.

use safetensors::tensor::Dtype;

/// What follows a weight's name in the name of its scales.
pub const SCALE_SUFFIX: &str = "_scale_inv";

/// The number a byte stands for.
pub fn decode(byte: u8) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from((byte >> 3) & 15), f32::from(byte & 7));
    match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => sign * mantissa * 2f32.powi(-9),
        _ => sign * (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    }
}

/// Bytes of a matrix to numbers.
///
/// # Shapes
/// `bytes` [rows, columns], `scales` [ceil(rows / block\[0\]), ceil(columns / block\[1\])], row-major both.
pub fn dequantise(bytes: &[u8], columns: usize, scales: &[f32], block: [usize; 2]) -> Vec<f32> {
    let table: Vec<f32> = (0..=255).map(decode).collect();
    let scale_columns = columns.div_ceil(block[1]);
    let mut out = Vec::with_capacity(bytes.len());
    for (row, line) in bytes.chunks(columns).enumerate() {
        let scales = &scales[row / block[0] * scale_columns..][..scale_columns];
        for (part, scale) in line.chunks(block[1]).zip(scales) {
            out.extend(part.iter().map(|&byte| table[byte as usize] * scale));
        }
    }
    out
}

/// Scales as stored: float32, bfloat16, or `ue8m0` (a byte that is a power of two's exponent, bias 127). None for
/// another type.
pub fn scales(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        Dtype::BF16 => bytes.as_chunks().0.iter().map(|two| half::bf16::from_le_bytes(*two).to_f32()).collect(),
        Dtype::F8_E8M0 => bytes.iter().map(|&byte| 2f32.powi(i32::from(byte) - 127)).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_for_the_published_numbers() {
        let check = |byte: u8, expected: f32| assert_eq!(decode(byte).to_bits(), expected.to_bits(), "{byte:#04x}");
        check(0x00, 0.0);
        check(0x80, -0.0);
        check(0x01, 2f32.powi(-9));
        check(0x07, 7.0 * 2f32.powi(-9));
        check(0x08, 2f32.powi(-6));
        check(0x38, 1.0);
        check(0xb9, -1.125);
        check(0x7e, 448.0);
        check(0xfe, -448.0);
        assert!(decode(0x7f).is_nan() && decode(0xff).is_nan());
        let rising: Vec<f32> = (0..=0x7e).map(decode).collect();
        assert!(rising.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn every_block_has_its_own_scale() {
        let (one, two) = (0x38, 0x40);
        // Three rows of five columns in blocks of two by three.
        let bytes = [[one; 5], [two; 5], [one; 5]].concat();
        let found = dequantise(&bytes, 5, &[1.0, 10.0, 100.0, 0.5], [2, 3]);
        let expected = [[1.0, 1.0, 1.0, 10.0, 10.0], [2.0, 2.0, 2.0, 20.0, 20.0], [100.0, 100.0, 100.0, 0.5, 0.5]];
        assert_eq!(found, expected.concat());
        assert_eq!(scales(&[127, 129, 120], Dtype::F8_E8M0), Some(vec![1.0, 4.0, 2f32.powi(-7)]));
        assert_eq!(scales(&[0, 0, 128, 63], Dtype::F32), Some(vec![1.0]));
        assert_eq!(scales(&[128, 63], Dtype::BF16), Some(vec![1.0]));
        assert_eq!(scales(&[0], Dtype::I8), None);
    }
}
