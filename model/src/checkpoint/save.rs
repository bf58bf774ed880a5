//! Weights to a folder.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, View};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::{Stored, Weights, stored};
use crate::{Config, Error, Result};

/// Weights beyond this many bytes go to a further file.
pub const SHARD_BYTES_MAX: u64 = 4 << 30;

/// Write `config.json` and the weights as tensors of `kind` (Float or BFloat16), replacing older ones: one
/// `model.safetensors`, or numbered files of at most `shard_bytes_max` and their index. A file is replaced whole.
///
/// # Errors
/// [`Error::Io`]; [`Error::Safetensors`]; [`Error::Config`] for another kind.
pub fn save(folder: &Path, config: &Config, weights: &Weights, kind: Kind, shard_bytes_max: u64) -> Result<()> {
    let dtype = match kind {
        Kind::Float => Dtype::F32,
        Kind::BFloat16 => Dtype::BF16,
        other => return Err(Error::Config(format!("cannot save in {other:?}, only in Float and BFloat16"))),
    };
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { operation, path, source }
    };
    std::fs::create_dir_all(folder).map_err(io("create", folder))?;
    let mut shards: Vec<Vec<(String, Piece)>> = vec![Vec::new()];
    let (mut shard_bytes, mut total) = (0, 0);
    for (name, tensor) in weights.iter() {
        for part in stored(name, &tensor.size()) {
            let piece = Piece::new(tensor, &part, dtype, kind);
            let bytes = piece.data_len() as u64;
            if shard_bytes > 0 && shard_bytes + bytes > shard_bytes_max {
                shards.push(Vec::new());
                shard_bytes = 0;
            }
            (shard_bytes, total) = (shard_bytes + bytes, total + bytes);
            shards.last_mut().expect("there is one").push((part.name, piece));
        }
    }
    let count = shards.len();
    let file_name = |index: usize| match count {
        1 => "model.safetensors".to_owned(),
        _ => format!("model-{:05}-of-{count:05}.safetensors", index + 1),
    };
    let mut map = Map::new();
    for (index, shard) in shards.iter().enumerate() {
        map.extend(shard.iter().map(|(name, _)| (name.clone(), file_name(index).into())));
    }
    for (index, shard) in shards.into_iter().enumerate() {
        let (path, scratch) = (folder.join(file_name(index)), folder.join(format!(".{}.partial", file_name(index))));
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize_to_file(shard, Some(format), &scratch)
            .map_err(|error| Error::Safetensors { path: scratch.clone(), reason: error.to_string() })?;
        std::fs::rename(&scratch, &path).map_err(io("replace", &path))?;
    }
    // An index or a single file from before would be read instead of the new files.
    let index = "model.safetensors.index.json";
    let stale = if count == 1 { index } else { "model.safetensors" };
    match std::fs::remove_file(folder.join(stale)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io("remove", &folder.join(stale))(error));
        }
        _ => {}
    }
    let mut fields = config.to_json();
    fields["dtype"] = Value::from(if kind == Kind::Float { "float32" } else { "bfloat16" });
    let mut texts = vec![("config.json", format!("{fields:#}\n"))];
    if count > 1 {
        texts.push((index, format!("{:#}\n", json!({"metadata": {"total_size": total}, "weight_map": map}))));
    }
    for (name, text) in texts {
        let (path, scratch) = (folder.join(name), folder.join(format!(".{name}.partial")));
        std::fs::write(&scratch, text).map_err(io("write", &scratch))?;
        std::fs::rename(&scratch, &path).map_err(io("replace", &path))?;
    }
    Ok(())
}

/// A tensor of a file, turned to bytes only when it is written.
struct Piece {
    tensor: Tensor,
    shape: Vec<usize>,
    dtype: Dtype,
    kind: Kind,
}

impl Piece {
    fn new(whole: &Tensor, part: &Stored, dtype: Dtype, kind: Kind) -> Self {
        let tensor = match part.part {
            None => whole.shallow_clone(),
            Some((expert, row)) => whole.get(expert).narrow(0, row, part.shape[0]),
        };
        Self { tensor, shape: part.shape.iter().map(|&size| size as usize).collect(), dtype, kind }
    }
}

impl View for Piece {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let plain = self.tensor.detach().to_device(Device::Cpu).to_kind(self.kind).contiguous();
        let mut bytes = vec![0; self.data_len()];
        plain.copy_data_u8(&mut bytes, plain.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}
