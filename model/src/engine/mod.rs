//! Generation for many conversations at once.
//!
//! [`Generator`] batches: every step takes one token further in each running request, and waiting requests join as soon
//! as there is room. A conversation's cached prefix is kept from turn to turn; a new conversation starts from the longest
//! prefix any other has (all samples of a group, all tasks of an environment). [`EngineHandle`] runs a generator on its
//! own thread and can be called from anywhere.
//!
//! **A result depends only on the model, the prompt and the sampling settings**, not on what else is being generated, in
//! which order requests arrived, or what was still cached: see [`crate::rows`] for why and `tests/engine.rs` for proof.
//! Each request draws from its own ChaCha stream. This holds for one thread ([`crate::runtime::set_threads`]), which is
//! also fastest for small models.

mod generator;
mod handle;
mod sampler;

pub use generator::{Generator, Options};
pub use handle::EngineHandle;
pub use sampler::{Sampled, sample};

/// How to choose tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token, ties to the lowest id.
    pub temperature: f64,
    /// Only the likeliest tokens that together reach this probability are kept (after temperature); 1 keeps all.
    pub top_p: f64,
    /// At most this many tokens.
    pub max_tokens: usize,
    /// Seed of the ChaCha stream.
    pub seed: u64,
    /// Which stream of the seed: the turn, for instance.
    pub stream: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_p: 1.0, max_tokens: 512, seed: 0, stream: 0 }
    }
}

/// One completion asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The caller's name for the conversation; its cached prefix is kept until [`Generator::release`].
    pub conversation: u64,
    /// The whole prompt.
    pub prompt: Vec<u32>,
    pub sampling: Sampling,
    /// What to record beyond tokens and probabilities.
    pub record: Record,
}

/// Recording that costs memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Routed experts of every position that predicted a token.
    pub experts: bool,
    /// The ids of every kept set (their sizes are always recorded).
    pub kept_ids: bool,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The end-of-sentence token was drawn (and is the last token).
    Eos,
    /// `max_tokens` was reached.
    Length,
    /// The context is full, or the prompt alone filled it.
    Context,
}

impl Finish {
    /// `eos`, `length` or `context`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eos => "eos",
            Self::Length => "length",
            Self::Context => "context",
        }
    }
}

/// A finished completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Tokens drawn, the end token included.
    pub token_ids: Vec<u32>,
    /// A token each: natural logarithm of its probability under the sampler, that is after temperature and within the
    /// kept set. 0 at temperature 0.
    pub logprobs: Vec<f32>,
    /// A token each: size of the kept set.
    pub kept: Vec<u32>,
    /// All kept sets one after another, ids ascending; empty unless recorded.
    pub kept_ids: Vec<u32>,
    /// [tokens, mixture layers, active experts] flattened: routing at the position that predicted the token, ascending in
    /// a row; empty unless recorded.
    pub experts: Vec<u16>,
    pub finish: Finish,
    /// Prompt tokens that were found in the cache.
    pub reused_tokens: usize,
}
