//! Checkpoints: what is saved is loaded, shards and bfloat16 are read, and files that do not fit are refused by name.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use terrarium_model::{Config, Error, Kind, Model, checkpoint};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/deepseek_v32");

fn tokens(model: &Model) -> tch::Tensor {
    model.tokens(&[(0..40).map(|i| (i * 37) % 101).collect()]).unwrap()
}

fn logits(model: &Model) -> tch::Tensor {
    model.logits(&model.forward(&tokens(model)).hidden)
}

type Stored = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

/// All tensors of a file.
fn read(path: &Path) -> Stored {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Stored = file
        .iter()
        .map(|(name, view)| (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    all.sort();
    all
}

fn write(path: &Path, tensors: &Stored) {
    let views =
        tensors.iter().map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The golden folder with its tensors changed.
fn changed(change: impl FnOnce(&mut Stored)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(Path::new(GOLDEN).join("config.json"), folder.path().join("config.json")).unwrap();
    let mut tensors = read(&Path::new(GOLDEN).join("model.safetensors"));
    change(&mut tensors);
    write(&folder.path().join("model.safetensors"), &tensors);
    folder
}

fn error(folder: &Path) -> Error {
    Model::load(folder, Kind::Float).expect_err("must be refused")
}

#[test]
fn saving_and_loading_is_identity() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(Path::new(GOLDEN), Kind::Float).unwrap();
    model.save(folder.path()).unwrap();
    assert_eq!(read(&folder.path().join("model.safetensors")), read(&Path::new(GOLDEN).join("model.safetensors")));
    let again = Model::load(folder.path(), Kind::Float).unwrap();
    assert_eq!(again.config(), model.config());
    assert_eq!(logits(&again), logits(&model));
}

#[test]
fn a_seeded_model_is_saved_with_the_same_bytes_each_time() {
    tch::set_num_threads(1);
    let save = |seed| {
        let folder = tempfile::tempdir().unwrap();
        Model::init(Config::tiny(), seed, Kind::Float).unwrap().save(folder.path()).unwrap();
        ["config.json", "model.safetensors"].map(|name| std::fs::read(folder.path().join(name)).unwrap())
    };
    assert_eq!(save(4), save(4));
    assert_ne!(save(4), save(5));
}

#[test]
fn shards_are_read() {
    tch::set_num_threads(1);
    let folder = changed(|_| ());
    let whole = logits(&Model::load(folder.path(), Kind::Double).unwrap());
    let tensors = read(&folder.path().join("model.safetensors"));
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let mut map = serde_json::Map::new();
    for (index, part) in tensors.chunks(30).enumerate() {
        let name = format!("model-{index}.safetensors");
        write(&folder.path().join(&name), &part.to_vec());
        map.extend(part.iter().map(|(tensor, ..)| (tensor.clone(), Value::from(name.clone()))));
    }
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index, json!({"metadata": {}, "weight_map": map}).to_string()).unwrap();
    assert_eq!(logits(&Model::load(folder.path(), Kind::Double).unwrap()), whole);

    std::fs::write(&index, json!({"weight_map": {"x": "../model.safetensors"}}).to_string()).unwrap();
    assert!(error(folder.path()).to_string().contains("outside the folder"));
    std::fs::write(&index, json!({"weight_map": {"x": "absent.safetensors"}}).to_string()).unwrap();
    assert!(matches!(error(folder.path()), Error::Io { .. }));
}

#[test]
fn a_model_is_saved_in_several_files_and_in_one_again() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(Path::new(GOLDEN), Kind::Float).unwrap();
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    model.save(folder.path()).unwrap();
    checkpoint::save(folder.path(), model.config(), model.weights(), Kind::Float, 400_000).unwrap();
    let found = names();
    assert!(found.len() > 3 && found.contains(&"model.safetensors.index.json".to_owned()), "{found:?}");
    assert!(!found.contains(&"model.safetensors".to_owned()), "the single file from before is gone");
    for name in found.iter().filter(|name| name.ends_with("safetensors")) {
        assert!(std::fs::metadata(folder.path().join(name)).unwrap().len() < 420_000, "{name}");
    }
    assert_eq!(logits(&Model::load(folder.path(), Kind::Float).unwrap()), logits(&model));
    model.save(folder.path()).unwrap();
    assert!(!names().contains(&"model.safetensors.index.json".to_owned()), "the index from before is gone");
    assert_eq!(logits(&Model::load(folder.path(), Kind::Float).unwrap()), logits(&model));
}

/// The golden folder with every matrix of attention and experts as fp8 in blocks of 32 x 16, and a folder with the float32
/// values those bytes stand for.
fn quantised(change: impl FnOnce(&mut Stored)) -> [tempfile::TempDir; 2] {
    let block = [32, 16];
    let mut plain = Vec::new();
    let folder = changed(|tensors| {
        let mut scales = Stored::new();
        for (name, dtype, shape, data) in tensors.iter_mut() {
            if shape.len() != 2 || !name.contains("_proj") || name.contains("weights_proj") {
                continue;
            }
            let values: Vec<f32> = data.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
            let size = [shape[0].div_ceil(block[0]), shape[1].div_ceil(block[1])];
            let mut amax = vec![0f32; size[0] * size[1]];
            let of = |index: usize| index / shape[1] / block[0] * size[1] + index % shape[1] / block[1];
            for (index, value) in values.iter().enumerate() {
                amax[of(index)] = amax[of(index)].max(value.abs());
            }
            let scale: Vec<f32> = amax.iter().map(|amax| amax / 448.0).collect();
            let nearest = |value: f32| {
                (0..=254u8)
                    .filter(|byte| byte & 0x7f != 0x7f)
                    .min_by(|a, b| {
                        let distance = |byte: &u8| (checkpoint::fp8::decode(*byte) - value).abs();
                        distance(a).total_cmp(&distance(b))
                    })
                    .unwrap()
            };
            let bytes: Vec<u8> =
                values.iter().enumerate().map(|(index, value)| nearest(value / scale[of(index)])).collect();
            let meant: Vec<f32> = bytes
                .iter()
                .enumerate()
                .map(|(index, byte)| checkpoint::fp8::decode(*byte) * scale[of(index)])
                .collect();
            let error: f32 = meant.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error <= amax.iter().fold(0.0, |a: f32, b| a.max(*b)) / 16.0, "{name}: {error}");
            plain.push((name.clone(), meant.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()));
            (*dtype, *data) = (Dtype::F8_E4M3, bytes);
            let scale = scale.iter().flat_map(|value| value.to_le_bytes()).collect();
            scales.push((format!("{name}_scale_inv"), Dtype::F32, size.to_vec(), scale));
        }
        assert!(scales.len() > 60, "{} matrices", scales.len());
        tensors.extend(scales);
        change(tensors);
    });
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["quantization_config"] = json!({"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": block});
    std::fs::write(&path, config.to_string()).unwrap();
    let meant = changed(|tensors| {
        for (name, data) in plain {
            tensors.iter_mut().find(|(other, ..)| *other == name).unwrap().3 = data;
        }
    });
    [folder, meant]
}

#[test]
fn fp8_is_read_with_its_block_scales() {
    tch::set_num_threads(1);
    let [folder, meant] = quantised(|_| ());
    let model = Model::load(folder.path(), Kind::Float).unwrap();
    assert_eq!(logits(&model), logits(&Model::load(meant.path(), Kind::Float).unwrap()));
    assert_ne!(logits(&model), logits(&Model::load(Path::new(GOLDEN), Kind::Float).unwrap()));

    let name = "model.layers.0.self_attn.q_a_proj.weight";
    let [folder, _] = quantised(|tensors| tensors.retain(|(other, ..)| *other != format!("{name}_scale_inv")));
    assert!(matches!(error(folder.path()), Error::MissingScale { name: found, .. } if found == name));
    let [folder, _] = quantised(|tensors| {
        let scale = tensors.iter_mut().find(|(other, ..)| *other == format!("{name}_scale_inv")).unwrap();
        scale.2.reverse();
    });
    let Error::TensorShape { name: found, expected, .. } = error(folder.path()) else { panic!() };
    assert_eq!((found, expected), (format!("{name}_scale_inv"), vec![2, 4]));
    let [folder, _] = quantised(|tensors| {
        let scale = tensors.iter_mut().find(|(other, ..)| *other == format!("{name}_scale_inv")).unwrap();
        scale.1 = Dtype::I32;
    });
    assert!(matches!(error(folder.path()), Error::TensorKind { .. }));
}

#[test]
fn bfloat16_is_written_and_read() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(Path::new(GOLDEN), Kind::Float).unwrap();
    checkpoint::save(folder.path(), model.config(), model.weights(), Kind::BFloat16, u64::MAX).unwrap();
    let again = Model::load(folder.path(), Kind::Float).unwrap();
    for ((name, a), (_, b)) in model.weights().iter().zip(again.weights().iter()) {
        assert_eq!(a.to_kind(Kind::BFloat16).to_kind(Kind::Float), *b, "{name}");
    }
    assert!(matches!(
        checkpoint::save(folder.path(), model.config(), model.weights(), Kind::Int, u64::MAX),
        Err(Error::Config(_))
    ));
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let missing = changed(|tensors| tensors.retain(|(name, ..)| !name.contains("layers.1.mlp.experts.3")));
    let Error::MissingTensors { count: 3, first } = error(missing.path()) else { panic!() };
    assert_eq!(first, "model.layers.1.mlp.experts.3.gate_proj.weight");

    let misshapen = changed(|tensors| {
        let (_, _, shape, _) =
            tensors.iter_mut().find(|(name, ..)| name.ends_with("layers.2.self_attn.o_proj.weight")).unwrap();
        shape.reverse();
    });
    let Error::TensorShape { name, expected, found } = error(misshapen.path()) else { panic!() };
    assert_eq!(
        (name.as_str(), expected, found),
        ("model.layers.2.self_attn.o_proj.weight", vec![64, 96], vec![96, 64])
    );

    let unknown = changed(|tensors| tensors.push(("model.extra".into(), Dtype::F32, vec![1], vec![0; 4])));
    assert!(matches!(error(unknown.path()), Error::UnexpectedTensors { count: 1, .. }));

    let integers = changed(|tensors| {
        let (_, dtype, _, data) = &mut tensors[0];
        (*dtype, *data) = (Dtype::I8, data[..data.len() / 4].to_vec());
    });
    assert!(matches!(error(integers.path()), Error::TensorKind { found, .. } if found == "I8"));

    let twice = changed(|_| ());
    let path = twice.path().join("model.safetensors");
    std::fs::copy(&path, twice.path().join("again.safetensors")).unwrap();
    let map = json!({"weight_map": {"a": "model.safetensors", "b": "again.safetensors"}});
    std::fs::write(twice.path().join("model.safetensors.index.json"), map.to_string()).unwrap();
    assert!(error(twice.path()).to_string().contains("another file"));

    let prediction =
        changed(|tensors| tensors.push(("model.layers.3.eh_proj.weight".into(), Dtype::F32, vec![1], vec![0; 4])));
    assert!(Model::load(prediction.path(), Kind::Float).is_ok(), "layers for multi-token prediction are skipped");

    let torn = changed(|_| ());
    let path = torn.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(error(torn.path()).to_string().contains("cut short"));
    std::fs::write(&path, &bytes[..7]).unwrap();
    assert!(error(torn.path()).to_string().contains("shorter than a header"));
    std::fs::write(&path, [&[255; 8][..], &bytes[8..]].concat()).unwrap();
    assert!(error(torn.path()).to_string().contains("its header alone"));
    std::fs::write(&path, [&bytes[..8], &[b' '; 100][..], &bytes[108..]].concat()).unwrap();
    assert!(matches!(error(torn.path()), Error::Safetensors { .. }));
    std::fs::write(torn.path().join("config.json"), "{").unwrap();
    assert!(matches!(error(torn.path()), Error::Json { .. }));
    assert!(matches!(error(Path::new("no/such/folder")), Error::Io { .. }));
}
