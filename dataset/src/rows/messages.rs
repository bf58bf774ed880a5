//! The messages of an episode as stored: without the texts that stand in another row.
//!
//! Half of an episode's bytes would be there twice otherwise. Left out, and put back on reading, are: the content of a system message
//! that is the environment's; tool and arguments of a call that is a step; tool and content of a result that is a step's. A text that
//! differs from the row in any way stays, so that what was stored comes back equal, whatever it was.

use super::from_json;
use serde::{Deserialize, Serialize};
use terrarium_envs::episode::Step;
use terrarium_envs::message::{Message, MessageCall};

/// A message as it is written.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum Stored<'a> {
    System {
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a str>,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        reasoning: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        calls: Vec<StoredCall<'a>>,
    },
    Tool {
        call_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct StoredCall<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
}

/// A message as it is read: flat, since serde reads a tagged enum by way of a tree.
#[derive(Deserialize)]
struct Found {
    role: Role,
    content: Option<String>,
    #[serde(default)]
    reasoning: String,
    #[serde(default)]
    calls: Vec<FoundCall>,
    call_id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    System,
    User,
    Assistant,
    Tool,
}

#[derive(Deserialize)]
struct FoundCall {
    id: String,
    name: Option<String>,
    arguments: Option<String>,
}

/// The stored text of messages.
pub fn write(messages: &[Message], steps: &[Step], system: &str) -> String {
    let mut finder = Finder::new(steps);
    let stored: Vec<Stored> = messages.iter().map(|message| leave_out(message, &mut finder, system)).collect();
    super::json(&stored)
}

fn leave_out<'a>(message: &'a Message, finder: &mut Finder, system: &str) -> Stored<'a> {
    match message {
        Message::System { content } => Stored::System { content: (content != system).then_some(content) },
        Message::User { content } => Stored::User { content },
        Message::Assistant { content, reasoning, calls } => {
            let calls = calls.iter().map(|call| {
                let same = finder.find(&call.id).is_some_and(|s| s.tool == call.name && s.arguments == call.arguments);
                let keep = |text: &'a String| (!same).then_some(text.as_str());
                StoredCall { id: &call.id, name: keep(&call.name), arguments: keep(&call.arguments) }
            });
            Stored::Assistant { content, reasoning, calls: calls.collect() }
        }
        Message::Tool { call_id, name, content } => {
            let same = finder.find(call_id).is_some_and(|s| s.tool == *name && s.result == *content);
            let keep = |text: &'a String| (!same).then_some(text.as_str());
            Stored::Tool { call_id, name: keep(name), content: keep(content) }
        }
    }
}

/// The messages of a stored text.
pub fn read(text: &str, steps: &[Step], system: &str) -> Result<Vec<Message>, String> {
    let found: Vec<Found> = from_json("messages", text)?;
    let mut finder = Finder::new(steps);
    found.into_iter().map(|message| put_back(message, &mut finder, system)).collect()
}

fn put_back(message: Found, finder: &mut Finder, system: &str) -> Result<Message, String> {
    let no_step = |id: &str| format!("column messages: call {id} has no step");
    let lacks = |what: &str| format!("column messages: a message without {what}");
    let Found { role, content, reasoning, calls, call_id, name } = message;
    Ok(match role {
        Role::System => Message::System { content: content.unwrap_or_else(|| system.to_owned()) },
        Role::User => Message::User { content: content.ok_or_else(|| lacks("content"))? },
        Role::Assistant => {
            let mut full = Vec::with_capacity(calls.len());
            for FoundCall { id, name, arguments } in calls {
                let (name, arguments) = match (name, arguments) {
                    (Some(name), Some(arguments)) => (name, arguments),
                    _ => {
                        let step = finder.find(&id).ok_or_else(|| no_step(&id))?;
                        (step.tool.clone(), step.arguments.clone())
                    }
                };
                full.push(MessageCall { id, name, arguments });
            }
            Message::Assistant { content: content.ok_or_else(|| lacks("content"))?, reasoning, calls: full }
        }
        Role::Tool => {
            let call_id = call_id.ok_or_else(|| lacks("call_id"))?;
            let (name, content) = match (name, content) {
                (Some(name), Some(content)) => (name, content),
                _ => {
                    let step = finder.find(&call_id).ok_or_else(|| no_step(&call_id))?;
                    (step.tool.clone(), step.result.clone())
                }
            };
            Message::Tool { call_id, name, content }
        }
    })
}

/// Finds the first step with a call id. Looks where the last one was found first, as calls and results come in the order of steps;
/// only an unusual episode makes it search from the beginning.
struct Finder<'a> {
    steps: &'a [Step],
    last: usize,
    /// No id occurs twice: then a step found near the last one is the first with its id.
    unique: bool,
}

impl<'a> Finder<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let mut ids: Vec<&str> = steps.iter().map(|s| s.call_id.as_str()).collect();
        ids.sort_unstable();
        Finder { steps, last: 0, unique: ids.windows(2).all(|pair| pair[0] != pair[1]) }
    }

    fn find(&mut self, id: &str) -> Option<&'a Step> {
        if self.unique {
            for near in [self.last, self.last + 1] {
                if let Some(step) = self.steps.get(near)
                    && step.call_id == id
                {
                    self.last = near;
                    return Some(step);
                }
            }
        }
        let found = self.steps.iter().position(|s| s.call_id == id)?;
        self.last = found;
        Some(&self.steps[found])
    }
}
