//! `terrarium model init | logits | dsml | info`.

use crate::args::{Global, ModelCommand};
use crate::{Ending, Usage, output};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use terrarium_model::dsml::{self, ThinkingMode};
use terrarium_model::{Config, Kind, Model};

/// Runs it.
pub fn run(global: &Global, command: &ModelCommand) -> Result<Ending> {
    match command {
        ModelCommand::Init { out, preset } => init(global, out, preset)?,
        ModelCommand::Logits { dir, tokens, out } => logits(dir, tokens, out.as_deref())?,
        ModelCommand::Dsml { file } => dsml_rows(file)?,
        ModelCommand::Info => {
            let info = serde_json::to_value(terrarium_model::runtime::info())?;
            let text = info.as_object().into_iter().flatten().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>();
            output::summary(global, &info, &text.join("\n"))?;
        }
    }
    Ok(Ending::Done)
}

fn init(global: &Global, out: &Path, preset: &str) -> Result<()> {
    let config = match preset {
        "tiny" => Config::tiny(),
        other => return Err(Usage(format!("unknown preset `{other}`; one of: tiny")).into()),
    };
    let model = Model::init(config, global.seed, Kind::Float)?;
    model.save(out)?;
    let parameters = model.weights().parameters();
    let summary = json!({"preset": preset, "parameters": parameters, "out": out, "seed": global.seed});
    output::summary(global, &summary, &format!("{parameters} random parameters in {}", out.display()))
}

fn logits(dir: &Path, tokens: &Path, out: Option<&Path>) -> Result<()> {
    let text = std::fs::read_to_string(tokens).with_context(|| format!("cannot read {}", tokens.display()))?;
    let rows: Vec<Vec<i64>> = serde_json::from_str(&text).with_context(|| {
        format!("{} must hold JSON [[int, ...], ...], one list of token ids a row", tokens.display())
    })?;
    let scores = terrarium_model::logits(dir, &rows).with_context(|| format!("tokens of {}", tokens.display()))?;
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
