//! What one episode may use.

/// Limits of an episode. Every one ends it with an outcome of its own, never with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Assistant messages. Default 64. Then `out_of_turns`.
    pub turns: u32,
    /// Tool calls, `submit` included. Default 256. Then `out_of_turns`.
    pub calls: u32,
    /// Bytes of all messages. Default 4 MiB. Then `out_of_context`. Policies with a context window raise it themselves, earlier.
    pub context_bytes: usize,
    /// Malformed messages in a row. Default 3: two corrections, the third ends with `format_error`.
    pub format_errors: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { turns: 64, calls: 256, context_bytes: 4 << 20, format_errors: 3 }
    }
}
