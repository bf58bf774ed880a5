//! Messages to prompt text.

use serde_json::{Map, Value};

use super::json::dumps;
use super::{ASSISTANT, BOS, EOS, THINK_END, THINK_START, TOKEN, TOOLS_AFTER, TOOLS_BEFORE, ThinkingMode, USER};

/// How to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub mode: ThinkingMode,
    /// In thinking mode: leave out reasoning (and developer messages) before the last user message.
    pub drop_thinking: bool,
}

/// Why messages have no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    #[error("message {index} is no object with a string `role`")]
    NoRole { index: usize },
    #[error("message {index} has the unknown role `{role}`")]
    UnknownRole { index: usize, role: String },
    #[error("message {index}: field `{field}` is malformed")]
    Field { index: usize, field: &'static str },
    #[error("message {index}: a developer message needs content")]
    EmptyDeveloper { index: usize },
    #[error("message {index} is a tool result without a call before it")]
    OrphanResult { index: usize },
    #[error(
        "message {index}: in thinking mode an assistant message after the last user message needs reasoning or calls"
    )]
    NoReasoning { index: usize },
}

type Result<T> = std::result::Result<T, EncodeError>;

/// The prompt of a conversation, from the begin-of-sentence token on.
///
/// `messages` are objects in OpenAI form: `role` (`system`, `developer`, `user`, `assistant`, `tool`), `content`,
/// `reasoning_content`, `tool_calls` (arguments as a JSON string), and `tools` and `response_format` on a system or
/// developer message.
///
/// # Errors
/// [`EncodeError`] with the index of the message (counted after dropping) that the format cannot express.
pub fn encode(messages: &[Value], options: Options) -> Result<String> {
    let all =
        messages.iter().enumerate().map(|(index, value)| Message::new(index, value)).collect::<Result<Vec<_>>>()?;
    let mut last_user = last_user(&all);
    let kept: Vec<Message> = if options.mode == ThinkingMode::Thinking && options.drop_thinking {
        let keep = |message: &Message| message.role != "developer" || Some(message.index) >= last_user;
        let mut kept: Vec<Message> = all.into_iter().filter(keep).collect();
        for message in &mut kept {
            message.reasoning_dropped = Some(message.index) < last_user;
        }
        kept
    } else {
        all
    };
    last_user = self::last_user(&kept);
    let mut prompt = BOS.to_owned();
    for position in 0..kept.len() {
        render(&kept, position, last_user, options.mode, &mut prompt)?;
    }
    Ok(prompt)
}

/// One message: its fields and where it stood.
#[derive(Debug, Clone, Copy)]
struct Message<'a> {
    index: usize,
    role: &'a str,
    fields: &'a Map<String, Value>,
    reasoning_dropped: bool,
}

fn last_user(messages: &[Message]) -> Option<usize> {
    messages.iter().rposition(|message| matches!(message.role, "user" | "developer"))
}

impl<'a> Message<'a> {
    fn new(index: usize, value: &'a Value) -> Result<Self> {
        let fields = value.as_object().ok_or(EncodeError::NoRole { index })?;
        let role = fields.get("role").and_then(Value::as_str).ok_or(EncodeError::NoRole { index })?;
        if !matches!(role, "system" | "developer" | "user" | "assistant" | "tool") {
            return Err(EncodeError::UnknownRole { index, role: role.to_owned() });
        }
        Ok(Self { index, role, fields, reasoning_dropped: false })
    }

    /// A text field; absent and null are empty.
    fn text(&self, field: &'static str) -> Result<&'a str> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(EncodeError::Field { index: self.index, field }),
        }
    }

    /// A list field; absent and null are empty.
    fn list(&self, field: &'static str) -> Result<&'a [Value]> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(EncodeError::Field { index: self.index, field }),
        }
    }

    fn reasoning(&self) -> Result<&'a str> {
        if self.reasoning_dropped { Ok("") } else { self.text("reasoning_content") }
    }

    /// The tools and response format of a system or developer message, each after a blank line.
    fn sections(&self) -> Result<String> {
        let mut out = String::new();
        let tools = self.list("tools")?;
        if !tools.is_empty() {
            let function = |tool: &Value| {
                tool.get("function").map(dumps).ok_or(EncodeError::Field { index: self.index, field: "tools" })
            };
            let schemas = tools.iter().map(function).collect::<Result<Vec<_>>>()?;
            out.push_str(&format!("\n\n{TOOLS_BEFORE}{}{TOOLS_AFTER}", schemas.join("\n")));
        }
        match self.fields.get("response_format") {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::Object(schema)) if schema.is_empty() => {}
            Some(schema) => out.push_str(&format!(
                "\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n{}",
                dumps(schema)
            )),
        }
        Ok(out)
    }

    /// The call block of an assistant message, or nothing.
    fn calls(&self) -> Result<String> {
        let malformed = EncodeError::Field { index: self.index, field: "tool_calls" };
        let mut invocations = Vec::new();
        for call in self.list("tool_calls")? {
            let field =
                |name: &str| call.get("function").and_then(|function| function.get(name)).and_then(Value::as_str);
            let (Some(name), Some(arguments)) = (field("name"), field("arguments")) else {
                return Err(malformed);
            };
            let Ok(Value::Object(arguments)) = serde_json::from_str(arguments) else {
                return Err(malformed);
            };
            let parameter = |(key, value): (&String, &Value)| {
                let (string, text) = match value {
                    Value::String(text) => (true, text.clone()),
                    other => (false, dumps(other)),
                };
                format!("<{TOKEN}parameter name=\"{key}\" string=\"{string}\">{text}</{TOKEN}parameter>")
            };
            let parameters = arguments.iter().map(parameter).collect::<Vec<_>>().join("\n");
            invocations.push(format!("<{TOKEN}invoke name=\"{name}\">\n{parameters}\n</{TOKEN}invoke>"));
        }
        if invocations.is_empty() {
            return Ok(String::new());
        }
        Ok(format!("\n\n<{TOKEN}function_calls>\n{}\n</{TOKEN}function_calls>", invocations.join("\n")))
    }
}

fn render(
    messages: &[Message],
    position: usize,
    last_user: Option<usize>,
    mode: ThinkingMode,
    out: &mut String,
) -> Result<()> {
    let message = &messages[position];
    let index = message.index;
    let thinks = |after: bool| if after && mode == ThinkingMode::Thinking { THINK_START } else { THINK_END };
    match message.role {
        "system" => {
            out.push_str(message.text("content")?);
            out.push_str(&message.sections()?);
        }
        "user" => {
            let content = message.text("content")?;
            out.push_str(&format!("{USER}{content}{ASSISTANT}{}", thinks(Some(position) == last_user)));
        }
        "developer" => {
            let content = message.text("content")?;
            if content.is_empty() {
                return Err(EncodeError::EmptyDeveloper { index });
            }
            let sections = message.sections()?;
            let mark = thinks(Some(position) == last_user);
            out.push_str(&format!("{USER}{sections}\n\n# The user's message is: {content}{ASSISTANT}{mark}"));
        }
        "tool" => {
            let caller = messages[..position].iter().rposition(|earlier| earlier.role != "tool");
            let caller = caller
                .filter(|&caller| messages[caller].role == "assistant")
                .ok_or(EncodeError::OrphanResult { index })?;
            let (order, calls) = (position - caller, messages[caller].list("tool_calls")?.len());
            if order > calls {
                return Err(EncodeError::OrphanResult { index });
            }
            if order == 1 {
                out.push_str("\n\n<function_results>");
            }
            out.push_str(&format!("\n<result>{}</result>", message.text("content")?));
            if order == calls {
                let after = Some(position) >= last_user;
                out.push_str(&format!("\n</function_results>\n\n{}", thinks(after)));
            }
        }
        _ => {
            let calls = message.calls()?;
            if mode == ThinkingMode::Thinking && Some(position) > last_user {
                let reasoning = message.reasoning()?;
                if reasoning.is_empty() && calls.is_empty() {
                    return Err(EncodeError::NoReasoning { index });
                }
                out.push_str(&format!("{reasoning}{THINK_END}"));
            }
            out.push_str(&format!("{}{calls}{EOS}", message.text("content")?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CHAT: Options = Options { mode: ThinkingMode::Chat, drop_thinking: true };
    const THINKING: Options = Options { mode: ThinkingMode::Thinking, drop_thinking: true };

    fn check(messages: Value, options: Options, expected: std::result::Result<&str, EncodeError>) {
        let found = encode(messages.as_array().unwrap(), options);
        assert_eq!(found.as_deref().map_err(Clone::clone), expected, "{messages}");
    }

    #[test]
    fn a_short_conversation() {
        let messages = json!([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]);
        check(messages.clone(), CHAT, Ok("<｜begin▁of▁sentence｜>S<｜User｜>U<｜Assistant｜></think>"));
        check(messages, THINKING, Ok("<｜begin▁of▁sentence｜>S<｜User｜>U<｜Assistant｜><think>"));
        check(json!([]), CHAT, Ok("<｜begin▁of▁sentence｜>"));
    }

    #[test]
    fn what_the_format_cannot_express_is_an_error() {
        check(json!(["x"]), CHAT, Err(EncodeError::NoRole { index: 0 }));
        check(json!([{"role": "robot"}]), CHAT, Err(EncodeError::UnknownRole { index: 0, role: "robot".into() }));
        check(json!([{"role": "tool", "content": "x"}]), CHAT, Err(EncodeError::OrphanResult { index: 0 }));
        check(
            json!([{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]),
            THINKING,
            Err(EncodeError::NoReasoning { index: 1 }),
        );
        check(json!([{"role": "user", "content": 5}]), CHAT, Err(EncodeError::Field { index: 0, field: "content" }));
        let call = json!([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]}]);
        check(call, CHAT, Err(EncodeError::Field { index: 0, field: "tool_calls" }));
    }
}
