//! The Agent Trajectory Interchange Format, version 1.7: one trajectory a line.
//!
//! Source: the models of the package harbor 0.25.0 (`harbor/models/trajectories`) and Agent Data Protocol's copy of them. Both forbid
//! unknown fields; rows stay in the part that both accept: no cost in `metrics`, objects as arguments, results only of calls of the
//! same step, everything of ours in `extra`. Token ids and log-probabilities stand in `metrics` where episodes have them.

use super::chat::object;
use super::row::{EpisodeRow, name, put};
use serde::Serialize;
use serde_json::value::RawValue;
use terrarium_envs::episode::TokenTrace;
use terrarium_envs::message::{Message, MessageCall};
use terrarium_envs::verifier::Check;

/// For the card.
pub const ABOUT: &str = "\
- One ATIF-v1.7 trajectory a line: `agent.tool_definitions` are OpenAI function tools, `steps` the messages, results stand in the
  `observation` of the step that called.
- Arguments that are no JSON object (the agent wrote them wrongly) are `{}`, and stand as written in `extra.arguments` of the call.
- `extra` of the trajectory: `reward` (1, 0 or null), `outcome`, `checks`, and which episode it is.
- `metrics` of agent steps: exact token ids and log-probabilities, for episodes of the embedded model.";

const VERSION: &str = "ATIF-v1.7";

#[derive(Serialize)]
struct Trajectory<'a> {
    schema_version: &'static str,
    session_id: &'a str,
    trajectory_id: &'a str,
    agent: Agent<'a>,
    steps: Vec<Step<'a>>,
    final_metrics: FinalMetrics,
    extra: Extra<'a>,
}

#[derive(Serialize)]
struct Agent<'a> {
    name: &'static str,
    version: &'static str,
    model_name: &'a str,
    tool_definitions: &'a RawValue,
}

#[derive(Serialize)]
struct Step<'a> {
    step_id: usize,
    source: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observation: Option<Observation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    tool_call_id: &'a str,
    function_name: &'a str,
    arguments: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<Written<'a>>,
}

#[derive(Serialize)]
struct Written<'a> {
    arguments: &'a str,
}

#[derive(Serialize)]
struct Observation<'a> {
    results: Vec<Outcome<'a>>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    source_call_id: &'a str,
    content: &'a str,
}

#[derive(Serialize)]
struct Metrics<'a> {
    prompt_tokens: usize,
    completion_tokens: usize,
    prompt_token_ids: &'a [u32],
    completion_token_ids: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a [f32]>,
}

#[derive(Serialize)]
struct FinalMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    total_prompt_tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_completion_tokens: Option<usize>,
    total_steps: usize,
}

#[derive(Serialize)]
struct Extra<'a> {
    reward: Option<f64>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    checks: &'a [Check],
    task_id: &'a str,
    environment_id: &'a str,
    split: &'static str,
    kind: &'static str,
    policy: &'a str,
    sample: u32,
    cluster: &'a str,
    environment_cluster: &'a str,
}

/// Appends the trajectory of an episode.
pub fn write(row: &EpisodeRow, out: &mut Vec<u8>) {
    let episode = &row.stored.episode;
    let id = name(row.stored);
    let empty = RawValue::from_string("{}".to_owned()).expect("{} is JSON");
    let mut steps = steps(&episode.messages, row.options.thinking, &empty);
    for trace in &episode.traces {
        let turn = steps.iter_mut().filter(|s| s.source == "agent").nth(trace.turn as usize);
        if let Some(step) = turn {
            step.metrics = Some(metrics(trace));
        }
    }
    let total = |count: fn(&TokenTrace) -> usize| {
        (!episode.traces.is_empty()).then(|| episode.traces.iter().map(count).sum::<usize>())
    };
    let trajectory = Trajectory {
        schema_version: VERSION,
        session_id: &id,
        trajectory_id: &id,
        agent: Agent {
            name: "terrarium",
            version: env!("CARGO_PKG_VERSION"),
            model_name: &episode.key.policy,
            tool_definitions: &row.world.shown,
        },
        final_metrics: FinalMetrics {
            total_prompt_tokens: total(|t| t.prompt_ids.len()),
            total_completion_tokens: total(|t| t.token_ids.len()),
            total_steps: steps.len(),
        },
        steps,
        extra: Extra {
            reward: episode.reward,
            outcome: episode.outcome.name(),
            error: episode.error.as_deref(),
            checks: &episode.checks,
            task_id: &episode.key.task_id,
            environment_id: &episode.environment_id,
            split: row.stored.split.name(),
            kind: row.stored.kind.name(),
            policy: &episode.key.policy,
            sample: episode.key.sample,
            cluster: &row.stored.cluster,
            environment_cluster: &row.world.cluster,
        },
    };
    put(&trajectory, out);
}

fn steps<'a>(messages: &'a [Message], thinking: bool, empty: &'a RawValue) -> Vec<Step<'a>> {
    let mut steps: Vec<Step> = Vec::new();
    let plain = |steps: &Vec<Step>, source, message| Step {
        step_id: steps.len() + 1,
        source,
        message,
        reasoning_content: "",
        tool_calls: Vec::new(),
        observation: None,
        metrics: None,
    };
    for message in messages {
        let step = match message {
            Message::System { content } => plain(&steps, "system", content.as_str()),
            Message::User { content } => plain(&steps, "user", content.as_str()),
            Message::Assistant { content, reasoning, calls } => Step {
                reasoning_content: if thinking { reasoning } else { "" },
                tool_calls: calls.iter().map(|c| call(c, empty)).collect(),
                ..plain(&steps, "agent", content.as_str())
            },
            Message::Tool { call_id, content, .. } => {
                let result = Outcome { source_call_id: call_id, content };
                // A result belongs to the last step; the agent loop puts nothing between a call and its result.
                if let Some(step) = steps.last_mut() {
                    step.observation.get_or_insert_with(|| Observation { results: Vec::new() }).results.push(result);
                }
                continue;
            }
        };
        steps.push(step);
    }
    steps
}

fn call<'a>(call: &'a MessageCall, empty: &'a RawValue) -> Call<'a> {
    let arguments = object(&call.arguments);
    Call {
        tool_call_id: &call.id,
        function_name: &call.name,
        arguments: arguments.unwrap_or(empty),
        extra: arguments.is_none().then_some(Written { arguments: &call.arguments }),
    }
}

fn metrics(trace: &TokenTrace) -> Metrics<'_> {
    let finite = trace.logprobs.iter().all(|p| p.is_finite());
    Metrics {
        prompt_tokens: trace.prompt_ids.len(),
        completion_tokens: trace.token_ids.len(),
        prompt_token_ids: &trace.prompt_ids,
        completion_token_ids: &trace.token_ids,
        logprobs: finite.then_some(&trace.logprobs),
    }
}
