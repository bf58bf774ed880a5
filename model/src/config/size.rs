//! How large a model of some shape is, without making one.

use super::Config;
use crate::checkpoint;

/// Parameters of a shape by part, and bytes its cache takes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// All parameters, correction biases of the routers included.
    pub parameters: i64,
    /// Those that work on one token: all but the routed experts it is not sent to, and of the embedding one row.
    pub active_parameters: i64,
    pub attention: i64,
    pub indexer: i64,
    /// Dense layers, shared experts and routers.
    pub feed_forward: i64,
    pub routed_experts: i64,
    /// Embedding and output head.
    pub vocabulary: i64,
    /// Bytes of the caches a token in float32: latent rows and indexer keys of all layers.
    pub cache_bytes_per_token: i64,
}

impl Config {
    /// The size of a model of this shape.
    pub fn size(&self) -> Size {
        let (mut attention, mut indexer, mut feed_forward, mut routed_experts, mut vocabulary, mut norms) =
            (0, 0, 0, 0, 0, 0);
        for (name, shape) in checkpoint::shapes(self) {
            let part = match name.as_str() {
                name if name.contains(".indexer.") => &mut indexer,
                name if name.contains(".self_attn.") => &mut attention,
                name if name.contains(".mlp.experts.") => &mut routed_experts,
                name if name.contains(".mlp.") => &mut feed_forward,
                "model.embed_tokens.weight" | "lm_head.weight" => &mut vocabulary,
                _ => &mut norms,
            };
            *part += shape.iter().product::<i64>();
        }
        let parameters = attention + indexer + feed_forward + routed_experts + vocabulary + norms;
        let idle = routed_experts / self.n_routed_experts * (self.n_routed_experts - self.num_experts_per_tok);
        let indexers = self.index_full.iter().filter(|&&full| full).count() as i64;
        let row = self.num_hidden_layers * (self.kv_lora_rank + self.qk_rope_head_dim);
        Size {
            parameters,
            active_parameters: parameters - idle - (self.vocab_size - 1) * self.hidden_size,
            attention,
            indexer,
            feed_forward,
            routed_experts,
            vocabulary,
            cache_bytes_per_token: 4 * (row + indexers * self.index_head_dim),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_shape_has_the_published_size() {
        let size = Config::deepseek_v32().size();
        // 671 billion, of which 37 work on a token, before the indexers of 13.96 million a layer.
        let billions = |count: i64| count as f64 / 1e9;
        assert!((billions(size.parameters - size.indexer) - 671.0).abs() < 0.5, "{size:?}");
        assert!((billions(size.active_parameters - size.indexer) - 37.0).abs() < 1.0, "{size:?}");
        assert!((size.indexer as f64 / 61.0 - 13.96e6).abs() < 0.01e6, "{size:?}");
        assert_eq!(size.cache_bytes_per_token, 61 * 4 * (576 + 128));
    }

    #[test]
    fn sizes_are_those_of_a_model_that_was_made() {
        let model = crate::Model::init(Config::tiny(), 1, crate::Kind::Float).unwrap();
        assert_eq!(Config::tiny().size().parameters as usize, model.weights().parameters());
    }
}
