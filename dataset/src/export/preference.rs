//! TRL's preferences: pairs for DPO, single completions with a label for KTO.
//!
//! A pair is a solved and a failed episode of one task; the prompt is what both start with. Its two halves have the same first message
//! and the same tools, so what differs is what the agent did.

use super::chat::{self, Chat};
use super::columns::{Column, Kind};
use super::row::{EpisodeRow, Identity, put};
use serde::Serialize;
use serde_json::value::RawValue;

/// For the card of pairs.
pub const PAIR_ABOUT: &str = "\
- `prompt`: the system message and the user's message; `chosen`: what the solved episode added; `rejected`: what the failed one added.
- `tools`, and `arguments` of calls: JSON text.
- `task_id`, `environment_id`, `split`, `kind`, `cluster`, `environment_cluster`; `chosen_policy`, `chosen_sample`, `rejected_policy`, `rejected_sample`: which episodes.";

/// For the card of labels.
pub const ABOUT: &str = "\
- `prompt`: the system message and the user's message; `completion`: what the episode added; `label`: whether it was solved.
- `tools`, and `arguments` of calls: JSON text.
- The other columns say which episode a row is.";

/// The columns of pairs.
pub fn pair_columns(thinking: bool) -> Vec<Column> {
    let mut columns: Vec<Column> =
        ["prompt", "chosen", "rejected"].into_iter().map(|name| Column::new(name, chat::kind(thinking))).collect();
    columns.extend(Column::texts([
        "tools",
        "task_id",
        "environment_id",
        "split",
        "kind",
        "cluster",
        "environment_cluster",
    ]));
    for (policy, sample) in [("chosen_policy", "chosen_sample"), ("rejected_policy", "rejected_sample")] {
        columns.extend([Column::new(policy, Kind::Text), Column::new(sample, Kind::Integer)]);
    }
    columns
}

/// The columns of labels, but for those of the identity.
pub fn columns(thinking: bool) -> Vec<Column> {
    let mut columns: Vec<Column> =
        ["prompt", "completion"].into_iter().map(|name| Column::new(name, chat::kind(thinking))).collect();
    columns.extend([Column::new("label", Kind::Flag), Column::new("tools", Kind::Text)]);
    columns
}

#[derive(Serialize)]
struct Pair<'a> {
    prompt: Chat<'a>,
    chosen: Chat<'a>,
    rejected: Chat<'a>,
    tools: &'a RawValue,
    task_id: &'a str,
    environment_id: &'a str,
    split: &'static str,
    kind: &'static str,
    cluster: &'a str,
    environment_cluster: &'a str,
    chosen_policy: &'a str,
    chosen_sample: u32,
    rejected_policy: &'a str,
    rejected_sample: u32,
}

/// Appends a pair of episodes of one task.
pub fn write_pair(chosen: &EpisodeRow, rejected: &EpisodeRow, out: &mut Vec<u8>) {
    let options = chosen.options;
    let part = |messages| Chat { messages, thinking: options.thinking, objects: options.objects };
    let (good, bad) = (&chosen.stored.episode, &rejected.stored.episode);
    let (prompt, completion) = chat::divide(&good.messages);
    let line = Pair {
        prompt: part(prompt),
        chosen: part(completion),
        rejected: part(chat::divide(&bad.messages).1),
        tools: &chosen.world.shown,
        task_id: &good.key.task_id,
        environment_id: &good.environment_id,
        split: chosen.stored.split.name(),
        kind: chosen.stored.kind.name(),
        cluster: &chosen.stored.cluster,
        environment_cluster: &chosen.world.cluster,
        chosen_policy: &good.key.policy,
        chosen_sample: good.key.sample,
        rejected_policy: &bad.key.policy,
        rejected_sample: bad.key.sample,
    };
    put(&line, out);
}

#[derive(Serialize)]
struct Labelled<'a> {
    prompt: Chat<'a>,
    completion: Chat<'a>,
    label: bool,
    tools: &'a RawValue,
    #[serde(flatten)]
    identity: Identity<'a>,
}

/// Appends an episode with its label.
pub fn write(row: &EpisodeRow, out: &mut Vec<u8>) {
    let part = |messages| Chat { messages, thinking: row.options.thinking, objects: row.options.objects };
    let (prompt, completion) = chat::divide(&row.stored.episode.messages);
    let line = Labelled {
        prompt: part(prompt),
        completion: part(completion),
        label: row.stored.episode.reward.is_some_and(|reward| reward >= 1.0),
        tools: &row.world.shown,
        identity: Identity::of(row),
    };
    put(&line, out);
}
