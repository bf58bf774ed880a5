//! Feed-forward layers of float32 rows without libtorch between the products: as [`crate::moe`] defines them.
//!
//! Experts run in the order of their numbers, each on its rows together, and a row adds up what they give in that order, so that its
//! numbers do not depend on its company.

use tch::{Device, Kind, Tensor};

use super::product::multiply;
use super::{numbers, numbers_mut, rowwise};
use crate::config::Config;

/// Memory that is used again for the next expert.
#[derive(Debug, Default)]
struct Work {
    rows: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    result: Vec<f32>,
}

/// Weights of one gated layer; `gate` and `up` [F, M], `down` [M, F].
#[derive(Clone, Copy)]
struct Gated<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    down: &'a [f32],
}

impl Gated<'_> {
    /// `down(silu(gate(x)) * up(x))` of `count` rows of `rows`, into `result`.
    fn run(self, rows: &[f32], count: usize, work: &mut Work) {
        let inner = rows.len() / count;
        let width = self.gate.len() / inner;
        work.gate.resize(count * width, 0.0);
        work.up.resize(count * width, 0.0);
        work.result.resize(count * inner, 0.0);
        multiply(rows, self.gate, &mut work.gate, [count, inner, width]);
        multiply(rows, self.up, &mut work.up, [count, inner, width]);
        rowwise::gate(&mut work.gate, &work.up);
        multiply(&work.gate, self.down, &mut work.result, [count, width, inner]);
    }
}

/// Whether [`gated`], [`choose`] and [`mixture`] can run these: float32 on the CPU, weights contiguous, no gradients wanted.
pub fn fits(x: &Tensor, weights: &[&Tensor]) -> bool {
    rowwise::fits(&[x]) && rowwise::fits(weights) && weights.iter().all(|weight| weight.is_contiguous())
}

/// One gated layer.
///
/// # Shapes
/// `x` [.., M]; `gate`, `up` [F, M], `down` [M, F] -> [.., M].
pub fn gated(x: &Tensor, gate: &Tensor, up: &Tensor, down: &Tensor) -> Tensor {
    let x = x.contiguous();
    let rows = numbers::<f32>(&x);
    let mut work = Work::default();
    let layer = Gated { gate: numbers(gate), up: numbers(up), down: numbers(down) };
    layer.run(rows, rows.len() / down.size()[0] as usize, &mut work);
    Tensor::from_slice(&work.result).view_as(&x)
}

/// The experts of every row, ascending, and their weights: the best of the best groups by score and bias, ties to the lowest index.
///
/// # Shapes
/// `x` [N, M], `weight` [E, M], `bias` `[E]` -> [N, A] int64 and float32.
pub fn choose(x: &Tensor, weight: &Tensor, bias: &Tensor, config: &Config) -> (Tensor, Tensor) {
    let count = x.size()[0] as usize;
    let (experts, active) = (config.n_routed_experts as usize, config.num_experts_per_tok as usize);
    let (groups, kept_groups) = (config.n_group as usize, config.topk_group as usize);
    let x = x.contiguous();
    let mut scores = vec![0f32; count * experts];
    multiply(numbers::<f32>(&x), numbers::<f32>(weight), &mut scores, [count, config.hidden_size as usize, experts]);
    scores.iter_mut().for_each(|score| *score = rowwise::sigmoid(*score));
    let bias = numbers::<f32>(bias);
    let (mut ids, mut weights) = (Vec::with_capacity(count * active), Vec::with_capacity(count * active));
    for scores in scores.chunks_exact(experts) {
        let choice: Vec<f32> = scores.iter().zip(bias).map(|(score, bias)| score + bias).collect();
        let per_group = experts / groups;
        let group_scores: Vec<f32> = choice.chunks_exact(per_group).map(best_two).collect();
        let groups = best(&group_scores, 0..groups, kept_groups);
        let open = groups.into_iter().flat_map(|group| group * per_group..(group + 1) * per_group);
        let chosen = best(&choice, open, active);
        let plain: Vec<f32> = chosen.iter().map(|&expert| scores[expert]).collect();
        let total = if config.norm_topk_prob { plain.iter().sum::<f32>() + 1e-20 } else { 1.0 };
        weights.extend(plain.iter().map(|score| score / total * config.routed_scaling_factor as f32));
        ids.extend(chosen.iter().map(|&expert| expert as i64));
    }
    let size = [count as i64, active as i64];
    (Tensor::from_slice(&ids).view(size), Tensor::from_slice(&weights).view(size))
}

fn best_two(scores: &[f32]) -> f32 {
    let (mut first, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for &score in scores {
        if score > first {
            (first, second) = (score, first);
        } else if score > second {
            second = score;
        }
    }
    first + second
}

/// The `count` candidates with the best scores, ascending; among equals the lower.
fn best(scores: &[f32], candidates: impl Iterator<Item = usize>, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = candidates.collect();
    // Zeros of either sign are equal.
    order.sort_by(|&a, &b| (scores[b] + 0.0).total_cmp(&(scores[a] + 0.0)).then(a.cmp(&b)));
    order.truncate(count);
    order.sort_unstable();
    order
}

/// What the chosen experts give, weighted.
///
/// # Shapes
/// `x` [N, M]; `experts` [N, A] int64 and `weights` [N, A]; `gate_up` [E, 2F, M], `down` [E, M, F] -> [N, M].
pub fn mixture(x: &Tensor, experts: &Tensor, weights: &Tensor, gate_up: &Tensor, down: &Tensor) -> Tensor {
    let [_, inner, width] = down.size()[..] else { unreachable!("callers pass [E, M, F]") };
    let (inner, width, active) = (inner as usize, width as usize, experts.size()[1] as usize);
    let x = x.contiguous();
    let rows = numbers::<f32>(&x);
    let (experts, weights) = (experts.contiguous(), weights.contiguous());
    let weights = numbers::<f32>(&weights);
    // Places in the table of experts, an expert after the other, rows ascending.
    let mut places: Vec<(i64, usize)> = numbers::<i64>(&experts).iter().copied().zip(0..).collect();
    places.sort_unstable();
    let (gate_up, down) = (numbers::<f32>(gate_up), numbers::<f32>(down));
    let mut out = Tensor::zeros(x.size(), (Kind::Float, Device::Cpu));
    let sums = numbers_mut::<f32>(&mut out);
    let mut work = Work::default();
    for some in places.chunk_by(|a, b| a.0 == b.0) {
        let expert = some[0].0 as usize;
        let both = &gate_up[expert * 2 * width * inner..][..2 * width * inner];
        let layer = Gated {
            gate: &both[..width * inner],
            up: &both[width * inner..],
            down: &down[expert * inner * width..][..inner * width],
        };
        let mut gathered = std::mem::take(&mut work.rows);
        gathered.clear();
        for (_, place) in some {
            gathered.extend_from_slice(&rows[place / active * inner..][..inner]);
        }
        layer.run(&gathered, some.len(), &mut work);
        work.rows = gathered;
        for ((_, place), result) in some.iter().zip(work.result.chunks_exact(inner)) {
            let weight = weights[*place];
            for (sum, value) in sums[place / active * inner..][..inner].iter_mut().zip(result) {
                *sum += value * weight;
            }
        }
    }
    out
}
