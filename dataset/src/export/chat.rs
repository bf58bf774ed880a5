//! Chat messages and tools in OpenAI's shape, which most formats share.
//!
//! Arguments of calls are JSON *text* by default: loaders that infer one schema for a column (Hugging Face `datasets` before 5) merge
//! objects and fill in keys that no call had.

use super::columns::{Column, Kind};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use terrarium_envs::message::{Message, MessageCall};
use terrarium_envs::tool::ToolSpec;

/// Messages as a list of OpenAI messages.
#[derive(Clone, Copy)]
pub struct Chat<'a> {
    /// The messages.
    pub messages: &'a [Message],
    /// The agent's thinking, as `reasoning_content`.
    pub thinking: bool,
    /// Arguments as JSON values instead of JSON text.
    pub objects: bool,
}

impl Serialize for Chat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.messages.iter().map(|message| ChatMessage::of(message, self)))
    }
}

#[derive(Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Calls<'a>>,
}

impl<'a> ChatMessage<'a> {
    fn plain(role: &'static str, content: &'a str) -> Self {
        ChatMessage { role, tool_call_id: None, name: None, content, reasoning_content: None, tool_calls: None }
    }

    fn of(message: &'a Message, chat: &Chat) -> Self {
        match message {
            Message::System { content } => ChatMessage::plain("system", content),
            Message::User { content } => ChatMessage::plain("user", content),
            Message::Assistant { content, reasoning, calls } => ChatMessage {
                reasoning_content: (chat.thinking && !reasoning.is_empty()).then_some(reasoning),
                tool_calls: (!calls.is_empty()).then_some(Calls { calls, objects: chat.objects }),
                ..ChatMessage::plain("assistant", content)
            },
            Message::Tool { call_id, name, content } => {
                ChatMessage { tool_call_id: Some(call_id), name: Some(name), ..ChatMessage::plain("tool", content) }
            }
        }
    }
}

struct Calls<'a> {
    calls: &'a [MessageCall],
    objects: bool,
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.calls.iter().map(|call| ChatCall {
            id: &call.id,
            kind: "function",
            function: ChatFunction {
                name: &call.name,
                arguments: if self.objects {
                    Arguments::value(&call.arguments)
                } else {
                    Arguments::Text(&call.arguments)
                },
            },
        }))
    }
}

#[derive(Serialize)]
struct ChatCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: ChatFunction<'a>,
}

#[derive(Serialize)]
struct ChatFunction<'a> {
    name: &'a str,
    arguments: Arguments<'a>,
}

/// Arguments of a call.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Arguments<'a> {
    /// As the policy wrote them.
    Text(&'a str),
    /// The same bytes as a JSON value.
    Json(&'a RawValue),
}

impl<'a> Arguments<'a> {
    /// The object that a text is; the text itself if it is none.
    pub fn value(text: &'a str) -> Arguments<'a> {
        object(text).map_or(Arguments::Text(text), Arguments::Json)
    }
}

/// The JSON object that a text is, byte for byte.
pub fn object(text: &str) -> Option<&RawValue> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    value.get().starts_with('{').then_some(value)
}

/// Tools as a list of OpenAI function tools.
pub fn tools(tools: &[ToolSpec]) -> Value {
    let function = |tool: &ToolSpec| {
        json!({
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        })
    };
    Value::Array(tools.iter().map(function).collect())
}

/// The type of a list of messages, arguments as text.
pub fn kind(thinking: bool) -> Kind {
    let mut fields = Column::texts(["role", "tool_call_id", "name", "content"]);
    if thinking {
        fields.push(Column::new("reasoning_content", Kind::Text));
    }
    let function = Column::new("function", Kind::Group(Column::texts(["name", "arguments"])));
    let mut call = Column::texts(["id", "type"]);
    call.push(function);
    fields.push(Column::new("tool_calls", Kind::groups(call)));
    Kind::groups(fields)
}

/// The messages that a task starts with, and those that came after them. The prompt is the system message and the first of the user.
pub fn divide(messages: &[Message]) -> (&[Message], &[Message]) {
    let first = messages.iter().position(|m| matches!(m, Message::Assistant { .. })).unwrap_or(messages.len());
    messages.split_at(first)
}
