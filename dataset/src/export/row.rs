//! What formats are given: an episode, a pair of them, or a task, with the texts of its environment.

use super::options::ExportOptions;
use crate::episodes::StoredEpisode;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use terrarium_envs::environment::Environment;
use terrarium_envs::submit;
use terrarium_envs::task::Task;
use terrarium_envs::tool::ToolSpec;

/// An environment as rows need it; made once for all its tasks.
pub struct World {
    /// Id.
    pub id: String,
    /// Suite.
    pub suite: String,
    /// Its cluster of near-duplicates; empty where none was given.
    pub cluster: String,
    /// The system message.
    pub system: String,
    /// All tools that the agent sees, `submit` last.
    pub tools: Vec<ToolSpec>,
    /// The tools as the format shows them, ready to be copied into rows.
    pub shown: Box<RawValue>,
}

impl World {
    /// The texts of an environment. `shape` makes the JSON of the tools; `as_text` puts it into a JSON string.
    pub fn of(environment: Environment, cluster: String, shape: fn(&[ToolSpec]) -> Value, as_text: bool) -> World {
        let mut tools = environment.tools;
        tools.push(submit::tool());
        let text = shape(&tools).to_string();
        let text = if as_text { Value::String(text).to_string() } else { text };
        World {
            id: environment.id,
            suite: environment.suite,
            cluster,
            system: environment.system,
            tools,
            shown: RawValue::from_string(text).expect("serde_json's own text is JSON"),
        }
    }
}

/// An episode to be written.
#[derive(Clone, Copy)]
pub struct EpisodeRow<'a> {
    /// The episode, with its task's split and kind.
    pub stored: &'a StoredEpisode,
    /// Its environment.
    pub world: &'a World,
    /// What is wanted.
    pub options: &'a ExportOptions,
}

/// A task to be written.
#[derive(Clone, Copy)]
pub struct TaskRow<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its cluster of near-duplicates.
    pub cluster: &'a str,
    /// Its environment.
    pub world: &'a World,
    /// Its place among the rows of its split, from 0.
    pub index: u64,
}

/// Which episode a row is; the last columns of most formats.
#[derive(Serialize)]
pub struct Identity<'a> {
    reward: Option<f64>,
    outcome: &'static str,
    task_id: &'a str,
    environment_id: &'a str,
    split: &'static str,
    kind: &'static str,
    policy: &'a str,
    sample: u32,
    cluster: &'a str,
    environment_cluster: &'a str,
}

impl<'a> Identity<'a> {
    /// That of an episode.
    pub fn of(row: &EpisodeRow<'a>) -> Identity<'a> {
        let stored = row.stored;
        let episode = &stored.episode;
        Identity {
            reward: episode.reward,
            outcome: episode.outcome.name(),
            task_id: &episode.key.task_id,
            environment_id: &episode.environment_id,
            split: stored.split.name(),
            kind: stored.kind.name(),
            policy: &episode.key.policy,
            sample: episode.key.sample,
            cluster: &stored.cluster,
            environment_cluster: &row.world.cluster,
        }
    }
}

/// One stable text for an episode: `<task>@<policy>#<sample>`, as `terrarium show episode` takes it.
pub fn name(stored: &StoredEpisode) -> String {
    let key = &stored.episode.key;
    format!("{}@{}#{}", key.task_id, key.policy, key.sample)
}

/// Appends a row and a line end.
pub fn put(row: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, row).expect("writing JSON into memory cannot fail");
    out.push(b'\n');
}
