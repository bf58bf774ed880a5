//! Any endpoint that speaks OpenAI chat completions with tools: `openai:URL#MODEL`.
//!
//! One request a message, streamed or not. Trouble with the endpoint (connection, time-out, 408, 409, 425, 429, 5xx, an answer that is
//! not a completion) is retried with exponential backoff and seeded jitter; `Retry-After` is honoured up to [`RETRY_AFTER_MAX`], by all
//! conversations together where it comes with a 429. What remains is [`PolicyFailure::Endpoint`]: an episode without a reward, never a
//! zero. A refusal because the context is too long is [`PolicyFailure::OutOfContext`]; a refusal that names an optional field leaves
//! that field out from then on. The API key comes from the caller and is never logged.

mod endpoint;
mod options;
mod pace;
mod retry;
mod stream;
mod user;
mod wire;

pub use options::ChatOptions;
pub use retry::RETRY_AFTER_MAX;
pub use user::ChatUser;

use super::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use crate::context::SUMMARY_REQUEST;
use crate::error::Result;
use crate::message::Message;
use crate::random::stream;
use crate::usage::Meter;
use async_trait::async_trait;
use endpoint::Endpoint;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// The policy `openai:MODEL`.
#[derive(Debug)]
pub struct ChatPolicy {
    endpoint: Arc<Endpoint>,
    window: Option<u64>,
}

impl ChatPolicy {
    /// A policy that asks an endpoint. Nothing is sent yet.
    ///
    /// # Errors
    /// [`crate::Error::Policy`] when the URL is not one, or the client cannot be set up.
    pub fn new(options: ChatOptions) -> Result<Self> {
        Ok(ChatPolicy { endpoint: Arc::new(Endpoint::new(options)?), window: None })
    }

    /// The same policy with a context window of so many tokens.
    pub fn with_window(self, window: Option<u64>) -> Self {
        ChatPolicy { window, ..self }
    }
}

impl Policy for ChatPolicy {
    fn label(&self) -> String {
        format!("openai:{}", self.endpoint.options.model)
    }

    fn agent(&self, seed: u64) -> Box<dyn Agent> {
        Box::new(ChatAgent { endpoint: Arc::clone(&self.endpoint), seed, jitter: stream(seed, "chat backoff") })
    }

    fn window(&self) -> Option<u64> {
        self.window
    }

    fn meter(&self) -> Option<&Meter> {
        Some(&self.endpoint.meter)
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
        self.endpoint.complete(self.seed, &mut self.jitter, situation.tools, situation.messages).await
    }

    async fn summarise(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        let mut messages = situation.messages.to_vec();
        messages.push(Message::User { content: SUMMARY_REQUEST.to_owned() });
        self.endpoint.complete(self.seed, &mut self.jitter, situation.tools, &messages).await
    }
}
