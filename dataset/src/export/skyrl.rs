//! SkyRL: rows of its prompt dataset, one a task, and of its tokenised SFT store, one an episode.
//!
//! Sources: `skyrl/train/dataset/dataset.py` and `pretokenized.py` of NovaSky-AI/SkyRL 0.4.

use super::chat::Chat;
use super::columns::{Column, Kind};
use super::row::{EpisodeRow, Identity, TaskRow, put};
use super::tokens;
use super::trl::{opening, prompt_kind};
use serde::Serialize;
use serde_json::value::RawValue;

/// For the card of prompts.
pub const ABOUT: &str = "\
- `data_source`: always `terrarium`; `prompt`: the system message and the user's message; `env_class`: `terrarium`, to be registered
  with SkyRL-gym.
- `reward_spec`: `method` is `rule`, `ground_truth` the id of the task by which the environment scores it.
- `extra_info`: `split`, `index` (within the split), `task_id`, `environment_id`, `kind`, `cluster`, `environment_cluster`,
  `difficulty`, `tools` (JSON text of the OpenAI function tools of this world).";

/// For the card of token rows.
pub const SFT_ABOUT: &str = "\
- `input_ids`: the tokens of the whole episode exactly as the embedded model saw and sampled them; `loss_mask`: 1 for sampled tokens.
- `logprobs`: log-probability of each sampled token under the sampler, 0 elsewhere.
- The other columns say which episode a row is. Episodes whose context was cut on the way have no one sequence and are left out.";

/// The columns of prompts.
pub fn columns() -> Vec<Column> {
    let mut extra = vec![Column::new("split", Kind::Text), Column::new("index", Kind::Integer)];
    extra.extend(Column::texts(["task_id", "environment_id", "kind", "cluster", "environment_cluster"]));
    extra.push(Column::new("difficulty", Kind::Real));
    extra.push(Column::new("tools", Kind::Text));
    vec![
        Column::new("data_source", Kind::Text),
        Column::new("prompt", prompt_kind()),
        Column::new("env_class", Kind::Text),
        Column::new("reward_spec", Kind::Group(Column::texts(["method", "ground_truth"]))),
        Column::new("extra_info", Kind::Group(extra)),
    ]
}

/// The columns of token rows, but for those of the identity.
pub fn sft_columns() -> Vec<Column> {
    vec![
        Column::new("input_ids", Kind::List(Box::new(Kind::Integer))),
        Column::new("loss_mask", Kind::List(Box::new(Kind::Integer))),
        Column::new("logprobs", Kind::List(Box::new(Kind::Real))),
    ]
}

#[derive(Serialize)]
struct Row<'a> {
    data_source: &'static str,
    prompt: Chat<'a>,
    env_class: &'static str,
    reward_spec: RewardSpec<'a>,
    extra_info: ExtraInfo<'a>,
}

#[derive(Serialize)]
struct RewardSpec<'a> {
    method: &'static str,
    ground_truth: &'a str,
}

#[derive(Serialize)]
struct ExtraInfo<'a> {
    split: &'static str,
    index: u64,
    task_id: &'a str,
    environment_id: &'a str,
    kind: &'static str,
    cluster: &'a str,
    environment_cluster: &'a str,
    difficulty: f64,
    tools: &'a RawValue,
}

/// Appends the prompt of a task.
pub fn write(row: &TaskRow, out: &mut Vec<u8>) {
    let task = row.task;
    let line = Row {
        data_source: "terrarium",
        prompt: Chat { messages: &opening(row), thinking: false, objects: false },
        env_class: "terrarium",
        reward_spec: RewardSpec { method: "rule", ground_truth: &task.id },
        extra_info: ExtraInfo {
            split: task.split.name(),
            index: row.index,
            task_id: &task.id,
            environment_id: &task.environment_id,
            kind: task.kind.name(),
            cluster: row.cluster,
            environment_cluster: &row.world.cluster,
            difficulty: task.difficulty.score,
            tools: &row.world.shown,
        },
    };
    put(&line, out);
}

#[derive(Serialize)]
struct TokenRow<'a> {
    input_ids: &'a [u32],
    loss_mask: &'a [u8],
    logprobs: &'a [f32],
    #[serde(flatten)]
    identity: Identity<'a>,
}

/// Appends the tokens of an episode; false, and nothing, if they are no one sequence.
pub fn write_sft(row: &EpisodeRow, out: &mut Vec<u8>) -> bool {
    let Some(line) = tokens::line(&row.stored.episode.traces) else { return false };
    let identity = Identity::of(row);
    put(&TokenRow { input_ids: &line.ids, loss_mask: &line.mask, logprobs: &line.logprobs, identity }, out);
    true
}
