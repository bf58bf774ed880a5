//! How to talk to an endpoint.

use crate::error::{Error, Result};
use std::fmt;
use std::time::Duration;

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
    /// Whether answers are streamed. Default false. A stream is given up when nothing comes for [`ChatOptions::timeout`], not when it is
    /// long.
    pub stream: bool,
    /// Whether the episode's seed is sent. Default true.
    pub send_seed: bool,
    /// Whether log-probabilities of sampled tokens are asked for. Default true; where they are not offered, episodes have none.
    pub logprobs: bool,
    /// Whether thinking goes back to the endpoint (as `reasoning_content`) until the next user message, as DeepSeek-V3.2 wants it.
    /// Default true.
    pub send_reasoning: bool,
    /// Requests a minute, of all conversations together. Default none: as many as there are conversations.
    pub requests_per_minute: Option<f64>,
    /// Time for one request, connection included. Default 300 s.
    pub timeout: Duration,
    /// Time for connecting. Default 10 s.
    pub connect_timeout: Duration,
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
            stream: false,
            send_seed: true,
            logprobs: true,
            send_reasoning: true,
            requests_per_minute: None,
            timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
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
            _ => {
                let message = "write it as openai:URL#MODEL, such as openai:http://127.0.0.1:8000/v1#my-model";
                Err(Error::Policy { policy: policy.to_owned(), message: message.to_owned() })
            }
        }
    }
}
