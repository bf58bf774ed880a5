//! What synthesis made and what it turned down, by reason.

use crate::tasks::reject::Reject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use terrarium_envs::environment::Split;
use terrarium_envs::task::{Kind, Task};

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
    /// What each suite contributed, alone or linked.
    #[serde(default)]
    pub suites: BTreeMap<String, SuiteReport>,
    /// Candidates looked at: the next index to go on from.
    pub next_index: u64,
    /// What was turned down: environments as `environment:<reason>`, tasks by reason.
    pub rejected: Rejections,
    /// Whether the run was stopped before its end.
    pub cancelled: bool,
}

/// What a suite contributed. A linked environment counts for each of its suites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteReport {
    /// Environment candidates looked at.
    pub candidates: u64,
    /// Goals drawn in them.
    pub drawn: u64,
    /// Those of the goals that became tasks: the yield is their share.
    pub certified: u64,
    /// Environments admitted, by split.
    pub environments: BTreeMap<String, u64>,
    /// Tasks admitted whose solutions use a tool of this suite, by split; of each kind, in the order of [`Kind::ALL`].
    pub tasks: BTreeMap<String, [u64; Kind::ALL.len()]>,
}

impl SuiteReport {
    /// Adds what the same suite contributed to another run.
    pub fn add(&mut self, other: &SuiteReport) {
        self.candidates += other.candidates;
        self.drawn += other.drawn;
        self.certified += other.certified;
        for (split, n) in &other.environments {
            *self.environments.entry(split.clone()).or_default() += n;
        }
        for (split, kinds) in &other.tasks {
            let sums = self.tasks.entry(split.clone()).or_default();
            sums.iter_mut().zip(kinds).for_each(|(sum, n)| *sum += n);
        }
    }

    /// The share of goals that became tasks; `None` where none was drawn.
    pub fn share(&self) -> Option<f64> {
        (self.drawn > 0).then(|| self.certified as f64 / self.drawn as f64)
    }
}

impl Report {
    /// Counts the goals of a candidate for its suites.
    pub fn draw(&mut self, suites: &[String], drawn: u64, certified: u64) {
        for suite in suites {
            let of_suite = self.suites.entry(suite.clone()).or_default();
            of_suite.candidates += 1;
            of_suite.drawn += drawn;
            of_suite.certified += certified;
        }
    }

    /// Counts an admitted environment.
    pub fn admit(&mut self, split: Split, suites: &[String]) {
        self.environments += 1;
        self.linked += u64::from(suites.len() > 1);
        for suite in suites {
            let environments = &mut self.suites.entry(suite.clone()).or_default().environments;
            *environments.entry(split.name().to_owned()).or_default() += 1;
        }
    }

    /// Counts an admitted task; `used` are the suites whose tools its solution uses.
    pub fn admit_task<'a>(&mut self, task: &Task, used: impl Iterator<Item = &'a String>) {
        self.tasks += 1;
        let mut suites = 0;
        for suite in used {
            suites += 1;
            let tasks = &mut self.suites.entry(suite.clone()).or_default().tasks;
            let kinds = tasks.entry(task.split.name().to_owned()).or_default();
            for (count, kind) in kinds.iter_mut().zip(Kind::ALL) {
                *count += u64::from(kind == task.kind);
            }
        }
        self.crossing += u64::from(suites > 1);
    }
}
