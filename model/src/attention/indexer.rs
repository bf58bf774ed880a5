//! The lightning indexer: a small attention-like score that decides which earlier positions a query may look at.
//!
//! `I[t, s] = sum_j w[t, j] * relu(q[t, j] . k[s])` over indexer heads j, one shared key a position (report, equation 1),
//! with the constants `Hi^-0.5 * Di^-0.5` on `w`. The rotated part of a head comes first, the plain part after it.
//! The Hadamard rotation of the fp8 reference is left out: it is orthogonal and changes no exact score.

use tch::{Kind, Tensor};

use super::Pass;
use crate::cache::{IndexKeys, PAGE, rows_of};
use crate::config::Config;
use crate::norm::layer_norm;
use crate::ops::cuda::{Runner, index};
use crate::ops::{autograd, index_scan};
use crate::place::wide;
use crate::rope::Layout;
use crate::rows::linear;
use crate::topk::top_k;
use crate::{Error, Result};

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
    heads: Tensor,   // [B, S, Hi, Di], in the model's kind
    weights: Tensor, // [B, S, Hi], at least float32
}

impl Indexer {
    /// Keys of the pass's own tokens.
    ///
    /// # Shapes
    /// `x` [B, S, M] (the attention's normalised input) -> [B, S, Di].
    pub fn keys(&self, x: &Tensor, pass: &Pass, config: &Config) -> Tensor {
        let k = linear(x, &self.wk).to_kind(self.k_norm.kind());
        let k = layer_norm(&k, &self.k_norm, &self.k_norm_bias, KEY_NORM_EPS);
        rotate(&k.unsqueeze(2), pass, config).squeeze_dim(2).to_kind(x.kind())
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
        let weights = linear(&x.to_kind(self.weights_proj.kind()), &self.weights_proj) * scale;
        IndexQuery { heads: rotate(&q, pass, config), weights }
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
    /// Queries `[B, S, Hi, Di]` and head weights `[B, S, Hi]`, the constants of the score included.
    pub fn new(heads: Tensor, weights: Tensor) -> Self {
        Self { heads, weights }
    }

    /// Scores of all key positions, minus infinity after the query: by the kernels of the GPU or by the definition. Differentiable, for
    /// the indexer's own loss.
    ///
    /// # Shapes
    /// `keys` [B, T, Di], `positions` [B, S] -> [B, S, T], at least float32.
    pub fn scores(&self, keys: &Tensor, positions: &Tensor) -> Tensor {
        match index::learner(&self.heads, keys) {
            Some(runner) => self.scores_by_kernel(runner, keys, positions).unwrap_or_else(|error| panic!("{error}")),
            None => self.scores_by_definition(keys, positions),
        }
    }

    fn scores_by_definition(&self, keys: &Tensor, positions: &Tensor) -> Tensor {
        let [b, s, heads, width] = self.heads.size()[..] else { unreachable!("made by queries()") };
        let (length, kind) = (keys.size()[1], wide(self.heads.kind()));
        let q = self.heads.reshape([b, s * heads, width]).to_kind(kind);
        let logits = q.bmm(&keys.transpose(1, 2).to_kind(kind)).relu().view([b * s, heads, length]); // [B S, Hi, T]
        let weights = self.weights.reshape([b * s, 1, heads]).to_kind(kind);
        let scores = weights.bmm(&logits).view([b, s, length]); // [B, S, T]
        scores.masked_fill(&later(length, positions), f64::NEG_INFINITY)
    }

    fn scores_by_kernel(&self, runner: &'static dyn Runner, keys: &Tensor, positions: &Tensor) -> Result<Tensor> {
        let [b, length, _] = keys.size()[..] else { unreachable!("callers pass [B, T, Di]") };
        let (heads, weights) =
            (self.heads.detach().contiguous(), self.weights.detach().to_kind(Kind::Float).contiguous());
        let held = keys.detach().contiguous();
        let (padded, pages) = paged(&held);
        let places = positions.to_kind(Kind::Int).contiguous();
        let form = index::Keys::Exact(&padded);
        let scores = index::scores(runner, &heads, &weights, form, &pages, &places, length)?;
        if ![&self.heads, &self.weights, keys].into_iter().any(autograd::wanted) {
            return Ok(scores);
        }
        let (later, kind) = (later(length, positions), self.weights.kind());
        let backward = move |d_scores: &Tensor| {
            let d_scores = d_scores.to_kind(Kind::Float).masked_fill(&later, 0.0).contiguous();
            let rows: Vec<index::Gradients> = (0..b)
                .map(|row| {
                    let part = |x: &Tensor| x.get(row).contiguous();
                    index::backward(runner, &part(&heads), &part(&weights), &part(&held), &part(&d_scores))
                })
                .collect::<Result<_>>()?;
            let stack = |of: fn(&index::Gradients) -> &Tensor, kind| {
                Some(Tensor::stack(&rows.iter().map(of).collect::<Vec<_>>(), 0).to_kind(kind))
            };
            Ok::<_, Error>(vec![
                stack(|of| &of.queries, heads.kind()),
                stack(|of| &of.weights, kind),
                stack(|of| &of.keys, held.kind()),
            ])
        };
        autograd::attach(&[&self.heads, &self.weights, keys], scores, Box::new(backward))
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
        tch::no_grad(|| {
            let stored = match keys {
                IndexKeys::Exact(pool) => index::Keys::Exact(pool),
                IndexKeys::Fp8(pool) => index::Keys::Fp8 { bytes: &pool.bytes, scales: &pool.scales },
                IndexKeys::Int8(pool) => return self.select_int8(pool, pass, k),
            };
            if let Some(runner) = index::scorer(&self.heads, stored) {
                let (heads, weights, positions) = (&self.heads, &self.weights, &pass.positions);
                let selected = match keys {
                    // A pass without a cache has a single page a row.
                    IndexKeys::Exact(pool) if pass.page_size != PAGE as i64 => {
                        let (padded, pages) = paged(&pass.gather(pool));
                        index::select(runner, heads, weights, index::Keys::Exact(&padded), &pages, positions, k)
                    }
                    _ => index::select(runner, heads, weights, stored, &pass.pages, positions, k),
                };
                return selected.unwrap_or_else(|error| panic!("{error}"));
            }
            match keys {
                IndexKeys::Exact(pool) => self.select_exact(&pass.gather(pool), pass, k),
                IndexKeys::Fp8(pool) => {
                    let numbers = pool.numbers(&rows_of(&pass.pages)); // [B T, Di]
                    self.select_exact(&numbers.view([pass.pages.size()[0], length, -1]), pass, k)
                }
                IndexKeys::Int8(_) => unreachable!("selected above"),
            }
        })
    }

    fn select_int8(&self, pool: &index_scan::IndexPool, pass: &Pass, k: i64) -> Tensor {
        let single = |x: &Tensor| x.to_kind(Kind::Float);
        pool.select(&single(&self.heads), &single(&self.weights), &pass.positions, &pass.pages, k as usize)
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

/// Keys of a batch in pages, as the kernel reads them; those of a row lie one after the other.
///
/// # Shapes
/// `keys` [B, T, Di] -> [B P PAGE, Di] and [B, P] int32.
fn paged(keys: &Tensor) -> (Tensor, Tensor) {
    let [b, length, width] = keys.size()[..] else { unreachable!("callers pass [B, T, Di]") };
    let pages = (length + PAGE as i64 - 1) / PAGE as i64;
    let padded = keys.constant_pad_nd([0, 0, 0, pages * PAGE as i64 - length]).reshape([-1, width]);
    (padded, Tensor::arange(b * pages, (Kind::Int, keys.device())).view([b, pages]))
}

/// Which keys come after their query.
///
/// # Shapes
/// `positions` [B, S] -> [B, S, length] bool.
fn later(length: i64, positions: &Tensor) -> Tensor {
    Tensor::arange(length, (Kind::Int64, positions.device())).gt_tensor(&positions.unsqueeze(-1))
}

/// Every position up to the query's: the selection while the context is no longer than `index_topk`.
fn everything(pass: &Pass, length: i64) -> Tensor {
    let later = later(length, &pass.positions); // [B, S, T]
    Tensor::arange(length, (Kind::Int64, later.device())).expand_as(&later).masked_fill(&later, -1)
}
