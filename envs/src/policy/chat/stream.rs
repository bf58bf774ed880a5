//! A streamed answer, put together: server-sent events with pieces of one assistant message.

use serde_json::{Map, Value, json};

/// Calls whose pieces are put together.
const CALLS_MAX: usize = 1024;

/// Takes the bytes of a stream as they come.
#[derive(Default)]
pub(super) struct Assembly {
    /// Bytes of a line that has not ended.
    line: Vec<u8>,
    content: String,
    reasoning: String,
    calls: Vec<Piece>,
    logprobs: Vec<Value>,
    finish: Option<String>,
    usage: Value,
    token_ids: Vec<Value>,
    error: Option<String>,
    done: bool,
}

#[derive(Default)]
struct Piece {
    id: String,
    name: String,
    arguments: String,
}

impl Assembly {
    /// Takes the next bytes. False once the stream has said that it is over.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            self.event(&line);
        }
        !self.done
    }

    fn event(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let Some(data) = line.trim_end().strip_prefix("data:").map(str::trim_start) else { return };
        if data == "[DONE]" {
            self.done = true;
            return;
        }
        match serde_json::from_str::<Value>(data) {
            Ok(chunk) => self.chunk(&chunk),
            Err(error) => {
                self.error.get_or_insert_with(|| format!("a piece of the stream is not JSON: {error}"));
            }
        }
    }

    fn chunk(&mut self, chunk: &Value) {
        if let Some(error) = chunk.get("error").filter(|e| !e.is_null()) {
            self.error.get_or_insert_with(|| format!("the stream broke off: {}", brief(error)));
        }
        if let Some(usage) = chunk.get("usage").filter(|u| u.is_object()) {
            self.usage = usage.clone();
        }
        let Some(choice) = chunk.pointer("/choices/0") else { return };
        if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
        if let Some(logprobs) = choice.pointer("/logprobs/content").and_then(Value::as_array) {
            self.logprobs.extend(logprobs.iter().cloned());
        }
        if let Some(ids) = choice.get("token_ids").and_then(Value::as_array) {
            self.token_ids.extend(ids.iter().cloned());
        }
        let Some(delta) = choice.get("delta") else { return };
        let piece = |name: &str| delta.get(name).and_then(Value::as_str);
        self.content.push_str(piece("content").unwrap_or_default());
        self.reasoning.push_str(piece("reasoning_content").or_else(|| piece("reasoning")).unwrap_or_default());
        for (place, call) in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let index = call.get("index").and_then(Value::as_u64).map_or(place, |i| i as usize);
            if index >= CALLS_MAX {
                self.error.get_or_insert_with(|| format!("the stream has a call number {index}"));
                return;
            }
            if self.calls.len() <= index {
                self.calls.resize_with(index + 1, Piece::default);
            }
            let text = |path: &str| call.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let piece = &mut self.calls[index];
            piece.id.push_str(text("/id"));
            piece.name.push_str(text("/function/name"));
            piece.arguments.push_str(text("/function/arguments"));
        }
    }

    /// The whole answer, in the form of one that was not streamed.
    ///
    /// # Errors
    /// What is missing, when the stream broke off.
    pub(super) fn finish(mut self) -> Result<Value, String> {
        let rest = std::mem::take(&mut self.line);
        self.event(&rest);
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.done && self.finish.is_none() {
            return Err("the stream ended in the middle of a message".to_owned());
        }
        let mut message = Map::new();
        message.insert("content".to_owned(), Value::from(self.content));
        message.insert("reasoning_content".to_owned(), Value::from(self.reasoning));
        let calls: Vec<Value> = self
            .calls
            .into_iter()
            .map(|c| json!({"id": c.id, "function": {"name": c.name, "arguments": c.arguments}}))
            .collect();
        message.insert("tool_calls".to_owned(), Value::from(calls));
        let mut choice = json!({"message": message, "finish_reason": self.finish});
        if !self.logprobs.is_empty() {
            choice["logprobs"] = json!({"content": self.logprobs});
        }
        if !self.token_ids.is_empty() {
            choice["token_ids"] = Value::from(self.token_ids);
        }
        Ok(json!({"choices": [choice], "usage": self.usage}))
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        ": a comment\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hm, \"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"ü\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"add\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"submit\",\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn pieces_become_one_message_wherever_they_are_cut() {
        let mut whole = Assembly::default();
        assert!(!whole.take(STREAM.as_bytes()));
        let whole = whole.finish().expect("a message");
        let message = &whole["choices"][0]["message"];
        assert_eq!(message["reasoning_content"], "hm, ü");
        assert_eq!(message["tool_calls"][0]["function"], json!({"name": "add", "arguments": "{\"a\":1}"}));
        assert_eq!(message["tool_calls"][1]["function"]["name"], "submit");
        assert_eq!(whole["usage"]["prompt_tokens"], 5);
        for size in [1, 2, 3, 7, 100] {
            let mut pieces = Assembly::default();
            for bytes in STREAM.as_bytes().chunks(size) {
                pieces.take(bytes);
            }
            assert_eq!(pieces.finish().expect("a message"), whole, "{size}");
        }
    }

    #[test]
    fn a_stream_that_breaks_off_is_no_message() {
        let cut = |text: &str| {
            let mut assembly = Assembly::default();
            assembly.take(text.as_bytes());
            assembly.finish().expect_err(text)
        };
        let half = STREAM.find("finish_reason").expect("it is there") - 40;
        assert!(cut(&STREAM[..half]).contains("not JSON") || cut(&STREAM[..half]).contains("middle"));
        assert!(cut("").contains("middle"));
        assert!(cut("data: {oops\n\n").contains("not JSON"));
        assert!(cut("data: {\"error\":{\"message\":\"overloaded\"}}\n\n").contains("overloaded"));
    }
}
