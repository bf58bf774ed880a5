//! OpenAI chat JSONL: one episode a line, one file a split.
//!
//! Arguments of calls, and the list of tools, are JSON *text* by default: loaders that infer one schema for a column (Hugging Face
//! `datasets` before 5) merge objects and fill in keys that no call had. The order of lines is task, policy, sample; nothing in a line
//! depends on the clock, on row ids or on how the episodes were computed.

use super::atomic::AtomicFile;
use super::{ExportSummary, ExportedFile, card, prepare, seed, split_file};
use crate::episodes::StoredEpisode;
use crate::error::Result;
use crate::filter::EpisodeFilter;
use crate::store::Store;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use terrarium_envs::environment::{Environment, Split, ToolSpec};
use terrarium_envs::message::Message;
use terrarium_envs::submit;

/// What an export contains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenAiOptions {
    /// `tools` as a list of objects instead of JSON text.
    pub tools_as_objects: bool,
    /// The agent's thinking, as `reasoning_content` of its messages.
    pub thinking: bool,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    messages: Vec<LineMessage<'a>>,
    tools: &'a Tools,
    reward: Option<f64>,
    outcome: &'static str,
    task_id: &'a str,
    environment_id: &'a str,
    split: &'static str,
    kind: &'static str,
    policy: &'a str,
    sample: u32,
}

#[derive(Serialize)]
struct LineMessage<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<LineCall<'a>>,
}

#[derive(Serialize)]
struct LineCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: LineFunction<'a>,
}

#[derive(Serialize)]
struct LineFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Writes the episodes that a filter means into `dir`: `<split>.jsonl` for each split that has any, and a dataset card `README.md`.
/// Memory stays the same however many there are. Files of an earlier export into the same folder are replaced, one by one and whole;
/// those of splits that are empty now are removed.
///
/// # Errors
/// Those of reading the store, and of writing files (disk full, no permission).
pub async fn export(
    store: &Store,
    filter: &EpisodeFilter,
    dir: &Path,
    options: &OpenAiOptions,
) -> Result<ExportSummary> {
    prepare(dir)?;
    let filter = EpisodeFilter { without_traces: true, ..filter.clone() };
    let mut cursor = store.episodes(&filter).await?;
    let mut files: BTreeMap<Split, (AtomicFile, u64)> = BTreeMap::new();
    let mut counts = card::Counts::default();
    // Episodes are ordered by task, and the id of a task begins with its environment's: one environment at a time is enough.
    let mut environment = (String::new(), Tools::Text(String::new()));
    let mut line = Vec::new();
    while let Some(stored) = cursor.next_stored().await? {
        if environment.0 != stored.episode.environment_id {
            let found = store.environment(&stored.episode.environment_id).await?;
            environment = (found.id.clone(), Tools::of(&found, options));
        }
        line.clear();
        serde_json::to_writer(&mut line, &line_of(&stored, &environment.1, options))
            .expect("writing JSON into memory cannot fail");
        line.push(b'\n');
        let (file, rows) = match files.entry(stored.split) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => new.insert((AtomicFile::create(dir, &split_file(stored.split))?, 0)),
        };
        file.write(&line)?;
        *rows += 1;
        counts.add(&stored);
    }
    let mut summary = ExportSummary::default();
    for split in Split::ALL {
        match files.remove(&split) {
            Some((file, rows)) => {
                let bytes = file.finish()?;
                summary.rows += rows;
                summary.files.push(ExportedFile {
                    name: split_file(split).into(),
                    split: Some(split.name()),
                    rows,
                    bytes,
                });
            }
            None => {
                std::fs::remove_file(dir.join(split_file(split))).ok();
            }
        }
    }
    let text = card::text(&counts, seed(store).await?.as_deref(), options);
    let mut file = AtomicFile::create(dir, card::NAME)?;
    file.write(text.as_bytes())?;
    summary.files.push(ExportedFile { name: card::NAME.into(), split: None, rows: 0, bytes: file.finish()? });
    Ok(summary)
}

/// The tools of an environment as a line shows them, `submit` included.
#[derive(Serialize)]
#[serde(untagged)]
enum Tools {
    Text(String),
    Objects(Value),
}

impl Tools {
    fn of(environment: &Environment, options: &OpenAiOptions) -> Tools {
        let submit = submit::tool();
        let tools: Vec<Value> = environment.tools.iter().chain([&submit]).map(function).collect();
        let tools = Value::Array(tools);
        if options.tools_as_objects { Tools::Objects(tools) } else { Tools::Text(tools.to_string()) }
    }
}

fn function(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    })
}

fn line_of<'a>(stored: &'a StoredEpisode, tools: &'a Tools, options: &OpenAiOptions) -> Line<'a> {
    let episode = &stored.episode;
    Line {
        messages: episode.messages.iter().map(|message| message_of(message, options)).collect(),
        tools,
        reward: episode.reward,
        outcome: episode.outcome.name(),
        task_id: &episode.key.task_id,
        environment_id: &episode.environment_id,
        split: stored.split.name(),
        kind: stored.kind.name(),
        policy: &episode.key.policy,
        sample: episode.key.sample,
    }
}

fn message_of<'a>(message: &'a Message, options: &OpenAiOptions) -> LineMessage<'a> {
    let plain = |role, content| LineMessage {
        role,
        tool_call_id: None,
        name: None,
        content,
        reasoning_content: None,
        tool_calls: Vec::new(),
    };
    match message {
        Message::System { content } => plain("system", content),
        Message::User { content } => plain("user", content),
        Message::Assistant { content, reasoning, calls } => LineMessage {
            reasoning_content: (options.thinking && !reasoning.is_empty()).then_some(reasoning),
            tool_calls: calls
                .iter()
                .map(|call| LineCall {
                    id: &call.id,
                    kind: "function",
                    function: LineFunction { name: &call.name, arguments: &call.arguments },
                })
                .collect(),
            ..plain("assistant", content)
        },
        Message::Tool { call_id, name, content } => {
            LineMessage { tool_call_id: Some(call_id), name: Some(name), ..plain("tool", content) }
        }
    }
}
