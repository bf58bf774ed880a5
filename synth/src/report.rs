//! What synthesis made and what it turned down, by reason.

use crate::tasks::reject::Reject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Examples kept for each reason.
const EXAMPLES_MAX: usize = 3;

/// Counts of candidates turned down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejections {
    /// Candidates by reason.
    pub counts: BTreeMap<String, u64>,
    /// A few details for each reason.
    pub examples: BTreeMap<String, Vec<String>>,
}

impl Rejections {
    /// Counts one.
    pub fn add(&mut self, reject: &Reject) {
        *self.counts.entry(reject.reason.to_string()).or_default() += 1;
        self.example(&reject.reason, &reject.detail);
    }

    fn example(&mut self, reason: &str, detail: &str) {
        let examples = self.examples.entry(reason.to_owned()).or_default();
        if examples.len() < EXAMPLES_MAX && !detail.is_empty() && !examples.iter().any(|e| e == detail) {
            examples.push(detail.to_owned());
        }
    }

    /// Takes up those of another.
    pub fn merge(&mut self, other: &Rejections) {
        for (reason, count) in &other.counts {
            *self.counts.entry(reason.clone()).or_default() += count;
        }
        for (reason, details) in &other.examples {
            for detail in details {
                self.example(reason, detail);
            }
        }
    }

    /// The most frequent reason.
    pub fn most_frequent(&self) -> Option<&str> {
        self.counts.iter().max_by_key(|(_, count)| **count).map(|(reason, _)| reason.as_str())
    }
}

/// The sum of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Environments admitted.
    pub environments: u64,
    /// Tasks admitted.
    pub tasks: u64,
    /// Environments over several linked suites.
    #[serde(default)]
    pub linked: u64,
    /// Tasks whose solutions use the tools of several linked suites.
    #[serde(default)]
    pub crossing: u64,
    /// Candidates looked at: the next index to go on from.
    pub next_index: u64,
    /// What was turned down: environments as `environment:<reason>`, tasks by reason.
    pub rejected: Rejections,
    /// Whether the run was stopped before its end.
    pub cancelled: bool,
}
