//! The model's shape, read from and written to Hugging Face `config.json`.
//!
//! Understands `deepseek_v32` and `glm_moe_dsa` (the same architecture with interleaved indexer rotation and, optionally,
//! layers that share the selection of the layer before). Field names are those of `config.json`. What this crate cannot
//! compute (another activation, biases in attention, tied embeddings) is refused here by name, not ignored.

mod json;
mod presets;
mod size;

use std::path::Path;

pub use presets::PRESETS;
pub use size::Size;

use crate::{Error, Result};

/// Which public architecture a checkpoint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelType {
    DeepseekV32,
    GlmMoeDsa,
}

impl ModelType {
    /// The value of `model_type` in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeepseekV32 => "deepseek_v32",
            Self::GlmMoeDsa => "glm_moe_dsa",
        }
    }
}

/// How rotary positions are scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// YaRN stretching, if any.
    pub yarn: Option<Yarn>,
}

/// YaRN (arXiv 2309.00071): slow frequencies are interpolated, fast ones kept, with a ramp in between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yarn {
    pub factor: f64,
    pub beta_fast: f64,
    pub beta_slow: f64,
    pub mscale: f64,
    pub mscale_all_dim: f64,
    pub original_max_position_embeddings: f64,
}

/// The shape of a DSA transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub model_type: ModelType,
    pub vocab_size: i64,
    pub hidden_size: i64,
    /// Width of the dense feed-forward layers.
    pub intermediate_size: i64,
    /// Width of one expert.
    pub moe_intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub n_shared_experts: i64,
    pub n_routed_experts: i64,
    pub num_experts_per_tok: i64,
    pub n_group: i64,
    pub topk_group: i64,
    pub norm_topk_prob: bool,
    pub routed_scaling_factor: f64,
    /// Layers below this one are dense, the rest mixtures of experts.
    pub first_k_dense_replace: i64,
    pub q_lora_rank: i64,
    pub kv_lora_rank: i64,
    pub qk_nope_head_dim: i64,
    pub qk_rope_head_dim: i64,
    pub v_head_dim: i64,
    pub index_n_heads: i64,
    pub index_head_dim: i64,
    /// How many keys a query may attend to.
    pub index_topk: i64,
    /// Per layer: `true` computes its own selection, `false` takes that of the layer before.
    pub index_full: Vec<bool>,
    /// Whether the indexer rotates neighbouring pairs (GLM) or the two halves (DeepSeek).
    pub index_rope_interleaved: bool,
    pub rope: Rope,
    pub rms_norm_eps: f64,
    /// The longest context in tokens.
    pub max_position_embeddings: i64,
    pub initializer_range: f64,
    pub bos_token_id: i64,
    pub eos_token_id: i64,
    /// Rows and columns of a matrix that share one scale where a checkpoint stores fp8 (`weight_block_size`).
    pub fp8_block: [i64; 2],
}

impl Config {
    /// Whether layer `layer` is a mixture of experts.
    pub fn is_sparse(&self, layer: i64) -> bool {
        layer >= self.first_k_dense_replace
    }

    /// Number of layers that are mixtures of experts.
    pub fn sparse_layers(&self) -> i64 {
        (self.num_hidden_layers - self.first_k_dense_replace).max(0)
    }

    /// Width of one query or key head.
    pub fn qk_head_dim(&self) -> i64 {
        self.qk_nope_head_dim + self.qk_rope_head_dim
    }

    /// Scale of attention scores: `(qk_head_dim)^-0.5`, times YaRN's `m^2`.
    pub fn softmax_scale(&self) -> f64 {
        let plain = (self.qk_head_dim() as f64).powf(-0.5);
        match self.rope.yarn {
            Some(yarn) if yarn.mscale_all_dim != 0.0 => {
                let m = yarn.magnitude(yarn.mscale_all_dim);
                plain * m * m
            }
            _ => plain,
        }
    }

    /// Read `config.json` in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Json`], or [`Error::Config`] naming the field that is missing, malformed or unsupported.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let bytes =
            std::fs::read(&path).map_err(|source| Error::Io { operation: "read", path: path.clone(), source })?;
        let value = serde_json::from_slice(&bytes).map_err(|source| Error::Json { path, source })?;
        Self::from_json(&value)
    }

    /// Check that the sizes fit together.
    ///
    /// # Errors
    /// [`Error::Config`] with the rule that is broken.
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("moe_intermediate_size", self.moe_intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("n_shared_experts", self.n_shared_experts),
            ("n_routed_experts", self.n_routed_experts),
            ("num_experts_per_tok", self.num_experts_per_tok),
            ("n_group", self.n_group),
            ("topk_group", self.topk_group),
            ("q_lora_rank", self.q_lora_rank),
            ("kv_lora_rank", self.kv_lora_rank),
            ("qk_nope_head_dim", self.qk_nope_head_dim),
            ("qk_rope_head_dim", self.qk_rope_head_dim),
            ("v_head_dim", self.v_head_dim),
            ("index_n_heads", self.index_n_heads),
            ("index_head_dim", self.index_head_dim),
            ("index_topk", self.index_topk),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        for (name, value) in positive {
            // The bounds keep products of two sizes inside 64 bits and lists of names short; expert ids are kept in 16 bits.
            let largest = match name {
                "num_hidden_layers" => 1 << 10,
                "n_routed_experts" => 1 << 16,
                _ => 1 << 24,
            };
            rule((1..=largest).contains(&value), || format!("{name} is {value}, it must lie in 1..={largest}"))?;
        }
        rule(self.first_k_dense_replace >= 0, || "first_k_dense_replace is negative".into())?;
        rule(self.qk_rope_head_dim % 2 == 0, || "qk_rope_head_dim must be even".into())?;
        rule(self.index_head_dim >= self.qk_rope_head_dim, || {
            "index_head_dim must be at least qk_rope_head_dim".into()
        })?;
        rule(self.n_routed_experts % self.n_group == 0, || "n_routed_experts must be a multiple of n_group".into())?;
        let group = self.n_routed_experts / self.n_group;
        rule(group >= 2, || "an expert group needs two experts, its score is the sum of its two best".into())?;
        rule(self.topk_group <= self.n_group, || "topk_group exceeds n_group".into())?;
        rule(self.num_experts_per_tok <= group * self.topk_group, || {
            "num_experts_per_tok exceeds the experts of topk_group groups".into()
        })?;
        rule(self.index_full.len() as i64 == self.num_hidden_layers, || {
            "indexer_types needs one entry a layer".into()
        })?;
        rule(self.index_full[0], || "layer 0 has no layer before it whose selection it could share".into())?;
        rule(self.fp8_block.iter().all(|size| (1..=1 << 24).contains(size)), || {
            "weight_block_size must hold two positive sizes".into()
        })?;
        for (name, id) in [("bos_token_id", self.bos_token_id), ("eos_token_id", self.eos_token_id)] {
            rule((0..self.vocab_size).contains(&id), || format!("{name} {id} is outside the vocabulary"))?;
        }
        rule(self.rms_norm_eps > 0.0 && self.rope.theta > 1.0, || "rms_norm_eps or rope_theta is out of range".into())
    }
}

impl Yarn {
    /// YaRN's magnitude correction: `0.1 * weight * ln(factor) + 1`, or 1 without stretching.
    pub fn magnitude(&self, weight: f64) -> f64 {
        if self.factor <= 1.0 { 1.0 } else { 0.1 * weight * self.factor.ln() + 1.0 }
    }
}

/// An error with `message` unless the rule holds.
fn rule(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Config(message())) }
}
