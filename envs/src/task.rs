//! A task: a prompt in an environment, with its goal, verifier, reference solution and certificate.

use crate::canonical::{canonical_json, short_hash};
use crate::certificate::Certificate;
use crate::environment::Split;
use crate::verifier::Verifier;
use serde::{Deserialize, Serialize};

/// Kinds of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One or more writes.
    Act,
    /// A question with a typed answer.
    Ask,
    /// Search under constraints: many right answers, each checked by a constraint program.
    Plan,
    /// Something that the policy may forbid: then an alternative, or a reasoned refusal.
    Policy,
    /// Records that contradict what is claimed of them, to be found and put right.
    Repair,
    /// Several of these together: twenty calls and more.
    LongHorizon,
}

impl Kind {
    /// All kinds in a fixed order.
    pub const ALL: [Kind; 6] = [Kind::Act, Kind::Ask, Kind::Plan, Kind::Policy, Kind::Repair, Kind::LongHorizon];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Act => "act",
            Kind::Ask => "ask",
            Kind::Plan => "plan",
            Kind::Policy => "policy",
            Kind::Repair => "repair",
            Kind::LongHorizon => "long_horizon",
        }
    }

    /// The kind of a stable name; hyphens are as good as underscores.
    pub fn from_name(name: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|k| k.name() == name.replace('-', "_"))
    }
}

/// One tool call of a solution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Name of the tool as this environment shows it, or `submit`.
    pub name: String,
    /// Arguments object as this environment shows it.
    pub arguments: serde_json::Value,
}

/// Structural difficulty of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Difficulty {
    /// The score the parts add up to.
    pub score: f64,
    /// Calls of the reference solution, `submit` included.
    pub calls: u32,
    /// Writes among them.
    pub writes: u32,
    /// Distinct tools among them.
    pub tools: u32,
    /// Longest chain of calls in which each needs the result of the one before.
    pub depth: u32,
    /// Rows that match a part of a description but not all of it.
    pub distractors: u32,
}

/// A certified task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// `<environment id>/<8 hex>`: hash of prompt, goal and verifier.
    pub id: String,
    /// Its environment.
    pub environment_id: String,
    /// Its split (the environment's).
    pub split: Split,
    /// Kind.
    pub kind: Kind,
    /// The user's message.
    pub prompt: String,
    /// The declarative goal, as synth wrote it.
    pub goal: serde_json::Value,
    /// What is checked.
    pub verifier: Verifier,
    /// Reference solution: tool calls, `submit` last.
    pub solution: Vec<ToolCall>,
    /// The machine-checked certificate.
    pub certificate: Certificate,
    /// Structural difficulty.
    pub difficulty: Difficulty,
}

/// The id of a task: `<environment id>/<8 hex>` of prompt, goal and verifier.
///
/// # Errors
/// When the verifier has no JSON form, which its types do not allow for.
pub fn task_id(
    environment_id: &str,
    prompt: &str,
    goal: &serde_json::Value,
    verifier: &Verifier,
) -> Result<String, serde_json::Error> {
    let verifier = canonical_json(&serde_json::to_value(verifier)?);
    let hash = short_hash(&["task", prompt, &canonical_json(goal), &verifier], 8);
    Ok(format!("{environment_id}/{hash}"))
}
