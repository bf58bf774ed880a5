//! Any endpoint that speaks OpenAI chat completions with tools: `openai:URL#MODEL`.
//!
//! One request a turn, without streaming. Trouble with the endpoint (connection, time-out, 408, 409, 425, 429, 5xx, an answer that is
//! not a completion) is retried with exponential backoff and seeded jitter; `Retry-After` in seconds is honoured up to
//! [`RETRY_AFTER_MAX`]. What remains is [`PolicyFailure::Failed`]: an episode without a reward, never a zero. A refusal because the
//! context is too long is [`PolicyFailure::OutOfContext`]. The API key comes from the caller and is never logged.

mod retry;
mod wire;

pub use retry::RETRY_AFTER_MAX;

use super::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use crate::error::{Error, Result};
use crate::random::stream;
use async_trait::async_trait;
use rand_chacha::ChaCha8Rng;
use retry::{Attempt, backoff};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of the longest reply that is read.
const REPLY_BYTES_MAX: usize = 16 << 20;

/// How to talk to an endpoint.
#[derive(Clone)]
pub struct ChatOptions {
    /// URL up to and including the version: `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// Model name sent with each request.
    pub model: String,
    /// Sent as a bearer token.
    pub api_key: Option<String>,
    /// Sampling temperature; the endpoint's default if none.
    pub temperature: Option<f64>,
    /// Most tokens of one message; the endpoint's default if none.
    pub tokens_max: Option<u32>,
    /// Whether the episode's seed is sent. Default true; some endpoints refuse the field.
    pub send_seed: bool,
    /// Time for one request, connection included. Default 300 s.
    pub timeout: Duration,
    /// Requests for one message, the first included. Default 6.
    pub attempts: u32,
    /// Wait before the first retry; doubles with each. Default 500 ms.
    pub backoff: Duration,
    /// Longest such wait. Default 30 s.
    pub backoff_max: Duration,
}

impl fmt::Debug for ChatOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatOptions")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("api_key", &self.api_key.as_ref().map(|_| "hidden"))
            .finish_non_exhaustive()
    }
}

impl ChatOptions {
    /// Options for a model behind a URL, all else at its default.
    pub fn new(base_url: &str, model: &str) -> Self {
        ChatOptions {
            base_url: base_url.to_owned(),
            model: model.to_owned(),
            api_key: None,
            temperature: None,
            tokens_max: None,
            send_seed: true,
            timeout: Duration::from_secs(300),
            attempts: 6,
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
        }
    }

    /// Reads `openai:URL#MODEL`.
    ///
    /// # Errors
    /// [`Error::Policy`] when it is not of that form.
    pub fn parse(policy: &str) -> Result<Self> {
        let rest = policy.strip_prefix("openai:").unwrap_or(policy);
        match rest.split_once('#') {
            Some((url, model)) if !url.is_empty() && !model.is_empty() => Ok(ChatOptions::new(url, model)),
            _ => Err(policy_error(
                policy,
                "write it as openai:URL#MODEL, such as openai:http://127.0.0.1:8000/v1#my-model",
            )),
        }
    }
}

fn policy_error(policy: &str, message: impl Into<String>) -> Error {
    Error::Policy { policy: policy.to_owned(), message: message.into() }
}

/// The policy `openai:MODEL`.
#[derive(Debug)]
pub struct ChatPolicy {
    endpoint: Arc<Endpoint>,
}

#[derive(Debug)]
struct Endpoint {
    client: reqwest::Client,
    url: reqwest::Url,
    options: ChatOptions,
}

impl ChatPolicy {
    /// A policy that asks an endpoint. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Policy`] when the URL is not one, or the client cannot be set up.
    pub fn new(options: ChatOptions) -> Result<Self> {
        let name = format!("openai:{}#{}", options.base_url, options.model);
        let base = options.base_url.trim_end_matches('/').trim_end_matches("/chat/completions");
        let url = reqwest::Url::parse(&format!("{base}/chat/completions"))
            .map_err(|e| policy_error(&name, format!("`{}` is not a URL: {e}", options.base_url)))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(policy_error(&name, "the URL must begin with http:// or https:// and name a host"));
        }
        let mut builder = reqwest::Client::builder().timeout(options.timeout);
        // A proxy has no business between this machine and itself.
        if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| policy_error(&name, format!("no HTTP client: {e}")))?;
        Ok(ChatPolicy { endpoint: Arc::new(Endpoint { client, url, options }) })
    }
}

impl Policy for ChatPolicy {
    fn label(&self) -> String {
        format!("openai:{}", self.endpoint.options.model)
    }

    fn agent(&self, seed: u64) -> Box<dyn Agent> {
        Box::new(ChatAgent { endpoint: Arc::clone(&self.endpoint), seed, jitter: stream(seed, "chat backoff") })
    }
}

struct ChatAgent {
    endpoint: Arc<Endpoint>,
    seed: u64,
    jitter: ChaCha8Rng,
}

#[async_trait]
impl Agent for ChatAgent {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let options = &self.endpoint.options;
        let body = wire::request(options, self.seed, situation.tools, situation.messages);
        let mut attempt = 0;
        loop {
            let (why, after) = match self.endpoint.ask(&body).await {
                Attempt::Done(turn) => return Ok(turn),
                Attempt::Over(failure) => return Err(failure),
                Attempt::Again { why, after } => (why, after),
            };
            attempt += 1;
            if attempt >= options.attempts {
                return Err(PolicyFailure::Failed(format!("gave up after {attempt} requests: {why}")));
            }
            tokio::time::sleep(backoff(options, attempt, after, &mut self.jitter)).await;
        }
    }
}

impl Endpoint {
    /// One request.
    async fn ask(&self, body: &serde_json::Value) -> Attempt {
        let mut request = self.client.post(self.url.clone()).json(body);
        if let Some(key) = &self.options.api_key {
            request = request.bearer_auth(key);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Attempt::Over(PolicyFailure::Failed(chain(&error))),
            Err(error) => return Attempt::Again { why: chain(&error), after: None },
        };
        let status = response.status().as_u16();
        let after = retry::retry_after(response.headers());
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() <= REPLY_BYTES_MAX => bytes.extend_from_slice(&chunk),
                Ok(Some(_)) => {
                    let why = format!("the reply has more than {REPLY_BYTES_MAX} bytes");
                    return Attempt::Over(PolicyFailure::Failed(why));
                }
                Ok(None) => break,
                Err(error) => return Attempt::Again { why: chain(&error), after: None },
            }
        }
        if status == 200 {
            return match wire::turn(&bytes) {
                Ok(turn) => Attempt::Done(turn),
                Err(why) => Attempt::Again { why, after },
            };
        }
        retry::refusal(status, &String::from_utf8_lossy(&bytes), after)
    }
}

/// An error and its causes in one line, without the URL, which may hold a secret.
fn chain(error: &reqwest::Error) -> String {
    let mut text =
        if error.is_timeout() { "the request timed out".to_owned() } else { "the request failed".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
