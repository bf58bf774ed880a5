//! Rows of `tasks`.

use super::environment::split;
use super::{from_json, json};
use crate::insert::{Row, Table};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use terrarium_envs::task::{Difficulty, Kind, Task};

/// How they are written.
pub static TABLE: Table = Table::new(
    "INSERT INTO tasks (id, environment_id, split, kind, difficulty, calls, writes, tool_count, depth, distractors, \
     prompt, goal, verifier, solution, certificate, cluster)",
    16,
);

/// The columns that [`read`] reads, of the table `t`.
pub const COLUMNS: &str = "t.id, t.environment_id, t.split, t.kind, t.difficulty, t.calls, t.writes, t.tool_count, t.depth, \
     t.distractors, t.prompt, t.goal, t.verifier, t.solution, t.certificate";

/// The row of a task of a cluster.
pub fn write(task: &Task, cluster: &str) -> Row {
    Row::with_capacity(16)
        .text(&task.id)
        .text(&task.environment_id)
        .text(task.split.name())
        .text(task.kind.name())
        .real(Some(task.difficulty.score))
        .integer(task.difficulty.calls)
        .integer(task.difficulty.writes)
        .integer(task.difficulty.tools)
        .integer(task.difficulty.depth)
        .integer(task.difficulty.distractors)
        .text(&task.prompt)
        .text(json(&task.goal))
        .text(json(&task.verifier))
        .text(json(&task.solution))
        .text(json(&task.certificate))
        .text(cluster)
}

/// The task of a row.
pub fn read(row: &SqliteRow) -> Result<Task, String> {
    let text = |column| row.try_get::<&str, _>(column).map_err(|e| e.to_string());
    let count = |column| row.try_get::<u32, _>(column).map_err(|e| e.to_string());
    Ok(Task {
        id: text("id")?.to_owned(),
        environment_id: text("environment_id")?.to_owned(),
        split: split(text("split")?)?,
        kind: kind(text("kind")?)?,
        prompt: text("prompt")?.to_owned(),
        goal: from_json("goal", text("goal")?)?,
        verifier: from_json("verifier", text("verifier")?)?,
        solution: from_json("solution", text("solution")?)?,
        certificate: from_json("certificate", text("certificate")?)?,
        difficulty: Difficulty {
            score: row.try_get("difficulty").map_err(|e| e.to_string())?,
            calls: count("calls")?,
            writes: count("writes")?,
            tools: count("tool_count")?,
            depth: count("depth")?,
            distractors: count("distractors")?,
        },
    })
}

/// The kind of its name.
pub fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| format!("column kind: there is no kind {name}"))
}
