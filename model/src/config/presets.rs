//! Shapes that `terrarium model init` knows by name, smallest first.

use super::{Config, ModelType, Rope, Yarn};

/// Names of the presets.
pub const PRESETS: [&str; 5] = ["tiny", "small", "bench", "lite", "deepseek-v3.2"];

impl Config {
    /// The preset of this name, one of [`PRESETS`].
    pub fn preset(name: &str) -> Option<Self> {
        Some(match name {
            "tiny" => Self::tiny(),
            "small" => Self::small(),
            "bench" => Self::bench(),
            "lite" => Self::lite(),
            "deepseek-v3.2" => Self::deepseek_v32(),
            _ => return None,
        })
    }

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
            fp8_block: [128, 128],
        }
    }

    /// Four layers, 256 wide, 3.4 million parameters, with the embedded vocabulary: what a CPU trains in minutes.
    pub fn small() -> Self {
        Self {
            hidden_size: 256,
            intermediate_size: 768,
            moe_intermediate_size: 128,
            num_hidden_layers: 4,
            num_attention_heads: 8,
            q_lora_rank: 128,
            kv_lora_rank: 64,
            qk_nope_head_dim: 32,
            v_head_dim: 32,
            index_topk: 256,
            index_full: vec![true; 4],
            rope: Self::stretched(4.0, 4096.0),
            max_position_embeddings: 16_384,
            ..Self::tiny()
        }
    }

    /// The shape that `terrarium model bench` and `docs/performance.md` speak of: eight layers, 512 wide, and contexts as
    /// long as the published model's.
    pub fn bench() -> Self {
        Self {
            vocab_size: 8192,
            hidden_size: 512,
            intermediate_size: 1536,
            moe_intermediate_size: 384,
            num_hidden_layers: 8,
            num_attention_heads: 16,
            n_routed_experts: 16,
            q_lora_rank: 256,
            kv_lora_rank: 256,
            qk_nope_head_dim: 64,
            qk_rope_head_dim: 32,
            v_head_dim: 64,
            index_n_heads: 16,
            index_head_dim: 64,
            index_topk: 512,
            index_full: vec![true; 8],
            rope: Self::stretched(40.0, 4096.0),
            max_position_embeddings: 163_840,
            ..Self::tiny()
        }
    }

    /// Sixteen billion parameters of which three work on a token: the published attention at a width that fits one large
    /// machine.
    pub fn lite() -> Self {
        Self {
            vocab_size: 102_400,
            hidden_size: 2048,
            intermediate_size: 10_944,
            moe_intermediate_size: 1408,
            num_hidden_layers: 27,
            num_attention_heads: 16,
            n_shared_experts: 2,
            n_routed_experts: 64,
            num_experts_per_tok: 6,
            index_n_heads: 16,
            index_full: vec![true; 27],
            first_k_dense_replace: 1,
            bos_token_id: 0,
            eos_token_id: 1,
            ..Self::deepseek_v32()
        }
    }

    /// DeepSeek-V3.2 as published (`config.json` of the release), without its layer for multi-token prediction.
    pub fn deepseek_v32() -> Self {
        Self {
            model_type: ModelType::DeepseekV32,
            vocab_size: 129_280,
            hidden_size: 7168,
            intermediate_size: 18_432,
            moe_intermediate_size: 2048,
            num_hidden_layers: 61,
            num_attention_heads: 128,
            n_shared_experts: 1,
            n_routed_experts: 256,
            num_experts_per_tok: 8,
            n_group: 8,
            topk_group: 4,
            norm_topk_prob: true,
            routed_scaling_factor: 2.5,
            first_k_dense_replace: 3,
            q_lora_rank: 1536,
            kv_lora_rank: 512,
            qk_nope_head_dim: 128,
            qk_rope_head_dim: 64,
            v_head_dim: 128,
            index_n_heads: 64,
            index_head_dim: 128,
            index_topk: 2048,
            index_full: vec![true; 61],
            index_rope_interleaved: false,
            rope: Self::stretched(40.0, 4096.0),
            rms_norm_eps: 1e-6,
            max_position_embeddings: 163_840,
            initializer_range: 0.02,
            bos_token_id: 0,
            eos_token_id: 1,
            fp8_block: [128, 128],
        }
    }

    fn stretched(factor: f64, original_max_position_embeddings: f64) -> Rope {
        let (beta_fast, beta_slow, mscale, mscale_all_dim) = (32.0, 1.0, 1.0, 1.0);
        let yarn = Yarn { factor, beta_fast, beta_slow, mscale, mscale_all_dim, original_max_position_embeddings };
        Rope { theta: 10_000.0, yarn: Some(yarn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_they_grow() {
        let sizes: Vec<i64> = PRESETS
            .iter()
            .map(|name| {
                let config = Config::preset(name).expect("listed");
                config.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
                config.size().parameters
            })
            .collect();
        assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{sizes:?}");
        assert!(Config::preset("huge").is_none());
    }
}
