//! A model on another device and in another kind: on a CUDA device that is none, which refuses an operation on tensors of two devices as
//! a real one does, with the text of the kernels run by the emulator. What a real device would add to it is speed.

mod support;

use std::path::Path;

use support::pretend;
use terrarium_model::attention::indexer::IndexQuery;
use terrarium_model::attention::sparse::{plain, sparse_attention};
use terrarium_model::cache::{Format, IndexFormat, RowFormat, Sequence};
use terrarium_model::engine::{Generator, Options, Request, Sampling};
use terrarium_model::{Config, Device, Kind, Model, Place, Tensor};

/// To be called first: libtorch looks for devices once.
fn start() -> Device {
    let device = pretend::device();
    tch::set_num_threads(1);
    device
}

/// A shape that all kernels were written for, small.
fn config() -> Config {
    let mut config = Config::tiny();
    (config.kv_lora_rank, config.qk_rope_head_dim) = (128, 16);
    (config.num_attention_heads, config.index_n_heads, config.index_head_dim) = (16, 16, 32);
    config.index_topk = 70;
    config
}

fn model(place: Place) -> Model {
    start();
    Model::init(config(), 5, place).unwrap()
}

fn ids(length: i64) -> Vec<i64> {
    (0..length).map(|i| (i * i * 31 + i * 7) % 250).collect()
}

fn on_cpu(x: &Tensor) -> Tensor {
    x.to_device(Device::Cpu).to_kind(Kind::Double)
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (on_cpu(a) - on_cpu(b)).abs().max().double_value(&[])
}

/// `1 - cosine`.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (on_cpu(a), on_cpu(b));
    let dot = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
    1.0 - dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

/// Logits of all positions, step by step through a cache.
fn in_pieces(model: &Model, tokens: &Tensor, format: Format) -> Tensor {
    let (mut cache, mut sequence) = (model.cache_with(512, format).unwrap(), Sequence::default());
    let length = tokens.size()[1];
    let mut parts = Vec::new();
    let mut start = 0;
    for piece in [90, 1, 1, length - 92] {
        let output = model.extend(&tokens.narrow(1, start, piece), &mut cache, &mut [&mut sequence]).unwrap();
        parts.push(model.logits(&output.hidden));
        start += piece;
    }
    Tensor::cat(&parts, 1)
}

#[test]
fn tensors_of_two_devices_do_not_mix() {
    let there = Tensor::ones([3], (Kind::Float, start()));
    assert_eq!(there.device(), Device::Cuda(0));
    let error = there.f_add(&Tensor::ones([3], (Kind::Float, Device::Cpu))).unwrap_err().to_string();
    assert!(error.contains("cuda:0"), "{error}");
    assert_eq!(Vec::<f32>::try_from(&there + 1.0).unwrap(), [2.0; 3]);
}

/// No tensor is made on the wrong device, in a full pass, through every form of cache, in training and in the engine.
#[test]
fn a_float32_model_on_the_device_is_that_on_the_cpu() {
    let there = Place { device: start(), kind: Kind::Float };
    let (near, far) = (model(Kind::Float.into()), model(there));
    assert!(far.weights().iter().all(|(_, weight)| weight.device() == there.device));
    let (a, b) = (near.tokens(&[ids(150)]).unwrap(), far.tokens(&[ids(150)]).unwrap());
    let (x, y) = tch::no_grad(|| (near.logits(&near.forward(&a).hidden), far.logits(&far.forward(&b).hidden)));
    assert_eq!(y.device(), there.device);
    assert!(distance(&x, &y) < 1e-4, "{}", distance(&x, &y));
    for rows in [RowFormat::Exact, RowFormat::Fp8] {
        for index in [IndexFormat::Exact, IndexFormat::Fp8] {
            let format = Format { rows, index };
            let error = distance(&in_pieces(&near, &a, format), &in_pieces(&far, &b, format));
            assert!(error < 1e-4, "{format:?}: {error:e}");
        }
    }
    let refused = far.cache_with(64, IndexFormat::Int8).unwrap_err().to_string();
    assert!(refused.contains("on the CPU"), "{refused}");

    let request = || {
        let sampling = Sampling { temperature: 0.0, max_tokens: 6, ..Sampling::default() };
        Request::new(1, ids(100).into_iter().map(|id| id as u32).collect(), sampling)
    };
    let options = Options { cache_tokens_max: 1024, ..Options::default() };
    let answer = |model| Generator::new(model, options).generate(vec![request()]).unwrap().remove(0).token_ids;
    assert_eq!(answer(near), answer(far));
}

/// The kernels serve a bfloat16 model: attention, scores and top-k, both forms of rows and keys.
#[test]
fn a_bfloat16_model_on_the_device_computes_with_the_kernels() {
    let there = model(Place { device: start(), kind: Kind::BFloat16 });
    let exact = model(Kind::Double.into());
    let (a, b) = (exact.tokens(&[ids(140)]).unwrap(), there.tokens(&[ids(140)]).unwrap());
    let expected = tch::no_grad(|| exact.logits(&exact.forward(&a).hidden));
    let full = tch::no_grad(|| there.logits(&there.forward(&b).hidden));
    assert!(apart(&full, &expected) < 2e-4, "full pass: {:e}", apart(&full, &expected));
    let formats = [
        (RowFormat::Exact, IndexFormat::Exact, 2e-4),
        (RowFormat::Fp8, IndexFormat::Exact, 1e-3),
        (RowFormat::Fp8, IndexFormat::Fp8, 2e-3),
    ];
    for (rows, index, bound) in formats {
        let found = apart(&in_pieces(&there, &b, Format { rows, index }), &expected);
        assert!(found < bound, "{rows:?} {index:?}: {found:e}");
    }
}

/// On the CPU a bfloat16 model is as near to the exact one, and its tokens have the same bits in any pieces.
#[test]
fn a_bfloat16_model_on_the_cpu() {
    let here = model(Kind::BFloat16.into());
    let exact = model(Kind::Double.into());
    let (a, b) = (exact.tokens(&[ids(140)]).unwrap(), here.tokens(&[ids(140)]).unwrap());
    let expected = tch::no_grad(|| exact.logits(&exact.forward(&a).hidden));
    let full = tch::no_grad(|| here.logits(&here.forward(&b).hidden));
    assert!(apart(&full, &expected) < 2e-4, "full pass: {:e}", apart(&full, &expected));
    let cached = in_pieces(&here, &b, Format::default());
    if terrarium_model::ops::available() {
        assert_eq!(cached, full, "step by step");
    }
    for name in ["deepseek_v32", "glm_moe_dsa"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let (near, exact) =
            (Model::load(&folder, Kind::BFloat16).unwrap(), Model::load(&folder, Kind::Double).unwrap());
        let tokens = near.tokens(&[ids(40).into_iter().map(|id| id % near.config().vocab_size).collect()]).unwrap();
        let logits = |model: &Model| tch::no_grad(|| model.logits(&model.forward(&tokens).hidden)).get(0); // [S, V]
        let (found, expected) = (logits(&near), logits(&exact));
        let mut errors: Vec<f64> =
            (0..tokens.size()[1]).map(|position| apart(&found.get(position), &expected.get(position))).collect();
        errors.sort_by(f64::total_cmp);
        // A rounding that changes a choice, 8 keys of up to 40 or some of 8 experts, changes these random models much; most positions
        // have no such choice.
        assert!(errors[errors.len() / 2] < 2e-3, "{name}: {errors:?}");
        assert!(errors[errors.len() - 1] < 0.5, "{name}: {errors:?}");
    }
}

#[test]
fn attention_learns_by_its_kernels() {
    let device = start();
    tch::manual_seed(3);
    let (queries, heads, count, rank, width, scale) = (4, 16, 60, 128, 144, 0.1);
    let cpu = (Kind::Float, Device::Cpu);
    let query = (Tensor::randn([queries, heads, width], cpu) / 4.0).to_kind(Kind::BFloat16);
    let rows = (Tensor::randn([count, width], cpu) / 4.0).to_kind(Kind::BFloat16);
    let slots = Tensor::randint(count, [queries, 40], (Kind::Int64, Device::Cpu));
    let slots = slots.masked_fill(&Tensor::rand([queries, 40], cpu).lt(0.1), -1);
    let weight = Tensor::randn([queries, heads, rank], cpu);
    let learn = |place: &dyn Fn(&Tensor) -> Tensor, attend: &dyn Fn(&Tensor, &Tensor, &Tensor) -> Tensor, kind| {
        let leaf = |x: &Tensor| place(x).to_kind(kind).set_requires_grad(true);
        let (query, rows) = (leaf(&query), leaf(&rows));
        // Something before and behind it, so that it stands in the middle of a graph.
        let out = attend(&(&query * 1.5), &rows, &place(&slots)).sigmoid();
        (out.to_kind(Kind::Float) * place(&weight)).sum(Kind::Float).backward();
        (query.grad(), rows.grad())
    };
    let there = |x: &Tensor| x.to_device(device);
    let found = learn(&there, &|q, r, s| sparse_attention(q, r, s, rank, scale), Kind::BFloat16);
    let expected = learn(&|x| x.shallow_clone(), &|q, r, s| plain(q, r, s, rank, scale), Kind::Double);
    assert_eq!(found.0.device(), device);
    for (what, found, expected) in [("query", &found.0, &expected.0), ("rows", &found.1, &expected.1)] {
        assert!(apart(found, expected) < 2e-4, "{what}: {:e}", apart(found, expected));
        let size = |x: &Tensor| on_cpu(x).norm().double_value(&[]);
        assert!((size(found) / size(expected) - 1.0).abs() < 0.01, "{what} is longer or shorter");
    }
}

#[test]
fn the_indexer_learns_by_its_kernels() {
    let device = start();
    tch::manual_seed(4);
    let (b, s, heads, width) = (2, 70, 16, 32);
    let cpu = (Kind::Float, Device::Cpu);
    let tensors = [
        Tensor::randn([b, s, heads, width], cpu).to_kind(Kind::BFloat16),
        Tensor::randn([b, s, heads], cpu) / 20.0,
        Tensor::randn([b, s, width], cpu).to_kind(Kind::BFloat16),
    ];
    let positions = Tensor::arange(s, (Kind::Int64, Device::Cpu)).expand([b, s], true);
    let target = Tensor::randn([b, s, s], cpu).softmax(-1, Kind::Float);
    let learn = |device: Device, exact: bool| {
        let leaves = tensors.each_ref().map(|x| {
            let kind = if exact { Kind::Double } else { x.kind() };
            x.to_device(device).to_kind(kind).set_requires_grad(true)
        });
        let [heads, weights, keys] = leaves.each_ref().map(Tensor::shallow_clone);
        let scores = IndexQuery::new(heads, weights).scores(&keys, &positions.to_device(device));
        // The indexer's loss, but for the mean: masked keys weigh nothing.
        let chosen = scores.log_softmax(-1, Kind::Float).clamp_min(-50.0);
        (chosen * target.to_device(device)).sum(Kind::Float).backward();
        (scores.detach(), leaves.map(|leaf| leaf.grad()))
    };
    let ((scores, found), (exact_scores, expected)) = (learn(device, false), learn(Device::Cpu, true));
    let finite = |x: &Tensor| on_cpu(x).clamp_min(-1e3);
    assert!(distance(&finite(&scores), &finite(&exact_scores)) < 1e-3, "scores");
    for ((what, found), expected) in ["queries", "weights", "keys"].iter().zip(&found).zip(&expected) {
        assert!(apart(found, expected) < 2e-4, "{what}: {:e}", apart(found, expected));
    }
}
