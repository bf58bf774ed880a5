//! The Agent Data Protocol, version 1.2: one trajectory a line.
//!
//! Source: `schema/trajectory.py` of neulab/agent-data-protocol and what it validates: no unknown field, every id of a call is unique
//! and has exactly one observation. A call without a result (the run ended in it) therefore has no id, and stands after the results of
//! its turn, since an action without an id must not be followed by an observation.

use super::chat::object;
use super::row::{EpisodeRow, name, put};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use terrarium_envs::message::{Message, MessageCall};

/// For the card.
pub const ABOUT: &str = "\
- One trajectory of the Agent Data Protocol 1.2 a line. The system message is the first observation (`source` environment, `name`
  system), the task is the user's; calls are `api_action`, results `text_observation` with the same `tool_call_id`.
- The last action carries `reward`, unless the run broke. Arguments that are no JSON object have `kwargs` `{\"arguments\": text}`.
- `details`: `tools` (OpenAI function tools), `reward`, `outcome`, and which episode it is.";

const VERSION: &str = "1.2.0";

#[derive(Serialize)]
struct Trajectory<'a> {
    schema_version: &'static str,
    id: String,
    content: Vec<Item<'a>>,
    available_custom_tools: Vec<&'a str>,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    dataset: &'static str,
    tools: &'a RawValue,
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

#[derive(Serialize)]
#[serde(tag = "class_", rename_all = "snake_case")]
enum Item<'a> {
    ApiAction {
        function: &'a str,
        kwargs: Kwargs<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reward: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<&'a str>,
    },
    MessageAction {
        content: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reward: Option<f64>,
    },
    TextObservation {
        content: &'a str,
        source: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<&'a str>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Kwargs<'a> {
    Object(&'a RawValue),
    Written { arguments: &'a str },
}

/// Appends the trajectory of an episode.
pub fn write(row: &EpisodeRow, out: &mut Vec<u8>) {
    let episode = &row.stored.episode;
    let mut content = items(&episode.messages, row.options.thinking);
    let last = content.iter_mut().rev().find_map(|item| match item {
        Item::ApiAction { reward, .. } | Item::MessageAction { reward, .. } => Some(reward),
        Item::TextObservation { .. } => None,
    });
    if let Some(last) = last {
        *last = episode.reward;
    }
    let trajectory = Trajectory {
        schema_version: VERSION,
        id: name(row.stored),
        content,
        available_custom_tools: row.world.tools.iter().map(|tool| tool.name.as_str()).collect(),
        details: Details {
            dataset: "terrarium",
            tools: &row.world.shown,
            reward: episode.reward,
            outcome: episode.outcome.name(),
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

fn items(messages: &[Message], thinking: bool) -> Vec<Item<'_>> {
    let answered: BTreeSet<&str> = messages
        .iter()
        .filter_map(|m| if let Message::Tool { call_id, .. } = m { Some(call_id.as_str()) } else { None })
        .collect();
    let mut items = Vec::with_capacity(messages.len());
    // Calls without a result, until the results of their turn are written.
    let mut late: Vec<Item> = Vec::new();
    for message in messages {
        if !matches!(message, Message::Tool { .. }) {
            items.append(&mut late);
        }
        match message {
            Message::System { content } => items.push(observation(content, "environment", Some("system"), None)),
            Message::User { content } => items.push(observation(content, "user", None, None)),
            Message::Tool { call_id, name, content } => {
                items.push(observation(content, "environment", Some(name), Some(call_id)));
            }
            Message::Assistant { content, reasoning, calls } => {
                let reasoning = (thinking && !reasoning.is_empty()).then_some(reasoning.as_str());
                if calls.is_empty() {
                    items.push(Item::MessageAction { content, reasoning_content: reasoning, reward: None });
                }
                for (n, call) in calls.iter().enumerate() {
                    let (text, reasoning) = if n == 0 { (content.as_str(), reasoning) } else { ("", None) };
                    let id = answered.contains(call.id.as_str()).then_some(call.id.as_str());
                    let into = if id.is_some() { &mut items } else { &mut late };
                    into.push(action(call, text, reasoning, id));
                }
            }
        }
    }
    items.append(&mut late);
    items
}

fn observation<'a>(content: &'a str, source: &'static str, name: Option<&'a str>, id: Option<&'a str>) -> Item<'a> {
    Item::TextObservation { content, source, name, tool_call_id: id }
}

fn action<'a>(call: &'a MessageCall, text: &'a str, reasoning: Option<&'a str>, id: Option<&'a str>) -> Item<'a> {
    Item::ApiAction {
        function: &call.name,
        kwargs: object(&call.arguments).map_or(Kwargs::Written { arguments: &call.arguments }, Kwargs::Object),
        description: (!text.is_empty()).then_some(text),
        reasoning_content: reasoning,
        reward: None,
        tool_call_id: id,
    }
}
