//! Weights from and to Hugging Face folders.
//!
//! On disk every expert has its own tensors and a folder may hold several files (`model.safetensors.index.json`); in
//! memory the experts of a layer are packed (`mlp.experts.gate_up_proj` [E, 2F, M] and `mlp.experts.down_proj`
//! [E, M, F]), as in the `transformers` library. Float64, float32, float16, bfloat16 and fp8 e4m3 with block scales
//! (`<name>_scale_inv`, see [`fp8`]) are read. Layers beyond `num_hidden_layers` (multi-token prediction) are skipped.
//!
//! Loading first reads the headers of all files and compares names, shapes and kinds with the configuration, so that a
//! folder that does not fit is refused before any weight is read; then it reads one tensor at a time.

pub mod fp8;
mod load;
mod save;

use indexmap::IndexMap;
use tch::Tensor;

pub use load::load;
pub use save::{SHARD_BYTES_MAX, save};

use crate::place::Place;
use crate::{Config, Error, Result};

/// Named weights in the order of [`shapes`].
#[derive(Debug)]
pub struct Weights(IndexMap<String, Tensor>);

impl Weights {
    /// Weights from names and tensors; shapes are the caller's duty.
    pub fn new(tensors: IndexMap<String, Tensor>) -> Self {
        Self(tensors)
    }

    /// A weight that shares its storage (and gradient) with the one in here.
    ///
    /// # Errors
    /// [`Error::MissingTensors`].
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let found = self.0.get(name).map(Tensor::shallow_clone);
        found.ok_or_else(|| Error::MissingTensors { count: 1, first: name.to_owned() })
    }

    /// All weights by name, in the order of [`shapes`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.0.values().map(Tensor::numel).sum()
    }

    pub(crate) fn to(self, place: Place) -> Self {
        let moved = |(name, tensor): (String, Tensor)| {
            let tensor = tensor.to_kind(place.kind_of(&name)).to_device(place.device);
            (name, tensor)
        };
        Self(self.0.into_iter().map(moved).collect())
    }
}

/// Names and shapes of all weights of a model, packed as in memory, first layer first.
pub fn shapes(config: &Config) -> Vec<(String, Vec<i64>)> {
    let c = config;
    let (hidden, heads, rank) = (c.hidden_size, c.num_attention_heads, c.kv_lora_rank);
    let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![c.vocab_size, hidden])];
    for layer in 0..c.num_hidden_layers {
        let mut add = |name: &str, shape: &[i64]| all.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
        add("input_layernorm.weight", &[hidden]);
        add("self_attn.q_a_proj.weight", &[c.q_lora_rank, hidden]);
        add("self_attn.q_a_layernorm.weight", &[c.q_lora_rank]);
        add("self_attn.q_b_proj.weight", &[heads * c.qk_head_dim(), c.q_lora_rank]);
        add("self_attn.kv_a_proj_with_mqa.weight", &[rank + c.qk_rope_head_dim, hidden]);
        add("self_attn.kv_a_layernorm.weight", &[rank]);
        add("self_attn.kv_b_proj.weight", &[heads * (c.qk_nope_head_dim + c.v_head_dim), rank]);
        add("self_attn.o_proj.weight", &[hidden, heads * c.v_head_dim]);
        if c.index_full[layer as usize] {
            add("self_attn.indexer.wq_b.weight", &[c.index_n_heads * c.index_head_dim, c.q_lora_rank]);
            add("self_attn.indexer.wk.weight", &[c.index_head_dim, hidden]);
            add("self_attn.indexer.k_norm.weight", &[c.index_head_dim]);
            add("self_attn.indexer.k_norm.bias", &[c.index_head_dim]);
            add("self_attn.indexer.weights_proj.weight", &[c.index_n_heads, hidden]);
        }
        add("post_attention_layernorm.weight", &[hidden]);
        let mut mlp = |path: &str, width: i64| {
            add(&format!("{path}.gate_proj.weight"), &[width, hidden]);
            add(&format!("{path}.up_proj.weight"), &[width, hidden]);
            add(&format!("{path}.down_proj.weight"), &[hidden, width]);
        };
        if c.is_sparse(layer) {
            let (experts, width) = (c.n_routed_experts, c.moe_intermediate_size);
            mlp("mlp.shared_experts", width * c.n_shared_experts);
            add("mlp.gate.weight", &[experts, hidden]);
            add("mlp.gate.e_score_correction_bias", &[experts]);
            add("mlp.experts.gate_up_proj", &[experts, 2 * width, hidden]);
            add("mlp.experts.down_proj", &[experts, hidden, width]);
        } else {
            mlp("mlp", c.intermediate_size);
        }
    }
    all.push(("model.norm.weight".to_owned(), vec![hidden]));
    all.push(("lm_head.weight".to_owned(), vec![c.vocab_size, hidden]));
    all
}

/// One tensor on disk: its name, its shape, and where in the packed tensor it lies.
struct Stored {
    name: String,
    shape: Vec<i64>,
    /// Expert and first row inside the packed tensor; none for a tensor stored as it is.
    part: Option<(i64, i64)>,
}

/// How a tensor in memory is stored.
fn stored(name: &str, shape: &[i64]) -> Vec<Stored> {
    let per_expert = |path: &str, projections: &[&str], rows: i64, inner: i64| {
        let mut all = Vec::new();
        for expert in 0..shape[0] {
            for (index, projection) in projections.iter().enumerate() {
                all.push(Stored {
                    name: format!("{path}.{expert}.{projection}.weight"),
                    shape: vec![rows, inner],
                    part: Some((expert, index as i64 * rows)),
                });
            }
        }
        all
    };
    if let Some(path) = name.strip_suffix(".gate_up_proj") {
        per_expert(path, &["gate_proj", "up_proj"], shape[1] / 2, shape[2])
    } else if let Some(path) = name.strip_suffix(".experts.down_proj") {
        per_expert(&format!("{path}.experts"), &["down_proj"], shape[1], shape[2])
    } else {
        vec![Stored { name: name.to_owned(), shape: shape.to_vec(), part: None }]
    }
}
