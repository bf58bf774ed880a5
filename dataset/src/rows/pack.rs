//! Lists of numbers as bytes: little endian, zstd.

/// zstd's level: components and token ids shrink little beyond it.
const LEVEL: i32 = 3;
/// No unpacked list may be larger, so that a damaged database cannot make us allocate without bound.
const BYTES_MAX: u64 = 1 << 30;

/// Packs lists with one zstd context: making a context costs more than packing a short list.
pub struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    bytes: Vec<u8>,
}

impl Packer {
    /// A packer.
    pub fn new() -> Packer {
        let compressor = zstd::bulk::Compressor::new(LEVEL).expect("making a zstd context fails only without memory");
        Packer { compressor, bytes: Vec::new() }
    }

    /// Packs bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.compressor.compress(bytes).expect("compressing into memory cannot fail")
    }

    /// Packs numbers.
    pub fn numbers<N: Number>(&mut self, numbers: &[N]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        for number in numbers {
            bytes.extend_from_slice(number.to_bytes().as_ref());
        }
        let packed = self.bytes(&bytes);
        self.bytes = bytes;
        packed
    }
}

/// Unpacks bytes.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let length = zstd::zstd_safe::get_frame_content_size(packed).map_err(|_| "not zstd".to_owned())?;
    let length = length.ok_or("a zstd frame without its length")?;
    if length > BYTES_MAX {
        return Err(format!("{length} bytes unpacked, more than {BYTES_MAX}"));
    }
    zstd::bulk::decompress(packed, length as usize).map_err(|e| format!("zstd: {e}"))
}

/// A number of a fixed width.
pub trait Number: Copy {
    /// Its bytes, little endian.
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;
    /// Its width.
    const WIDTH: usize;
    /// To bytes.
    fn to_bytes(self) -> Self::Bytes;
    /// From bytes.
    fn of_bytes(bytes: Self::Bytes) -> Self;
}

macro_rules! number {
    ($type:ty, $width:literal) => {
        impl Number for $type {
            type Bytes = [u8; $width];
            const WIDTH: usize = $width;
            fn to_bytes(self) -> [u8; $width] {
                self.to_le_bytes()
            }
            fn of_bytes(bytes: [u8; $width]) -> Self {
                <$type>::from_le_bytes(bytes)
            }
        }
    };
}
number!(u16, 2);
number!(u32, 4);
number!(f32, 4);

/// Unpacks numbers.
pub fn unpack_numbers<N: Number>(packed: &[u8]) -> Result<Vec<N>, String> {
    let bytes = unpack(packed)?;
    if bytes.len() % N::WIDTH != 0 {
        return Err(format!("{} bytes are no list of {}-byte numbers", bytes.len(), N::WIDTH));
    }
    let number = |chunk| N::Bytes::try_from(chunk).map(N::of_bytes).map_err(|_| "an odd number".to_owned());
    bytes.chunks_exact(N::WIDTH).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_with_their_bits() {
        let logprobs = [0.0f32, -0.0, -1.5, f32::MIN_POSITIVE, f32::NEG_INFINITY, f32::from_bits(0x7fc0_1234)];
        let back: Vec<f32> = unpack_numbers(&Packer::new().numbers(&logprobs)).unwrap();
        assert_eq!(back.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), logprobs.map(f32::to_bits));
        assert_eq!(unpack_numbers::<u32>(&Packer::new().numbers::<u32>(&[])).unwrap(), Vec::<u32>::new());
        assert_eq!(Packer::new().numbers(&[0x0102u16]), Packer::new().bytes(&[2, 1]));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let packed = Packer::new().numbers(&[1u32, 2, 3]);
        assert!(unpack(&packed[..packed.len() - 1]).is_err());
        assert!(unpack(b"no zstd").is_err());
        assert!(unpack_numbers::<u32>(&Packer::new().bytes(&[1, 2, 3])).unwrap_err().contains("3 bytes"));
    }
}
