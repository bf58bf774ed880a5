//! An environment: a suite made particular, ready to run.

use crate::canonical::{canonical_json, short_hash};
use crate::tool::ToolSpec;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which side of the train/test line an environment and its tasks stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Training.
    Train,
    /// Other worlds of training suites.
    Validation,
    /// Suites that training never sees.
    TestSuite,
    /// Suites and process modules that training never sees.
    TestProcess,
}

impl Split {
    /// All splits in a fixed order.
    pub const ALL: [Split; 4] = [Split::Train, Split::Validation, Split::TestSuite, Split::TestProcess];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::TestSuite => "test_suite",
            Split::TestProcess => "test_process",
        }
    }

    /// The split of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Split::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// A runnable environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// `<suite>-<12 hex>`: hash of the canonical inputs and the language version.
    pub id: String,
    /// Slug of the suite.
    pub suite: String,
    /// Title of the suite.
    pub title: String,
    /// Walk of life.
    pub domain: String,
    /// Split.
    pub split: Split,
    /// System message: who the agent is, policy text with this world's parameters, the world's date, JSON forms.
    pub system: String,
    /// The tools in the order shown, without the host's `submit`.
    pub tools: Vec<ToolSpec>,
    /// The component's bytes.
    pub component: Arc<Vec<u8>>,
    /// blake3 of `component`, hex.
    pub digest: String,
    /// What it was made from: seed, index, policy parameters, surface, sizes. Enough to make it again.
    pub recipe: serde_json::Value,
    /// De-renamed `suite.tool(param, ...)` signatures and `suite:table` ids of the tables behind them, sorted: what counts as variety.
    pub signature: Vec<String>,
}

/// Version of the suite language and of how worlds are made from inputs; part of every environment id. It changes only when the same
/// inputs would mean another world, so a better compiler renames nothing.
pub const LANGUAGE_VERSION: u32 = 1;

/// The id of an environment: `<suite>-<12 hex>` of its canonical inputs (whatever [`Environment::recipe`] holds) and
/// [`LANGUAGE_VERSION`]. Tasks and checks are no inputs.
pub fn environment_id(suite: &str, inputs: &serde_json::Value) -> String {
    let version = LANGUAGE_VERSION.to_string();
    let hash = short_hash(&["environment", &version, suite, &canonical_json(inputs)], 12);
    format!("{suite}-{hash}")
}

impl Environment {
    /// The tools as an agent sees them: its own and the host's `submit`, last.
    pub fn shown_tools(&self) -> Vec<ToolSpec> {
        let mut tools = self.tools.clone();
        tools.push(crate::submit::tool());
        tools
    }
}

/// The blake3 digest of component bytes, hex: [`Environment::digest`].
pub fn component_digest(component: &[u8]) -> String {
    blake3::hash(component).to_hex().to_string()
}
