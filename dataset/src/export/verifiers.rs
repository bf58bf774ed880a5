//! Traces of verifiers, version 1: one trace a line, a file `<split>.jsonl` for each split; prime-rl calls such a file `traces.jsonl`.
//!
//! Source: `verifiers/v1/{trace,graph,types,task}.py` of the package verifiers 0.4.0. Calls are flat there. A trace is a graph of
//! messages; ours is a chain. Wall-clock fields are 0: exports hold no clock time. Token ids stand at the message that needed them: the
//! new tokens of a prompt and the sampled ones at the agent's message, so that the chain's tokens are what the model saw.

use super::row::{EpisodeRow, name, put};
use super::tokens::{self, TokenPart};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use terrarium_envs::episode::{Episode, TokenTrace};
use terrarium_envs::message::Message;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::tool::ToolSpec;
use terrarium_envs::verifier::Check;

/// For the card.
pub const ABOUT: &str = "\
- One trace (`verifiers` version 1) a line: `task` (id, prompts), `agent`, `tools`, `nodes` (messages, each with its parent), `calls`.
- `rewards.terrarium`: `score` 1 or 0; null when the run broke, and then `errors` says how and `ok` is false.
- `metrics`: `calls`, `turns`, and 1 or 0 for each check of the verifier that was made (`check/<name>`).
- `info`: `outcome`, and which episode it is. All times are 0.
- `token_ids`, `mask` and `logprobs` of nodes: exact tokens, for episodes of the embedded model whose context was never cut.";

/// Of the trace's schema.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Trace<'a> {
    version: u32,
    id: String,
    verifiers: Build,
    task: TaskInfo<'a>,
    agent: Agent<'a>,
    tools: &'a RawValue,
    nodes: Vec<Node<'a>>,
    calls: Vec<Call<'a>>,
    rewards: Rewards,
    metrics: serde_json::Map<String, Value>,
    info: Info<'a>,
    is_completed: bool,
    ok: bool,
    stop_condition: &'static str,
    errors: Vec<Fault<'a>>,
    timing: Timing,
}

#[derive(Serialize)]
struct Build {
    version: &'static str,
}

#[derive(Serialize)]
struct TaskInfo<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: TaskData<'a>,
    key: &'a str,
    hash: &'a str,
}

#[derive(Serialize)]
struct TaskData<'a> {
    id: &'a str,
    prompt: &'a str,
    system_prompt: &'a str,
    environment_id: &'a str,
    split: &'static str,
    kind: &'static str,
}

#[derive(Serialize)]
struct Agent<'a> {
    config: Config<'a>,
    name: &'static str,
    trainable: bool,
}

#[derive(Serialize)]
struct Config<'a> {
    model: &'a str,
}

#[derive(Serialize)]
struct Node<'a> {
    parent: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    message: NodeMessage<'a>,
    sampled: bool,
    timestamp: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_ids: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mask: Vec<bool>,
    #[serde(skip_serializing_if = "<[f32]>::is_empty")]
    logprobs: &'a [f32],
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum NodeMessage<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<FlatCall<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        name: &'a str,
        content: &'a str,
    },
}

#[derive(Serialize)]
struct FlatCall<'a> {
    id: &'a str,
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    node: usize,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
}

#[derive(Serialize)]
struct Rewards {
    terrarium: Option<Reward>,
}

#[derive(Serialize)]
struct Reward {
    score: f64,
    weight: f64,
}

#[derive(Serialize)]
struct Info<'a> {
    producer: &'static str,
    outcome: &'static str,
    environment_id: &'a str,
    policy: &'a str,
    sample: u32,
    cluster: &'a str,
    environment_cluster: &'a str,
}

#[derive(Serialize)]
struct Fault<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct Timing {
    start: u8,
}

/// Appends the trace of an episode.
pub fn write(row: &EpisodeRow, out: &mut Vec<u8>) {
    let episode = &row.stored.episode;
    let prompt = episode
        .messages
        .iter()
        .find_map(|m| if let Message::User { content } = m { Some(content.as_str()) } else { None });
    let nodes = nodes(row);
    let trace = Trace {
        version: VERSION,
        id: name(row.stored),
        verifiers: Build { version: "0.4.0" },
        task: TaskInfo {
            kind: "TerrariumTask",
            data: TaskData {
                id: &episode.key.task_id,
                prompt: prompt.unwrap_or_default(),
                system_prompt: &row.world.system,
                environment_id: &episode.environment_id,
                split: row.stored.split.name(),
                kind: row.stored.kind.name(),
            },
            key: &episode.key.task_id,
            // The end of a task's id is the hash of its prompt, goal and verifier.
            hash: episode.key.task_id.rsplit('/').next().unwrap_or_default(),
        },
        agent: Agent { config: Config { model: &episode.key.policy }, name: "agent", trainable: true },
        tools: &row.world.shown,
        calls: calls(episode, &nodes),
        nodes,
        rewards: Rewards { terrarium: episode.reward.map(|score| Reward { score, weight: 1.0 }) },
        metrics: metrics(episode),
        info: Info {
            producer: concat!("terrarium ", env!("CARGO_PKG_VERSION")),
            outcome: episode.outcome.name(),
            environment_id: &episode.environment_id,
            policy: &episode.key.policy,
            sample: episode.key.sample,
            cluster: &row.stored.cluster,
            environment_cluster: &row.world.cluster,
        },
        is_completed: true,
        ok: episode.reward.is_some(),
        stop_condition: stop_condition(episode.outcome),
        errors: match (episode.reward, &episode.error) {
            (Some(_), _) => Vec::new(),
            (None, error) => {
                vec![Fault { kind: episode.outcome.name(), message: error.as_deref().unwrap_or_default() }]
            }
        },
        timing: Timing { start: 0 },
    };
    put(&trace, out);
}

/// The names that verifiers uses, so that its `is_truncated` is right.
fn stop_condition(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Solved | Outcome::Failed | Outcome::FormatError => "agent_completed",
        Outcome::OutOfTurns => "max_turns",
        Outcome::OutOfContext => "max_total_tokens",
        Outcome::PolicyError => "provider_error",
        Outcome::Trap | Outcome::OutOfFuel | Outcome::OutOfMemory | Outcome::EpochDeadline => "sandbox_error",
        Outcome::VerifierError => "task_error",
        Outcome::HarnessError => "harness_error",
    }
}

fn nodes<'a>(row: &EpisodeRow<'a>) -> Vec<Node<'a>> {
    let episode = &row.stored.episode;
    let parts: Vec<Option<TokenPart>> = spread(&episode.traces, episode.turns as usize);
    let mut turn = 0;
    let mut nodes = Vec::with_capacity(episode.messages.len());
    for (number, message) in episode.messages.iter().enumerate() {
        let mut node = Node {
            parent: number.checked_sub(1),
            tools: (number == 0).then_some(&row.world.shown),
            message: node_message(message, row.options.thinking),
            sampled: false,
            timestamp: 0,
            token_ids: Vec::new(),
            mask: Vec::new(),
            logprobs: &[],
        };
        if matches!(message, Message::Assistant { .. }) {
            node.sampled = true;
            if let Some(part) = parts.get(turn).copied().flatten() {
                node.token_ids = [part.given, part.sampled].concat();
                node.mask = (0..node.token_ids.len()).map(|n| n >= part.given.len()).collect();
                node.logprobs = part.logprobs;
            }
            turn += 1;
        }
        nodes.push(node);
    }
    nodes
}

/// The tokens of each turn. All turns have them, or none.
fn spread(traces: &[TokenTrace], turns: usize) -> Vec<Option<TokenPart<'_>>> {
    match tokens::parts(traces) {
        Some(parts) if parts.len() == turns => parts.into_iter().map(Some).collect(),
        _ => Vec::new(),
    }
}

fn node_message(message: &Message, thinking: bool) -> NodeMessage<'_> {
    match message {
        Message::System { content } => NodeMessage::System { content },
        Message::User { content } => NodeMessage::User { content },
        Message::Assistant { content, reasoning, calls } => NodeMessage::Assistant {
            content,
            reasoning_content: (thinking && !reasoning.is_empty()).then_some(reasoning),
            tool_calls: calls.iter().map(|c| FlatCall { id: &c.id, name: &c.name, arguments: &c.arguments }).collect(),
        },
        Message::Tool { call_id, name, content } => NodeMessage::Tool { tool_call_id: call_id, name, content },
    }
}

fn calls<'a>(episode: &'a Episode, nodes: &[Node]) -> Vec<Call<'a>> {
    let sampled = nodes.iter().enumerate().filter(|(_, node)| node.sampled).enumerate();
    sampled
        .map(|(turn, (number, node))| {
            let trace = episode.traces.iter().find(|t| t.turn as usize == turn);
            let has_calls =
                matches!(&node.message, NodeMessage::Assistant { tool_calls, .. } if !tool_calls.is_empty());
            Call {
                node: number,
                model: &episode.key.policy,
                finish_reason: match trace.map(|t| t.finish.as_str()) {
                    Some("length" | "context") => Some("length"),
                    _ if has_calls => Some("tool_calls"),
                    _ => Some("stop"),
                },
                usage: trace.map(|t| Usage { prompt_tokens: t.prompt_ids.len(), completion_tokens: t.token_ids.len() }),
            }
        })
        .collect()
}

fn metrics(episode: &Episode) -> serde_json::Map<String, Value> {
    let mut metrics = serde_json::Map::new();
    metrics.insert("calls".to_owned(), json!(episode.steps.len() as f64));
    metrics.insert("turns".to_owned(), json!(f64::from(episode.turns)));
    for Check { name, passed, .. } in &episode.checks {
        metrics.insert(format!("check/{name}"), json!(f64::from(u8::from(*passed))));
    }
    metrics
}

/// Tools in verifiers' flat shape.
pub fn tools(tools: &[ToolSpec]) -> Value {
    let flat =
        |tool: &ToolSpec| json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
    Value::Array(tools.iter().map(flat).collect())
}
