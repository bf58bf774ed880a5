//! One endpoint: requests at its pace, again after trouble.

use super::options::ChatOptions;
use super::pace::Pace;
use super::retry::{self, Attempt, backoff};
use super::stream::Assembly;
use super::wire;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::policy::{PolicyFailure, PolicyTurn};
use crate::tool::ToolSpec;
use crate::usage::{Meter, Trouble};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of the longest reply that is read.
const REPLY_BYTES_MAX: usize = 16 << 20;

/// What the conversations with one endpoint share.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: reqwest::Client,
    url: reqwest::Url,
    pub(super) options: ChatOptions,
    pace: Pace,
    pub(super) meter: Meter,
    /// Which of [`wire::OPTIONAL`] it has refused.
    refused: [AtomicBool; wire::OPTIONAL.len()],
}

impl Endpoint {
    pub(super) fn new(options: ChatOptions) -> Result<Self> {
        let name = format!("openai:{}#{}", options.base_url, options.model);
        let fail = |message: String| Error::Policy { policy: name.clone(), message };
        let base = options.base_url.trim_end_matches('/').trim_end_matches("/chat/completions");
        let url = reqwest::Url::parse(&format!("{base}/chat/completions"))
            .map_err(|e| fail(format!("`{}` is not a URL: {e}", options.base_url)))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(fail("the URL must begin with http:// or https:// and name a host".to_owned()));
        }
        let mut builder = reqwest::Client::builder().connect_timeout(options.connect_timeout);
        // A stream may take long; what must not be long is silence.
        builder = if options.stream { builder.read_timeout(options.timeout) } else { builder.timeout(options.timeout) };
        // A proxy has no business between this machine and itself.
        if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| fail(format!("no HTTP client: {e}")))?;
        let pace = Pace::new(options.requests_per_minute);
        Ok(Endpoint { client, url, options, pace, meter: Meter::default(), refused: Default::default() })
    }

    /// A message, however many requests it takes within the options.
    pub(super) async fn complete(
        &self,
        seed: u64,
        jitter: &mut ChaCha8Rng,
        tools: &[ToolSpec],
        messages: &[Message],
    ) -> Result<PolicyTurn, PolicyFailure> {
        let mut body = self.body(seed, tools, messages);
        let mut attempt = 0;
        loop {
            self.pace.wait().await;
            let (trouble, why, after) = match self.ask(&body).await {
                Attempt::Done(turn) => {
                    self.meter.message(turn.usage.as_ref());
                    return Ok(*turn);
                }
                Attempt::OutOfContext { window } => return Err(PolicyFailure::OutOfContext { window }),
                Attempt::Over { message, unfit } => {
                    if unfit && self.refuses_a_field(&message) {
                        body = self.body(seed, tools, messages);
                        continue;
                    }
                    self.meter.trouble(Trouble::Refused);
                    return Err(PolicyFailure::Endpoint { trouble: Trouble::Refused, message });
                }
                Attempt::Again { trouble, why, after } => (trouble, why, after),
            };
            self.meter.trouble(trouble);
            attempt += 1;
            if attempt >= self.options.attempts {
                let message = format!("gave up after {attempt} requests: {why}");
                return Err(PolicyFailure::Endpoint { trouble, message });
            }
            let wait = backoff(&self.options, attempt, after, jitter);
            if trouble == Trouble::RateLimited && after.is_some() {
                self.pace.pause(wait);
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn body(&self, seed: u64, tools: &[ToolSpec], messages: &[Message]) -> Value {
        let refused = |field: &str| {
            let place = wire::OPTIONAL.iter().position(|f| *f == field);
            place.is_some_and(|i| self.refused[i].load(Ordering::Relaxed))
        };
        wire::request(&self.options, refused, seed, tools, messages)
    }

    /// Whether a refusal is about an optional field that was still sent: it is left out from now on.
    fn refuses_a_field(&self, message: &str) -> bool {
        let names = |field: &str| message.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == field);
        let named = wire::OPTIONAL.iter().position(|field| names(field));
        named.is_some_and(|i| !self.refused[i].swap(true, Ordering::Relaxed))
    }

    /// One request.
    async fn ask(&self, body: &Value) -> Attempt {
        let mut request = self.client.post(self.url.clone()).json(body);
        if let Some(key) = &self.options.api_key {
            request = request.bearer_auth(key);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Attempt::Over { message: chain(&error), unfit: false },
            Err(error) => return again(&error),
        };
        let status = response.status().as_u16();
        let after = retry::retry_after(response.headers());
        let streamed = status == 200
            && response.headers().get("content-type").is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
        let mut assembly = Assembly::default();
        let mut bytes = Vec::new();
        let mut length = 0;
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return again(&error),
            };
            length += chunk.len();
            if length > REPLY_BYTES_MAX {
                let message = format!("the reply has more than {REPLY_BYTES_MAX} bytes");
                return Attempt::Over { message, unfit: false };
            }
            if !streamed {
                bytes.extend_from_slice(&chunk);
            } else if !assembly.take(&chunk) {
                break;
            }
        }
        if status != 200 {
            return retry::refusal(status, &String::from_utf8_lossy(&bytes), after);
        }
        let reply = if streamed {
            assembly.finish()
        } else {
            serde_json::from_slice(&bytes).map_err(|e| format!("the reply is not JSON: {e}"))
        };
        match reply.and_then(|reply| wire::turn(&reply)) {
            Ok(turn) => Attempt::Done(Box::new(turn)),
            Err(why) => Attempt::Again { trouble: Trouble::Garbled, why, after },
        }
    }
}

fn again(error: &reqwest::Error) -> Attempt {
    let trouble = if error.is_timeout() { Trouble::TimedOut } else { Trouble::Unreachable };
    Attempt::Again { trouble, why: chain(error), after: None }
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
