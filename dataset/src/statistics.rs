//! Statistics of repeated attempts. Pure functions, no database.
//!
//! Sources: Wilson score interval: E. B. Wilson (1927), as method 3 of R. G. Newcombe, "Two-sided confidence intervals for the single
//! proportion", Statistics in Medicine 17 (1998). pass@k: M. Chen et al., "Evaluating Large Language Models Trained on Code" (2021),
//! equation 1. pass^k: S. Yao et al., tau-bench (2024), section 3: the chance that k attempts all succeed.

use serde::Serialize;

/// The normal quantile of a two-sided interval of 95 %.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// A proportion and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The proportion, 0 to 1.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The Wilson score interval of `successes` in `trials`; none without trials. `successes` may be a fraction: a sum of
/// per-task proportions, each task one trial (a trial that is not all or nothing varies less, so the interval errs on the wide side).
pub fn wilson(successes: f64, trials: u64, z: f64) -> Option<Estimate> {
    if trials == 0 {
        return None;
    }
    let n = trials as f64;
    let p = successes / n;
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z / scale * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    // At the ends the two terms cancel exactly; rounding must not leave 1e-17 there.
    let low = if p <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if p >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    Some(Estimate { value: p, low, high })
}

/// Unbiased estimate, from `solved` of `attempts`, of the chance that at least one of `k` attempts succeeds. None if k is 0 or more
/// than the attempts.
pub fn pass_at_k(attempts: u64, solved: u64, k: u64) -> Option<f64> {
    if k == 0 || k > attempts || solved > attempts {
        return None;
    }
    // 1 - C(n-c, k) / C(n, k), as a product that neither overflows nor cancels.
    let failed = attempts - solved;
    let mut none = 1.0;
    for i in 0..k {
        none *= failed.saturating_sub(i) as f64 / (attempts - i) as f64;
    }
    Some(1.0 - none)
}

/// Unbiased estimate, from `solved` of `attempts`, of the chance that `k` attempts all succeed. None as for [`pass_at_k`].
pub fn pass_pow_k(attempts: u64, solved: u64, k: u64) -> Option<f64> {
    if k == 0 || k > attempts || solved > attempts {
        return None;
    }
    let mut all = 1.0;
    for i in 0..k {
        all *= solved.saturating_sub(i) as f64 / (attempts - i) as f64;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe 1998, table I, method 3 (score without continuity correction), printed to four digits.
    #[test]
    fn wilson_agrees_with_the_published_table() {
        for (successes, trials, low, high) in [
            (81.0, 263, 0.2553, 0.3662),
            (15.0, 148, 0.0624, 0.1605),
            (0.0, 20, 0.0, 0.1611),
            (1.0, 29, 0.0061, 0.1718),
        ] {
            let found = wilson(successes, trials, Z_95).unwrap();
            assert!(
                (found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5,
                "{successes}/{trials}: {found:?}"
            );
        }
        let none = wilson(0.0, 7, Z_95).unwrap();
        let all = wilson(7.0, 7, Z_95).unwrap();
        assert_eq!((none.value, none.low, all.value, all.high), (0.0, 0.0, 1.0, 1.0));
        assert!((none.high - (1.0 - all.low)).abs() < 1e-15, "the interval is symmetric");
        assert_eq!(wilson(0.0, 0, Z_95), None);
    }

    /// All subsets of size k, counted one by one.
    #[test]
    fn pass_estimates_agree_with_counting_subsets() {
        for attempts in 1..=8u64 {
            for solved in 0..=attempts {
                for k in 1..=attempts {
                    let (mut subsets, mut any, mut all) = (0.0, 0.0, 0.0);
                    for subset in 0u32..1 << attempts {
                        if u64::from(subset.count_ones()) == k {
                            let hits = u64::from((subset & ((1 << solved) - 1)).count_ones());
                            subsets += 1.0;
                            any += f64::from(u8::from(hits > 0));
                            all += f64::from(u8::from(hits == k));
                        }
                    }
                    let at = pass_at_k(attempts, solved, k).unwrap();
                    let pow = pass_pow_k(attempts, solved, k).unwrap();
                    assert!(
                        (at - any / subsets).abs() < 1e-12 && (pow - all / subsets).abs() < 1e-12,
                        "{attempts} {solved} {k}"
                    );
                }
            }
        }
    }

    #[test]
    fn pass_estimates_of_known_cases() {
        assert!((pass_at_k(10, 3, 5).unwrap() - (1.0 - 21.0 / 252.0)).abs() < 1e-15);
        assert!((pass_pow_k(10, 3, 2).unwrap() - 3.0 / 45.0).abs() < 1e-15);
        // Binomials of 2000 overflow f64; the product does not.
        assert!((pass_at_k(2000, 1, 1000).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!((pass_at_k(4, 2, 5), pass_at_k(4, 2, 0), pass_pow_k(4, 2, 5)), (None, None, None));
    }
}
