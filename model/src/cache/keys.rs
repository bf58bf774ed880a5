//! The indexer keys of one layer.

use tch::{Kind, Tensor};

use super::format::IndexFormat;
use super::{PAGE, Page, pool};
use crate::checkpoint::fp8;
use crate::ops::index_scan::IndexPool;
use crate::place::Place;

/// The largest e4m3 number.
const LARGEST: f64 = 448.0;

/// Keys in pages; copies share them.
#[derive(Debug)]
pub enum IndexKeys {
    /// Which a pass gathers in order of position. [N, Di]
    Exact(Tensor),
    /// Read where they lie.
    Int8(IndexPool),
    /// As published.
    Fp8(Fp8Keys),
}

/// Keys of e4m3 bytes, and one scale a key by which its numbers are multiplied: the largest magnitude over 448, at least 1e-4, rounded up
/// to a power of two.
#[derive(Debug)]
pub struct Fp8Keys {
    /// [N, Di] uint8
    pub bytes: Tensor,
    /// `[N]` float32
    pub scales: Tensor,
}

impl IndexKeys {
    pub(super) fn new(format: IndexFormat, rows: usize, width: i64, place: Place) -> Self {
        match format {
            IndexFormat::Exact => Self::Exact(pool(rows, width, place.kind, place.device)),
            IndexFormat::Int8 => Self::Int8(IndexPool::new(rows, width as usize)),
            IndexFormat::Fp8 => Self::Fp8(Fp8Keys {
                bytes: pool(rows, width, Kind::Uint8, place.device),
                scales: Tensor::empty([rows as i64], (Kind::Float, place.device)),
            }),
        }
    }

    pub(super) fn share(&self) -> Self {
        match self {
            Self::Exact(pool) => Self::Exact(pool.shallow_clone()),
            Self::Int8(pool) => Self::Int8(pool.share()),
            Self::Fp8(keys) => {
                Self::Fp8(Fp8Keys { bytes: keys.bytes.shallow_clone(), scales: keys.scales.shallow_clone() })
            }
        }
    }

    /// Numbers of a key.
    pub(super) fn width(&self) -> i64 {
        match self {
            Self::Exact(pool) => pool.size()[1],
            Self::Int8(pool) => pool.bytes_per_key() as i64 - 4,
            Self::Fp8(keys) => keys.bytes.size()[1],
        }
    }

    /// Bytes of a key.
    pub(super) fn bytes_per_key(&self) -> usize {
        match self {
            Self::Exact(pool) => pool.size()[1] as usize * pool.kind().elt_size_in_bytes(),
            Self::Int8(pool) => pool.bytes_per_key(),
            Self::Fp8(keys) => keys.bytes.size()[1] as usize + 4,
        }
    }

    pub(super) fn page(&mut self, page: Page) {
        match self {
            Self::Exact(pool) => page.apply(pool),
            Self::Int8(pool) => match page {
                Page::Clear(page) => pool.clear_page(page),
                Page::Copy { from, to } => pool.copy_page(from, to),
            },
            Self::Fp8(keys) => [&keys.bytes, &keys.scales].into_iter().for_each(|pool| page.apply(pool)),
        }
    }

    /// # Shapes
    /// `keys` [n, Di] floating, `slots` `[n]` int64 in 0..N.
    pub(super) fn write(&mut self, keys: &Tensor, slots: &Tensor) {
        match self {
            Self::Exact(pool) => drop(pool.index_copy_(0, slots, keys)),
            Self::Int8(pool) => pool.write(&keys.to_kind(Kind::Float), slots),
            Self::Fp8(pool) => pool.write(keys, slots),
        }
    }
}

impl Fp8Keys {
    fn write(&mut self, keys: &Tensor, slots: &Tensor) {
        let (bytes, scales) = quantise(keys);
        let _ = self.bytes.index_copy_(0, slots, &bytes);
        let _ = self.scales.index_copy_(0, slots, &scales);
    }

    /// What some keys stand for.
    ///
    /// # Shapes
    /// `rows` `[n]` int64 in 0..N -> [n, Di] float32.
    pub fn numbers(&self, rows: &Tensor) -> Tensor {
        let (bytes, scales) = (self.bytes.index_select(0, rows), self.scales.index_select(0, rows));
        let table: Vec<f32> = (0..=255).map(fp8::decode).collect();
        let table = Tensor::from_slice(&table).to_device(bytes.device());
        let numbers = table.index_select(0, &bytes.reshape([-1]).to_kind(Kind::Int64)).view_as(&bytes);
        numbers * scales.unsqueeze(1)
    }
}

/// # Shapes
/// `keys` [n, Di] floating -> bytes [n, Di] uint8 and scales `[n]` float32.
pub fn quantise(keys: &Tensor) -> (Tensor, Tensor) {
    let keys = keys.to_kind(Kind::Float);
    let scales = (keys.abs().amax(-1, true) / LARGEST).clamp_min(1e-4).log2().ceil().exp2(); // [n, 1]
    let bytes = (keys / &scales).clamp(-LARGEST, LARGEST).to_kind(Kind::Float8e4m3fn).view_dtype(Kind::Uint8);
    (bytes, scales.squeeze_dim(1))
}

/// Rows of the pages `pages` names, in order of position.
///
/// # Shapes
/// `pages` [B, P] int64 -> [B P PAGE] int64.
pub(crate) fn rows_of(pages: &Tensor) -> Tensor {
    let within = Tensor::arange(PAGE as i64, (Kind::Int64, pages.device()));
    (pages.unsqueeze(-1) * PAGE as i64 + within).reshape([-1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn fp8_keys_are_near_and_lie_as_published() {
        tch::manual_seed(2);
        let keys = Tensor::randn([5, 128], (Kind::Float, Device::Cpu))
            * Tensor::from_slice(&[1.0f32, 1e-3, 300.0, 0.0, 1.0]).view([5, 1]);
        let mut pool = IndexKeys::new(IndexFormat::Fp8, PAGE, 128, Kind::Float.into());
        assert_eq!((pool.bytes_per_key(), pool.width()), (132, 128));
        let slots = Tensor::from_slice(&[9i64, 3, 0, 63, 8]);
        pool.write(&keys, &slots);
        let IndexKeys::Fp8(found) = &pool else { panic!("made above") };
        // The bytes are those of the format, and scales are powers of two.
        let scale = (300.0 * keys.get(2).abs().max().double_value(&[]) / 300.0 / 448.0).log2().ceil().exp2();
        assert!((found.scales.double_value(&[0]) - scale).abs() < 1e-12);
        let byte = found.bytes.int64_value(&[9, 7]) as u8;
        let stands_for = f64::from(fp8::decode(byte)) * found.scales.double_value(&[9]);
        let exact = keys.double_value(&[0, 7]);
        assert!((stands_for - exact).abs() <= exact.abs() / 16.0 + 1e-3, "{stands_for} for {exact}");
        let back = found.numbers(&slots);
        let bound = keys.abs() / 16.0 + found.scales.index_select(0, &slots).unsqueeze(1) / 512.0;
        assert!(((&back - &keys).abs() - bound).max().double_value(&[]) <= 0.0);
        let (again, scales) = quantise(&back);
        assert_eq!((again, scales), (found.bytes.index_select(0, &slots), found.scales.index_select(0, &slots)));
    }
}
