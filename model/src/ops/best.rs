//! The best `k` of a stream of scores, ties to the lowest index.

/// Keeps the `k` best of the scores it is shown. Scores must come in ascending order of index; minus infinity and NaN are
/// never kept.
#[derive(Debug, Clone)]
pub struct Best {
    k: usize,
    entries: Vec<(f32, u32)>,
    threshold: f32,
}

impl Best {
    /// For at least one.
    pub fn new(k: usize) -> Self {
        Self { k: k.max(1), entries: Vec::new(), threshold: f32::NEG_INFINITY }
    }

    /// Only a score above it can still be among the best: the k-th best so far is as good, and came earlier.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Show a score.
    pub fn push(&mut self, score: f32, index: u32) {
        if score > self.threshold {
            self.entries.push((score, index));
            if self.entries.len() >= 4 * self.k {
                self.cut();
            }
        }
    }

    /// Take over what another kept of other indices.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.cut();
    }

    /// The indices kept, ascending.
    pub fn indices(mut self) -> Vec<u32> {
        self.cut();
        let mut indices: Vec<u32> = self.entries.into_iter().map(|(_, index)| index).collect();
        indices.sort_unstable();
        indices
    }

    fn cut(&mut self) {
        if self.entries.len() <= self.k {
            return;
        }
        // No entry is NaN; zeros of either sign are equal.
        let order = |a: &(f32, u32), b: &(f32, u32)| (b.0 + 0.0).total_cmp(&(a.0 + 0.0)).then(a.1.cmp(&b.1));
        let (_, last, _) = self.entries.select_nth_unstable_by(self.k - 1, order);
        self.threshold = last.0;
        self.entries.truncate(self.k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expected(scores: &[f32], k: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..scores.len() as u32).filter(|&i| scores[i as usize] > f32::NEG_INFINITY).collect();
        all.sort_by(|&a, &b| scores[b as usize].partial_cmp(&scores[a as usize]).unwrap().then(a.cmp(&b)));
        all.truncate(k);
        all.sort_unstable();
        all
    }

    fn found(scores: &[f32], k: usize, first: u32) -> Best {
        let mut best = Best::new(k);
        for (index, &score) in scores.iter().enumerate() {
            best.push(score, first + index as u32);
        }
        best
    }

    proptest! {
        /// The same indices as a stable sort keeps, also when two halves are looked at apart.
        #[test]
        fn as_a_stable_sort(scores in prop::collection::vec(
            prop_oneof![Just(f32::NEG_INFINITY), Just(-0.0), Just(0.0), (0..6i32).prop_map(|i| i as f32), -9.0f32..9.0], 0..200),
            k in 1usize..20, at in 0usize..200)
        {
            prop_assert_eq!(found(&scores, k, 0).indices(), expected(&scores, k));
            let at = at.min(scores.len());
            let mut best = found(&scores[..at], k, 0);
            best.merge(found(&scores[at..], k, at as u32));
            prop_assert_eq!(best.indices(), expected(&scores, k));
        }
    }
}
