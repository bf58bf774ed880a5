//! A tool as environments, policies and exports describe it.

use serde::{Deserialize, Serialize};

/// A tool as the agent sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Name, lower snake case.
    pub name: String,
    /// Description.
    pub description: String,
    /// JSON Schema of the arguments object.
    pub parameters: serde_json::Value,
    /// Whether a call may change the world.
    pub writes: bool,
}
