//! NeMo Gym: input rows, one a task: a request to OpenAI's Responses interface and what the environment needs to score it.
//!
//! Source: `nemo_gym/base_resources_server.py` and `openai_utils.py` of NVIDIA-NeMo/Gym 0.4, which forbid unknown fields in
//! `responses_create_params` and take any beside it.

use super::row::{TaskRow, put};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use terrarium_envs::tool::ToolSpec;

/// For the card.
pub const ABOUT: &str = "\
- `responses_create_params`: `input` (the system message and the user's message), `tools`, `parallel_tool_calls`, as NeMo Gym sends
  them to a Responses endpoint.
- `agent_ref`: the agent server that runs rows, `terrarium_agent` (name yours so, or change it with `jq`).
- `id` (within the split), `task_id`, `environment_id`, `split`, `kind`, `cluster`, `environment_cluster`, `difficulty`: for the resources
  server, which resets the world by the task and scores it.";

#[derive(Serialize)]
struct Row<'a> {
    id: u64,
    responses_create_params: Request<'a>,
    agent_ref: AgentRef,
    task_id: &'a str,
    environment_id: &'a str,
    split: &'static str,
    kind: &'static str,
    cluster: &'a str,
    environment_cluster: &'a str,
    difficulty: f64,
}

#[derive(Serialize)]
struct Request<'a> {
    input: [Input<'a>; 2],
    tools: &'a RawValue,
    parallel_tool_calls: bool,
}

#[derive(Serialize)]
struct Input<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct AgentRef {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
}

/// Appends the row of a task.
pub fn write(row: &TaskRow, out: &mut Vec<u8>) {
    let task = row.task;
    let line = Row {
        id: row.index,
        responses_create_params: Request {
            input: [
                Input { role: "system", content: &row.world.system },
                Input { role: "user", content: &task.prompt },
            ],
            tools: &row.world.shown,
            parallel_tool_calls: true,
        },
        agent_ref: AgentRef { kind: "responses_api_agents", name: "terrarium_agent" },
        task_id: &task.id,
        environment_id: &task.environment_id,
        split: task.split.name(),
        kind: task.kind.name(),
        cluster: row.cluster,
        environment_cluster: &row.world.cluster,
        difficulty: task.difficulty.score,
    };
    put(&line, out);
}

/// Tools as the Responses interface takes them: flat, with `strict`.
pub fn tools(tools: &[ToolSpec]) -> Value {
    let flat = |tool: &ToolSpec| {
        json!({
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": false,
        })
    };
    Value::Array(tools.iter().map(flat).collect())
}
