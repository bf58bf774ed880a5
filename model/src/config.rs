//! The model's shape, read from and written to Hugging Face `config.json`.
//!
//! Understands `deepseek_v32` and `glm_moe_dsa` (the same architecture with interleaved indexer rotation and, optionally,
//! layers that share the selection of the layer before). Field names are those of `config.json`. What this crate cannot
//! compute (another activation, biases in attention, tied embeddings) is refused here by name, not ignored.

use std::path::Path;

use serde_json::{Map, Value, json};

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
}

impl Config {
    /// The preset of the embedded example model: two layers, 64 wide, about 0.2 million parameters, small
    /// enough for one CPU core (`benches/decode.rs` has the speed). Its vocabulary is that of [`crate::tokenizer::Tokenizer`].
    pub fn tiny() -> Self {
        Self {
            model_type: ModelType::DeepseekV32,
            vocab_size: crate::tokenizer::VOCABULARY as i64,
            hidden_size: 64,
            intermediate_size: 128,
            moe_intermediate_size: 32,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            n_shared_experts: 1,
            n_routed_experts: 8,
            num_experts_per_tok: 2,
            n_group: 4,
            topk_group: 2,
            norm_topk_prob: true,
            routed_scaling_factor: 2.5,
            first_k_dense_replace: 1,
            q_lora_rank: 48,
            kv_lora_rank: 32,
            qk_nope_head_dim: 16,
            qk_rope_head_dim: 16,
            v_head_dim: 16,
            index_n_heads: 8,
            index_head_dim: 32,
            index_topk: 64,
            index_full: vec![true; 2],
            index_rope_interleaved: false,
            rope: Rope {
                theta: 10_000.0,
                yarn: Some(Yarn {
                    factor: 4.0,
                    beta_fast: 32.0,
                    beta_slow: 1.0,
                    mscale: 1.0,
                    mscale_all_dim: 1.0,
                    original_max_position_embeddings: 1024.0,
                }),
            },
            rms_norm_eps: 1e-6,
            max_position_embeddings: 4096,
            initializer_range: 0.02,
            bos_token_id: i64::from(crate::tokenizer::BOS),
            eos_token_id: i64::from(crate::tokenizer::EOS),
        }
    }

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

    /// Read the fields of a parsed `config.json`.
    ///
    /// # Errors
    /// [`Error::Config`], as [`Config::load`].
    pub fn from_json(value: &Value) -> Result<Self> {
        let fields = Fields(value.as_object().ok_or_else(|| Error::Config("not a JSON object".into()))?);
        let model_type = match fields.0.get("model_type").and_then(Value::as_str) {
            Some("deepseek_v32") => ModelType::DeepseekV32,
            Some("glm_moe_dsa") => ModelType::GlmMoeDsa,
            other => {
                return Err(Error::Config(format!("model_type {other:?} is neither deepseek_v32 nor glm_moe_dsa")));
            }
        };
        fields.must_be("hidden_act", &json!("silu"))?;
        fields.must_be("attention_bias", &json!(false))?;
        fields.must_be("mlp_bias", &json!(false))?;
        fields.must_be("tie_word_embeddings", &json!(false))?;
        fields.must_be("scoring_func", &json!("sigmoid"))?;
        fields.must_be("topk_method", &json!("noaux_tc"))?;
        fields.must_be("moe_layer_freq", &json!(1))?;
        let num_hidden_layers = fields.integer("num_hidden_layers")?;
        let config = Self {
            model_type,
            vocab_size: fields.integer("vocab_size")?,
            hidden_size: fields.integer("hidden_size")?,
            intermediate_size: fields.integer("intermediate_size")?,
            moe_intermediate_size: fields.integer("moe_intermediate_size")?,
            num_hidden_layers,
            num_attention_heads: fields.integer("num_attention_heads")?,
            n_shared_experts: fields.integer("n_shared_experts")?,
            n_routed_experts: fields.integer("n_routed_experts")?,
            num_experts_per_tok: fields.integer("num_experts_per_tok")?,
            n_group: fields.integer("n_group")?,
            topk_group: fields.integer("topk_group")?,
            norm_topk_prob: fields.0.get("norm_topk_prob").and_then(Value::as_bool).unwrap_or(true),
            routed_scaling_factor: fields.number("routed_scaling_factor", None)?,
            first_k_dense_replace: fields.dense_layers(num_hidden_layers)?,
            q_lora_rank: fields.integer("q_lora_rank")?,
            kv_lora_rank: fields.integer("kv_lora_rank")?,
            qk_nope_head_dim: fields.integer("qk_nope_head_dim")?,
            qk_rope_head_dim: fields.integer("qk_rope_head_dim")?,
            v_head_dim: fields.integer("v_head_dim")?,
            index_n_heads: fields.integer("index_n_heads")?,
            index_head_dim: fields.integer("index_head_dim")?,
            index_topk: fields.integer("index_topk")?,
            index_full: fields.index_full(num_hidden_layers)?,
            index_rope_interleaved: match fields.0.get("indexer_rope_interleave").and_then(Value::as_bool) {
                Some(interleaved) => interleaved,
                None => model_type == ModelType::GlmMoeDsa,
            },
            rope: fields.rope()?,
            rms_norm_eps: fields.number("rms_norm_eps", None)?,
            max_position_embeddings: fields.integer("max_position_embeddings")?,
            initializer_range: fields.number("initializer_range", Some(0.02))?,
            bos_token_id: fields.token("bos_token_id", 0)?,
            eos_token_id: fields.token("eos_token_id", 1)?,
        };
        config.validate()?;
        Ok(config)
    }

    /// The fields as `config.json` has them; reading them back gives an equal configuration.
    pub fn to_json(&self) -> Value {
        let layers = self.num_hidden_layers;
        let mut rope = Map::new();
        rope.insert("rope_theta".into(), json!(self.rope.theta));
        match self.rope.yarn {
            None => drop(rope.insert("rope_type".into(), json!("default"))),
            Some(yarn) => {
                rope.insert("rope_type".into(), json!("yarn"));
                rope.insert("factor".into(), json!(yarn.factor));
                rope.insert("beta_fast".into(), json!(yarn.beta_fast));
                rope.insert("beta_slow".into(), json!(yarn.beta_slow));
                rope.insert("mscale".into(), json!(yarn.mscale));
                rope.insert("mscale_all_dim".into(), json!(yarn.mscale_all_dim));
                let original = json!(yarn.original_max_position_embeddings as i64);
                rope.insert("original_max_position_embeddings".into(), original);
            }
        }
        let architecture = match self.model_type {
            ModelType::DeepseekV32 => "DeepseekV32ForCausalLM",
            ModelType::GlmMoeDsa => "GlmMoeDsaForCausalLM",
        };
        let mut value = json!({
            "architectures": [architecture],
            "model_type": self.model_type.name(),
            "dtype": "float32",
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "hidden_act": "silu",
            "intermediate_size": self.intermediate_size,
            "moe_intermediate_size": self.moe_intermediate_size,
            "num_hidden_layers": layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_attention_heads,
            "n_shared_experts": self.n_shared_experts,
            "n_routed_experts": self.n_routed_experts,
            "num_experts_per_tok": self.num_experts_per_tok,
            "n_group": self.n_group,
            "topk_group": self.topk_group,
            "norm_topk_prob": self.norm_topk_prob,
            "routed_scaling_factor": self.routed_scaling_factor,
            "first_k_dense_replace": self.first_k_dense_replace,
            "mlp_layer_types": (0..layers).map(|layer| if self.is_sparse(layer) { "sparse" } else { "dense" }).collect::<Vec<_>>(),
            "q_lora_rank": self.q_lora_rank,
            "kv_lora_rank": self.kv_lora_rank,
            "qk_nope_head_dim": self.qk_nope_head_dim,
            "qk_rope_head_dim": self.qk_rope_head_dim,
            "qk_head_dim": self.qk_head_dim(),
            "head_dim": self.qk_rope_head_dim,
            "v_head_dim": self.v_head_dim,
            "index_n_heads": self.index_n_heads,
            "index_head_dim": self.index_head_dim,
            "index_topk": self.index_topk,
            "layer_types": vec!["indexed_attention"; layers as usize],
            "rope_parameters": rope,
            "rms_norm_eps": self.rms_norm_eps,
            "max_position_embeddings": self.max_position_embeddings,
            "initializer_range": self.initializer_range,
            "attention_bias": false,
            "attention_dropout": 0.0,
            "mlp_bias": false,
            "tie_word_embeddings": false,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.eos_token_id,
        });
        if self.model_type == ModelType::GlmMoeDsa {
            let types = self.index_full.iter().map(|&full| if full { "full" } else { "shared" });
            value["indexer_types"] = types.collect::<Vec<_>>().into();
            value["indexer_rope_interleave"] = self.index_rope_interleaved.into();
        }
        value
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

fn rule(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Config(message())) }
}

/// The fields of a `config.json`.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn integer(&self, name: &str) -> Result<i64> {
        self.0
            .get(name)
            .and_then(Value::as_i64)
            .ok_or_else(|| Error::Config(format!("field `{name}` is missing or no integer")))
    }

    fn number(&self, name: &str, default: Option<f64>) -> Result<f64> {
        match (self.0.get(name), default) {
            (None | Some(Value::Null), Some(default)) => Ok(default),
            (value, _) => value
                .and_then(Value::as_f64)
                .ok_or_else(|| Error::Config(format!("field `{name}` is missing or no number"))),
        }
    }

    /// A token id; of a list (several end tokens) the first.
    fn token(&self, name: &str, default: i64) -> Result<i64> {
        let id = match self.0.get(name) {
            None | Some(Value::Null) => Some(default),
            Some(Value::Array(ids)) => ids.first().and_then(Value::as_i64),
            Some(value) => value.as_i64(),
        };
        id.ok_or_else(|| Error::Config(format!("field `{name}` is no token id")))
    }

    /// Refuse a value that would change what this crate computes.
    fn must_be(&self, name: &str, only: &Value) -> Result<()> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(()),
            Some(value) if value == only => Ok(()),
            Some(value) => Err(Error::Config(format!("field `{name}` is {value}, only {only} is supported"))),
        }
    }

    /// Number of leading dense layers, which `mlp_layer_types` may state as well.
    fn dense_layers(&self, layers: i64) -> Result<i64> {
        let Some(Value::Array(types)) = self.0.get("mlp_layer_types") else {
            return self.integer("first_k_dense_replace");
        };
        let dense = types.iter().take_while(|kind| *kind == "dense").count();
        let rest_sparse = types[dense..].iter().all(|kind| kind == "sparse");
        rule(rest_sparse && types.len() as i64 == layers, || {
            "mlp_layer_types must be dense layers followed by sparse ones, one entry a layer".into()
        })?;
        Ok(dense as i64)
    }

    fn index_full(&self, layers: i64) -> Result<Vec<bool>> {
        let Some(Value::Array(types)) = self.0.get("indexer_types") else {
            return Ok(vec![true; usize::try_from(layers).unwrap_or(0)]);
        };
        types
            .iter()
            .map(|kind| match kind.as_str() {
                Some("full") => Ok(true),
                Some("shared") => Ok(false),
                _ => Err(Error::Config(format!("indexer_types has {kind}, not \"full\" or \"shared\""))),
            })
            .collect()
    }

    /// `rope_parameters`, or the older `rope_theta` with `rope_scaling`.
    fn rope(&self) -> Result<Rope> {
        let nested = |name: &str| self.0.get(name).and_then(Value::as_object).map(Fields);
        let (scaling, theta) = match (nested("rope_parameters"), nested("rope_scaling")) {
            (Some(parameters), _) => {
                let theta = parameters.number("rope_theta", Some(10_000.0))?;
                (Some(parameters), theta)
            }
            (None, scaling) => (scaling, self.number("rope_theta", Some(10_000.0))?),
        };
        let Some(scaling) = scaling else {
            return Ok(Rope { theta, yarn: None });
        };
        let kind = scaling.0.get("rope_type").or_else(|| scaling.0.get("type")).and_then(Value::as_str);
        match kind {
            None | Some("default") => Ok(Rope { theta, yarn: None }),
            Some("yarn") => {
                scaling.must_be("truncate", &json!(true))?;
                scaling.must_be("attention_factor", &Value::Null)?;
                let yarn = Yarn {
                    factor: scaling.number("factor", None)?,
                    beta_fast: scaling.number("beta_fast", Some(32.0))?,
                    beta_slow: scaling.number("beta_slow", Some(1.0))?,
                    mscale: scaling.number("mscale", Some(0.0))?,
                    mscale_all_dim: scaling.number("mscale_all_dim", Some(0.0))?,
                    original_max_position_embeddings: scaling.number("original_max_position_embeddings", None)?,
                };
                rule(yarn.factor >= 1.0 && yarn.original_max_position_embeddings > 0.0, || {
                    "YaRN's factor or original length is out of range".into()
                })?;
                Ok(Rope { theta, yarn: Some(yarn) })
            }
            Some(other) => Err(Error::Config(format!("rope type `{other}` is not supported, only yarn and default"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Value), expected: &str) {
        let mut value = Config::tiny().to_json();
        change(&mut value);
        let error = Config::from_json(&value).expect_err("must be refused").to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn writing_then_reading_is_identity() {
        let mut config = Config::tiny();
        assert_eq!(Config::from_json(&config.to_json()).unwrap(), config);
        config.model_type = ModelType::GlmMoeDsa;
        config.index_full = vec![true, false];
        config.index_rope_interleaved = true;
        config.rope.yarn = None;
        assert_eq!(Config::from_json(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn the_older_rope_fields_are_read() {
        let mut value = Config::tiny().to_json();
        let mut rope = value["rope_parameters"].take();
        value.as_object_mut().unwrap().remove("rope_parameters");
        rope["type"] = rope["rope_type"].take();
        rope.as_object_mut().unwrap().remove("rope_type");
        value["rope_scaling"] = rope;
        value["rope_theta"] = json!(10_000.0);
        assert_eq!(Config::from_json(&value).unwrap(), Config::tiny());
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        check(|v| v["model_type"] = json!("llama"), "model_type");
        check(|v| v["hidden_act"] = json!("gelu"), "hidden_act");
        check(|v| v["attention_bias"] = json!(true), "attention_bias");
        check(|v| v["n_group"] = json!(3), "multiple of n_group");
        check(|v| v["num_experts_per_tok"] = json!(5), "num_experts_per_tok");
        check(|v| v["hidden_size"] = json!("64"), "hidden_size");
        check(|v| v["vocab_size"] = json!(-1), "vocab_size");
        check(|v| v["index_head_dim"] = json!(8), "index_head_dim");
        check(|v| v["rope_parameters"]["rope_type"] = json!("longrope"), "longrope");
        check(|v| v["eos_token_id"] = json!(1 << 20), "eos_token_id");
        check(|v| v["mlp_layer_types"] = json!(["sparse", "dense"]), "mlp_layer_types");
    }
}
