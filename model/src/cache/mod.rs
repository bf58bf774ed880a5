//! Paged cache of latent rows and indexer keys for many conversations.
//!
//! A [`Cache`] owns the pages, a [`Sequence`] names those of one conversation in order. Shortening a sequence is free
//! (what lies behind its end is masked by position), a fork shares pages until one side writes into the last one, and
//! pages come back with [`Cache::release`]. Sequences are plain tables: one that is dropped without release keeps its pages.

mod format;
mod keys;
pub mod packed;

use tch::{Device, Kind, Tensor};

pub use format::{Format, IndexFormat, RowFormat};
pub(crate) use keys::rows_of;
pub use keys::{Fp8Keys, IndexKeys, quantise};

use crate::ops::large_pages;
use crate::place::Place;
use crate::{Config, Error, Result};

/// Positions in one page.
pub const PAGE: usize = 64;

/// The pages of all conversations, one pool of rows a layer. Pools are as large as the cache may grow; the memory behind a
/// page is not touched before the page is used.
#[derive(Debug)]
pub struct Cache {
    place: Place,
    format: Format,
    rank: i64,
    width: i64,
    rows: Vec<Tensor>,             // a layer: [pages * PAGE, R + Dr], or bytes of packed rows
    index: Vec<Option<IndexKeys>>, // a layer: where the layer has an indexer
    references: Vec<u32>,          // a page: how many sequences name it
    free: Vec<usize>,              // pages nobody names; the last is handed out next
}

/// A pool of rows, all of them untouched memory.
fn pool(rows: usize, width: i64, kind: Kind, device: Device) -> Tensor {
    let pool = Tensor::empty([rows as i64, width], (kind, device));
    large_pages(&pool);
    pool
}

/// What is done to a page of every pool.
#[derive(Debug, Clone, Copy)]
enum Page {
    /// All zeros: a masked position must not be a number that spoils sums.
    Clear(usize),
    Copy {
        from: usize,
        to: usize,
    },
}

impl Page {
    fn apply(self, pool: &Tensor) {
        let page = |index: usize| pool.narrow(0, (index * PAGE) as i64, PAGE as i64);
        match self {
            Self::Clear(index) => drop(page(index).zero_()),
            Self::Copy { from, to } => page(to).copy_(&page(from)),
        }
    }
}

/// The tokens of one conversation in the cache.
#[derive(Debug, Default)]
pub struct Sequence {
    pages: Vec<usize>,
    length: usize,
}

impl Sequence {
    /// Number of cached positions.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is cached.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// Where the tokens of one pass go and what they can see.
#[derive(Debug)]
pub struct Table {
    pub positions: Tensor, // [B, S] int64
    pub pages: Tensor,     // [B, P] int64
    pub slots: Tensor,     // [B S] int64: rows the new tokens are written to
}

impl Cache {
    /// An empty cache that may grow to `tokens_max` positions over all sequences (rounded up to whole pages).
    ///
    /// # Errors
    /// [`Error::Cache`] if this model or machine cannot have a cache of that format.
    pub fn new(config: &Config, place: Place, tokens_max: usize, format: Format) -> Result<Self> {
        format.check(config, place)?;
        let pages = tokens_max.div_ceil(PAGE);
        let (rank, width) = (config.kv_lora_rank, config.kv_lora_rank + config.qk_rope_head_dim);
        let rows = || match format.rows {
            RowFormat::Exact => pool(pages * PAGE, width, place.kind, place.device),
            RowFormat::Fp8 => pool(pages * PAGE, packed::row_bytes(width, rank), Kind::Uint8, place.device),
        };
        let index = || IndexKeys::new(format.index, pages * PAGE, config.index_head_dim, place);
        Ok(Self {
            place,
            format,
            rank,
            width,
            rows: (0..config.num_hidden_layers).map(|_| rows()).collect(),
            index: config.index_full.iter().map(|&full| full.then(index)).collect(),
            references: vec![0; pages],
            free: (0..pages).rev().collect(),
        })
    }

    /// Positions that can still be added, over all sequences.
    pub fn tokens_free(&self) -> usize {
        self.free.len() * PAGE
    }

    /// How it stores rows and keys.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes that pages in use take, over all layers.
    pub fn bytes_used(&self) -> usize {
        let row = |pool: &Tensor| pool.size()[1] as usize * pool.kind().elt_size_in_bytes();
        let rows: usize = self.rows.iter().map(row).sum();
        let index: usize = self.index.iter().flatten().map(IndexKeys::bytes_per_key).sum();
        (self.references.len() - self.free.len()) * PAGE * (rows + index)
    }

    /// Cut a sequence to its first `length` positions.
    pub fn truncate(&mut self, sequence: &mut Sequence, length: usize) {
        sequence.length = sequence.length.min(length);
        for page in sequence.pages.split_off(sequence.length.div_ceil(PAGE)) {
            self.drop_page(page);
        }
    }

    /// A second sequence with the same positions, sharing their pages.
    pub fn fork(&mut self, sequence: &Sequence) -> Sequence {
        for &page in &sequence.pages {
            self.references[page] += 1;
        }
        Sequence { pages: sequence.pages.clone(), length: sequence.length }
    }

    /// Give a sequence's pages back.
    pub fn release(&mut self, mut sequence: Sequence) {
        self.truncate(&mut sequence, 0);
    }

    fn drop_page(&mut self, page: usize) {
        self.references[page] -= 1;
        if self.references[page] == 0 {
            self.free.push(page);
        }
    }

    /// Make room for `count` more positions in each sequence and lengthen them; the rows are to be written by the pass.
    ///
    /// # Errors
    /// [`Error::Cache`] if the pages do not suffice; then nothing has changed.
    pub(crate) fn extend(&mut self, sequences: &mut [&mut Sequence], count: usize) -> Result<Table> {
        let needed: usize = sequences.iter().map(|sequence| self.pages_needed(sequence, count)).sum();
        let (available, all) = (self.free.len(), self.references.len());
        if needed > available {
            return Err(Error::Cache(format!("{needed} pages needed, {available} of {all} are free")));
        }
        let (mut positions, mut slots) = (Vec::new(), Vec::new());
        for sequence in sequences.iter_mut() {
            self.unshare_last(sequence);
            for position in sequence.length..sequence.length + count {
                if position == sequence.pages.len() * PAGE {
                    sequence.pages.push(self.take_page());
                }
                positions.push(position as i64);
                slots.push((sequence.pages[position / PAGE] * PAGE + position % PAGE) as i64);
            }
            sequence.length += count;
        }
        let longest = sequences.iter().map(|sequence| sequence.pages.len()).max().unwrap_or(0);
        let mut pages = Vec::with_capacity(sequences.len() * longest);
        for sequence in sequences.iter() {
            pages.extend(sequence.pages.iter().map(|&page| page as i64));
            // Any page will do: its positions lie after the query.
            pages.resize(pages.len() + longest - sequence.pages.len(), 0);
        }
        let (rows, device) = (sequences.len() as i64, self.place.device);
        Ok(Table {
            positions: Tensor::from_slice(&positions).view([rows, -1]).to_device(device),
            pages: Tensor::from_slice(&pages).view([rows, -1]).to_device(device),
            slots: Tensor::from_slice(&slots).to_device(device),
        })
    }

    /// Pages that `count` more positions of a sequence take.
    pub(crate) fn pages_needed(&self, sequence: &Sequence, count: usize) -> usize {
        let fresh = (sequence.length + count).div_ceil(PAGE) - sequence.pages.len();
        fresh + usize::from(self.last_is_shared(sequence))
    }

    fn last_is_shared(&self, sequence: &Sequence) -> bool {
        !sequence.length.is_multiple_of(PAGE) && sequence.pages.last().is_some_and(|&page| self.references[page] > 1)
    }

    /// Copy a half-filled last page that another sequence names as well.
    fn unshare_last(&mut self, sequence: &mut Sequence) {
        if !self.last_is_shared(sequence) {
            return;
        }
        let copy = self.take_page();
        let last = sequence.pages.last_mut().expect("a shared last page exists");
        let old = std::mem::replace(last, copy);
        self.page(Page::Copy { from: old, to: copy });
        self.drop_page(old);
    }

    /// A page with one reference, all zeros: a masked position must not be a number that spoils sums. The caller has
    /// checked that there is one.
    fn take_page(&mut self) -> usize {
        let page = self.free.pop().expect("the caller has checked");
        self.references[page] = 1;
        self.page(Page::Clear(page));
        page
    }

    fn page(&mut self, page: Page) {
        self.rows.iter().for_each(|pool| page.apply(pool));
        self.index.iter_mut().flatten().for_each(|keys| keys.page(page));
    }

    /// Write one layer's new rows and answer with everything the table's sequences hold.
    pub(crate) fn write(
        &mut self,
        layer: usize,
        table: &Table,
        row: &Tensor,
        index: Option<&Tensor>,
    ) -> crate::attention::Keys {
        let flat = |x: &Tensor| x.reshape([-1, x.size()[2]]);
        let row = match self.format.rows {
            RowFormat::Exact => flat(row),
            RowFormat::Fp8 => packed::pack(&flat(row), self.rank),
        };
        let _ = self.rows[layer].index_copy_(0, &table.slots, &row);
        let index = index.map(|new| {
            let keys = self.index[layer].as_mut().expect("a layer with indexer keys has a pool");
            keys.write(&flat(new), &table.slots);
            keys.share()
        });
        crate::attention::Keys { rows: self.rows[layer].shallow_clone(), index }
    }

    /// Lengthen a sequence by `count` positions whose rows and indexer keys are random, as a stand-in for a prompt where
    /// only time is measured.
    ///
    /// # Errors
    /// [`Error::Cache`] if the pages do not suffice.
    pub fn fill(&mut self, sequence: &mut Sequence, count: usize) -> Result<()> {
        /// Positions made at a time.
        const STEP: usize = 4096;
        for start in (0..count).step_by(STEP) {
            let part = STEP.min(count - start);
            let table = self.extend(&mut [&mut *sequence], part)?;
            let options = (self.place.kind, self.place.device);
            let random = |width: i64| Tensor::randn([1, part as i64, width], options);
            for layer in 0..self.rows.len() {
                let index = self.index[layer].as_ref().map(|keys| random(keys.width()));
                let row = random(self.width);
                self.write(layer, &table, &row, index.as_ref());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(tokens_max: usize) -> Cache {
        Cache::new(&Config::tiny(), Kind::Float.into(), tokens_max, Format::default()).unwrap()
    }

    #[test]
    fn pages_come_back() {
        let mut cache = cache(4 * PAGE);
        let (mut a, mut b) = (Sequence::default(), Sequence::default());
        cache.extend(&mut [&mut a], 2 * PAGE + 1).unwrap();
        cache.extend(&mut [&mut b], 1).unwrap();
        assert_eq!(cache.tokens_free(), 0);
        let error = cache.extend(&mut [&mut a, &mut b], PAGE).unwrap_err();
        assert!(matches!(error, Error::Cache(_)), "{error}");
        assert_eq!((a.len(), b.len()), (2 * PAGE + 1, 1), "a refused extension changes nothing");
        cache.truncate(&mut a, PAGE);
        assert_eq!(cache.tokens_free(), 2 * PAGE);
        cache.release(a);
        cache.release(b);
        assert_eq!(cache.tokens_free(), 4 * PAGE);
    }

    #[test]
    fn formats_take_the_bytes_they_say() {
        let mut config = Config::tiny();
        (config.kv_lora_rank, config.qk_rope_head_dim) = (128, 64);
        let cases = [
            (RowFormat::Exact, IndexFormat::Exact, Kind::Float, 4 * 192, 4 * 32),
            (RowFormat::Exact, IndexFormat::Int8, Kind::Float, 4 * 192, 36),
            (RowFormat::Fp8, IndexFormat::Fp8, Kind::Float, 128 + 4 + 128, 36),
            (RowFormat::Exact, IndexFormat::Exact, Kind::BFloat16, 2 * 192, 2 * 32),
        ];
        for (rows, index, kind, row_bytes, key_bytes) in cases {
            let mut cache = Cache::new(&config, kind.into(), 640, Format { rows, index }).unwrap();
            let mut sequence = Sequence::default();
            cache.fill(&mut sequence, 65).unwrap();
            let found = (sequence.len(), cache.bytes_used());
            assert_eq!(found, (65, 2 * PAGE * 2 * (row_bytes + key_bytes)), "{rows:?} {index:?}");
        }
        let refused = |config: &Config, kind: Kind, format: Format| {
            Cache::new(config, kind.into(), 64, format).unwrap_err().to_string()
        };
        let error = refused(&config, Kind::Double, IndexFormat::Int8.into());
        assert!(error.contains("float32"), "{error}");
        let error = refused(&Config::tiny(), Kind::Float, Format { rows: RowFormat::Fp8, ..Format::default() });
        assert!(error.contains("128, not 32"), "{error}");
    }

    #[test]
    fn a_fork_writes_into_its_own_copy() {
        let mut cache = cache(8 * PAGE);
        let mut a = Sequence::default();
        let table = cache.extend(&mut [&mut a], 3).unwrap();
        let rows = |value: f64, count: i64| Tensor::full([1, count, 48], value, (Kind::Float, Device::Cpu));
        cache.write(0, &table, &rows(1.0, 3), None);
        let mut b = cache.fork(&a);
        let table = cache.extend(&mut [&mut b], 1).unwrap();
        cache.write(0, &table, &rows(2.0, 1), None);
        let table = cache.extend(&mut [&mut a], 1).unwrap();
        let keys = cache.write(0, &table, &rows(3.0, 1), None);
        let read = |sequence: &Sequence, position: i64| {
            keys.rows.double_value(&[(sequence.pages[0] * PAGE) as i64 + position, 0]) as i64
        };
        assert_eq!([read(&a, 2), read(&a, 3), read(&b, 2), read(&b, 3)], [1, 3, 1, 2]);
    }
}
