//! Feed-forward layers: the gated dense one, and the mixture of experts of DeepSeek-V3 (arXiv 2412.19437, section 2.1.2).
//!
//! Routing: `s = sigmoid(x W)`; experts are chosen by `s + bias`, first the best `topk_group` groups (a group's score is
//! the sum of its two best), then the best experts inside them; they are weighted by plain `s`, normalised, times a
//! constant. Ties go to the lowest index.

use tch::{Kind, Tensor};

use crate::config::Config;
use crate::ops::experts;
use crate::rows::{elementwise, linear};
use crate::topk::top_k;

/// `down(silu(gate(x)) * up(x))`.
#[derive(Debug)]
pub struct Mlp {
    pub gate: Tensor, // [F, M]
    pub up: Tensor,   // [F, M]
    pub down: Tensor, // [M, F]
}

impl Mlp {
    /// # Shapes
    /// `x` [.., M] -> [.., M].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        if experts::fits(x, &[&self.gate, &self.up, &self.down]) {
            return experts::gated(x, &self.gate, &self.up, &self.down);
        }
        linear(&(elementwise(&linear(x, &self.gate), Tensor::silu) * linear(x, &self.up)), &self.down)
    }
}

/// Which experts each token goes to, and with what weight.
#[derive(Debug)]
pub struct Routing {
    /// [N, A] int64, ascending in a row.
    pub experts: Tensor,
    /// [N, A]
    pub weights: Tensor,
}

/// The part that chooses experts.
#[derive(Debug)]
pub struct Router {
    pub weight: Tensor, // [E, M], at least float32, as the bias
    pub bias: Tensor,   // [E]: only for the choice, never for the weights
}

impl Router {
    /// Choose experts for every token.
    ///
    /// # Shapes
    /// `x` [N, M] -> experts and weights [N, A], weights of the router's kind.
    pub fn route(&self, x: &Tensor, config: &Config) -> Routing {
        if experts::fits(x, &[&self.weight, &self.bias]) {
            let (experts, weights) = experts::choose(x, &self.weight, &self.bias, config);
            return Routing { experts, weights };
        }
        let scores = elementwise(&linear(&x.to_kind(self.weight.kind()), &self.weight), Tensor::sigmoid); // [N, E]
        let experts = tch::no_grad(|| self.choose(&scores, config));
        weigh(&scores, experts, config)
    }

    /// The best experts of the best groups, ascending.
    ///
    /// # Shapes
    /// `scores` [N, E] -> [N, A] int64.
    fn choose(&self, scores: &Tensor, config: &Config) -> Tensor {
        let (groups, experts) = (config.n_group, config.n_routed_experts);
        let choice = scores + &self.bias; // [N, E]
        let grouped = choice.view([-1, groups, experts / groups]); // [N, G, E/G]
        let (best_two, _) = grouped.topk(2, -1, true, false);
        let group_scores = best_two.sum_dim_intlist(-1, false, None::<Kind>); // [N, G]
        let kept = top_k(&group_scores, config.topk_group);
        let closed = group_scores.ones_like().to_kind(Kind::Bool).scatter_value(-1, &kept, 0i64); // [N, G]
        let closed = closed.unsqueeze(-1).expand_as(&grouped).reshape([-1, experts]); // [N, E]
        top_k(&choice.masked_fill(&closed, f64::NEG_INFINITY), config.num_experts_per_tok)
    }
}

/// Weights of chosen experts: their plain scores, normalised and scaled.
fn weigh(scores: &Tensor, experts: Tensor, config: &Config) -> Routing {
    let mut weights = scores.gather(-1, &experts, false); // [N, A]
    if config.norm_topk_prob {
        weights = &weights / (weights.sum_dim_intlist(-1, true, None::<Kind>) + 1e-20);
    }
    Routing { experts, weights: weights * config.routed_scaling_factor }
}

/// A mixture-of-experts layer with its shared expert.
#[derive(Debug)]
pub struct Moe {
    pub router: Router,
    pub gate_up: Tensor, // [E, 2F, M]
    pub down: Tensor,    // [E, M, F]
    pub shared: Mlp,
}

impl Moe {
    /// The layer's output and the routing it used.
    ///
    /// # Shapes
    /// `x` [B, S, M] -> [B, S, M].
    pub fn forward(&self, x: &Tensor, config: &Config) -> (Tensor, Routing) {
        let flat = x.reshape([-1, config.hidden_size]); // [N, M]
        let routing = self.router.route(&flat, config);
        let routed = self.experts(&flat, &routing);
        (routed.view_as(x) + self.shared.forward(x), routing)
    }

    /// Each expert on the tokens sent to it, in the order of experts, so that sums do not depend on the batch.
    ///
    /// # Shapes
    /// `x` [N, M] -> [N, M].
    fn experts(&self, x: &Tensor, routing: &Routing) -> Tensor {
        if experts::fits(x, &[&routing.weights, &self.gate_up, &self.down]) {
            return experts::mixture(x, &routing.experts, &routing.weights, &self.gate_up, &self.down);
        }
        let width = self.down.size()[2];
        let active = routing.experts.size()[1];
        let (sorted, order) = routing.experts.reshape([-1]).sort_stable(true, 0, false); // [N A]
        let sorted = Vec::<i64>::try_from(sorted.to_device(tch::Device::Cpu)).expect("int64 values");
        let weights = routing.weights.reshape([-1, 1]); // [N A, 1]
        let mut out = Tensor::zeros(x.size(), (routing.weights.kind(), x.device())); // [N, M], wide
        let mut start = 0;
        while start < sorted.len() {
            let expert = sorted[start];
            let end = start + sorted[start..].partition_point(|&other| other == expert);
            let pairs = order.narrow(0, start as i64, (end - start) as i64); // [n]
            let tokens = pairs.floor_divide_scalar(active); // [n]
            let gate_up = linear(&x.index_select(0, &tokens), &self.gate_up.get(expert)); // [n, 2F]
            let hidden = elementwise(&gate_up.narrow(1, 0, width), Tensor::silu) * gate_up.narrow(1, width, width); // [n, F]
            let result = linear(&hidden, &self.down.get(expert)); // [n, M]
            let result = result.to_kind(weights.kind()) * weights.index_select(0, &pairs);
            out = out.index_add(0, &tokens, &result);
            start = end;
        }
        out.to_kind(x.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn config() -> Config {
        let mut config = Config::tiny();
        (config.hidden_size, config.n_routed_experts, config.n_group) = (8, 8, 4);
        (config.topk_group, config.num_experts_per_tok) = (2, 2);
        config
    }

    /// Router scores equal to the inputs' logits: an identity weight.
    fn route(logits: &[f64], bias: &[f64]) -> (Vec<i64>, Vec<f64>) {
        let router = Router { weight: Tensor::eye(8, (Kind::Double, Device::Cpu)), bias: Tensor::from_slice(bias) };
        let routing = router.route(&Tensor::from_slice(logits).reshape([1, 8]), &config());
        (routing.experts.reshape([-1]).try_into().unwrap(), routing.weights.reshape([-1]).try_into().unwrap())
    }

    #[test]
    fn experts_come_only_from_the_best_groups() {
        // Expert 0 is the best single one, but its group's second is so weak that groups 1 and 2 win.
        let logits = [3.0, -9.0, 2.0, 2.0, 2.5, 1.0, -9.0, -9.0];
        let (experts, weights) = route(&logits, &[0.0; 8]);
        assert_eq!(experts, [2, 4]);
        let (a, b) = (1.0 / (1.0 + (-2.0f64).exp()), 1.0 / (1.0 + (-2.5f64).exp()));
        assert!((weights[0] - 2.5 * a / (a + b)).abs() < 1e-9);
        assert!((weights.iter().sum::<f64>() - 2.5).abs() < 1e-9);
    }

    #[test]
    fn the_bias_chooses_but_does_not_weigh() {
        let (experts, weights) = route(&[0.0; 8], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 5.0]);
        assert_eq!(experts, [6, 7]);
        assert_eq!(weights, [1.25, 1.25]);
        let (experts, _) = route(&[0.0; 8], &[0.0; 8]);
        assert_eq!(experts, [0, 1], "ties go to the lowest index");
    }

    #[test]
    fn the_mixture_is_the_weighted_sum_of_its_experts() {
        tch::set_num_threads(1);
        tch::manual_seed(5);
        let options = (Kind::Double, Device::Cpu);
        let moe = Moe {
            router: Router { weight: Tensor::randn([8, 8], options), bias: Tensor::randn([8], options) },
            gate_up: Tensor::randn([8, 6, 8], options),
            down: Tensor::randn([8, 8, 3], options),
            shared: Mlp {
                gate: Tensor::randn([3, 8], options),
                up: Tensor::randn([3, 8], options),
                down: Tensor::randn([8, 3], options),
            },
        };
        let x = Tensor::randn([2, 5, 8], options);
        let (found, routing) = moe.forward(&x, &config());
        let expected = moe.shared.forward(&x).reshape([10, 8]);
        for token in 0..10 {
            for slot in 0..2 {
                let expert = routing.experts.int64_value(&[token, slot]);
                let weight = routing.weights.double_value(&[token, slot]);
                let one = Mlp {
                    gate: moe.gate_up.get(expert).narrow(0, 0, 3),
                    up: moe.gate_up.get(expert).narrow(0, 3, 3),
                    down: moe.down.get(expert),
                };
                let part = one.forward(&x.reshape([10, 8]).narrow(0, token, 1)) * weight;
                let _ = expected.narrow(0, token, 1).g_add_(&part);
            }
        }
        assert!((found.reshape([10, 8]) - &expected).abs().max().double_value(&[]) < 1e-12);

        // The kernels of float32 choose and sum alike, and a token has the same bits alone.
        let single = |x: &Tensor| x.to_kind(Kind::Float);
        let shared = &moe.shared;
        let fast = Moe {
            router: Router { weight: single(&moe.router.weight), bias: single(&moe.router.bias) },
            gate_up: single(&moe.gate_up),
            down: single(&moe.down),
            shared: Mlp { gate: single(&shared.gate), up: single(&shared.up), down: single(&shared.down) },
        };
        let (single_found, single_routing) = fast.forward(&single(&x), &config());
        assert_eq!(single_routing.experts, routing.experts);
        let error = (single_found.to_kind(Kind::Double).reshape([10, 8]) - expected).abs().max().double_value(&[]);
        assert!(error < 1e-4, "{error:e}");
        if crate::ops::available() {
            let (alone, _) = fast.forward(&single(&x.narrow(1, 3, 1)), &config());
            assert_eq!(alone, single_found.narrow(1, 3, 1));
        }
    }
}
