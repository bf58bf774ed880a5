//! Policies: what decides the agent's next message. `expert`, `noisy-expert`, `noop` and `random` are scripted and live here, so does
//! `openai`, the chat-completions client; the embedded model's policy is made where model and environments meet, in `cli`.

pub mod chat;
pub mod expert;
pub mod forked;
pub mod noisy;
pub mod noop;
pub mod random;

pub use chat::{ChatOptions, ChatPolicy};
pub use expert::Expert;
pub use forked::Forked;
pub use noisy::NoisyExpert;
pub use noop::Noop;
pub use random::Random;

use crate::context;
use crate::environment::Environment;
use crate::episode::TokenTrace;
use crate::message::{Message, MessageCall};
use crate::task::Task;
use crate::usage::{Meter, Trouble, Usage};
use async_trait::async_trait;
use std::sync::Arc;

/// What a policy answers with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyTurn {
    /// Text.
    pub content: String,
    /// Thinking.
    pub reasoning: String,
    /// Tool calls; none ends the episode.
    pub calls: Vec<MessageCall>,
    /// Tokens, for policies that have them.
    pub trace: Option<TokenTrace>,
    /// Numbers of tokens, for policies that count them.
    pub usage: Option<Usage>,
    /// The raw text could not be parsed: what was wrong, for the agent to mend.
    pub malformed: Option<String>,
}

/// Why a policy could not answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyFailure {
    /// The context window is used up: the episode ends `out_of_context`.
    #[error("the context window of {window} tokens is used up")]
    OutOfContext {
        /// Its size.
        window: usize,
    },
    /// The endpoint failed, and went on failing when asked again: the episode ends `policy_error`, without a reward.
    #[error("{}: {message}", trouble.name())]
    Endpoint {
        /// What kind of trouble.
        trouble: Trouble,
        /// What it was.
        message: String,
    },
    /// The model failed: the episode ends `policy_error`, without a reward.
    #[error("{0}")]
    Failed(String),
}

/// What a policy may look at.
pub struct Situation<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// The task (scripted policies read its solution; learning ones only the messages).
    pub task: &'a Task,
    /// The tools as shown, `submit` included.
    pub tools: &'a [crate::tool::ToolSpec],
    /// The messages that the policy sees: all of them, or what context management left (see [`crate::context`]).
    pub messages: &'a [Message],
    /// Assistant turns so far.
    pub turn: u32,
    /// Whether a simulated user has left something out and waits to be asked (scripted policies read it; others read the prompt).
    pub missing: bool,
}

/// One conversation of a policy. Made for each episode, with its own seed.
#[async_trait]
pub trait Agent: Send {
    /// The next message.
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure>;

    /// A summary of the conversation, as the content of a message, because its window fills up. Policies without a model give a digest.
    async fn summarise(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        Ok(PolicyTurn { content: context::digest(situation.messages), ..PolicyTurn::default() })
    }
}

/// A policy: makes an agent per episode.
pub trait Policy: Send + Sync {
    /// Label in the database: `expert`, `noop`, `random`, `dsa`, `openai:MODEL`.
    fn label(&self) -> String;
    /// An agent for one episode, whose random stream starts at `seed`.
    fn agent(&self, seed: u64) -> Box<dyn Agent>;
    /// Tokens of its context window, if it knows.
    fn window(&self) -> Option<u64> {
        None
    }
    /// What its agents did so far, for policies that count.
    fn meter(&self) -> Option<&Meter> {
        None
    }
    /// Whether its agents answer at once, without waiting for anything: then episodes run on plain threads. Default false.
    fn scripted(&self) -> bool {
        false
    }
}

/// A shared policy.
pub type SharedPolicy = Arc<dyn Policy>;
