//! Draws from named random streams. Every choice in this crate comes from a [`Dice`], so that the same seed gives the same bytes on
//! every machine and for every number of threads.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use terrarium_envs::random;

/// A named random stream with the few draws this crate needs. The draws are defined here and not by a library's version: a draw
/// below `n` is the high half of a 64-bit product, whose bias is below `n / 2^64`.
pub struct Dice {
    stream: ChaCha8Rng,
}

impl Dice {
    /// The stream called `name` under `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        Dice { stream: random::stream(seed, name) }
    }

    /// Uniform in `0..n`; 0 for `n == 0`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.stream.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in `low..=high`; `low` where the range is empty.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        let width = high.wrapping_sub(low) as u64;
        let draw = ((u128::from(self.stream.next_u64()) * (u128::from(width) + 1)) >> 64) as u64;
        low.wrapping_add(draw as i64)
    }

    /// Uniform in `low..=high` among the multiples of `step` counted from `low`.
    pub fn stepped(&mut self, low: i64, high: i64, step: i64) -> i64 {
        let step = step.max(1);
        let steps = high.saturating_sub(low).max(0) / step;
        low.saturating_add(self.between(0, steps).saturating_mul(step))
    }

    /// True with this percentage.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent as usize
    }

    /// One of the items; `None` of an empty slice.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// An index by integer weights; uniform where all weights are zero.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        if total == 0 {
            return self.below(weights.len());
        }
        let mut draw = self.below(total as usize) as u64;
        for (index, weight) in weights.iter().enumerate() {
            let weight = u64::from(*weight);
            if draw < weight {
                return index;
            }
            draw -= weight;
        }
        weights.len() - 1
    }

    /// Fisher and Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// An index in `0..n` that prefers small ones: the square of a uniform draw.
    pub fn skewed(&mut self, n: usize) -> usize {
        const GRAIN: usize = 1 << 20;
        let draw = self.below(GRAIN) as u128;
        ((draw * draw * n as u128) >> 40) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_and_repeat() {
        let mut a = Dice::new(7, "x");
        let mut b = Dice::new(7, "x");
        for _ in 0..500 {
            let draw = a.below(9);
            assert!(draw < 9);
            assert_eq!(draw, b.below(9));
            let draw = a.between(-3, 4);
            assert!((-3..=4).contains(&draw));
            assert_eq!(draw, b.between(-3, 4));
            assert_eq!(a.stepped(10, 31, 5) % 5, 0);
            assert!(b.stepped(10, 31, 5) <= 30);
            assert!(a.skewed(5) < 5 && b.skewed(5) < 5);
            assert!([1, 2].contains(&a.weighted(&[0, 3, 1])) && b.weighted(&[0, 3, 1]) > 0);
        }
        assert_eq!(a.between(i64::MIN, i64::MAX), b.between(i64::MIN, i64::MAX));
        assert_eq!(a.pick::<u8>(&[]), None);
    }
}
