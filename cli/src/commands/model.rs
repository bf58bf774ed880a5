//! `terrarium model init | logits | dsml | tokenizer | info`.

use crate::args::{Global, ModelCommand};
use crate::model_args::{TokenizerCommand, WeightKind};
use crate::place::PlaceArgs;
use crate::{Ending, Usage, output};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use terrarium_model::config::PRESETS;
use terrarium_model::dsml::{self, ThinkingMode};
use terrarium_model::tokenizer::train;
use terrarium_model::{Config, Kind, Model, Place, checkpoint};

/// Weights of more bytes are not made: they would have to lie in memory first.
const INIT_BYTES_MAX: i64 = 16 << 30;

/// Runs it.
pub fn run(global: &Global, command: &ModelCommand) -> Result<Ending> {
    match command {
        ModelCommand::Init { out, preset, kind, dry_run } => {
            let out = if *dry_run { None } else { out.as_deref() };
            init(global, out, preset, *kind)?;
        }
        ModelCommand::Logits { dir, tokens, out, place } => {
            let place = place.settle(Some(Kind::Double), |note| output::note(global, note))?;
            logits(dir, tokens, out.as_deref(), place)?;
        }
        ModelCommand::Dsml { file } => dsml_rows(file)?,
        ModelCommand::Tokenizer(TokenizerCommand::Train { files, size, out }) => {
            train_tokenizer(global, files, *size, out)?;
        }
        ModelCommand::Bench(args) => super::model_bench::run(global, args)?,
        ModelCommand::Info { dir } => info(global, dir.as_deref())?,
    }
    Ok(Ending::Done)
}

/// Makes a checkpoint in `out`; without it only says how large it would be.
fn init(global: &Global, out: Option<&Path>, preset: &str, kind: WeightKind) -> Result<()> {
    let config = Config::preset(preset)
        .ok_or_else(|| Usage(format!("unknown preset `{preset}`; one of: {}", PRESETS.join(", "))))?;
    let mut summary = json!({"preset": preset});
    let mut text = sizes(&config, &mut summary)?;
    if let Some(out) = out {
        let bytes = 4 * config.size().parameters;
        if bytes > INIT_BYTES_MAX {
            bail!(
                "preset `{preset}` takes {} of memory, more than {}: only --dry-run",
                amount(bytes),
                amount(INIT_BYTES_MAX)
            );
        }
        let model = Model::init(config, global.seed, Kind::Float)?;
        let kind = if kind == WeightKind::Float32 { Kind::Float } else { Kind::BFloat16 };
        checkpoint::save(out, model.config(), model.weights(), kind, checkpoint::SHARD_BYTES_MAX)?;
        summary["out"] = json!(out);
        summary["seed"] = global.seed.into();
        text.push_str(&format!("\nrandom weights of seed {} in {}", global.seed, out.display()));
    }
    output::summary(global, &summary, &text)
}

/// Training texts of more bytes are refused: they lie in memory.
const TEXT_BYTES_MAX: u64 = 1 << 30;

/// Learns a vocabulary, checks that it loses nothing of the texts, and says how well it packs them.
fn train_tokenizer(global: &Global, files: &[PathBuf], size: usize, out: &Path) -> Result<()> {
    let mut bytes = 0;
    for file in files {
        let length = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
        bytes += length;
        if bytes > TEXT_BYTES_MAX {
            bail!("the files hold more than {}", amount(TEXT_BYTES_MAX as i64));
        }
    }
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file);
        text.with_context(|| format!("cannot read {} as text in UTF-8", file.display()))
    };
    let texts: Vec<String> = files.iter().map(read).collect::<Result<_>>()?;
    let tokenizer = train::train(&texts, size, out)?;
    let mut tokens = 0;
    for (text, file) in texts.iter().zip(files) {
        let ids = tokenizer.encode_plain(text);
        anyhow::ensure!(
            tokenizer.vocabulary().decode(&ids) == text.as_bytes(),
            "{} does not come back",
            file.display()
        );
        tokens += ids.len();
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    tokenizer.save(out)?;
    let ids = tokenizer.vocabulary().len();
    let summary = json!({"out": out, "ids": ids, "files": files.len(), "bytes": bytes, "tokens": tokens});
    let ratio = bytes as f64 / tokens.max(1) as f64;
    let text =
        format!("{ids} ids in {}; {bytes} bytes of text are {tokens} tokens, {ratio:.2} bytes each", out.display());
    output::summary(global, &summary, &text)
}

/// What libtorch says, what was found of CUDA, and the sizes of the checkpoint in `dir`.
fn info(global: &Global, dir: Option<&Path>) -> Result<()> {
    let mut summary = serde_json::to_value(terrarium_model::runtime::info())?;
    let lines = summary.as_object().into_iter().flatten().map(|(k, v)| format!("{k}: {v}"));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    let cuda = crate::cuda::look();
    for (name, part) in
        [("driver", &cuda.driver), ("libtorch", &cuda.libtorch), ("nvrtc", &cuda.nvrtc), ("device", &cuda.device)]
    {
        text.push_str(&format!("\ncuda_{name}: {part}"));
    }
    text.push_str(&format!("\ncuda_in_use: {}", cuda.in_use));
    summary["cuda"] = serde_json::to_value(&cuda)?;
    let place = crate::place::name(PlaceArgs::default().settle(None, |note| output::note(global, note))?);
    text.push_str(&format!("\nmodels_compute_on: {place}"));
    summary["models_compute_on"] = place.into();
    if let Some(dir) = dir {
        let config = Config::load(dir)?;
        summary["dir"] = json!(dir);
        text.push_str(&format!("\n\n{}", sizes(&config, &mut summary)?));
    }
    output::summary(global, &summary, &text)
}

/// Adds shape and sizes to `summary`; the same as text.
fn sizes(config: &Config, summary: &mut Value) -> Result<String> {
    let size = config.size();
    for (name, value) in serde_json::to_value(size)?.as_object().into_iter().flatten() {
        summary[name] = value.clone();
    }
    summary["config"] = config.to_json();
    let count = |parameters: i64| format!("{:.2} million", parameters as f64 / 1e6);
    let context = config.max_position_embeddings;
    let lines = [
        ("model type", config.model_type.name().to_owned()),
        ("layers x hidden", format!("{} x {}", config.num_hidden_layers, config.hidden_size)),
        ("vocabulary", config.vocab_size.to_string()),
        ("context", format!("{context} tokens, {} of them seen by a query", config.index_topk)),
        (
            "parameters",
            format!("{}, of which {} work on a token", count(size.parameters), count(size.active_parameters)),
        ),
        ("  attention", count(size.attention)),
        ("  indexer", count(size.indexer)),
        ("  feed-forward", count(size.feed_forward)),
        ("  routed experts", count(size.routed_experts)),
        ("  vocabulary", count(size.vocabulary)),
        ("weights", format!("{} in float32, {} in bfloat16", amount(4 * size.parameters), amount(2 * size.parameters))),
        (
            "cache",
            format!(
                "{} bytes a token, {} for the whole context, in float32",
                size.cache_bytes_per_token,
                amount(size.cache_bytes_per_token * context)
            ),
        ),
    ];
    Ok(lines.map(|(name, value)| format!("{name:<18}{value}")).join("\n"))
}

/// Bytes in a unit a person reads.
pub fn amount(bytes: i64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.1} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

fn logits(dir: &Path, tokens: &Path, out: Option<&Path>, place: Place) -> Result<()> {
    let text = std::fs::read_to_string(tokens).with_context(|| format!("cannot read {}", tokens.display()))?;
    let rows: Vec<Vec<i64>> = serde_json::from_str(&text).with_context(|| {
        format!("{} must hold JSON [[int, ...], ...], one list of token ids a row", tokens.display())
    })?;
    let scores =
        terrarium_model::logits(dir, &rows, place).with_context(|| format!("tokens of {}", tokens.display()))?;
    let text = serde_json::to_string(&json!({ "logits": scores }))?;
    match out {
        None => output::print(&text),
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// One result row a row: `prompt`, `message` or `error`.
fn dsml_rows(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{} line {}", file.display(), number + 1);
        let row: Value = serde_json::from_str(line).with_context(|| format!("{} is not JSON", place()))?;
        let mode = row["thinking_mode"].as_str().and_then(ThinkingMode::from_name);
        let mode = mode.with_context(|| format!("{}: `thinking_mode` must be chat or thinking", place()))?;
        let result = match row["kind"].as_str() {
            Some("encode") => {
                let messages =
                    row["messages"].as_array().with_context(|| format!("{}: `messages` is missing", place()))?;
                let options = dsml::Options { mode, drop_thinking: row["drop_thinking"].as_bool().unwrap_or(true) };
                match dsml::encode(messages, options) {
                    Ok(prompt) => json!({ "prompt": prompt }),
                    Err(error) => json!({ "error": error.to_string() }),
                }
            }
            Some("parse") => {
                let text = row["text"].as_str().with_context(|| format!("{}: `text` is missing", place()))?;
                match dsml::parse(text, mode) {
                    Ok(message) => json!({ "message": message }),
                    Err(error) => json!({ "error": error.to_string() }),
                }
            }
            _ => bail!("{}: `kind` must be encode or parse", place()),
        };
        output::print(&serde_json::to_string(&result)?)?;
    }
    Ok(())
}
