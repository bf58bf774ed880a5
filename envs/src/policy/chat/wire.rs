//! The JSON of chat completions: our messages and tools out, an assistant message in.

use super::ChatOptions;
use crate::episode::TokenTrace;
use crate::message::{Message, MessageCall};
use crate::policy::PolicyTurn;
use crate::tool::ToolSpec;
use crate::usage::Usage;
use serde_json::{Value, json};

/// Calls of one message that are taken; a longer list is no completion.
const CALLS_MAX: usize = 1024;

/// Fields that some endpoints refuse. A refusal that names one turns it off for the rest of the run.
pub(super) const OPTIONAL: [&str; 4] = ["seed", "logprobs", "stream_options", "reasoning_content"];

/// The body of a request, without the optional fields for which `refused` holds.
pub(super) fn request(
    options: &ChatOptions,
    refused: impl Fn(&str) -> bool,
    seed: u64,
    tools: &[ToolSpec],
    messages: &[Message],
) -> Value {
    let thinking = options.send_reasoning && !refused("reasoning_content");
    let mut body = json!({
        "model": options.model,
        "messages": messages.iter().map(|m| message(m, thinking)).collect::<Vec<_>>(),
    });
    if !tools.is_empty() {
        body["tools"] = tools.iter().map(tool).collect();
    }
    body["stream"] = json!(options.stream);
    if let Some(temperature) = options.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(tokens) = options.tokens_max {
        body["max_tokens"] = json!(tokens);
    }
    if options.send_seed && !refused("seed") {
        // 31 bits: some servers read it as a signed 32-bit integer.
        body["seed"] = json!(seed & 0x7fff_ffff);
    }
    if options.logprobs && !refused("logprobs") {
        body["logprobs"] = json!(true);
    }
    if options.stream && !refused("stream_options") {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    })
}

fn message(message: &Message, thinking: bool) -> Value {
    match message {
        Message::System { content } => json!({"role": "system", "content": content}),
        Message::User { content } => json!({"role": "user", "content": content}),
        Message::Assistant { content, reasoning, calls } => {
            let mut said = json!({"role": "assistant", "content": content});
            if !calls.is_empty() {
                if content.is_empty() {
                    said["content"] = Value::Null;
                }
                said["tool_calls"] = calls.iter().map(call).collect();
            }
            if thinking && !reasoning.is_empty() {
                said["reasoning_content"] = Value::from(reasoning.as_str());
            }
            said
        }
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
pub(super) fn turn(reply: &Value) -> Result<PolicyTurn, String> {
    let choice = reply.pointer("/choices/0").unwrap_or(&Value::Null);
    let message = choice
        .get("message")
        .filter(|m| m.is_object())
        .ok_or_else(|| format!("the reply has no message: {}", brief(reply)))?;
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
    let finish = choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
    match finish {
        "content_filter" => return Err("the endpoint's filter stopped the message".to_owned()),
        "length" if turn.calls.is_empty() => {
            turn.malformed = Some("it was cut off at the most tokens that a message may have".to_owned());
        }
        _ => {}
    }
    turn.usage = usage(reply.get("usage"));
    turn.trace = trace(reply, choice, finish);
    Ok(turn)
}

fn usage(usage: Option<&Value>) -> Option<Usage> {
    let usage = usage?;
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    Some(Usage {
        turn: 0,
        prompt: count("/prompt_tokens")?,
        cached: count("/prompt_tokens_details/cached_tokens").unwrap_or(0),
        completion: count("/completion_tokens").unwrap_or(0),
        reasoning: count("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
    })
}

/// Sampled tokens with their log-probabilities, if the endpoint gives them: as numbers (`token_ids`, as vLLM does), else as texts.
fn trace(reply: &Value, choice: &Value, finish: &str) -> Option<TokenTrace> {
    let tokens = choice.pointer("/logprobs/content")?.as_array().filter(|tokens| !tokens.is_empty())?;
    let logprobs: Option<Vec<f32>> = tokens.iter().map(|t| Some(t.get("logprob")?.as_f64()? as f32)).collect();
    let logprobs = logprobs?;
    let ids = |place: Option<&Value>| -> Option<Vec<u32>> {
        place?.as_array()?.iter().map(|id| u32::try_from(id.as_u64()?).ok()).collect()
    };
    let token_ids = ids(choice.get("token_ids")).filter(|ids| ids.len() == logprobs.len()).unwrap_or_default();
    let texts = if token_ids.is_empty() {
        let text = |t: &Value| t.get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
        tokens.iter().map(text).collect()
    } else {
        Vec::new()
    };
    Some(TokenTrace {
        turn: 0,
        prompt_ids: ids(reply.get("prompt_token_ids")).unwrap_or_default(),
        token_ids,
        texts,
        logprobs,
        experts: Vec::new(),
        finish: finish.to_owned(),
    })
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
        let body = request(&options, |_| false, u64::MAX, &[crate::submit::tool()], &messages);
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).expect("JSON"));
        options.stream = true;
        let plain = request(&options, |_| true, 1, &[], &messages);
        let fields: Vec<&String> = plain.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["model", "messages", "stream", "temperature", "max_tokens"]);
        assert_eq!(plain["messages"][2].get("reasoning_content"), None);
    }

    #[test]
    fn replies_in_their_many_forms() {
        let reply = json!({"choices": [{"message": {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "a", "arguments": "{\"k\":1}"}},
            {"id": "y", "type": "function", "function": {"name": "b", "arguments": {"k": 2}}},
            {"id": "z", "type": "function", "function": {"name": "c"}}
        ]}}]});
        let read = turn(&reply).expect("a completion");
        assert_eq!((read.content.as_str(), read.reasoning.as_str()), ("", "hm"));
        let calls: Vec<_> = read.calls.iter().map(|c| (c.name.as_str(), c.arguments.as_str())).collect();
        assert_eq!(calls, [("a", "{\"k\":1}"), ("b", "{\"k\":2}"), ("c", "")]);
        assert_eq!((read.usage, read.trace, read.malformed), (None, None, None));
        let parts =
            json!({"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]});
        assert_eq!(turn(&parts).expect("a completion").content, "ab");
    }

    #[test]
    fn usage_and_log_probabilities_are_read_where_offered() {
        let mut reply = json!({
            "choices": [{"message": {"content": "hi"}, "finish_reason": "stop",
                "logprobs": {"content": [{"token": "h", "logprob": -0.5}, {"token": "i", "logprob": -0.25}]}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 1}}
        });
        let read = turn(&reply).expect("a completion");
        assert_eq!(read.usage, Some(Usage { turn: 0, prompt: 7, cached: 4, completion: 2, reasoning: 1 }));
        let trace = read.trace.expect("a trace");
        assert_eq!((trace.logprobs, trace.texts), (vec![-0.5, -0.25], vec!["h".to_owned(), "i".to_owned()]));
        assert!(trace.token_ids.is_empty() && trace.finish == "stop");
        reply["choices"][0]["token_ids"] = json!([104, 105]);
        reply["prompt_token_ids"] = json!([1, 2, 3]);
        let trace = turn(&reply).expect("a completion").trace.expect("a trace");
        assert_eq!((trace.token_ids, trace.prompt_ids), (vec![104, 105], vec![1, 2, 3]));
        assert!(trace.texts.is_empty());
    }

    #[test]
    fn what_is_cut_off_or_no_completion_says_so() {
        for reply in [json!({}), json!({"choices": []}), json!({"error": "busy"})] {
            assert!(turn(&reply).expect_err("no completion").contains("no message"));
        }
        let cut = json!({"choices": [{"message": {"content": "I thi"}, "finish_reason": "length"}]});
        assert!(turn(&cut).expect("a message").malformed.is_some_and(|m| m.contains("cut off")));
        let filtered = json!({"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]});
        assert!(turn(&filtered).is_err());
    }
}
