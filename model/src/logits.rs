//! Logits of a saved model for given tokens: the model's answer to golden values.

use std::path::Path;

use tch::{Device, Kind};

use crate::place::Place;
use crate::{Model, Result};

/// Load the model in `folder`, run `tokens` in `place` (`Kind::Double`: float64 on the CPU), and return the scores of every position.
///
/// # Errors
/// As [`Model::load`]; [`crate::Error::Tokens`] for rows that are empty, uneven, too long or outside the vocabulary.
///
/// # Shapes
/// `tokens` [B, S] -> [B, S, V].
pub fn logits(folder: &Path, tokens: &[Vec<i64>], place: impl Into<Place>) -> Result<Vec<Vec<Vec<f64>>>> {
    let model = Model::load(folder, place)?;
    let batch = model.tokens(tokens)?;
    let scores = tch::no_grad(|| model.logits(&model.forward(&batch).hidden)); // [B, S, V]
    let [rows, length, vocabulary] = scores.size()[..] else { unreachable!("logits are [B, S, V]") };
    let mut flat = vec![0.0; scores.numel()];
    let scores = scores.to_kind(Kind::Double).to_device(Device::Cpu).contiguous();
    scores.f_copy_data(&mut flat, (rows * length * vocabulary) as usize)?;
    let per_position = flat.chunks_exact(vocabulary as usize).map(<[f64]>::to_vec).collect::<Vec<_>>();
    Ok(per_position.chunks_exact(length as usize).map(<[_]>::to_vec).collect())
}
