//! Generation for many conversations at once.
//!
//! [`Generator`] batches: every step takes one token further in each running request and up to `prefill_tokens` of the
//! prompts that are still being read, so that a long prompt does not hold up the others. Waiting requests join when their
//! prompt has room in the cache; if the cache fills up while they grow, idle conversations are forgotten first, then the
//! youngest request gives way and is run again later, with the same result. A conversation's cached prefix is kept from turn to turn; a new conversation starts from the longest
//! prefix any other has (all samples of a group, all tasks of an environment). [`EngineHandle`] runs a generator on its
//! own thread and can be called from anywhere.
//!
//! **A result depends only on the model, the prompt and the sampling settings**, not on what else is being generated, in
//! which order requests arrived, or what was still cached: see [`crate::rows`] for why and `tests/engine.rs` for proof.
//! Each request draws from its own ChaCha stream. This holds for one thread ([`crate::runtime::set_threads`]), which is
//! also fastest for small models.

mod draw;
mod generator;
pub mod grammar;
mod handle;
mod room;
mod sampler;

use std::sync::Arc;

pub use generator::{Generator, Options};
use grammar::Grammar;
pub use handle::{EngineHandle, Event};
pub use sampler::{Sampled, sample};

/// How to choose tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token, ties to the lowest id.
    pub temperature: f64,
    /// Only this many likeliest tokens are kept; 0 keeps all.
    pub top_k: usize,
    /// Only the likeliest tokens that together reach this probability are kept (after temperature and `top_k`); 1 keeps
    /// all.
    pub top_p: f64,
    /// Only tokens with at least this share of the likeliest token's probability are kept; 0 keeps all.
    pub min_p: f64,
    /// At most this many tokens.
    pub max_tokens: usize,
    /// Seed of the ChaCha stream.
    pub seed: u64,
    /// Which stream of the seed: the turn, for instance.
    pub stream: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: 512, seed: 0, stream: 0 }
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
    /// A completion ends with the token whose bytes complete one of these texts ([`Finish::Stop`]). Needs a generator
    /// with a vocabulary ([`Generator::with_vocabulary`]).
    pub stop: Vec<String>,
    /// What may be said: tokens that the grammar does not allow are never drawn, and the completion ends only where it may.
    /// Log-probabilities are those of the renormalised rest. Needs a vocabulary as well.
    pub grammar: Option<Arc<Grammar>>,
    /// What to record beyond tokens and probabilities.
    pub record: Record,
}

impl Request {
    /// A request without stop texts that records tokens and probabilities only.
    pub fn new(conversation: u64, prompt: Vec<u32>, sampling: Sampling) -> Self {
        Self { conversation, prompt, sampling, stop: Vec::new(), grammar: None, record: Record::default() }
    }
}

/// Recording that costs memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Routed experts of every position that predicted a token.
    pub experts: bool,
    /// The ids of every kept set (their sizes are always recorded).
    pub kept_ids: bool,
    /// How many of the likeliest tokens to record at each position, with the probabilities of the model itself (before
    /// temperature and cuts).
    pub likeliest: Option<usize>,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The end-of-sentence token was drawn (and is the last token).
    Eos,
    /// A stop text was completed by the last token.
    Stop,
    /// `max_tokens` was reached.
    Length,
    /// The context is full, or the prompt alone filled it.
    Context,
    /// The caller gave up.
    Cancelled,
}

impl Finish {
    /// `eos`, `stop`, `length`, `context` or `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eos => "eos",
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Context => "context",
            Self::Cancelled => "cancelled",
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
    /// A token each: the model's own log-probability of it and of the likeliest tokens, best first; empty unless recorded.
    pub likeliest: Vec<Likeliest>,
    pub finish: Finish,
    /// Prompt tokens that were found in the cache.
    pub reused_tokens: usize,
}

/// What the model itself thought at one position, before temperature and cuts.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeliest {
    /// Log-probability of the token that was drawn.
    pub drawn: f32,
    /// Ids and log-probabilities, best first, ties to the lowest id.
    pub best: Vec<(u32, f32)>,
}

/// A token as it is drawn, for callers that stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Number of the request, as [`Generator::submit`] gave it.
    pub ticket: u64,
    pub id: u32,
    /// As in [`Completion::logprobs`].
    pub logprob: f32,
    /// As in [`Completion::likeliest`].
    pub likeliest: Option<Likeliest>,
}

/// What a generator has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Tokens run to fill the cache, not counting those found there.
    pub prefilled: u64,
    /// Tokens of prompts that were found in the cache.
    pub reused: u64,
    /// Tokens drawn.
    pub drawn: u64,
    /// Requests that lost their place in the cache to another and were run again later.
    pub preempted: u64,
}
