//! Weights from and to Hugging Face folders.
//!
//! On disk every expert has its own tensors and a file may be sharded (`model.safetensors.index.json`); in memory the
//! experts of a layer are packed (`mlp.experts.gate_up_proj` [E, 2F, M] and `mlp.experts.down_proj` [E, M, F]), as in the
//! `transformers` library. Float64, float32, float16 and bfloat16 are read; fp8 is refused by name. Layers beyond
//! `num_hidden_layers` (multi-token prediction) are skipped.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

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

    pub(crate) fn to(self, kind: Kind, device: Device) -> Self {
        Self(self.0.into_iter().map(|(name, tensor)| (name, tensor.to_kind(kind).to_device(device))).collect())
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

/// Read the weights a configuration asks for, in float32 (float64 where stored so).
///
/// # Errors
/// [`Error::Io`], [`Error::Json`], [`Error::Safetensors`] for unreadable files; [`Error::MissingTensors`],
/// [`Error::UnexpectedTensors`], [`Error::TensorShape`], [`Error::TensorKind`] for files that do not fit.
pub fn load(folder: &Path, config: &Config) -> Result<Weights> {
    let mut found = HashMap::new();
    for path in files(folder)? {
        read_file(&path, config, &mut found)?;
    }
    let (mut weights, mut missing) = (IndexMap::new(), Vec::new());
    for (name, shape) in shapes(config) {
        let mut parts = Vec::new();
        for part in stored(&name, &shape) {
            match found.remove(&part.name) {
                None => missing.push(part.name),
                Some(tensor) if tensor.size() != part.shape => {
                    return Err(Error::TensorShape { name: part.name, expected: part.shape, found: tensor.size() });
                }
                Some(tensor) => parts.push((part.part, tensor)),
            }
        }
        if missing.is_empty() {
            weights.insert(name, pack(parts, &shape));
        }
    }
    if let Some(first) = missing.first().cloned() {
        return Err(Error::MissingTensors { count: missing.len(), first });
    }
    if let Some(first) = found.keys().min().cloned() {
        return Err(Error::UnexpectedTensors { count: found.len(), first });
    }
    Ok(Weights(weights))
}

/// Put the stored parts of one tensor together.
fn pack(mut parts: Vec<(Option<(i64, i64)>, Tensor)>, shape: &[i64]) -> Tensor {
    if let [(None, _)] = parts[..] {
        return parts.remove(0).1;
    }
    let whole = Tensor::zeros(shape, (parts[0].1.kind(), Device::Cpu));
    for (part, tensor) in parts {
        let (expert, row) = part.expect("only experts have several parts");
        whole.get(expert).narrow(0, row, tensor.size()[0]).copy_(&tensor);
    }
    whole
}

/// The files a folder's weights lie in.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join("model.safetensors.index.json");
    if !index.is_file() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let value: Value =
        serde_json::from_slice(&read(&index)?).map_err(|source| Error::Json { path: index.clone(), source })?;
    let bad = |reason: &str| Error::Safetensors { path: index.clone(), reason: reason.to_owned() };
    let map = value["weight_map"].as_object().ok_or_else(|| bad("no object `weight_map`"))?;
    let names: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    if names.iter().any(|name| Path::new(name).components().count() != 1 || *name == "..") {
        return Err(bad("a shard lies outside the folder"));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::Io { operation: "read", path: path.to_owned(), source })
}

fn read_file(path: &Path, config: &Config, found: &mut HashMap<String, Tensor>) -> Result<()> {
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::Safetensors { path: path.to_owned(), reason: error.to_string() })?;
    for (name, view) in file.iter() {
        if skipped(name, config) {
            continue;
        }
        let kind = match view.dtype() {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => return Err(Error::TensorKind { name: name.to_owned(), found: format!("{other:?}") }),
        };
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?;
        let wide = if kind == Kind::Double { tensor } else { tensor.to_kind(Kind::Float) };
        found.insert(name.to_owned(), wide);
    }
    Ok(())
}

/// Whether a stored tensor belongs to a layer this model does not have (multi-token prediction).
fn skipped(name: &str, config: &Config) -> bool {
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split('.').next());
    layer.and_then(|layer| layer.parse::<i64>().ok()).is_some_and(|layer| layer >= config.num_hidden_layers)
}

/// Write `config.json` and `model.safetensors` with tensors of `kind` (Float or BFloat16), replacing older ones whole.
///
/// # Errors
/// [`Error::Io`]; [`Error::Safetensors`]; [`Error::Config`] for another kind.
pub fn save(folder: &Path, config: &Config, weights: &Weights, kind: Kind) -> Result<()> {
    let dtype = match kind {
        Kind::Float => Dtype::F32,
        Kind::BFloat16 => Dtype::BF16,
        other => return Err(Error::Config(format!("cannot save in {other:?}, only in Float and BFloat16"))),
    };
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { operation, path, source }
    };
    std::fs::create_dir_all(folder).map_err(io("create", folder))?;
    let mut blobs: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in weights.iter() {
        for part in stored(name, &tensor.size()) {
            let piece = match part.part {
                None => tensor.shallow_clone(),
                Some((expert, row)) => tensor.get(expert).narrow(0, row, part.shape[0]),
            };
            let piece = piece.detach().to_device(Device::Cpu).to_kind(kind).contiguous();
            let mut bytes = vec![0; piece.numel() * dtype.bitsize() / 8];
            piece.f_copy_data_u8(&mut bytes, piece.numel())?;
            blobs.push((part.name, part.shape.iter().map(|&size| size as usize).collect(), bytes));
        }
    }
    let path = folder.join("model.safetensors");
    let bad =
        |error: safetensors::SafeTensorError| Error::Safetensors { path: path.clone(), reason: error.to_string() };
    let views = blobs
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(dtype, shape.clone(), bytes).map_err(bad)?)))
        .collect::<Result<Vec<_>>>()?;
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(format)).map_err(bad)?;
    let mut fields = config.to_json();
    fields["dtype"] = Value::from(if kind == Kind::Float { "float32" } else { "bfloat16" });
    let text = format!("{fields:#}\n");
    for (name, bytes) in [("model.safetensors", bytes.as_slice()), ("config.json", text.as_bytes())] {
        let (path, scratch) = (folder.join(name), folder.join(format!(".{name}.partial")));
        std::fs::write(&scratch, bytes).map_err(io("write", &scratch))?;
        std::fs::rename(&scratch, &path).map_err(io("replace", &path))?;
    }
    Ok(())
}
