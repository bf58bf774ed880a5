//! Tokens: what one message took, and a running count of a policy for live progress.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tokens of one message of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The turn it belongs to; for a summary, the turn that follows it.
    pub turn: u32,
    /// Tokens of the whole prompt.
    pub prompt: u64,
    /// Those of them that the policy had kept from before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// Tokens sampled, thinking included.
    pub completion: u64,
    /// Those of them that are thinking, where the policy counts them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What can be wrong with an endpoint. It is never the agent's fault, so no episode gets a reward for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// 429: too many requests.
    RateLimited,
    /// 5xx, 408, 409, 425.
    Server,
    /// An answer that is no completion.
    Garbled,
    /// Refused for good: 401, 403, 404, a request that it does not understand.
    Refused,
    /// The episode's time budget ran out.
    OutOfTime,
}

impl Trouble {
    /// All kinds in a fixed order.
    pub const ALL: [Trouble; 7] = [
        Trouble::Unreachable,
        Trouble::TimedOut,
        Trouble::RateLimited,
        Trouble::Server,
        Trouble::Garbled,
        Trouble::Refused,
        Trouble::OutOfTime,
    ];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Trouble::Unreachable => "unreachable",
            Trouble::TimedOut => "timed_out",
            Trouble::RateLimited => "rate_limited",
            Trouble::Server => "server",
            Trouble::Garbled => "garbled",
            Trouble::Refused => "refused",
            Trouble::OutOfTime => "out_of_time",
        }
    }
}

/// A running count of everything a policy's agents did. Shared by them; read by whoever shows progress.
#[derive(Debug, Default)]
pub struct Meter {
    messages: AtomicU64,
    prompt: AtomicU64,
    completion: AtomicU64,
    trouble: [AtomicU64; Trouble::ALL.len()],
}

/// What a meter shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Messages given.
    pub messages: u64,
    /// Prompt tokens read.
    pub prompt_tokens: u64,
    /// Tokens sampled.
    pub completion_tokens: u64,
    /// Requests that met trouble, by kind; kinds that did not occur are left out.
    pub trouble: BTreeMap<&'static str, u64>,
}

impl Meter {
    /// Counts a message.
    pub fn message(&self, usage: Option<&Usage>) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        if let Some(usage) = usage {
            self.prompt.fetch_add(usage.prompt, Ordering::Relaxed);
            self.completion.fetch_add(usage.completion, Ordering::Relaxed);
        }
    }

    /// Counts a request that met trouble.
    pub fn trouble(&self, trouble: Trouble) {
        self.trouble[trouble as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What it shows now.
    pub fn read(&self) -> Reading {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Reading {
            messages: count(&self.messages),
            prompt_tokens: count(&self.prompt),
            completion_tokens: count(&self.completion),
            trouble: Trouble::ALL
                .into_iter()
                .map(|t| (t.name(), count(&self.trouble[t as usize])))
                .filter(|(_, n)| *n > 0)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_adds_up() {
        let meter = Meter::default();
        meter.message(Some(&Usage { prompt: 10, completion: 3, ..Usage::default() }));
        meter.message(None);
        meter.trouble(Trouble::OutOfTime);
        meter.trouble(Trouble::RateLimited);
        meter.trouble(Trouble::RateLimited);
        let read = meter.read();
        assert_eq!((read.messages, read.prompt_tokens, read.completion_tokens), (2, 10, 3));
        assert_eq!(read.trouble.into_iter().collect::<Vec<_>>(), [("out_of_time", 1), ("rate_limited", 2)]);
    }
}
