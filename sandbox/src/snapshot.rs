//! The memory of a running suite as its difference to the program's initial image, by pages.
//!
//! Reading the whole memory of a 130 KB suite to find its few dirty pages takes microseconds; writing all of it into a fresh instance
//! would take a page fault a page, ten times as long.

use crate::error::{Error, Result};
use crate::program::CoreGuest;

const PAGE_BYTES: usize = 4096;
const WASM_PAGE_BYTES: usize = 65_536;

/// Dirty pages and memory size.
#[derive(Debug)]
pub(crate) struct Snapshot {
    memory_bytes: usize,
    /// Start and length of each run of dirty pages, whose bytes follow each other in `bytes`.
    runs: Vec<(usize, usize)>,
    bytes: Vec<u8>,
}

impl Snapshot {
    /// Pages of `memory` below `end` that differ from `image` (which continues in zeros).
    pub(crate) fn take(memory: &[u8], image: &[u8], end: usize) -> Self {
        let end = end.max(image.len()).next_multiple_of(PAGE_BYTES).min(memory.len());
        let mut snapshot = Snapshot { memory_bytes: memory.len(), runs: Vec::new(), bytes: Vec::new() };
        for (index, page) in memory[..end].chunks(PAGE_BYTES).enumerate() {
            let start = index * PAGE_BYTES;
            let old = &image[start.min(image.len())..(start + page.len()).min(image.len())];
            let (same, rest) = page.split_at(old.len());
            if same == old && rest.iter().all(|b| *b == 0) {
                continue;
            }
            match snapshot.runs.last_mut() {
                Some((run, length)) if *run + *length == start => *length += page.len(),
                _ => snapshot.runs.push((start, page.len())),
            }
            snapshot.bytes.extend_from_slice(page);
        }
        snapshot
    }

    /// Bytes of its pages.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the pages into a fresh guest.
    pub(crate) fn apply(&self, guest: &mut CoreGuest) -> Result<()> {
        let internal = |what: &str| Error::Internal(format!("a snapshot could not be restored: {what}"));
        let have = guest.memory.data_size(&guest.store);
        if self.memory_bytes > have {
            let pages = ((self.memory_bytes - have) / WASM_PAGE_BYTES) as u64;
            guest.memory.grow(&mut guest.store, pages).map_err(|e| internal(&format!("{e:#}")))?;
        }
        let memory = guest.memory.data_mut(&mut guest.store);
        let mut from = 0;
        for (start, length) in &self.runs {
            let target = memory.get_mut(*start..start + length).ok_or_else(|| internal("memory is too small"))?;
            target.copy_from_slice(&self.bytes[from..from + length]);
            from += length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differing_pages_are_kept() {
        let mut image = vec![7; 3 * PAGE_BYTES];
        image[3 * PAGE_BYTES - 1] = 1;
        let mut memory = image.clone();
        memory.resize(16 * PAGE_BYTES, 0);
        assert!(Snapshot::take(&memory, &image, 0).runs.is_empty());
        memory[PAGE_BYTES] = 0;
        memory[2 * PAGE_BYTES] = 0;
        memory[5 * PAGE_BYTES + 9] = 1;
        memory[15 * PAGE_BYTES] = 1;
        let some = Snapshot::take(&memory, &image, 6 * PAGE_BYTES - 1);
        assert_eq!(some.runs, [(PAGE_BYTES, 2 * PAGE_BYTES), (5 * PAGE_BYTES, PAGE_BYTES)]);
        assert_eq!(some.bytes.len(), 3 * PAGE_BYTES);
        // An image that ends inside a page continues in zeros.
        let short = &image[..PAGE_BYTES + 5];
        let mut memory = short.to_vec();
        memory.resize(4 * PAGE_BYTES, 0);
        assert!(Snapshot::take(&memory, short, usize::MAX >> 1).runs.is_empty());
        memory[PAGE_BYTES + 5] = 1;
        assert_eq!(Snapshot::take(&memory, short, 0).runs, [(PAGE_BYTES, PAGE_BYTES)]);
    }
}
