//! The whole model: embedding, layers, final norm, output head.

use std::path::Path;

use tch::{Kind, Tensor};

use crate::attention::indexer::Indexer;
use crate::attention::mla::Attention;
use crate::attention::{Keys, Pass};
use crate::cache::{Cache, Format, IndexKeys, PAGE, Sequence, Table};
use crate::checkpoint::{self, Weights};
use crate::moe::{Mlp, Moe, Router};
use crate::norm::rms_norm;
use crate::place::Place;
use crate::rope::{self, Rotation};
use crate::rows::linear;
use crate::stages::{Stage, stage};
use crate::{Config, Error, Result, TokensError, init};

/// A DSA transformer with its weights, computing on one device in one kind.
#[derive(Debug)]
pub struct Model {
    config: Config,
    weights: Weights,
    place: Place,
    embedding: Tensor, // [V, M]
    layers: Vec<Layer>,
    norm: Tensor,        // [M]
    head: Tensor,        // [V, M]
    frequencies: Tensor, // [Dr/2] float64
}

/// One block: attention and feed-forward, each behind a norm and added to its input.
#[derive(Debug)]
struct Layer {
    input_layernorm: Tensor, // [M]
    attention: Attention,
    post_attention_layernorm: Tensor, // [M]
    feed_forward: FeedForward,
}

#[derive(Debug)]
enum FeedForward {
    Dense(Mlp),
    Sparse(Moe),
}

/// What the passes through the layers decided, for tests, training and replay.
#[derive(Debug, Default)]
pub struct Trace {
    /// A layer each: selected key positions, ascending, -1 where fewer exist. [B, S, K] int64
    pub selected: Vec<Tensor>,
    /// A mixture layer each, first layer first: routed experts, ascending. [B S, A] int64
    pub experts: Vec<Tensor>,
}

/// The result of a pass.
#[derive(Debug)]
pub struct Output {
    /// Normalised last hidden state; [`Model::logits`] turns it into scores. [B, S, M]
    pub hidden: Tensor,
    pub trace: Trace,
}

impl Model {
    /// A model with seeded random weights, computing in `place` (a kind alone: on the CPU). The same seed gives the same weights
    /// everywhere.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration is inconsistent or no model computes in that kind.
    pub fn init(config: Config, seed: u64, place: impl Into<Place>) -> Result<Self> {
        let place = place.into();
        config.validate()?;
        place.check()?;
        let weights = init::weights(&config, seed);
        Self::new(config, weights.to(place), place)
    }

    /// Load a Hugging Face folder (`config.json`, one or several `.safetensors`), computing in `place` (a kind alone: on the CPU). Each
    /// weight goes there as it is read.
    ///
    /// # Errors
    /// As [`Config::load`] and [`checkpoint::load`]; [`Error::Config`] if no model computes in that kind.
    pub fn load(folder: &Path, place: impl Into<Place>) -> Result<Self> {
        let place = place.into();
        place.check()?;
        let config = Config::load(folder)?;
        let weights = checkpoint::load(folder, &config, place)?;
        Self::new(config, weights, place)
    }

    /// Save as a Hugging Face folder, in float32.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Safetensors`].
    pub fn save(&self, folder: &Path) -> Result<()> {
        checkpoint::save(folder, &self.config, &self.weights, Kind::Float, checkpoint::SHARD_BYTES_MAX)
    }

    /// Weights, named as in [`checkpoint::shapes`] and in their place, in their layers.
    fn new(config: Config, weights: Weights, place: Place) -> Result<Self> {
        let layers =
            (0..config.num_hidden_layers).map(|layer| Layer::new(&config, &weights, layer)).collect::<Result<_>>()?;
        Ok(Self {
            embedding: weights.get("model.embed_tokens.weight")?,
            layers,
            norm: weights.get("model.norm.weight")?,
            head: weights.get("lm_head.weight")?,
            frequencies: rope::frequency_tensor(&config.rope, config.qk_rope_head_dim, place.device),
            config,
            weights,
            place,
        })
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All weights by name; training makes them leaves and steps them in place.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Where the model computes, and in which kind.
    pub fn place(&self) -> Place {
        self.place
    }

    /// An empty cache for this model that may hold `tokens_max` positions, with exact rows and indexer keys.
    pub fn cache(&self, tokens_max: usize) -> Cache {
        self.cache_with(tokens_max, Format::default()).expect("every model can have exact rows and keys")
    }

    /// An empty cache for this model that may hold `tokens_max` positions.
    ///
    /// # Errors
    /// [`Error::Cache`] if the model cannot have a cache of that format.
    pub fn cache_with(&self, tokens_max: usize, format: impl Into<Format>) -> Result<Cache> {
        Cache::new(&self.config, self.place, tokens_max, format.into())
    }

    /// Check a batch of token ids and make it a tensor.
    ///
    /// # Errors
    /// [`Error::Tokens`]: no rows, an empty or uneven row, an id outside the vocabulary, a row beyond the context.
    ///
    /// # Shapes
    /// [B, S] int64.
    pub fn tokens(&self, rows: &[Vec<i64>]) -> Result<Tensor> {
        let first = rows.first().ok_or(TokensError::NoRows)?.len();
        for (row, ids) in rows.iter().enumerate() {
            if ids.is_empty() {
                return Err(TokensError::EmptyRow { row }.into());
            }
            if ids.len() != first {
                return Err(TokensError::Ragged { row, expected: first, found: ids.len() }.into());
            }
            let outside = ids.iter().position(|id| !(0..self.config.vocab_size).contains(id));
            if let Some(position) = outside {
                let (id, vocabulary) = (ids[position], self.config.vocab_size);
                return Err(TokensError::OutsideVocabulary { row, position, id, vocabulary }.into());
            }
        }
        if first as i64 > self.config.max_position_embeddings {
            return Err(TokensError::TooLong { length: first, context: self.config.max_position_embeddings }.into());
        }
        let flat: Vec<i64> = rows.iter().flatten().copied().collect();
        Ok(Tensor::from_slice(&flat).view([rows.len() as i64, -1]).to_device(self.place.device))
    }

    /// Run whole sequences from their first token, without a cache. Differentiable.
    ///
    /// # Panics
    /// If `tokens` was not made by [`Model::tokens`] (another rank, or ids outside the vocabulary).
    ///
    /// # Shapes
    /// `tokens` [B, S] int64, made by [`Model::tokens`].
    pub fn forward(&self, tokens: &Tensor) -> Output {
        let [b, s] = tokens.size()[..] else { panic!("tokens must be [B, S], see Model::tokens") };
        let options = (Kind::Int64, self.place.device);
        let positions = Tensor::arange(s, options).expand([b, s], false);
        let pages = Tensor::arange(b, options).view([b, 1]);
        self.run(tokens, positions, 0, pages, s, |_, row, index| Keys {
            rows: row.reshape([b * s, -1]),
            index: index.map(|keys| IndexKeys::Exact(keys.reshape([b * s, -1]))),
        })
    }

    /// Append `tokens[b]` to `sequences[b]`, reading and writing `cache`. Without gradients.
    ///
    /// # Errors
    /// [`Error::Cache`] if its pages do not suffice; [`Error::Tokens`] if a sequence would outgrow the context.
    ///
    /// # Shapes
    /// `tokens` [B, S] int64, made by [`Model::tokens`].
    pub fn extend(&self, tokens: &Tensor, cache: &mut Cache, sequences: &mut [&mut Sequence]) -> Result<Output> {
        let (b, s) = tokens.size2()?;
        if b != sequences.len() as i64 {
            return Err(Error::Cache(format!("{b} rows of tokens for {} sequences", sequences.len())));
        }
        let context = self.config.max_position_embeddings;
        for sequence in sequences.iter() {
            let length = sequence.len() + s as usize;
            if length as i64 > context {
                return Err(TokensError::TooLong { length, context }.into());
            }
        }
        let first = sequences.iter().map(|sequence| sequence.len() as i64).max().unwrap_or(0);
        let table = cache.extend(sequences, s as usize)?;
        let (positions, pages) = (table.positions.shallow_clone(), table.pages.shallow_clone());
        let write = |layer, row: &Tensor, index: Option<&Tensor>, cache: &mut Cache, table: &Table| {
            cache.write(layer, table, row, index)
        };
        Ok(tch::no_grad(|| {
            self.run(tokens, positions, first, pages, PAGE as i64, |layer, row, index| {
                write(layer, row, index, cache, &table)
            })
        }))
    }

    /// Scores of every vocabulary entry as the next token.
    ///
    /// # Shapes
    /// `hidden` [.., M] -> [.., V].
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        linear(hidden, &self.head)
    }

    fn run(
        &self,
        tokens: &Tensor,
        positions: Tensor,
        first_position: i64,
        pages: Tensor,
        page_size: i64,
        mut extend: impl FnMut(usize, &Tensor, Option<&Tensor>) -> Keys,
    ) -> Output {
        let magnitude = rope::magnitude(&self.config.rope);
        let rotation = Rotation::new(&positions, &self.frequencies, magnitude, self.place.kind);
        let pass = Pass { positions, first_position, rotation, pages, page_size };
        let mut trace = Trace::default();
        let mut x = Tensor::embedding(&self.embedding, tokens, -1, false, false); // [B, S, M]
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, &pass, &self.config, &mut trace, |row, key| extend(index, row, key));
        }
        Output { hidden: rms_norm(&x, &self.norm, self.config.rms_norm_eps), trace }
    }
}

impl Layer {
    fn new(config: &Config, weights: &Weights, layer: i64) -> Result<Self> {
        let get = |name: &str| weights.get(&format!("model.layers.{layer}.{name}"));
        let mlp = |path: &str| {
            Ok::<_, Error>(Mlp {
                gate: get(&format!("{path}.gate_proj.weight"))?,
                up: get(&format!("{path}.up_proj.weight"))?,
                down: get(&format!("{path}.down_proj.weight"))?,
            })
        };
        let indexer = || {
            Ok::<_, Error>(Indexer {
                wq_b: get("self_attn.indexer.wq_b.weight")?,
                wk: get("self_attn.indexer.wk.weight")?,
                k_norm: get("self_attn.indexer.k_norm.weight")?,
                k_norm_bias: get("self_attn.indexer.k_norm.bias")?,
                weights_proj: get("self_attn.indexer.weights_proj.weight")?,
            })
        };
        let feed_forward = if config.is_sparse(layer) {
            FeedForward::Sparse(Moe {
                router: Router { weight: get("mlp.gate.weight")?, bias: get("mlp.gate.e_score_correction_bias")? },
                gate_up: get("mlp.experts.gate_up_proj")?,
                down: get("mlp.experts.down_proj")?,
                shared: mlp("mlp.shared_experts")?,
            })
        } else {
            FeedForward::Dense(mlp("mlp")?)
        };
        Ok(Self {
            input_layernorm: get("input_layernorm.weight")?,
            attention: Attention {
                q_a_proj: get("self_attn.q_a_proj.weight")?,
                q_a_layernorm: get("self_attn.q_a_layernorm.weight")?,
                q_b_proj: get("self_attn.q_b_proj.weight")?,
                kv_a_proj_with_mqa: get("self_attn.kv_a_proj_with_mqa.weight")?,
                kv_a_layernorm: get("self_attn.kv_a_layernorm.weight")?,
                kv_b_proj: get("self_attn.kv_b_proj.weight")?,
                o_proj: get("self_attn.o_proj.weight")?,
                indexer: if config.index_full[layer as usize] { Some(indexer()?) } else { None },
            },
            post_attention_layernorm: get("post_attention_layernorm.weight")?,
            feed_forward,
        })
    }

    /// # Shapes
    /// `x` [B, S, M] -> [B, S, M].
    fn forward(
        &self,
        x: &Tensor,
        pass: &Pass,
        config: &Config,
        trace: &mut Trace,
        extend: impl FnOnce(&Tensor, Option<&Tensor>) -> Keys,
    ) -> Tensor {
        let normed = rms_norm(x, &self.input_layernorm, config.rms_norm_eps);
        let (attended, selected) = self.attention.forward(&normed, pass, trace.selected.last(), config, extend);
        trace.selected.push(selected);
        let x = x + attended;
        let normed = rms_norm(&x, &self.post_attention_layernorm, config.rms_norm_eps);
        stage(Stage::FeedForward, || match &self.feed_forward {
            FeedForward::Dense(mlp) => &x + mlp.forward(&normed),
            FeedForward::Sparse(moe) => {
                let (out, routing) = moe.forward(&normed, config);
                trace.experts.push(routing.experts);
                &x + out
            }
        })
    }
}
