//! The JSON of chat completions: our messages and tools out, an assistant message in.

use super::ChatOptions;
use crate::environment::ToolSpec;
use crate::message::{Message, MessageCall};
use crate::policy::PolicyTurn;
use serde_json::{Value, json};

/// Calls of one message that are taken; a longer list is no completion.
const CALLS_MAX: usize = 1024;

/// The body of a request.
pub(super) fn request(options: &ChatOptions, seed: u64, tools: &[ToolSpec], messages: &[Message]) -> Value {
    let mut body = json!({
        "model": options.model,
        "messages": messages.iter().map(message).collect::<Vec<_>>(),
        "tools": tools.iter().map(tool).collect::<Vec<_>>(),
        "stream": false,
    });
    if let Some(temperature) = options.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(tokens) = options.tokens_max {
        body["max_tokens"] = json!(tokens);
    }
    if options.send_seed {
        // 31 bits: some servers read it as a signed 32-bit integer.
        body["seed"] = json!(seed & 0x7fff_ffff);
    }
    body
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    })
}

fn message(message: &Message) -> Value {
    match message {
        Message::System { content } => json!({"role": "system", "content": content}),
        Message::User { content } => json!({"role": "user", "content": content}),
        Message::Assistant { content, calls, .. } if calls.is_empty() => {
            json!({"role": "assistant", "content": content})
        }
        Message::Assistant { content, calls, .. } => json!({
            "role": "assistant",
            "content": if content.is_empty() { Value::Null } else { Value::from(content.as_str()) },
            "tool_calls": calls.iter().map(call).collect::<Vec<_>>(),
        }),
        Message::Tool { call_id, content, .. } => json!({"role": "tool", "tool_call_id": call_id, "content": content}),
    }
}

fn call(call: &MessageCall) -> Value {
    // Servers parse the arguments of earlier calls again for their templates and fail on what is no object; the error that the call
    // got says what it was.
    let is_object = matches!(serde_json::from_str(&call.arguments), Ok(Value::Object(_)));
    let arguments = if is_object { call.arguments.as_str() } else { "{}" };
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

/// The assistant message of a reply.
///
/// # Errors
/// What is missing, when the reply is no completion.
pub(super) fn turn(bytes: &[u8]) -> Result<PolicyTurn, String> {
    let reply: Value = serde_json::from_slice(bytes).map_err(|e| format!("the reply is not JSON: {e}"))?;
    let message = reply
        .pointer("/choices/0/message")
        .filter(|m| m.is_object())
        .ok_or_else(|| format!("the reply has no message: {}", brief(&reply)))?;
    let mut turn = PolicyTurn { content: text(message.get("content")), ..PolicyTurn::default() };
    turn.reasoning = ["reasoning_content", "reasoning"]
        .iter()
        .map(|f| text(message.get(*f)))
        .find(|t| !t.is_empty())
        .unwrap_or_default();
    if let Some(calls) = message.get("tool_calls").and_then(Value::as_array) {
        if calls.len() > CALLS_MAX {
            return Err(format!("the reply has {} calls", calls.len()));
        }
        for call in calls {
            let function = call.get("function").unwrap_or(call);
            let name = function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let arguments = match function.get("arguments") {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                // Some servers send the object itself.
                Some(other) => other.to_string(),
            };
            let id = call.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            turn.calls.push(MessageCall { id, name, arguments });
        }
    }
    Ok(turn)
}

/// Text of a content field: a string, or the text parts of a list.
fn text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|p| p.get("text").and_then(Value::as_str)).collect(),
        _ => String::new(),
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_openai_shape() {
        let mut options = ChatOptions::new("http://x/v1", "m");
        options.temperature = Some(0.5);
        options.tokens_max = Some(64);
        let calls = vec![
            MessageCall { id: "call_0".into(), name: "a".into(), arguments: r#"{"k":"M-1"}"#.into() },
            MessageCall { id: "call_1".into(), name: "b".into(), arguments: "{oops".into() },
        ];
        let messages = [
            Message::System { content: "s".into() },
            Message::User { content: "u".into() },
            Message::Assistant { content: String::new(), reasoning: "r".into(), calls },
            Message::Tool { call_id: "call_0".into(), name: "a".into(), content: "1".into() },
        ];
        let body = request(&options, u64::MAX, &[crate::submit::tool()], &messages);
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).expect("JSON"));
    }

    #[test]
    fn replies_in_their_many_forms() {
        let reply = json!({"choices": [{"message": {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "a", "arguments": "{\"k\":1}"}},
            {"id": "y", "type": "function", "function": {"name": "b", "arguments": {"k": 2}}},
            {"id": "z", "type": "function", "function": {"name": "c"}}
        ]}}]});
        let turn = turn(reply.to_string().as_bytes()).expect("a completion");
        assert_eq!((turn.content.as_str(), turn.reasoning.as_str()), ("", "hm"));
        let calls: Vec<_> = turn.calls.iter().map(|c| (c.name.as_str(), c.arguments.as_str())).collect();
        assert_eq!(calls, [("a", "{\"k\":1}"), ("b", "{\"k\":2}"), ("c", "")]);
    }

    #[test]
    fn what_is_no_completion_says_so() {
        for (bytes, said) in [("<html>", "not JSON"), ("{}", "no message"), (r#"{"choices":[]}"#, "no message")] {
            let error = turn(bytes.as_bytes()).expect_err(bytes);
            assert!(error.contains(said), "{error}");
        }
        let parts =
            turn(br#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}"#);
        assert_eq!(parts.expect("a completion").content, "ab");
    }
}
