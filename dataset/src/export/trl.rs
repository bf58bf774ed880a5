//! TRL: what its SFT and GRPO trainers read. Preferences are in `preference`. SFT rows are the same as OpenAI's: TRL takes `messages`
//! with `tools` as JSON text, and leaves columns that it does not know alone.
//!
//! Source: `docs/source/dataset_formats.md` of huggingface/trl.

use super::chat::Chat;
use super::columns::{Column, Kind};
use super::row::{TaskRow, put};
use serde::Serialize;
use serde_json::value::RawValue;
use terrarium_envs::message::Message;

/// For the card of SFT rows.
pub const ABOUT: &str = "\
- `messages`, `tools`: TRL's conversational format with tools. `arguments` of a call and `tools` are JSON text, which TRL parses.
- The other columns say which episode a row is; `SFTTrainer` does not use them.";

/// For the card of prompts.
pub const PROMPT_ABOUT: &str = "\
- `prompt`: the system message and the user's message; `tools`: JSON text of a list of OpenAI function tools.
- `task_id` and `environment_id` reach reward functions and `reset(**row)` of an environment, which resets the world by them.
- `cluster`, `environment_cluster`: near-duplicate tasks, and environments, have the same.
- `difficulty`, `calls`, `writes`: the structural score of the task, calls and writes of its reference solution.";

/// The columns of prompts.
pub fn prompt_columns() -> Vec<Column> {
    let mut columns = vec![Column::new("prompt", prompt_kind()), Column::new("tools", Kind::Text)];
    columns.extend(Column::texts(["task_id", "environment_id", "split", "kind", "cluster", "environment_cluster"]));
    columns.push(Column::new("difficulty", Kind::Real));
    columns.extend([Column::new("calls", Kind::Integer), Column::new("writes", Kind::Integer)]);
    columns
}

/// The type of a prompt: messages without calls.
pub fn prompt_kind() -> Kind {
    Kind::groups(Column::texts(["role", "content"]))
}

#[derive(Serialize)]
struct Prompt<'a> {
    prompt: Chat<'a>,
    tools: &'a RawValue,
    task_id: &'a str,
    environment_id: &'a str,
    split: &'static str,
    kind: &'static str,
    cluster: &'a str,
    environment_cluster: &'a str,
    difficulty: f64,
    calls: u32,
    writes: u32,
}

/// Appends the prompt of a task.
pub fn write_prompt(row: &TaskRow, out: &mut Vec<u8>) {
    let task = row.task;
    let line = Prompt {
        prompt: Chat { messages: &opening(row), thinking: false, objects: false },
        tools: &row.world.shown,
        task_id: &task.id,
        environment_id: &task.environment_id,
        split: task.split.name(),
        kind: task.kind.name(),
        cluster: row.cluster,
        environment_cluster: &row.world.cluster,
        difficulty: task.difficulty.score,
        calls: task.difficulty.calls,
        writes: task.difficulty.writes,
    };
    put(&line, out);
}

/// The messages that a task starts with.
pub fn opening(row: &TaskRow) -> [Message; 2] {
    [Message::System { content: row.world.system.clone() }, Message::User { content: row.task.prompt.clone() }]
}
