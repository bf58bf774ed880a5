//! An answer as one object, or as a stream of chunks.

use super::Served;
use super::answer::{Answer, Part, logprobs};
use super::request::Asked;
use axum::response::sse::{Event as SseEvent, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use terrarium_model::engine::{Completion, Event, Record, Request};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One choice of an answer on its way.
struct Choice {
    index: u64,
    conversation: u64,
    answer: Answer,
}

/// Events of an answer, each with the index of its choice.
type Events = UnboundedReceiver<(u64, Event)>;

/// Ask the engine for every choice. Events come with the index of their choice; a receiver that goes away cancels them.
fn ask(served: &Served, asked: &Asked) -> Result<(Vec<Choice>, Events), String> {
    let (sender, receiver) = unbounded_channel();
    let mut choices = Vec::new();
    for index in 0..asked.choices {
        let conversation = served.number();
        let mut sampling = asked.sampling;
        sampling.stream = index;
        let request = Request {
            conversation,
            prompt: asked.prompt.clone(),
            sampling,
            stop: asked.stop.clone(),
            grammar: asked.grammar.clone(),
            record: Record { likeliest: asked.logprobs, ..Record::default() },
        };
        let sender: UnboundedSender<(u64, Event)> = sender.clone();
        let listener = move |event| match sender.send((index, event)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        served.engine.stream(request, listener).map_err(|error| error.to_string())?;
        choices.push(Choice { index, conversation, answer: Answer::new(asked.mode, asked.stop.clone()) });
    }
    Ok((choices, receiver))
}

fn usage(asked: &Asked, completions: &[Completion]) -> Value {
    let drawn: usize = completions.iter().map(|completion| completion.token_ids.len()).sum();
    let reused = completions.iter().map(|completion| completion.reused_tokens).max().unwrap_or(0);
    json!({
        "prompt_tokens": asked.prompt.len(), "completion_tokens": drawn, "total_tokens": asked.prompt.len() + drawn,
        "prompt_tokens_details": {"cached_tokens": reused},
    })
}

/// The head that objects and chunks share.
fn head(served: &Served, number: u64, object: &str) -> Value {
    json!({"id": format!("chatcmpl-{number}"), "object": object, "created": served.started, "model": served.name})
}

fn call(number: u64, index: u64, call: usize, name: &str, arguments: &str) -> Value {
    let id = format!("call_{number}_{index}_{call}");
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// The whole answer.
pub async fn whole(served: &Served, asked: &Asked) -> Result<Value, String> {
    let number = served.number();
    let (mut choices, mut receiver) = ask(served, asked)?;
    let mut parts: Vec<Vec<Part>> = choices.iter().map(|_| Vec::new()).collect();
    let mut probabilities: Vec<Vec<Value>> = choices.iter().map(|_| Vec::new()).collect();
    let mut finished: Vec<Option<Completion>> = choices.iter().map(|_| None).collect();
    while let Some((index, event)) = receiver.recv().await {
        let (place, choice) = (index as usize, &mut choices[index as usize]);
        match event {
            Event::Drawn(drawn) => {
                let bytes = served.tokenizer.vocabulary().bytes(drawn.id).unwrap_or_default();
                parts[place].extend(choice.answer.push(bytes));
                if asked.logprobs.is_some() {
                    probabilities[place].push(logprobs(&drawn, served.tokenizer.vocabulary()));
                }
            }
            Event::Finished(result) => {
                parts[place].extend(choice.answer.finish());
                served.engine.release(choice.conversation);
                finished[place] = Some(result.map_err(|error| error.to_string())?);
            }
        }
    }
    let completions: Option<Vec<Completion>> = finished.into_iter().collect();
    let completions = completions.ok_or("the engine has ended")?;
    let mut reply = head(served, number, "chat.completion");
    reply["choices"] = choices
        .iter()
        .zip(&completions)
        .zip(parts.into_iter().zip(probabilities))
        .map(|((choice, completion), (parts, probabilities))| {
            let (mut content, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
            for part in parts {
                match part {
                    Part::Content(text) => content.push_str(&text),
                    Part::Reasoning(text) => reasoning.push_str(&text),
                    Part::Call(at, name, arguments) => calls.push(call(number, choice.index, at, &name, &arguments)),
                }
            }
            let mut message = Map::new();
            message.insert("role".into(), "assistant".into());
            let silent = content.is_empty() && !calls.is_empty();
            message.insert("content".into(), if silent { Value::Null } else { content.into() });
            if !reasoning.is_empty() {
                message.insert("reasoning_content".into(), reasoning.into());
            }
            if !calls.is_empty() {
                message.insert("tool_calls".into(), calls.into());
            }
            let logprobs = asked.logprobs.map(|_| json!({"content": probabilities, "refusal": null}));
            json!({
                "index": choice.index, "message": message, "logprobs": logprobs,
                "finish_reason": choice.answer.finish_reason(completion.finish),
            })
        })
        .collect();
    reply["usage"] = usage(asked, &completions);
    Ok(reply)
}

/// What a stream is made from.
struct Streaming {
    served: Arc<Served>,
    asked: Asked,
    number: u64,
    choices: Vec<Choice>,
    receiver: Events,
    completions: Vec<Completion>,
    failed: bool,
    /// Nothing follows what is ready.
    over: bool,
    /// Chunks to be sent before the next event is waited for.
    ready: std::collections::VecDeque<String>,
}

/// The answer chunk by chunk.
pub fn stream(served: Arc<Served>, asked: Asked) -> Response {
    let number = served.number();
    let (choices, receiver) = match ask(&served, &asked) {
        Ok(found) => found,
        Err(message) => {
            let body = json!({"error": {"message": message, "type": "server_error", "param": null, "code": null}});
            return (axum::http::StatusCode::INTERNAL_SERVER_ERROR, axum::Json(body)).into_response();
        }
    };
    let mut streaming = Streaming {
        served,
        asked,
        number,
        choices,
        receiver,
        completions: Vec::new(),
        failed: false,
        over: false,
        ready: std::collections::VecDeque::new(),
    };
    for index in 0..streaming.choices.len() {
        let delta = json!({"role": "assistant", "content": ""});
        streaming.chunk(index, delta, Value::Null, Value::Null);
    }
    let events = futures::stream::unfold(streaming, |mut streaming| async move {
        loop {
            if let Some(data) = streaming.ready.pop_front() {
                return Some((Ok::<_, Infallible>(SseEvent::default().data(data)), streaming));
            }
            if streaming.over {
                return None;
            }
            match streaming.receiver.recv().await {
                Some((index, event)) => streaming.take(index as usize, event),
                None => streaming.end(),
            }
        }
    });
    Sse::new(events).into_response()
}

impl Streaming {
    fn chunk(&mut self, index: usize, delta: Value, logprobs: Value, finish_reason: Value) {
        let mut chunk = head(&self.served, self.number, "chat.completion.chunk");
        chunk["choices"] =
            json!([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}]);
        if self.asked.stream_usage {
            chunk["usage"] = Value::Null;
        }
        self.ready.push_back(chunk.to_string());
    }

    fn parts(&mut self, index: usize, parts: Vec<Part>, mut logprobs: Value) {
        for part in parts {
            let delta = match part {
                Part::Content(text) => json!({ "content": text }),
                Part::Reasoning(text) => json!({ "reasoning_content": text }),
                Part::Call(at, name, arguments) => {
                    let mut call = call(self.number, index as u64, at, &name, &arguments);
                    call["index"] = at.into();
                    json!({ "tool_calls": [call] })
                }
            };
            self.chunk(index, delta, logprobs.take(), Value::Null);
        }
        // A token whose text is held back has its log-probability now all the same.
        if !logprobs.is_null() {
            self.chunk(index, json!({}), logprobs, Value::Null);
        }
    }

    fn take(&mut self, index: usize, event: Event) {
        match event {
            Event::Drawn(drawn) => {
                let vocabulary = Arc::clone(self.served.tokenizer.vocabulary());
                let parts = self.choices[index].answer.push(vocabulary.bytes(drawn.id).unwrap_or_default());
                let logprobs = match self.asked.logprobs {
                    None => Value::Null,
                    Some(_) => json!({"content": [logprobs(&drawn, &vocabulary)], "refusal": null}),
                };
                self.parts(index, parts, logprobs);
            }
            Event::Finished(Ok(completion)) => {
                let parts = self.choices[index].answer.finish();
                self.parts(index, parts, Value::Null);
                let reason = self.choices[index].answer.finish_reason(completion.finish);
                self.chunk(index, json!({}), Value::Null, reason.into());
                self.served.engine.release(self.choices[index].conversation);
                self.completions.push(completion);
            }
            Event::Finished(Err(error)) => {
                self.failed = true;
                let error = json!({"message": error.to_string(), "type": "server_error", "param": null, "code": null});
                self.ready.push_back(json!({ "error": error }).to_string());
            }
        }
    }

    fn end(&mut self) {
        self.over = true;
        if !self.failed && self.completions.len() < self.choices.len() {
            let error = json!({"message": "the engine has ended", "type": "server_error", "param": null, "code": null});
            self.ready.push_back(json!({ "error": error }).to_string());
        }
        if self.asked.stream_usage && !self.failed {
            let mut chunk = head(&self.served, self.number, "chat.completion.chunk");
            chunk["choices"] = json!([]);
            chunk["usage"] = usage(&self.asked, &self.completions);
            self.ready.push_back(chunk.to_string());
        }
        self.ready.push_back("[DONE]".to_owned());
    }
}
