//! Measurements of a model on this machine: sparse attention against dense, by length of context and by stage.
//!
//! Passes are real ([`Model::extend`]) over a cache filled with random rows, which costs the same as a prompt's. Dense
//! attention is measured for one layer on tensors of the same shapes, in the two forms it can have, and takes the place of
//! indexer and sparse core in the pass's time: **absorbed** (all heads over the latent rows, as products and softmax or
//! libtorch's fused attention) and **expanded** (fused attention over keys and values of every head, which are assumed to
//! lie ready in memory, eleven times the size of the latent rows in the preset `bench`). Values are padded to the width of
//! keys, because libtorch's fused attention asks for that.
//!
//! Times are the least of several runs.

use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

use crate::cache::{Format, IndexFormat, PAGE, RowFormat, Sequence, packed};
use crate::ops::side_by_side;
use crate::place::Place;
use crate::runtime::synchronise;
use crate::stages::{STAGES, Stage, Times, measure};
use crate::{Config, Model, Result};

/// What this machine can do at best.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Machine {
    pub threads: i32,
    /// Bytes a second read from memory in order.
    pub bandwidth: f64,
    /// Operations a second of a matrix product in the model's kind.
    pub matrix_rate: f64,
}

/// One pass at one length of context. Times in seconds, over all layers.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Measured {
    /// Positions a query sees.
    pub context: usize,
    /// Tokens of the pass: 1 is decoding.
    pub tokens: usize,
    /// The whole pass, output head included.
    pub sparse: f64,
    /// The same with dense attention in its faster form; infinite where that was not measured.
    pub dense: f64,
    /// Dense attention alone, in both forms.
    pub dense_absorbed: f64,
    pub dense_expanded: f64,
    /// Each stage of the sparse pass.
    pub stages: Vec<Timed>,
    /// Bytes of the cache that are in use.
    pub cache_bytes: usize,
}

/// A stage's time, and the least it could take: bytes read once at the machine's bandwidth or operations at its matrix
/// rate, whichever is longer.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Timed {
    pub stage: &'static str,
    pub seconds: f64,
    pub floor: f64,
}

impl Measured {
    /// Seconds of a stage.
    pub fn seconds(&self, stage: Stage) -> f64 {
        self.stages.iter().find(|timed| timed.stage == stage.name()).map_or(0.0, |timed| timed.seconds)
    }
}

/// The least time of some runs.
fn least(runs: usize, mut work: impl FnMut()) -> f64 {
    let timed = |()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    std::iter::repeat_n((), runs.max(1)).map(timed).fold(f64::INFINITY, f64::min)
}

/// Measure where a model computes: the CPU with the threads libtorch may use, or a GPU.
pub fn machine(place: Place) -> Machine {
    let side = if place.device == Device::Cpu { 1536 } else { 8192 };
    let x = Tensor::randn([side, side], (place.kind, place.device));
    let seconds = least(40, || {
        drop(x.matmul(&x));
        synchronise(place.device);
    });
    let bandwidth = if place.device == Device::Cpu { cpu_bandwidth() } else { device_bandwidth(place.device) };
    Machine { threads: tch::get_num_threads(), bandwidth, matrix_rate: 2.0 * (side as f64).powi(3) / seconds }
}

fn cpu_bandwidth() -> f64 {
    /// 512 MiB: far beyond any cache.
    const WORDS: usize = 1 << 26;
    let memory = vec![1u64; WORDS];
    WORDS as f64 * 8.0
        / least(40, || {
            let parts =
                side_by_side(WORDS, 1 << 12, |range| {
                    memory[range].as_chunks::<16>().0.iter().fold([0u64; 16], |sums, chunk| {
                        std::array::from_fn(|lane| sums[lane].wrapping_add(chunk[lane]))
                    })
                });
            let sum: u64 = parts.into_iter().flatten().sum();
            assert_eq!(sum, WORDS as u64, "all of it was read");
        })
}

/// By the sum of 4 GiB, which reads them once.
fn device_bandwidth(device: Device) -> f64 {
    const NUMBERS: i64 = 1 << 30;
    let memory = Tensor::ones([NUMBERS], (Kind::Float, device));
    let seconds = least(10, || {
        drop(memory.sum(None::<Kind>));
        synchronise(device);
    });
    NUMBERS as f64 * 4.0 / seconds
}

/// Measure a pass of `tokens` tokens that ends at `context`; `dense` asks for dense attention beside it, whose keys and values of all
/// heads take far more memory than the cache.
///
/// # Errors
/// [`crate::Error::Cache`] if the model cannot have a cache of that format, [`crate::Error::Tokens`] beyond its context.
pub fn pass(
    model: &Model,
    machine: &Machine,
    context: usize,
    tokens: usize,
    format: Format,
    runs: usize,
    dense: bool,
) -> Result<Measured> {
    let config = model.config();
    let before = context - tokens;
    let mut cache = model.cache_with(context + 2 * PAGE, format)?;
    let mut sequence = Sequence::default();
    cache.fill(&mut sequence, before)?;
    let mut sparse = f64::INFINITY;
    let mut stages: Times = [Duration::MAX; STAGES.len()];
    // The first run brings weights and pages into memory and is not counted.
    for run in 0..=runs.max(1) {
        // Other tokens in each run: other queries, other selections.
        let ids: Vec<i64> =
            (0..tokens).map(|i| ((run * tokens + i) * 7919 % config.vocab_size as usize) as i64).collect();
        let ids = Tensor::from_slice(&ids).view([1, -1]).to_device(model.place().device);
        let start = Instant::now();
        let (output, times) = measure(model.place().device, || model.extend(&ids, &mut cache, &mut [&mut sequence]));
        let last = output?.hidden.narrow(1, tokens as i64 - 1, 1);
        let _ = tch::no_grad(|| model.logits(&last));
        synchronise(model.place().device);
        if run > 0 {
            sparse = sparse.min(start.elapsed().as_secs_f64());
            for (least, time) in stages.iter_mut().zip(times) {
                *least = (*least).min(time);
            }
        }
        cache.truncate(&mut sequence, before);
    }
    let cache_bytes = cache.bytes_used();
    drop(cache);
    let layers = config.num_hidden_layers as f64;
    let dense_runs = runs.clamp(1, 5);
    let (dense_absorbed, dense_expanded) = tch::no_grad(|| {
        if !dense {
            return (f64::INFINITY, f64::INFINITY);
        }
        let place = model.place();
        let absorbed = layers * absorbed(config, place, context, tokens, dense_runs);
        (absorbed, layers * expanded(config, place, context, tokens, dense_runs))
    });
    let stages: Vec<Timed> = STAGES
        .iter()
        .zip(stages)
        .map(|(&stage, time)| Timed {
            stage: stage.name(),
            seconds: time.as_secs_f64(),
            floor: floor(model, machine, format, stage, context, tokens),
        })
        .collect();
    let replaced: f64 = [Stage::IndexerProjections, Stage::Indexer, Stage::Core]
        .iter()
        .map(|stage| stages.iter().find(|timed| timed.stage == stage.name()).map_or(0.0, |timed| timed.seconds))
        .sum();
    let dense = sparse - replaced + dense_absorbed.min(dense_expanded);
    Ok(Measured { context, tokens, sparse, dense, dense_absorbed, dense_expanded, stages, cache_bytes })
}

/// Seconds of dense attention of one layer over latent rows.
fn absorbed(config: &Config, place: Place, context: usize, tokens: usize, runs: usize) -> f64 {
    let (heads, rank) = (config.num_attention_heads, config.kv_lora_rank);
    let width = rank + config.qk_rope_head_dim;
    let options = (place.kind, place.device);
    let rows = Tensor::full([context as i64, width], 0.01, options);
    let query = Tensor::full([tokens as i64 * heads, width], 0.01, options);
    if tokens == 1 {
        return least(runs, || {
            let scores = query.matmul(&rows.transpose(0, 1)) * config.softmax_scale();
            drop(scores.softmax(-1, None::<Kind>).matmul(&rows.narrow(1, 0, rank)));
            synchronise(place.device);
        });
    }
    let (query, rows) = (query.view([1, 1, -1, width]), rows.view([1, 1, -1, width]));
    least(runs, || {
        drop(fused(&query, &rows, &rows, config.softmax_scale()));
        synchronise(place.device);
    })
}

/// Seconds of dense attention of one layer over keys and values of every head.
fn expanded(config: &Config, place: Place, context: usize, tokens: usize, runs: usize) -> f64 {
    let (heads, width) = (config.num_attention_heads, config.qk_head_dim());
    let tensor = |length: usize| Tensor::full([1, heads, length as i64, width], 0.01, (place.kind, place.device));
    let (query, keys, values) = (tensor(tokens), tensor(context), tensor(context));
    least(runs, || {
        drop(fused(&query, &keys, &values, config.softmax_scale()));
        synchronise(place.device);
    })
}

/// libtorch's fused attention. Without a mask: the few positions of the pass that a query must not see are work as well.
fn fused(query: &Tensor, keys: &Tensor, values: &Tensor, scale: f64) -> Tensor {
    Tensor::scaled_dot_product_attention::<&Tensor>(query, keys, values, None, 0.0, false, scale, false)
}

/// The least time a stage can take on this machine.
fn floor(model: &Model, machine: &Machine, format: Format, stage: Stage, context: usize, tokens: usize) -> f64 {
    let (c, bytes) = (model.config(), model.place().kind.elt_size_in_bytes() as f64);
    let (context, tokens) = (context as f64, tokens as f64);
    let number = |x: i64| x as f64;
    let (layers, heads, rank) = (number(c.num_hidden_layers), number(c.num_attention_heads), number(c.kv_lora_rank));
    let width = rank + number(c.qk_rope_head_dim);
    let row_bytes = match format.rows {
        RowFormat::Exact => bytes * width,
        RowFormat::Fp8 => number(packed::row_bytes(c.kv_lora_rank + c.qk_rope_head_dim, c.kv_lora_rank)),
    };
    let key_bytes = match format.index {
        IndexFormat::Exact => bytes * number(c.index_head_dim),
        IndexFormat::Int8 | IndexFormat::Fp8 => number(c.index_head_dim) + 4.0,
    };
    let (index_heads, index_width) = (number(c.index_n_heads), number(c.index_head_dim));
    let selected = number(c.index_topk).min(context);
    let size = c.size();
    // Bytes that must be read once, and operations.
    let (bytes, operations) = match stage {
        Stage::Projections => (bytes * number(size.attention), 2.0 * tokens * number(size.attention)),
        Stage::IndexerProjections => (bytes * number(size.indexer), 2.0 * tokens * number(size.indexer)),
        Stage::Cache => (layers * tokens * (row_bytes + key_bytes), 0.0),
        Stage::Indexer => (layers * context * key_bytes, 2.0 * layers * tokens * context * index_heads * index_width),
        Stage::Core => (
            layers * (tokens * selected).min(context) * row_bytes,
            2.0 * layers * tokens * selected * heads * (width + rank),
        ),
        Stage::FeedForward => {
            let expert = number(size.routed_experts) / number(c.n_routed_experts);
            let read = (tokens * number(c.num_experts_per_tok)).min(number(c.n_routed_experts));
            let active = number(size.feed_forward) + expert * number(c.num_experts_per_tok);
            (bytes * (number(size.feed_forward) + expert * read), 2.0 * tokens * active)
        }
    };
    // One token's products are bound by memory. An instruction of the CPU multiplies four times as many bytes as float32 numbers.
    let bytewise = stage == Stage::Indexer && format.index == IndexFormat::Int8;
    let rate = machine.matrix_rate * if bytewise { 4.0 } else { 1.0 };
    let by_rate = if tokens > 1.0 { operations / rate } else { 0.0 };
    (bytes / machine.bandwidth).max(by_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_measured_with_all_its_stages() {
        tch::set_num_threads(1);
        let model = Model::init(Config::tiny(), 1, Kind::Float).unwrap();
        let machine = Machine { threads: 1, bandwidth: 1e10, matrix_rate: 1e11 };
        for (tokens, format) in [(1, IndexFormat::Exact), (16, IndexFormat::Int8)] {
            let measured = pass(&model, &machine, 512, tokens, format.into(), 1, true).unwrap();
            let stages: f64 = measured.stages.iter().map(|timed| timed.seconds).sum();
            assert!(measured.stages.iter().all(|timed| timed.seconds > 0.0 && timed.floor > 0.0), "{measured:?}");
            assert!(stages < measured.sparse, "{measured:?}");
            assert!(measured.dense_absorbed > 0.0 && measured.dense_expanded > 0.0);
        }
        assert!(pass(&model, &machine, 5000, 1, Format::default(), 1, true).is_err(), "beyond the context");
    }
}
