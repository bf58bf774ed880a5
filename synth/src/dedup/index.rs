//! Finding near-duplicates among many sets without comparing all pairs: MinHash sketches (A. Broder, "On the resemblance and
//! containment of documents", 1997) whose bands are hash tables (P. Indyk, R. Motwani, 1998), over the crate `minhash-rs`.
//!
//! 60 registers in 20 bands of 3: two sets of Jaccard similarity s meet in a band with the chance 1 - (1 - s^3)^20: 0.93 at 0.5, 0.99 at
//! 0.6, 0.9998 at 0.7. The estimate of a similarity s has the standard deviation sqrt(s (1 - s) / 60): 0.06 at 0.7.

use minhash_rs::prelude::{MinHash, MinHasher};
use std::collections::HashMap;

/// Registers of a sketch.
pub const REGISTERS: usize = 60;
/// Bands of an index.
const BANDS: usize = 20;
/// Sets of one bucket that are compared at most, the last ones first.
const BUCKET_MAX: usize = 64;
/// No earlier set in a bucket.
const NONE: u32 = u32::MAX;

/// What is kept of a set.
pub type Sketch = MinHash<u16, REGISTERS>;

/// The sketch of a set.
pub fn sketch(features: &[u64]) -> Sketch {
    features.iter().copied().collect()
}

/// The estimated Jaccard similarity of two sets.
pub fn alike(a: &Sketch, b: &Sketch) -> f64 {
    a.estimate_jaccard_index(b)
}

/// Sketches by number, in the order they came: 500 to 600 bytes each.
#[derive(Clone, Debug)]
pub struct Index {
    sketches: Vec<Sketch>,
    /// For each band: the last sketch of each bucket.
    last: Vec<HashMap<u32, u32>>,
    /// For each sketch and band: the one before it in the same bucket.
    before: Vec<[u32; BANDS]>,
}

impl Default for Index {
    fn default() -> Self {
        Index { sketches: Vec::new(), last: vec![HashMap::new(); BANDS], before: Vec::new() }
    }
}

impl Index {
    /// Sketches in it.
    pub fn len(&self) -> usize {
        self.sketches.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sketches.is_empty()
    }

    /// Adds a sketch; its number.
    pub fn insert(&mut self, sketch: &Sketch) -> u32 {
        let number = self.sketches.len() as u32;
        let mut before = [NONE; BANDS];
        for (band, hash) in sketch.band_hashes::<BANDS>().into_iter().enumerate() {
            before[band] = self.last[band].insert(bucket(hash), number).unwrap_or(NONE);
        }
        self.sketches.push(*sketch);
        self.before.push(before);
        number
    }

    /// Numbers of the sketches that are alike by at least `least`, and how much, in the order of their numbers.
    pub fn near(&self, sketch: &Sketch, least: f64) -> Vec<(u32, f64)> {
        let mut candidates: Vec<u32> = Vec::new();
        for (band, hash) in sketch.band_hashes::<BANDS>().into_iter().enumerate() {
            let mut at = self.last[band].get(&bucket(hash)).copied().unwrap_or(NONE);
            for _ in 0..BUCKET_MAX {
                if at == NONE {
                    break;
                }
                candidates.push(at);
                at = self.before[at as usize][band];
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        let scored = candidates.into_iter().map(|n| (n, alike(sketch, &self.sketches[n as usize])));
        scored.filter(|(_, alike)| *alike >= least).collect()
    }
}

/// Half of a band's hash: enough, since sketches are compared afterwards.
fn bucket(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::pool::jaccard;

    #[test]
    fn estimates_are_near_the_truth_and_near_sets_are_found() {
        let mut index = Index::default();
        let set = |first: u64, shared: u64| -> Vec<u64> {
            (0..shared).chain(1000 * first..1000 * first + 80 - shared).collect()
        };
        let sets: Vec<Vec<u64>> = (1..=8).map(|n| set(n, n * 10)).collect();
        sets.iter().for_each(|s| {
            index.insert(&sketch(s));
        });
        for (n, s) in sets.iter().enumerate() {
            let found = index.near(&sketch(s), 0.6);
            assert!(found.contains(&(n as u32, 1.0)), "{found:?}");
            for (other, o) in sets.iter().enumerate() {
                let (truth, estimate) = (jaccard(s, o), alike(&sketch(s), &sketch(o)));
                assert!((truth - estimate).abs() < 0.2, "{n} {other}: {truth} {estimate}");
                let is_found = found.iter().any(|(f, _)| *f == other as u32);
                assert_eq!(is_found, estimate >= 0.6, "{n} {other}: {truth} {estimate}");
            }
        }
    }
}
