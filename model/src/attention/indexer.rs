//! The lightning indexer: a small attention-like score that decides which earlier positions a query may look at.
//!
//! `I[t, s] = sum_j w[t, j] * relu(q[t, j] . k[s])` over indexer heads j, one shared key a position (report, equation 1),
//! with the constants `Hi^-0.5 * Di^-0.5` on `w`. The rotated part of a head comes first, the plain part after it.
//! The Hadamard rotation of the fp8 reference is left out: it is orthogonal and changes no exact score.

use tch::Tensor;

use super::Pass;
use crate::cache::IndexKeys;
use crate::config::Config;
use crate::norm::layer_norm;
use crate::ops::cuda;
use crate::rope::Layout;
use crate::rows::linear;
use crate::topk::top_k;

/// Epsilon of the key's layer norm; not a configuration field.
const KEY_NORM_EPS: f64 = 1e-6;
/// Scores of one step before the sum over heads hold at most this many numbers.
const SCORES_MAX: i64 = 1 << 21;

/// Weights of one indexer.
#[derive(Debug)]
pub struct Indexer {
    pub wq_b: Tensor,         // [Hi Di, Rq]
    pub wk: Tensor,           // [Di, M]
    pub k_norm: Tensor,       // [Di]
    pub k_norm_bias: Tensor,  // [Di]
    pub weights_proj: Tensor, // [Hi, M]
}

/// What the indexer derives from the queries of a pass.
#[derive(Debug)]
pub struct IndexQuery {
    heads: Tensor,   // [B, S, Hi, Di]
    weights: Tensor, // [B, S, Hi]
}

impl Indexer {
    /// Keys of the pass's own tokens.
    ///
    /// # Shapes
    /// `x` [B, S, M] (the attention's normalised input) -> [B, S, Di].
    pub fn keys(&self, x: &Tensor, pass: &Pass, config: &Config) -> Tensor {
        let k = layer_norm(&linear(x, &self.wk), &self.k_norm, &self.k_norm_bias, KEY_NORM_EPS);
        rotate(&k.unsqueeze(2), pass, config).squeeze_dim(2)
    }

    /// Queries and head weights of the pass's tokens.
    ///
    /// # Shapes
    /// `x` [B, S, M], `q_latent` [B, S, Rq] (normalised).
    pub fn queries(&self, x: &Tensor, q_latent: &Tensor, pass: &Pass, config: &Config) -> IndexQuery {
        let (heads, width) = (config.index_n_heads, config.index_head_dim);
        let [b, s, _] = x.size()[..] else { unreachable!("callers pass [B, S, M]") };
        let q = linear(q_latent, &self.wq_b).view([b, s, heads, width]); // [B, S, Hi, Di]
        let scale = (heads as f64).powf(-0.5) * (width as f64).powf(-0.5);
        IndexQuery { heads: rotate(&q, pass, config), weights: linear(x, &self.weights_proj) * scale }
    }
}

/// Turn the rotated part, which comes first in an indexer head.
fn rotate(x: &Tensor, pass: &Pass, config: &Config) -> Tensor {
    let rotated = config.qk_rope_head_dim;
    let layout = if config.index_rope_interleaved { Layout::Interleaved } else { Layout::Halves };
    let turned = pass.rotation.apply(&x.narrow(-1, 0, rotated), layout);
    Tensor::cat(&[turned, x.narrow(-1, rotated, config.index_head_dim - rotated)], -1)
}

impl IndexQuery {
    /// Scores of all key positions, minus infinity after the query.
    ///
    /// # Shapes
    /// `keys` [B, T, Di], `positions` [B, S] -> [B, S, T].
    pub fn scores(&self, keys: &Tensor, positions: &Tensor) -> Tensor {
        let [b, s, heads, width] = self.heads.size()[..] else { unreachable!("made by queries()") };
        let length = keys.size()[1];
        let mut logits = self.heads.reshape([b, s * heads, width]).bmm(&keys.transpose(1, 2)); // [B, S Hi, T]
        let logits = logits.relu_().view([b * s, heads, length]);
        let scores = self.weights.reshape([b * s, 1, heads]).bmm(&logits).view([b, s, length]); // [B, S, T]
        let key_position = Tensor::arange(length, (tch::Kind::Int64, keys.device())); // [T]
        scores.masked_fill(&key_position.gt_tensor(&positions.unsqueeze(-1)), f64::NEG_INFINITY)
    }

    /// The best `index_topk` positions of every query, ascending, -1 where fewer exist: by the kernels of the GPU, that of the CPU,
    /// or the definition. No gradient flows through it.
    ///
    /// # Shapes
    /// [B, S, K] int64, K = min(index_topk, T).
    pub fn select(&self, keys: &IndexKeys, pass: &Pass, config: &Config) -> Tensor {
        let (k, length) = (config.index_topk, pass.key_length());
        if length <= k {
            return everything(pass, length);
        }
        tch::no_grad(|| match keys {
            IndexKeys::Exact(pool) if let Some(device) = cuda::index::device_for(&self.heads, pool) => {
                let (pages, positions) = (&pass.pages, &pass.positions);
                let selected = cuda::index::select(device, &self.heads, &self.weights, pool, pages, positions, k);
                selected.unwrap_or_else(|error| panic!("{error}"))
            }
            IndexKeys::Exact(pool) => self.select_exact(&pass.gather(pool), pass, k),
            IndexKeys::Quantised(pool) => {
                pool.select(&self.heads, &self.weights, &pass.positions, &pass.pages, k as usize)
            }
        })
    }

    /// The plain definition, some queries at a time.
    ///
    /// # Shapes
    /// `keys` [B, T, Di], T > k -> [B, S, k] int64.
    fn select_exact(&self, keys: &Tensor, pass: &Pass, k: i64) -> Tensor {
        let [b, s, heads, _] = self.heads.size()[..] else { unreachable!("made by queries()") };
        let length = keys.size()[1];
        let step = (SCORES_MAX / (b * heads * length)).clamp(1, s);
        let parts: Vec<Tensor> = (0..s)
            .step_by(step as usize)
            .map(|start| {
                let count = step.min(s - start);
                let part = IndexQuery {
                    heads: self.heads.narrow(1, start, count),
                    weights: self.weights.narrow(1, start, count),
                };
                // No query of this step sees further than its last one.
                let seen = (pass.first_position + start + count).clamp(k, length);
                let positions = pass.positions.narrow(1, start, count);
                top_k(&part.scores(&keys.narrow(1, 0, seen), &positions), k)
            })
            .collect();
        Tensor::cat(&parts, 1) // [B, S, k]
    }
}

/// Every position up to the query's: the selection while the context is no longer than `index_topk`.
fn everything(pass: &Pass, length: i64) -> Tensor {
    let position = Tensor::arange(length, (tch::Kind::Int64, pass.positions.device())); // [T]
    let last = pass.positions.unsqueeze(-1); // [B, S, 1]
    let later = position.gt_tensor(&last); // [B, S, T]
    position.expand_as(&later).masked_fill(&later, -1)
}
