//! `config.json` to a configuration and back.

use serde_json::{Map, Value, json};

use super::{Config, ModelType, Rope, Yarn, rule};
use crate::{Error, Result};

impl Config {
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
            fp8_block: fields.fp8_block()?,
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

    /// Block size of fp8 weights; 128 x 128 where nothing is said.
    fn fp8_block(&self) -> Result<[i64; 2]> {
        let Some(quantization) = self.0.get("quantization_config").and_then(Value::as_object).map(Fields) else {
            return Ok([128, 128]);
        };
        quantization.must_be("quant_method", &json!("fp8"))?;
        quantization.must_be("fmt", &json!("e4m3"))?;
        let Some(block) = quantization.0.get("weight_block_size").filter(|block| !block.is_null()) else {
            return Ok([128, 128]);
        };
        let sizes: Option<Vec<i64>> = block.as_array().and_then(|sizes| sizes.iter().map(Value::as_i64).collect());
        sizes
            .and_then(|sizes| <[i64; 2]>::try_from(sizes).ok())
            .ok_or_else(|| Error::Config(format!("weight_block_size is {block}, it must hold two sizes")))
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
    fn the_fp8_block_size_is_read() {
        let mut value = Config::tiny().to_json();
        value["quantization_config"] =
            json!({"quant_method": "fp8", "fmt": "e4m3", "scale_fmt": "ue8m0", "weight_block_size": [64, 32]});
        assert_eq!(Config::from_json(&value).unwrap().fp8_block, [64, 32]);
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
        check(|v| v["quantization_config"] = json!({"quant_method": "gptq"}), "quant_method");
        check(
            |v| v["quantization_config"] = json!({"quant_method": "fp8", "weight_block_size": [0, 128]}),
            "weight_block_size",
        );
        check(|v| v["mlp_layer_types"] = json!(["sparse", "dense"]), "mlp_layer_types");
    }
}
