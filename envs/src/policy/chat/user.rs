//! A language model that words what a simulated user says. What is said is the script's ([`crate::user`]).

use super::endpoint::Endpoint;
use super::options::ChatOptions;
use crate::error::Result;
use crate::message::Message;
use crate::policy::PolicyFailure;
use crate::random::stream;
use crate::user::{Line, UserModel, UserVoice};
use async_trait::async_trait;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

const ROLE: &str = "You play a customer who talks to a service agent. You are told what you have to say; say it in your own words, in one or \
     two short sentences, as an answer to what the agent said last. Add no facts. Keep names, amounts, dates and identifiers letter \
     for letter. Write nothing but what the customer says.";

/// Users whose words come from an endpoint.
#[derive(Debug)]
pub struct ChatUser {
    endpoint: Arc<Endpoint>,
}

impl ChatUser {
    /// Users that speak through an endpoint. Nothing is sent yet.
    ///
    /// # Errors
    /// [`crate::Error::Policy`] when the URL is not one, or the client cannot be set up.
    pub fn new(options: ChatOptions) -> Result<Self> {
        let options = ChatOptions { logprobs: false, ..options };
        Ok(ChatUser { endpoint: Arc::new(Endpoint::new(options)?) })
    }
}

impl UserModel for ChatUser {
    fn voice(&self, seed: u64) -> Box<dyn UserVoice> {
        Box::new(Voice { endpoint: Arc::clone(&self.endpoint), seed, jitter: stream(seed, "user backoff") })
    }
}

struct Voice {
    endpoint: Arc<Endpoint>,
    seed: u64,
    jitter: ChaCha8Rng,
}

#[async_trait]
impl UserVoice for Voice {
    async fn say(&mut self, line: &Line, heard: &str) -> Result<String, PolicyFailure> {
        let heard = if heard.trim().is_empty() { "(nothing; the agent is working)" } else { heard };
        let messages = [
            Message::System { content: ROLE.to_owned() },
            Message::User { content: format!("The agent said: {heard}\n\nSay this in your own words: {}", line.text) },
        ];
        let turn = self.endpoint.complete(self.seed, &mut self.jitter, &[], &messages).await?;
        Ok(turn.content.trim().to_owned())
    }
}
