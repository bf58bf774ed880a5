//! How a call ended.

use std::fmt;

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// How it ended.
    pub outcome: CallOutcome,
    /// Fuel used: one unit is about one WebAssembly instruction; the same on every machine. 0 if the guest was not entered.
    pub fuel: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// JSON text of the result; `null` for a tool without one.
    Ok(String),
    /// The tool refused, and undid what it had written.
    ToolError {
        /// Lower snake case, such as `not_found`.
        code: String,
        /// A sentence.
        message: String,
    },
    /// The call does not fit the tool's parameters (or there is no such tool). The guest was not entered.
    BadArguments {
        /// Which argument, what was expected, and the nearest name where a name is unknown.
        message: String,
    },
    /// The guest was stopped. The instance is as it was before the call.
    Trap(Trap),
}

/// Why the guest was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trap {
    /// It used up the fuel of one call. Deterministic.
    OutOfFuel,
    /// It trapped after it was refused memory or table elements. Deterministic.
    OutOfMemory,
    /// Wall-clock backstop behind the fuel. Not deterministic.
    EpochDeadline,
    /// Its call stack passed the limit. The depth depends on the compiler.
    StackOverflow,
    /// The reply is larger than the output limit.
    OutputTooLarge,
    /// Any other trap, in the engine's words, or [`Trap::INVALID_REPLY`].
    Other(String),
}

impl Trap {
    /// Text of [`Trap::Other`] when the guest broke the canonical ABI: a pointer outside its memory, invalid UTF-8, an unknown
    /// case, a date or an amount that has no text form.
    pub const INVALID_REPLY: &'static str = "the reply breaks the canonical ABI";
    pub(crate) fn invalid_reply() -> Self {
        Trap::Other(Trap::INVALID_REPLY.to_owned())
    }

    /// Short stable name: `out_of_fuel`, `out_of_memory`, `epoch_deadline`, `stack_overflow`, `output_too_large`, `trap`.
    pub fn name(&self) -> &'static str {
        match self {
            Trap::OutOfFuel => "out_of_fuel",
            Trap::OutOfMemory => "out_of_memory",
            Trap::EpochDeadline => "epoch_deadline",
            Trap::StackOverflow => "stack_overflow",
            Trap::OutputTooLarge => "output_too_large",
            Trap::Other(_) => "trap",
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trap::OutOfFuel => f.write_str("out of fuel"),
            Trap::OutOfMemory => f.write_str("out of memory"),
            Trap::EpochDeadline => f.write_str("the wall-clock backstop was reached"),
            Trap::StackOverflow => f.write_str("the call stack overflowed"),
            Trap::OutputTooLarge => f.write_str("the reply is too large"),
            Trap::Other(message) => f.write_str(message),
        }
    }
}
