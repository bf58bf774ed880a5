//! A scripted OpenAI-compatible endpoint on the loopback interface that misbehaves on purpose, for tests and benches.
//!
//! It answers `POST */chat/completions` over HTTP/1.1 with keep-alive, streamed or not. What it says is a function of the request; how
//! it misbehaves is drawn from a seed and the number of the request. Everything is bounded: connections, bytes of a request, time.
#![allow(dead_code, reason = "every user has its own part")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const CONNECTIONS_MAX: usize = 512;
const REQUEST_BYTES_MAX: usize = 8 << 20;
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How often which trouble happens, in a thousand requests each, and how fast answers are.
#[derive(Clone, Debug)]
pub struct Mischief {
    pub seed: u64,
    /// 429 with `Retry-After`.
    pub limited: u64,
    /// 500 and 503.
    pub broken: u64,
    /// The connection is closed: before the answer or in the middle of it.
    pub reset: u64,
    /// An answer that takes ten times as long.
    pub slow: u64,
    /// 200 with something that is no completion.
    pub garbled: u64,
    /// Time for an answer.
    pub latency: Duration,
    /// Answers that are worked on at the same time; others wait.
    pub slots: usize,
}

impl Default for Mischief {
    /// None at all.
    fn default() -> Self {
        Mischief {
            seed: 0,
            limited: 0,
            broken: 0,
            reset: 0,
            slow: 0,
            garbled: 0,
            latency: Duration::ZERO,
            slots: CONNECTIONS_MAX,
        }
    }
}

impl Mischief {
    /// Every kind now and then: a fifth of all requests meets one.
    pub fn lots(seed: u64) -> Self {
        Mischief { seed, limited: 40, broken: 40, reset: 40, slow: 40, garbled: 40, ..Mischief::default() }
    }
}

/// What the assistant says to the messages of a request.
pub type Says = dyn Fn(&Value) -> Value + Send + Sync;

/// A running endpoint; it ends with this value.
pub struct Endpoint {
    /// Base URL, `http://127.0.0.1:PORT/v1`.
    pub url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    says: Box<Says>,
    mischief: Mischief,
    slots: Semaphore,
    requests: AtomicU64,
    /// Answers by kind: `ok`, `limited`, ...
    answers: Mutex<BTreeMap<&'static str, u64>>,
    most_at_once: AtomicU64,
    now: AtomicU64,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoint {
    /// Starts an endpoint on a free port.
    pub async fn start(mischief: Mischief, says: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            says: Box::new(says),
            slots: Semaphore::new(mischief.slots),
            mischief,
            requests: AtomicU64::new(0),
            answers: Mutex::default(),
            most_at_once: AtomicU64::new(0),
            now: AtomicU64::new(0),
        });
        let served = Arc::clone(&shared);
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
                let shared = Arc::clone(&served);
                open.spawn(async move {
                    let _permit = permit;
                    // A connection that breaks is the client's to notice.
                    let _ = serve(stream, &shared).await;
                });
                while open.try_join_next().is_some() {}
            }
        });
        Endpoint { url, shared, task }
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Answers so far, by kind.
    pub fn answers(&self) -> BTreeMap<&'static str, u64> {
        self.shared.answers.lock().expect("no panic").clone()
    }

    /// The most requests that were open at the same time.
    pub fn most_at_once(&self) -> u64 {
        self.shared.most_at_once.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let Some(body) = tokio::time::timeout(IDLE_MAX, request(&mut stream, &mut buffer)).await?? else {
            return Ok(());
        };
        let number = shared.requests.fetch_add(1, Ordering::Relaxed);
        let now = shared.now.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most_at_once.fetch_max(now, Ordering::Relaxed);
        let goes_on = answer(&mut stream, &body, shared, number).await;
        shared.now.fetch_sub(1, Ordering::Relaxed);
        if !goes_on? {
            return Ok(());
        }
    }
}

/// The body of the next request; none when the client has gone.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Value>> {
    loop {
        let head_end = buffer.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(head_end) = head_end {
            let head = String::from_utf8_lossy(&buffer[..head_end]).to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            let end = head_end + 4 + length.unwrap_or(0);
            if buffer.len() >= end {
                let body = serde_json::from_slice(&buffer[head_end + 4..end]).unwrap_or_default();
                buffer.drain(..end);
                return Ok(Some(body));
            }
        }
        let mut chunk = [0; 4 << 10];
        let n = stream.read(&mut chunk).await?;
        if n == 0 || buffer.len() + n > REQUEST_BYTES_MAX {
            return Ok(None);
        }
        buffer.extend_from_slice(&chunk[..n]);
    }
}

/// Answers one request; false if the connection is to be closed.
async fn answer(stream: &mut TcpStream, body: &Value, shared: &Shared, number: u64) -> std::io::Result<bool> {
    let mischief = &shared.mischief;
    let dice = mix(mischief.seed ^ mix(number));
    let mut roll = dice % 1000;
    let kinds = [
        ("limited", mischief.limited),
        ("broken", mischief.broken),
        ("reset", mischief.reset),
        ("slow", mischief.slow),
        ("garbled", mischief.garbled),
    ];
    let mut kind = "ok";
    for (name, share) in kinds {
        if roll < share {
            kind = name;
            break;
        }
        roll -= share;
    }
    *shared.answers.lock().expect("no panic").entry(kind).or_default() += 1;
    let variant = dice >> 32;
    {
        let _slot = shared.slots.acquire().await.map_err(std::io::Error::other)?;
        let time = if kind == "slow" { mischief.latency * 10 } else { mischief.latency };
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }
    match kind {
        "limited" => {
            plain(stream, 429, "retry-after-ms: 20\r\n", r#"{"error": {"message": "too many requests"}}"#).await
        }
        "broken" if variant % 2 == 0 => plain(stream, 500, "", "Internal Server Error").await,
        "broken" => plain(stream, 503, "", r#"{"error": "overloaded"}"#).await,
        "reset" if variant % 2 == 0 => Ok(false),
        "reset" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"choices\": [").await?;
            Ok(false)
        }
        "garbled" => {
            let bodies = ["<html>gateway</html>", "", r#"{"choices": []}"#, r#"{"choices": [{"message": null}]}"#];
            plain(stream, 200, "", bodies[variant as usize % bodies.len()]).await
        }
        _ => completion(stream, body, (shared.says)(body)).await,
    }
}

async fn plain(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<bool> {
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    Ok(true)
}

async fn completion(stream: &mut TcpStream, body: &Value, message: Value) -> std::io::Result<bool> {
    let prompt = body["messages"].to_string().len() as u64 / 4;
    let sampled = message.to_string().len() as u64 / 4;
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": sampled, "total_tokens": prompt + sampled});
    let finish = if message["tool_calls"].is_array() { "tool_calls" } else { "stop" };
    if body["stream"] != true {
        let mut choice = json!({"index": 0, "message": message, "finish_reason": finish});
        if body["logprobs"] == true {
            let tokens: Vec<Value> = (0..sampled).map(|n| json!({"token": format!("t{n}"), "logprob": -0.5})).collect();
            choice["logprobs"] = json!({"content": tokens});
        }
        return plain(stream, 200, "", &json!({"choices": [choice], "usage": usage}).to_string()).await;
    }
    let mut events =
        vec![json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": message["content"]}}]})];
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let mut at = arguments.len() / 2;
        while !arguments.is_char_boundary(at) {
            at -= 1;
        }
        let piece = |call: Value| json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]});
        let function = json!({"name": call["function"]["name"], "arguments": arguments[..at]});
        events.push(piece(json!({"index": index, "id": call["id"], "type": "function", "function": function})));
        events.push(piece(json!({"index": index, "function": {"arguments": arguments[at..]}})));
    }
    events.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}));
    events.push(json!({"choices": [], "usage": usage}));
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    for event in events.iter().map(Value::to_string).chain(["[DONE]".to_owned()]) {
        let data = format!("data: {event}\n\n");
        stream.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes()).await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    Ok(true)
}

/// A message that makes one call.
pub fn call(name: &str, arguments: &Value) -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments.to_string()}}
    ]})
}

/// Says the calls of a solution one after another, by the number of results so far; `solution` gives the calls for a prompt.
pub fn replays(solution: impl Fn(&str) -> Vec<(String, Value)> + Send + Sync + 'static) -> impl Fn(&Value) -> Value {
    move |body| {
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        let prompt = messages.iter().find(|m| m["role"] == "user").and_then(|m| m["content"].as_str());
        let made = messages.iter().filter(|m| m["role"] == "tool").count();
        match solution(prompt.unwrap_or_default()).get(made) {
            Some((name, arguments)) => call(name, arguments),
            None => json!({"role": "assistant", "content": "done"}),
        }
    }
}

/// SplitMix64: an unrelated number for each.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
