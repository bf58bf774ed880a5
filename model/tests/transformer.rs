//! The forward pass beyond the golden sizes: long contexts in several steps, shared selections, ties.

use terrarium_model::cache::Sequence;
use terrarium_model::config::ModelType;
use terrarium_model::{Config, Kind, Model, Tensor};

fn model(change: impl FnOnce(&mut Config), kind: Kind) -> Model {
    tch::set_num_threads(1);
    let mut config = Config::tiny();
    change(&mut config);
    Model::init(config, 3, kind).unwrap()
}

fn tokens(model: &Model, length: i64) -> Tensor {
    model.tokens(&[(0..length).map(|i| (i * i * 31 + i) % 251).collect()]).unwrap()
}

/// Feed one row in pieces; the hidden states of all positions and every layer's selections, by position.
fn in_pieces(model: &Model, tokens: &Tensor, piece: i64) -> (Tensor, Vec<Vec<Vec<i64>>>) {
    let (mut cache, mut sequence) = (model.cache(8192), Sequence::default());
    let mut hidden = Vec::new();
    let mut selected = vec![Vec::new(); model.config().num_hidden_layers as usize];
    let mut start = 0;
    while start < tokens.size()[1] {
        let length = piece.min(tokens.size()[1] - start);
        let output = model.extend(&tokens.narrow(1, start, length), &mut cache, &mut [&mut sequence]).unwrap();
        hidden.push(output.hidden);
        for (all, layer) in selected.iter_mut().zip(&output.trace.selected) {
            all.extend(positions(layer));
        }
        start += length;
    }
    (Tensor::cat(&hidden, 1), selected)
}

/// The selected positions of a single row, without the places left empty.
fn positions(selected: &Tensor) -> Vec<Vec<i64>> {
    let rows = Vec::<Vec<i64>>::try_from(selected.get(0)).unwrap();
    rows.into_iter().map(|row| row.into_iter().filter(|&position| position >= 0).collect()).collect()
}

#[test]
fn a_long_context_gives_the_same_bits_in_any_pieces() {
    for kind in [Kind::Float, Kind::Double] {
        let model = model(|_| (), kind);
        let tokens = tokens(&model, 1500);
        let full = tch::no_grad(|| model.forward(&tokens));
        let expected: Vec<_> = full.trace.selected.iter().map(positions).collect();
        for piece in [1500, 512, 77] {
            let (hidden, selected) = in_pieces(&model, &tokens, piece);
            assert_eq!(hidden, full.hidden, "{kind:?}, pieces of {piece}");
            assert_eq!(selected, expected, "{kind:?}, pieces of {piece}");
        }
        let short = tokens.narrow(1, 0, 150);
        assert_eq!(in_pieces(&model, &short, 1).0, full.hidden.narrow(1, 0, 150), "{kind:?}, one by one");
        for (position, row) in expected[1].iter().enumerate() {
            assert_eq!(row.len(), 64.min(position + 1));
            assert!(row.iter().all(|&selected| selected <= position as i64), "no query sees the future");
        }
    }
}

#[test]
fn layers_can_share_the_selection_of_the_layer_before() {
    let share = |config: &mut Config| {
        config.model_type = ModelType::GlmMoeDsa;
        config.index_rope_interleaved = true;
        config.num_hidden_layers = 3;
        config.index_full = vec![true, false, true];
    };
    let model = model(share, Kind::Double);
    let tokens = tokens(&model, 200);
    let full = tch::no_grad(|| model.forward(&tokens));
    assert_eq!(full.trace.selected[0], full.trace.selected[1]);
    assert_ne!(full.trace.selected[1], full.trace.selected[2]);
    assert_eq!(in_pieces(&model, &tokens, 33).0, full.hidden);
    assert!(model.weights().get("model.layers.1.self_attn.indexer.wk.weight").is_err());
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    let again = Model::load(folder.path(), Kind::Double).unwrap();
    assert_eq!(again.forward(&tokens).hidden, full.hidden);
}

#[test]
fn equal_scores_select_the_earliest_positions() {
    let model = model(|_| (), Kind::Double);
    // No head has any weight, so every score is zero.
    let _ = model.weights().get("model.layers.0.self_attn.indexer.weights_proj.weight").unwrap().zero_();
    let selected = tch::no_grad(|| model.forward(&tokens(&model, 130))).trace.selected;
    let earliest: Vec<i64> = (0..64).collect();
    assert_eq!(positions(&selected[0])[129], earliest);
    assert_ne!(positions(&selected[1])[129], earliest);
}
