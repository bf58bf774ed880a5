//! Paged cache of latent rows and indexer keys for many conversations.
//!
//! A [`Cache`] owns the pages, a [`Sequence`] names those of one conversation in order. Shortening a sequence is free
//! (what lies behind its end is masked by position), a fork shares pages until one side writes into the last one, and
//! pages come back with [`Cache::release`]. Sequences are plain tables: one that is dropped without release keeps its pages.

use tch::{Device, Kind, Tensor};

use crate::{Config, Error, Result};

/// Positions in one page.
pub const PAGE: usize = 64;

/// The pages of all conversations, one pool of rows a layer.
#[derive(Debug)]
pub struct Cache {
    rows: Vec<Tensor>,          // a layer: [pages * PAGE, R + Dr]
    index: Vec<Option<Tensor>>, // a layer: [pages * PAGE, Di], where the layer has an indexer
    references: Vec<u32>,       // a page: how many sequences name it
    free: Vec<usize>,           // pages nobody names; the last is handed out next
    pages_max: usize,
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
    pub fn new(config: &Config, kind: Kind, device: Device, tokens_max: usize) -> Self {
        let empty = |width: i64| Tensor::zeros([0, width], (kind, device));
        Self {
            rows: (0..config.num_hidden_layers).map(|_| empty(config.kv_lora_rank + config.qk_rope_head_dim)).collect(),
            index: config.index_full.iter().map(|&full| full.then(|| empty(config.index_head_dim))).collect(),
            references: Vec::new(),
            free: Vec::new(),
            pages_max: tokens_max.div_ceil(PAGE),
        }
    }

    /// Positions that can still be added, over all sequences.
    pub fn tokens_free(&self) -> usize {
        (self.pages_max - self.references.len() + self.free.len()) * PAGE
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
    pub(crate) fn extend(&mut self, sequences: &mut [&mut Sequence], count: usize, device: Device) -> Result<Table> {
        let needed: usize = sequences.iter().map(|sequence| self.pages_needed(sequence, count)).sum();
        let available = self.pages_max - self.references.len() + self.free.len();
        if needed > available {
            return Err(Error::Cache(format!("{needed} pages needed, {available} of {} are free", self.pages_max)));
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
        let rows = sequences.len() as i64;
        Ok(Table {
            positions: Tensor::from_slice(&positions).view([rows, -1]).to_device(device),
            pages: Tensor::from_slice(&pages).view([rows, -1]).to_device(device),
            slots: Tensor::from_slice(&slots).to_device(device),
        })
    }

    fn pages_needed(&self, sequence: &Sequence, count: usize) -> usize {
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
        for pool in self.rows.iter_mut().chain(self.index.iter_mut().flatten()) {
            let source = pool.narrow(0, (*last * PAGE) as i64, PAGE as i64);
            pool.narrow(0, (copy * PAGE) as i64, PAGE as i64).copy_(&source);
        }
        let old = std::mem::replace(last, copy);
        self.drop_page(old);
    }

    /// A page with one reference; the caller has checked that there is one.
    fn take_page(&mut self) -> usize {
        if self.free.is_empty() {
            self.grow();
        }
        let page = self.free.pop().expect("grow adds a page");
        self.references[page] = 1;
        page
    }

    /// Double the pools, within the limit.
    fn grow(&mut self) {
        let old = self.references.len();
        let new = (old * 2).clamp(old + 1, self.pages_max.max(old + 1)).max(8.min(self.pages_max));
        for pool in self.rows.iter_mut().chain(self.index.iter_mut().flatten()) {
            let more = Tensor::zeros([((new - old) * PAGE) as i64, pool.size()[1]], (pool.kind(), pool.device()));
            *pool = Tensor::cat(&[pool.shallow_clone(), more], 0);
        }
        self.references.resize(new, 0);
        self.free.extend((old..new).rev());
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
        let _ = self.rows[layer].index_copy_(0, &table.slots, &flat(row));
        let index = index.map(|keys| {
            let pool = self.index[layer].as_mut().expect("a layer with indexer keys has a pool");
            let _ = pool.index_copy_(0, &table.slots, &flat(keys));
            let width = pool.size()[1];
            let [b, pages] = table.pages.size()[..] else { unreachable!("made by extend()") };
            let paged = pool.view([-1, PAGE as i64 * width]).index_select(0, &table.pages.view([-1]));
            paged.view([b, pages * PAGE as i64, width]) // [B, T, Di]
        });
        crate::attention::Keys { rows: self.rows[layer].shallow_clone(), index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(tokens_max: usize) -> Cache {
        Cache::new(&Config::tiny(), Kind::Float, Device::Cpu, tokens_max)
    }

    #[test]
    fn pages_come_back() {
        let mut cache = cache(4 * PAGE);
        let (mut a, mut b) = (Sequence::default(), Sequence::default());
        cache.extend(&mut [&mut a], 2 * PAGE + 1, Device::Cpu).unwrap();
        cache.extend(&mut [&mut b], 1, Device::Cpu).unwrap();
        assert_eq!(cache.tokens_free(), 0);
        let error = cache.extend(&mut [&mut a, &mut b], PAGE, Device::Cpu).unwrap_err();
        assert!(matches!(error, Error::Cache(_)), "{error}");
        assert_eq!((a.len(), b.len()), (2 * PAGE + 1, 1), "a refused extension changes nothing");
        cache.truncate(&mut a, PAGE);
        assert_eq!(cache.tokens_free(), 2 * PAGE);
        cache.release(a);
        cache.release(b);
        assert_eq!(cache.tokens_free(), 4 * PAGE);
    }

    #[test]
    fn a_fork_writes_into_its_own_copy() {
        let mut cache = cache(8 * PAGE);
        let mut a = Sequence::default();
        let table = cache.extend(&mut [&mut a], 3, Device::Cpu).unwrap();
        let rows = |value: f64, count: i64| Tensor::full([1, count, 48], value, (Kind::Float, Device::Cpu));
        cache.write(0, &table, &rows(1.0, 3), None);
        let mut b = cache.fork(&a);
        let table = cache.extend(&mut [&mut b], 1, Device::Cpu).unwrap();
        cache.write(0, &table, &rows(2.0, 1), None);
        let table = cache.extend(&mut [&mut a], 1, Device::Cpu).unwrap();
        let keys = cache.write(0, &table, &rows(3.0, 1), None);
        let read = |sequence: &Sequence, position: i64| {
            keys.rows.double_value(&[(sequence.pages[0] * PAGE) as i64 + position, 0]) as i64
        };
        assert_eq!([read(&a, 2), read(&a, 3), read(&b, 2), read(&b, 3)], [1, 3, 1, 2]);
    }
}
