//! Seeded random weights.
//!
//! Every tensor draws from its own named ChaCha stream, so that a weight depends on the seed and its name only. Normal
//! numbers are sums of twelve uniform ones (Irwin-Hall), which needs only additions: the bytes are the same on every
//! machine. As in the published model, matrices have deviation `initializer_range`, norms are one, biases zero.
//!
//! A model of this crate's own vocabulary also gets a **tilt**: one hidden dimension is constant over all tokens, and the
//! output head reads it so that end-of-sentence and the tags of the message format are likelier than other tokens and
//! the unused ids of the vocabulary are never drawn. Such a model is still random and solves nothing; its completions
//! merely end, and break the format in many ways, as those of a barely trained model do.

use indexmap::IndexMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::Config;
use crate::checkpoint::{Weights, shapes};
use crate::tokenizer::{self, Embedded};

/// Value of the constant hidden dimension in every embedding. With `initializer_range` 0.02 it is about 4 after the norm.
const TILT_EMBEDDING: f32 = 0.1;
/// Head weight of the end token on the constant dimension: about one token in forty.
const TILT_END: f32 = 0.65;
/// Head weight of the message format's tags.
const TILT_TAG: f32 = 0.35;
/// Head weight of ids without a token.
const TILT_UNUSED: f32 = -5.0;

/// Random weights of a valid configuration, float32 on the CPU.
pub(crate) fn weights(config: &Config, seed: u64) -> Weights {
    let tensors: IndexMap<String, Tensor> = shapes(config)
        .into_iter()
        .map(|(name, shape)| {
            let count = shape.iter().product::<i64>() as usize;
            let values = values(config, seed, &name, count);
            (name, Tensor::from_slice(&values).view(&shape[..]))
        })
        .collect();
    if config.vocab_size == tokenizer::VOCABULARY as i64 {
        tilt(&tensors);
    }
    Weights::new(tensors)
}

fn values(config: &Config, seed: u64, name: &str, count: usize) -> Vec<f32> {
    if name.ends_with("norm.weight") {
        return vec![1.0; count];
    }
    if name.ends_with("bias") {
        return vec![0.0; count];
    }
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(name_hash(name));
    (0..count).map(|_| (standard_normal(&mut stream) * config.initializer_range) as f32).collect()
}

/// Nearly normal: twelve uniform numbers, less their mean. Bounded by 6 deviations.
fn standard_normal(stream: &mut ChaCha8Rng) -> f64 {
    let sum: u64 = (0..12).map(|_| u64::from(stream.next_u32())).sum();
    sum as f64 / 2.0f64.powi(32) - 6.0
}

/// FNV-1a: a fixed, dependency-free hash of a name.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn tilt(tensors: &IndexMap<String, Tensor>) {
    let column = |name: &str| tensors[name].select(1, 0); // [V], a view
    let _ = column("model.embed_tokens.weight").fill_(f64::from(TILT_EMBEDDING));
    let embedded = Embedded::new();
    let head: Vec<f32> = (0..tokenizer::VOCABULARY as u32)
        .map(|id| match embedded.vocabulary().bytes(id) {
            _ if id == tokenizer::EOS => TILT_END,
            None => TILT_UNUSED,
            Some(_) if embedded.is_tag(id) => TILT_TAG,
            Some(_) => 0.0,
        })
        .collect();
    column("lm_head.weight").copy_(&Tensor::from_slice(&head).to_kind(Kind::Float).to_device(Device::Cpu));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let (a, b, c) = (weights(&Config::tiny(), 1), weights(&Config::tiny(), 1), weights(&Config::tiny(), 2));
        for ((name, a), ((_, b), (_, c))) in a.iter().zip(b.iter().zip(c.iter())) {
            assert_eq!(a, b, "{name}");
            assert!(a != c || name.contains("norm") || name.contains("bias"), "{name}");
        }
        let first = a.get("model.layers.0.self_attn.q_a_proj.weight").unwrap().double_value(&[0, 0]);
        assert_eq!((first as f32).to_bits(), FIRST.to_bits(), "the stream itself must not change between versions");
    }
    const FIRST: f32 = -0.028_092_802;

    #[test]
    fn the_numbers_are_normal_with_the_configured_deviation() {
        let weights = weights(&Config::tiny(), 9);
        let w = weights.get("model.layers.1.mlp.experts.gate_up_proj").unwrap();
        assert!(w.mean(None::<Kind>).double_value(&[]).abs() < 1e-3);
        assert!((w.std(true).double_value(&[]) - 0.02).abs() < 1e-3);
    }
}
