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
fn bfloat16_is_written_and_read() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(Path::new(GOLDEN), Kind::Float).unwrap();
    checkpoint::save(folder.path(), model.config(), model.weights(), Kind::BFloat16).unwrap();
    let again = Model::load(folder.path(), Kind::Float).unwrap();
    for ((name, a), (_, b)) in model.weights().iter().zip(again.weights().iter()) {
        assert_eq!(a.to_kind(Kind::BFloat16).to_kind(Kind::Float), *b, "{name}");
    }
    assert!(matches!(
        checkpoint::save(folder.path(), model.config(), model.weights(), Kind::Int),
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

    let fp8 = changed(|tensors| {
        let (_, dtype, _, data) = &mut tensors[0];
        (*dtype, *data) = (Dtype::F8_E4M3, data[..data.len() / 4].to_vec());
    });
    assert!(error(fp8.path()).to_string().contains("F8_E4M3"));

    let prediction =
        changed(|tensors| tensors.push(("model.layers.3.eh_proj.weight".into(), Dtype::F32, vec![1], vec![0; 4])));
    assert!(Model::load(prediction.path(), Kind::Float).is_ok(), "layers for multi-token prediction are skipped");

    let torn = changed(|_| ());
    let path = torn.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(error(torn.path()), Error::Safetensors { .. }));
    std::fs::write(torn.path().join("config.json"), "{").unwrap();
    assert!(matches!(error(torn.path()), Error::Json { .. }));
    assert!(matches!(error(Path::new("no/such/folder")), Error::Io { .. }));
}
