//! What one episode may use.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Limits of an episode. Every one ends it with an outcome of its own, never with an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Assistant messages. Default 64. Then `out_of_turns`.
    pub turns: u32,
    /// Tool calls, `submit` included. Default 256. Then `out_of_turns`.
    pub calls: u32,
    /// Tokens that the policy samples in all its messages together, where it counts them. Default none. Then `out_of_context`.
    pub tokens: Option<u64>,
    /// Wall clock. Default none. Then `policy_error`, without a reward: how fast an endpoint is says nothing about its answers. Scripted
    /// policies are not held to it, so that their episodes never depend on a clock.
    pub time: Option<Duration>,
    /// Bytes of all messages. Default 4 MiB. Then `out_of_context`. Policies with a context window raise it themselves, earlier.
    pub context_bytes: usize,
    /// Malformed messages in a row. Default 3: two corrections, the third ends with `format_error`.
    pub format_errors: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { turns: 64, calls: 256, tokens: None, time: None, context_bytes: 4 << 20, format_errors: 3 }
    }
}
