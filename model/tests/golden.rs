//! The model against what a public implementation (`transformers` 5.23.0, float64) computes on tiny random checkpoints.
//! Tolerances: logits to 1e-5 in float64 (that library does index scores and softmax in float32) and 1e-4 in float32;
//! selections, experts and greedy tokens equal; loss and gradient norms to 1e-5.

use std::path::PathBuf;

use safetensors::SafeTensors;
use terrarium_model::cache::Sequence;
use terrarium_model::{Kind, Model, Tensor};

const MODELS: [&str; 2] = ["deepseek_v32", "glm_moe_dsa"];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// One golden tensor.
fn golden(model: &str, name: &str) -> Tensor {
    let bytes = std::fs::read(folder(model).join("golden.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    let kind = match view.dtype() {
        safetensors::Dtype::F64 => Kind::Double,
        safetensors::Dtype::F32 => Kind::Float,
        safetensors::Dtype::I64 => Kind::Int64,
        safetensors::Dtype::I32 => Kind::Int,
        other => panic!("{other:?}"),
    };
    let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    Tensor::from_data_size(view.data(), &shape, kind)
}

fn load(name: &str, kind: Kind) -> Model {
    tch::set_num_threads(1);
    Model::load(&folder(name), kind).unwrap()
}

fn rows(tensor: &Tensor) -> Vec<Vec<i64>> {
    Vec::<Vec<i64>>::try_from(tensor).unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
}

#[test]
fn float64_logits_selections_and_experts() {
    for name in MODELS {
        let model = load(name, Kind::Double);
        let tokens = model.tokens(&rows(&golden(name, "input_ids"))).unwrap();
        let output = model.forward(&tokens);
        let error = distance(&model.logits(&output.hidden), &golden(name, "logits"));
        assert!(error < 1e-5, "{name}: logits differ by {error:e}");
        for (layer, selected) in output.trace.selected.iter().enumerate() {
            let (ours, _) = selected.sort(-1, false);
            let (theirs, _) = golden(name, &format!("topk.{layer}")).to_kind(Kind::Int64).sort(-1, false);
            assert_eq!(ours, theirs, "{name}: selection of layer {layer}");
        }
        for (index, experts) in output.trace.experts.iter().enumerate() {
            assert_eq!(*experts, golden(name, &format!("experts.{}", index + 1)), "{name}: experts");
        }
        assert_eq!(output.trace.experts.len(), 2);
    }
}

#[test]
fn float32_logits() {
    for name in MODELS {
        let model = load(name, Kind::Float);
        let tokens = model.tokens(&rows(&golden(name, "input_ids"))).unwrap();
        let error = distance(&model.logits(&model.forward(&tokens).hidden), &golden(name, "logits"));
        assert!(error < 1e-4, "{name}: logits differ by {error:e}");
    }
}

#[test]
fn the_library_function_returns_the_same_logits() {
    tch::set_num_threads(1);
    let expected = golden("deepseek_v32", "logits");
    let found =
        terrarium_model::logits(&folder("deepseek_v32"), &rows(&golden("deepseek_v32", "input_ids")), Kind::Double)
            .unwrap();
    let flat: Vec<f64> = found.iter().flatten().flatten().copied().collect();
    assert_eq!([found.len() as i64, found[0].len() as i64, found[0][0].len() as i64], expected.size()[..]);
    assert!(distance(&Tensor::from_slice(&flat).view(&expected.size()[..]), &expected) < 1e-5);
}

/// Feed `tokens` [B, S] in pieces of the given lengths; the logits of all positions.
fn in_pieces(model: &Model, tokens: &Tensor, pieces: impl IntoIterator<Item = i64>) -> Tensor {
    let mut cache = model.cache(1024);
    let mut sequences: Vec<Sequence> = (0..tokens.size()[0]).map(|_| Sequence::default()).collect();
    let mut start = 0;
    let mut parts = Vec::new();
    for length in pieces {
        let mut borrowed: Vec<&mut Sequence> = sequences.iter_mut().collect();
        let output = model.extend(&tokens.narrow(1, start, length), &mut cache, &mut borrowed).unwrap();
        parts.push(model.logits(&output.hidden));
        start += length;
    }
    assert_eq!(start, tokens.size()[1]);
    Tensor::cat(&parts, 1)
}

#[test]
fn step_by_step_agrees_with_the_full_pass() {
    for name in MODELS {
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-5)] {
            let model = load(name, kind);
            let tokens = model.tokens(&rows(&golden(name, "input_ids"))).unwrap();
            let full = model.logits(&model.forward(&tokens).hidden);
            for pieces in [vec![1; 48], vec![48], vec![5, 1, 1, 30, 11]] {
                let error = distance(&in_pieces(&model, &tokens, pieces.clone()), &full);
                assert!(error < tolerance, "{name} {kind:?} {pieces:?}: {error:e}");
            }
        }
    }
}

#[test]
fn greedy_tokens() {
    for name in MODELS {
        for kind in [Kind::Double, Kind::Float] {
            let model = load(name, kind);
            let mut next = model.tokens(&rows(&golden(name, "input_ids"))).unwrap();
            let mut cache = model.cache(1024);
            let (mut a, mut b) = (Sequence::default(), Sequence::default());
            let mut found = Vec::new();
            for _ in 0..16 {
                let output = model.extend(&next, &mut cache, &mut [&mut a, &mut b]).unwrap();
                let last = output.hidden.size()[1] - 1;
                next = model.logits(&output.hidden.narrow(1, last, 1)).argmax(-1, false); // [B, 1]
                found.push(next.shallow_clone());
            }
            assert_eq!(Tensor::cat(&found, 1), golden(name, "greedy"), "{name} {kind:?}");
        }
    }
}

#[test]
fn loss_and_gradient_norms() {
    for name in MODELS {
        let model = load(name, Kind::Double);
        for (_, weight) in model.weights().iter() {
            let _ = weight.set_requires_grad(true);
        }
        let tokens = model.tokens(&rows(&golden(name, "input_ids"))).unwrap();
        let length = tokens.size()[1];
        let scores = model.logits(&model.forward(&tokens).hidden).narrow(1, 0, length - 1);
        let targets = tokens.narrow(1, 1, length - 1).reshape([-1]);
        let loss = scores.reshape([-1, scores.size()[2]]).cross_entropy_for_logits(&targets);
        assert!(distance(&loss, &golden(name, "loss")) < 1e-5, "{name}: loss");
        loss.backward();
        for weight in [
            "lm_head.weight",
            "model.embed_tokens.weight",
            "model.layers.1.self_attn.kv_b_proj.weight",
            "model.layers.1.self_attn.q_a_proj.weight",
            "model.layers.2.mlp.gate.weight",
        ] {
            let norm = model.weights().get(weight).unwrap().grad().norm();
            let expected = golden(name, &format!("grad_norm.{weight}")).double_value(&[0]);
            let found = norm.double_value(&[]);
            assert!((found - expected).abs() < 1e-5 * expected.max(1.0), "{name} {weight}: {found} and {expected}");
        }
    }
}

#[test]
fn the_indexer_gets_no_gradient_from_the_language_loss() {
    let model = load("deepseek_v32", Kind::Float);
    for (_, weight) in model.weights().iter() {
        let _ = weight.set_requires_grad(true);
    }
    let tokens = model.tokens(&rows(&golden("deepseek_v32", "input_ids"))).unwrap();
    model.logits(&model.forward(&tokens).hidden).sum(Kind::Float).backward();
    assert!(!model.weights().get("model.layers.1.self_attn.indexer.wk.weight").unwrap().grad().defined());
}
