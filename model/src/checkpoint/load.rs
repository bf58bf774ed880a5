//! Weights from a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use safetensors::tensor::Dtype;
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::{Weights, fp8, shapes, stored};
use crate::place::Place;
use crate::{Config, Error, Result};

/// Headers longer than this are refused, as the format's own library does.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// Read the weights a configuration asks for, each to its kind and device at once.
///
/// # Errors
/// [`Error::Io`], [`Error::Json`], [`Error::Safetensors`] for unreadable files; [`Error::MissingTensors`],
/// [`Error::UnexpectedTensors`], [`Error::TensorShape`], [`Error::TensorKind`], [`Error::MissingScale`] for files that do
/// not fit. All but read errors are found before the first weight is read.
pub fn load(folder: &Path, config: &Config, place: Place) -> Result<Weights> {
    let mut tensors = Folder::open(folder, config)?;
    let mut plan = Vec::new();
    let mut missing = Vec::new();
    for (name, shape) in shapes(config) {
        let mut parts = Vec::new();
        for part in stored(&name, &shape) {
            match tensors.take(&part.name, &part.shape)? {
                None => missing.push(part.name),
                Some(found) => parts.push((part.part, found)),
            }
        }
        plan.push((name, shape, parts));
    }
    if let Some(first) = missing.first().cloned() {
        return Err(Error::MissingTensors { count: missing.len(), first });
    }
    if let Some(first) = tensors.found.keys().next().cloned() {
        return Err(Error::UnexpectedTensors { count: tensors.found.len(), first });
    }
    let mut weights = IndexMap::new();
    for (name, shape, parts) in plan {
        let weight = tensors.read(parts, &shape)?.to_kind(place.kind_of(&name)).to_device(place.device);
        weights.insert(name, weight);
    }
    Ok(Weights::new(weights))
}

/// One tensor of a file.
#[derive(Debug, Clone, Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Vec<i64>,
    data_offsets: [u64; 2],
    /// Index of the file, and where its data begin.
    #[serde(skip)]
    file: usize,
    #[serde(skip)]
    data_start: u64,
}

/// A tensor that will be read, with the scales of an fp8 one.
struct Found {
    entry: Entry,
    scales: Option<Entry>,
}

/// The headers of a folder's files.
struct Folder {
    files: Vec<(PathBuf, File)>,
    found: BTreeMap<String, Entry>,
    fp8_block: [i64; 2],
}

impl Folder {
    fn open(folder: &Path, config: &Config) -> Result<Self> {
        let (mut files, mut found) = (Vec::new(), BTreeMap::new());
        for path in paths(folder)? {
            let io = |source| Error::Io { operation: "read", path: path.clone(), source };
            let file = File::open(&path).map_err(io)?;
            for (name, entry) in header(&path, &file, files.len())? {
                if skipped(&name, config) {
                    continue;
                }
                if found.contains_key(&name) {
                    return Err(Error::Safetensors {
                        path,
                        reason: format!("`{name}` stands in another file as well"),
                    });
                }
                found.insert(name, entry);
            }
            files.push((path, file));
        }
        Ok(Self { files, found, fp8_block: config.fp8_block })
    }

    /// Look a tensor up and compare it with what is expected; none if it is not there.
    fn take(&mut self, name: &str, expected: &[i64]) -> Result<Option<Found>> {
        let Some(entry) = self.found.remove(name) else { return Ok(None) };
        let fits = |name: &str, entry: &Entry, expected: &[i64]| {
            if entry.shape == expected {
                return Ok(());
            }
            Err(Error::TensorShape { name: name.to_owned(), expected: expected.to_vec(), found: entry.shape.clone() })
        };
        fits(name, &entry, expected)?;
        let mut scales = None;
        if entry.dtype == Dtype::F8_E4M3 {
            let scale_name = format!("{name}{}", fp8::SCALE_SUFFIX);
            let [rows, columns] = expected else {
                return Err(Error::TensorKind { name: name.to_owned(), found: "F8_E4M3, but is no matrix".into() });
            };
            let found = self.found.remove(&scale_name);
            let found =
                found.ok_or_else(|| Error::MissingScale { name: name.to_owned(), scale: scale_name.clone() })?;
            let blocks = |size: i64, block: i64| size.unsigned_abs().div_ceil(block.unsigned_abs()) as i64;
            fits(&scale_name, &found, &[blocks(*rows, self.fp8_block[0]), blocks(*columns, self.fp8_block[1])])?;
            if !matches!(found.dtype, Dtype::F32 | Dtype::BF16 | Dtype::F8_E8M0) {
                return Err(Error::TensorKind { name: scale_name, found: format!("{:?}", found.dtype) });
            }
            scales = Some(found);
        } else if kind(entry.dtype).is_none() {
            return Err(Error::TensorKind { name: name.to_owned(), found: format!("{:?}", entry.dtype) });
        }
        Ok(Some(Found { entry, scales }))
    }

    /// Read the stored parts of one tensor and put them together, in float32 (float64 where stored so) on the CPU.
    fn read(&self, mut parts: Vec<(Option<(i64, i64)>, Found)>, shape: &[i64]) -> Result<Tensor> {
        if let [(None, _)] = parts[..] {
            return self.tensor(&parts.remove(0).1);
        }
        let mut whole: Option<Tensor> = None;
        for (part, found) in parts {
            let tensor = self.tensor(&found)?;
            let whole = whole.get_or_insert_with(|| Tensor::zeros(shape, (tensor.kind(), Device::Cpu)));
            let (expert, row) = part.expect("only experts have several parts");
            whole.get(expert).narrow(0, row, tensor.size()[0]).copy_(&tensor);
        }
        Ok(whole.expect("a packed tensor has parts"))
    }

    fn tensor(&self, found: &Found) -> Result<Tensor> {
        let (entry, bytes) = (&found.entry, self.bytes(&found.entry)?);
        if let Some(scale_entry) = &found.scales {
            let scales = fp8::scales(&self.bytes(scale_entry)?, scale_entry.dtype).expect("checked by take()");
            let block = self.fp8_block.map(|size| size as usize);
            let values = fp8::dequantise(&bytes, entry.shape[1] as usize, &scales, block);
            return Ok(Tensor::from_slice(&values).view(&entry.shape[..]));
        }
        let kind = kind(entry.dtype).expect("checked by take()");
        let tensor = Tensor::f_from_data_size(&bytes, &entry.shape, kind)?;
        Ok(if kind == Kind::Double { tensor } else { tensor.to_kind(Kind::Float) })
    }

    fn bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let (path, file) = &self.files[entry.file];
        let [start, end] = entry.data_offsets;
        let mut bytes = vec![0; (end - start) as usize];
        let read = file.read_exact_at(&mut bytes, entry.data_start + start);
        read.map_err(|source| Error::Io { operation: "read", path: path.clone(), source })?;
        Ok(bytes)
    }
}

/// The kinds that are read as they are.
fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F64 => Some(Kind::Double),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}

/// The files a folder's weights lie in.
fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join("model.safetensors.index.json");
    if !index.is_file() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let bytes = std::fs::read(&index).map_err(|source| Error::Io { operation: "read", path: index.clone(), source })?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: index.clone(), source })?;
    let bad = |reason: &str| Error::Safetensors { path: index.clone(), reason: reason.to_owned() };
    let map = value["weight_map"].as_object().ok_or_else(|| bad("no object `weight_map`"))?;
    let names: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    if names.iter().any(|name| Path::new(name).components().count() != 1 || *name == "..") {
        return Err(bad("a shard lies outside the folder"));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Names and places of a file's tensors.
fn header(path: &Path, mut file: &File, index: usize) -> Result<Vec<(String, Entry)>> {
    let io = |source| Error::Io { operation: "read", path: path.to_owned(), source };
    let bad = |reason: String| Error::Safetensors { path: path.to_owned(), reason };
    let length = file.metadata().map_err(io)?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| bad("it is shorter than a header".to_owned()))?;
    let size = u64::from_le_bytes(size);
    if size > HEADER_BYTES_MAX || size + 8 > length {
        return Err(bad(format!("it has {length} bytes, its header alone claims {size}")));
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text).map_err(io)?;
    let fields: IndexMap<String, Value> = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let mut entries = Vec::with_capacity(fields.len());
    for (name, value) in fields.into_iter().filter(|(name, _)| name != "__metadata__") {
        let entry = Entry::deserialize(&value).map_err(|error| bad(format!("tensor `{name}`: {error}")))?;
        let [start, end] = entry.data_offsets;
        let numbers = entry.shape.iter().try_fold(1i64, |product, &size| product.checked_mul(size.max(0)));
        let bytes = numbers.and_then(|numbers| numbers.checked_mul(entry.dtype.bitsize() as i64)).map(|bits| bits / 8);
        if start > end || bytes != Some((end - start) as i64) {
            return Err(bad(format!("tensor `{name}`: {:?} {:?} in {start}..{end}", entry.shape, entry.dtype)));
        }
        if end > length - size - 8 {
            return Err(bad(format!("it ends before tensor `{name}` does: the download or copy was cut short")));
        }
        entries.push((name, Entry { file: index, data_start: size + 8, ..entry }));
    }
    Ok(entries)
}

/// Whether a stored tensor belongs to a layer this model does not have (multi-token prediction).
fn skipped(name: &str, config: &Config) -> bool {
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split('.').next());
    layer.and_then(|layer| layer.parse::<i64>().ok()).is_some_and(|layer| layer >= config.num_hidden_layers)
}
