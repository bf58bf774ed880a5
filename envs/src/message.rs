//! Messages of an episode, in the OpenAI chat form.

use serde::{Deserialize, Serialize};

/// A tool call inside an assistant message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageCall {
    /// Id, unique in the episode: `call_0`, `call_1`, ...
    pub id: String,
    /// Tool.
    pub name: String,
    /// Arguments as JSON text, exactly as the policy wrote them.
    pub arguments: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// The environment's system message.
    System {
        /// Text.
        content: String,
    },
    /// The task's prompt, or a later word of the user.
    User {
        /// Text.
        content: String,
    },
    /// The agent.
    Assistant {
        /// Text, may be empty.
        content: String,
        /// Thinking, may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reasoning: String,
        /// Tool calls, may be empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<MessageCall>,
    },
    /// The result of a call.
    Tool {
        /// Id of the call.
        call_id: String,
        /// Tool.
        name: String,
        /// JSON text.
        content: String,
    },
}

impl Message {
    /// Bytes of its texts: what counts against a budget.
    pub fn bytes(&self) -> usize {
        match self {
            Message::System { content } | Message::User { content } => content.len(),
            Message::Assistant { content, reasoning, calls } => {
                let calls: usize = calls.iter().map(|c| c.name.len() + c.arguments.len()).sum();
                content.len() + reasoning.len() + calls
            }
            Message::Tool { name, content, .. } => name.len() + content.len(),
        }
    }
}
