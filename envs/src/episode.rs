//! The record of one episode: everything that is stored.

use crate::context::Cut;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::setup::Setup;
use crate::usage::Usage;
use crate::verifier::Check;
use serde::{Deserialize, Serialize};

/// One tool call and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Turn (assistant message) it belongs to, from 0.
    pub turn: u32,
    /// Id of the call.
    pub call_id: String,
    /// Tool.
    pub tool: String,
    /// Arguments, JSON text.
    pub arguments: String,
    /// What the agent saw, JSON text.
    pub result: String,
    /// `ok`, the tool error's code, `bad_arguments`, `unknown_tool`, a code of the host (`submitted`, those of
    /// [`crate::faults::PASSING`]), or a trap's name.
    pub outcome: String,
    /// The change of the world, JSON of `StateDiff`; empty when nothing changed.
    pub diff: String,
    /// Fuel used.
    pub fuel: u64,
    /// Wall clock, microseconds (never exported).
    pub elapsed_us: u64,
}

/// The tokens of one assistant message, of policies that have them: the embedded model, and endpoints that give log-probabilities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenTrace {
    /// Turn it belongs to.
    pub turn: u32,
    /// Tokens of the whole prompt of this turn; empty if the endpoint gives none.
    pub prompt_ids: Vec<u32>,
    /// Sampled tokens; empty if the endpoint gives none.
    pub token_ids: Vec<u32>,
    /// Sampled tokens as text, where an endpoint gives no numbers; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Log-probability of each sampled token under the sampler.
    pub logprobs: Vec<f32>,
    /// Routed experts, flattened [sampled tokens, MoE layers, experts per token]; empty if not recorded.
    pub experts: Vec<u16>,
    /// Why generation stopped: `eos`, `length`, `context`, or an endpoint's own word.
    pub finish: String,
}

impl TokenTrace {
    /// Number of sampled tokens.
    pub fn tokens(&self) -> usize {
        self.token_ids.len().max(self.texts.len())
    }
}

/// Which episode: unique in a database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EpisodeKey {
    /// Task.
    pub task_id: String,
    /// Policy label, e.g. `expert`, `random`, `dsa`.
    pub policy: String,
    /// Sample index within the group, from 0.
    pub sample: u32,
}

/// An episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Which.
    pub key: EpisodeKey,
    /// Its environment.
    pub environment_id: String,
    /// Seed of the policy's stream in this episode.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Reward, none when the run was broken.
    pub reward: Option<f64>,
    /// The verifier's checks (empty when it was not reached).
    pub checks: Vec<Check>,
    /// What was submitted, JSON text, if anything was.
    pub answer: Option<String>,
    /// Why it broke, in words, when it did.
    pub error: Option<String>,
    /// Under which conditions it ran.
    #[serde(default)]
    pub setup: Setup,
    /// Tokens of each message, for policies that count them.
    #[serde(default)]
    pub usage: Vec<Usage>,
    /// The times that the policy's view of the messages was made smaller.
    #[serde(default)]
    pub cuts: Vec<Cut>,
    /// Messages, system first.
    pub messages: Vec<Message>,
    /// Tool calls.
    pub steps: Vec<Step>,
    /// Token traces, one a turn, for policies that have tokens.
    pub traces: Vec<TokenTrace>,
    /// Number of assistant turns.
    pub turns: u32,
    /// Wall clock, microseconds (never exported).
    pub elapsed_us: u64,
}
