//! Policies: what decides the agent's next message. `expert`, `noop` and `random` are scripted and live here, so does `openai`, the
//! chat-completions client; the embedded model's policy is made where model and environments meet, in `cli`.

pub mod chat;
pub mod expert;
pub mod noop;
pub mod random;

pub use chat::{ChatOptions, ChatPolicy};
pub use expert::Expert;
pub use noop::Noop;
pub use random::Random;

use crate::environment::Environment;
use crate::episode::TokenTrace;
use crate::message::{Message, MessageCall};
use crate::task::Task;
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
    /// The endpoint or model failed: the episode ends `policy_error`, without a reward.
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
    pub tools: &'a [crate::environment::ToolSpec],
    /// All messages so far.
    pub messages: &'a [Message],
    /// Assistant turns so far.
    pub turn: u32,
}

/// One conversation of a policy. Made for each episode, with its own seed.
#[async_trait]
pub trait Agent: Send {
    /// The next message.
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure>;
}

/// A policy: makes an agent per episode.
pub trait Policy: Send + Sync {
    /// Label in the database: `expert`, `noop`, `random`, `dsa`, `openai:MODEL`.
    fn label(&self) -> String;
    /// An agent for one episode, whose random stream starts at `seed`.
    fn agent(&self, seed: u64) -> Box<dyn Agent>;
    /// Whether its agents answer at once, without waiting for anything: then episodes run on plain threads. Default false.
    fn scripted(&self) -> bool {
        false
    }
}

/// A shared policy.
pub type SharedPolicy = Arc<dyn Policy>;
