//! How an episode ended, and which reward that may carry (DESIGN section 1, promise 3: a broken run is never a zero).

use serde::{Deserialize, Serialize};

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The verifier accepted: reward 1.
    Solved,
    /// The agent finished and the verifier refused: reward 0.
    Failed,
    /// The agent's message could not be parsed (after the allowed number of corrections): reward 0.
    FormatError,
    /// The turn budget ran out: reward 0.
    OutOfTurns,
    /// The context window ran out: reward 0.
    OutOfContext,
    /// The world trapped: no reward.
    Trap,
    /// A call used up its fuel: no reward.
    OutOfFuel,
    /// A call hit the memory limit: no reward.
    OutOfMemory,
    /// A call ran into the wall-clock backstop: no reward.
    EpochDeadline,
    /// The verifier itself failed: no reward.
    VerifierError,
    /// The policy (endpoint, model) failed: no reward.
    PolicyError,
    /// Our own side failed: no reward.
    HarnessError,
}

impl Outcome {
    /// All outcomes in a fixed order.
    pub const ALL: [Outcome; 12] = [
        Outcome::Solved,
        Outcome::Failed,
        Outcome::FormatError,
        Outcome::OutOfTurns,
        Outcome::OutOfContext,
        Outcome::Trap,
        Outcome::OutOfFuel,
        Outcome::OutOfMemory,
        Outcome::EpochDeadline,
        Outcome::VerifierError,
        Outcome::PolicyError,
        Outcome::HarnessError,
    ];

    /// The reward this outcome carries: `Some(1.0)`, `Some(0.0)` or none.
    pub fn reward(self) -> Option<f64> {
        match self {
            Outcome::Solved => Some(1.0),
            Outcome::Failed | Outcome::FormatError | Outcome::OutOfTurns | Outcome::OutOfContext => Some(0.0),
            _ => None,
        }
    }

    /// Stable name in databases and exports.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Solved => "solved",
            Outcome::Failed => "failed",
            Outcome::FormatError => "format_error",
            Outcome::OutOfTurns => "out_of_turns",
            Outcome::OutOfContext => "out_of_context",
            Outcome::Trap => "trap",
            Outcome::OutOfFuel => "out_of_fuel",
            Outcome::OutOfMemory => "out_of_memory",
            Outcome::EpochDeadline => "epoch_deadline",
            Outcome::VerifierError => "verifier_error",
            Outcome::PolicyError => "policy_error",
            Outcome::HarnessError => "harness_error",
        }
    }

    /// The outcome of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Outcome::ALL.into_iter().find(|o| o.name() == name)
    }
}
