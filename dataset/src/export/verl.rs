//! verl: rows of its RL dataset, one a task. Rows of its multi-turn SFT dataset are the same as OpenAI's.
//!
//! Sources: `verl/utils/dataset/rl_dataset.py` and `multiturn_sft_dataset.py` of volcengine/verl 0.9. RL rows are rewarded by the
//! environment, so `ground_truth` names the task: what verifies a task never leaves the store with its prompt. All texts of
//! `extra_info` are the same fields in every row, because verl loads rows through Arrow, which merges structures.

use super::chat::Chat;
use super::columns::{Column, Kind};
use super::row::{TaskRow, put};
use super::trl::{opening, prompt_kind};
use serde::Serialize;
use serde_json::value::RawValue;

/// For the card of RL rows.
pub const ABOUT: &str = "\
- `data_source`: always `terrarium`; `prompt`: the system message and the user's message; `ability`: the kind of task.
- `reward_model`: `style` is `rule`, `ground_truth` the id of the task by which the environment scores it.
- `extra_info`: `split`, `index` (within the split), `task_id`, `environment_id`, `suite`, `cluster`, `environment_cluster`,
  `difficulty`, `tools` (JSON text of the OpenAI function tools of this world), `need_tools_kwargs` (false), `interaction_kwargs` (name and task of the interaction).
- `agent_name`: `tool_agent`, verl's loop with tools.";

/// For the card of SFT rows.
pub const SFT_ABOUT: &str = "\
- `messages`, `tools`: verl's multi-turn SFT dataset. `tools` and `arguments` of calls are JSON text, since Arrow would merge the
  schemas of all worlds' tools into one; the dataset class in `docs/exports.md` turns them back into values.
- The other columns say which episode a row is.";

/// The columns of RL rows.
pub fn columns() -> Vec<Column> {
    let mut extra = vec![Column::new("split", Kind::Text), Column::new("index", Kind::Integer)];
    extra.extend(Column::texts(["task_id", "environment_id", "suite", "cluster", "environment_cluster"]));
    extra.push(Column::new("difficulty", Kind::Real));
    extra.push(Column::new("tools", Kind::Text));
    extra.push(Column::new("need_tools_kwargs", Kind::Flag));
    extra.push(Column::new("interaction_kwargs", Kind::Group(Column::texts(["name", "task_id"]))));
    vec![
        Column::new("data_source", Kind::Text),
        Column::new("prompt", prompt_kind()),
        Column::new("ability", Kind::Text),
        Column::new("reward_model", Kind::Group(Column::texts(["style", "ground_truth"]))),
        Column::new("extra_info", Kind::Group(extra)),
        Column::new("agent_name", Kind::Text),
    ]
}

#[derive(Serialize)]
struct Row<'a> {
    data_source: &'static str,
    prompt: Chat<'a>,
    ability: &'static str,
    reward_model: RewardModel<'a>,
    extra_info: ExtraInfo<'a>,
    agent_name: &'static str,
}

#[derive(Serialize)]
struct RewardModel<'a> {
    style: &'static str,
    ground_truth: &'a str,
}

#[derive(Serialize)]
struct ExtraInfo<'a> {
    split: &'static str,
    index: u64,
    task_id: &'a str,
    environment_id: &'a str,
    suite: &'a str,
    cluster: &'a str,
    environment_cluster: &'a str,
    difficulty: f64,
    tools: &'a RawValue,
    need_tools_kwargs: bool,
    interaction_kwargs: Interaction<'a>,
}

#[derive(Serialize)]
struct Interaction<'a> {
    name: &'static str,
    task_id: &'a str,
}

/// Appends the RL row of a task.
pub fn write(row: &TaskRow, out: &mut Vec<u8>) {
    let task = row.task;
    let line = Row {
        data_source: "terrarium",
        prompt: Chat { messages: &opening(row), thinking: false, objects: false },
        ability: task.kind.name(),
        reward_model: RewardModel { style: "rule", ground_truth: &task.id },
        extra_info: ExtraInfo {
            split: task.split.name(),
            index: row.index,
            task_id: &task.id,
            environment_id: &task.environment_id,
            suite: &row.world.suite,
            cluster: row.cluster,
            environment_cluster: &row.world.cluster,
            difficulty: task.difficulty.score,
            tools: &row.world.shown,
            need_tools_kwargs: false,
            interaction_kwargs: Interaction { name: "terrarium", task_id: &task.id },
        },
        agent_name: "tool_agent",
    };
    put(&line, out);
}
