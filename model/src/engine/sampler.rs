//! Drawing one token: temperature, top-k, top-p, min-p, and the probability the token was drawn with.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Sampling;

/// A drawn token.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    pub id: u32,
    /// Natural logarithm of its probability under the sampler.
    pub logprob: f32,
    /// Ids it was drawn from, ascending.
    pub kept: Vec<u32>,
}

/// Draw from `softmax(logits / temperature)`, cut by `top_k`, then `top_p`, then `min_p`, and renormalised over what is
/// kept. One number of the stream is used, none at temperature 0. Equal probabilities are ordered by id.
///
/// # Shapes
/// `logits` `[V]`, V > 0; minus infinity is never drawn, at least one must be finite.
pub fn sample(logits: &[f32], sampling: &Sampling, stream: &mut ChaCha8Rng) -> Sampled {
    let best =
        (0..logits.len()).reduce(|a, b| if logits[b] > logits[a] { b } else { a }).expect("a vocabulary is not empty");
    if sampling.temperature == 0.0 {
        return Sampled { id: best as u32, logprob: 0.0, kept: vec![best as u32] };
    }
    let top = f64::from(logits[best]);
    let weights: Vec<f64> =
        logits.iter().map(|&logit| ((f64::from(logit) - top) / sampling.temperature).exp()).collect();
    let kept = keep(&weights, sampling);
    let total: f64 = kept.iter().map(|&id| weights[id as usize]).sum();
    let mut target = stream.random::<f64>() * total;
    // Rounding may leave a rest after the last id; it goes to the last id.
    let mut id = *kept.last().expect("the best token is kept");
    for &candidate in &kept {
        target -= weights[candidate as usize];
        if target < 0.0 {
            id = candidate;
            break;
        }
    }
    Sampled { id, logprob: (weights[id as usize] / total).ln() as f32, kept }
}

/// Ids of any weight that pass all cuts, ascending. `weights` are relative to the largest, which is 1.
fn keep(weights: &[f64], sampling: &Sampling) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..weights.len() as u32).filter(|&id| weights[id as usize] > 0.0).collect();
    let weight = |id: u32| weights[id as usize];
    let cut_k = sampling.top_k > 0 && sampling.top_k < ids.len();
    if cut_k || sampling.top_p < 1.0 {
        let order = |a: &u32, b: &u32| weight(*b).total_cmp(&weight(*a)).then(a.cmp(b));
        if cut_k {
            ids.select_nth_unstable_by(sampling.top_k - 1, order);
            ids.truncate(sampling.top_k);
        }
        if sampling.top_p < 1.0 {
            ids.sort_unstable_by(order);
            let enough = sampling.top_p * ids.iter().map(|&id| weight(id)).sum::<f64>();
            let mut reached = 0.0;
            let reach = |&id: &u32| {
                reached += weight(id);
                reached >= enough
            };
            let count = ids.iter().position(reach).map_or(ids.len(), |last| last + 1);
            ids.truncate(count);
        }
        ids.sort_unstable();
    }
    if sampling.min_p > 0.0 {
        ids.retain(|&id| weight(id) >= sampling.min_p);
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn sampling(temperature: f64, top_p: f64) -> Sampling {
        Sampling { temperature, top_p, ..Sampling::default() }
    }

    #[test]
    fn temperature_zero_takes_the_lowest_of_the_best() {
        let mut stream = ChaCha8Rng::seed_from_u64(1);
        let sampled = sample(&[0.0, 3.0, 3.0], &sampling(0.0, 1.0), &mut stream);
        assert_eq!(sampled, Sampled { id: 1, logprob: 0.0, kept: vec![1] });
    }

    #[test]
    fn the_kept_set_is_the_smallest_that_reaches_top_p() {
        let check = |weights: &[f64], top_p, expected: &[u32]| {
            assert_eq!(keep(weights, &sampling(1.0, top_p)), expected, "{top_p}");
        };
        check(&[1.0, 6.0, 3.0], 0.5, &[1]);
        check(&[1.0, 6.0, 3.0], 0.6, &[1]);
        check(&[1.0, 6.0, 3.0], 0.61, &[1, 2]);
        check(&[1.0, 6.0, 3.0], 1.0, &[0, 1, 2]);
        check(&[2.0, 2.0, 2.0, 2.0], 0.5, &[0, 1]);
        check(&[1.0, 1.0], 1e-9, &[0]);
    }

    #[test]
    fn top_k_and_min_p_cut_as_well() {
        let check = |top_k, top_p, min_p, expected: &[u32]| {
            let weights = [0.2, 1.0, 0.5, 0.2, 0.1];
            let settings = Sampling { top_k, top_p, min_p, ..Sampling::default() };
            assert_eq!(keep(&weights, &settings), expected, "{top_k} {top_p} {min_p}");
        };
        check(0, 1.0, 0.0, &[0, 1, 2, 3, 4]);
        check(1, 1.0, 0.0, &[1]);
        check(3, 1.0, 0.0, &[0, 1, 2]);
        check(9, 1.0, 0.0, &[0, 1, 2, 3, 4]);
        check(0, 1.0, 0.5, &[1, 2]);
        check(0, 1.0, 1.0, &[1]);
        // Of the best two, which weigh 1.5, the first alone reaches 60 percent.
        check(2, 0.6, 0.0, &[1]);
        check(4, 0.99, 0.15, &[0, 1, 2, 3]);
    }

    #[test]
    fn what_is_impossible_is_never_drawn() {
        let mut stream = ChaCha8Rng::seed_from_u64(2);
        let never = f32::NEG_INFINITY;
        for _ in 0..200 {
            assert_eq!(sample(&[never, 0.0, never, never], &sampling(3.0, 1.0), &mut stream).id, 1);
        }
    }

    #[test]
    fn frequencies_and_reported_probabilities_agree() {
        let mut stream = ChaCha8Rng::seed_from_u64(5);
        let logits = [0.0f32, 1.0, 2.0, -3.0];
        let (draws, settings) = (20_000, sampling(0.7, 0.95));
        let mut counts = [0u32; 4];
        let mut reported = [0.0f64; 4];
        for _ in 0..draws {
            let sampled = sample(&logits, &settings, &mut stream);
            assert_eq!(sampled.kept, [1, 2]);
            counts[sampled.id as usize] += 1;
            reported[sampled.id as usize] = f64::from(sampled.logprob).exp();
        }
        let expected = 1.0 / (1.0 + (-1.0f64 / 0.7).exp());
        assert!((reported[2] - expected).abs() < 1e-6 && (reported[1] + reported[2] - 1.0).abs() < 1e-6);
        // Four standard deviations of 20,000 draws are about 0.011.
        assert!((f64::from(counts[2]) / f64::from(draws) - expected).abs() < 0.011);
        assert_eq!(counts[0] + counts[3], 0);
    }
}
