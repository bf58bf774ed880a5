//! Whether ours are near theirs: prompts and tools of a collection beside those of another one.
//!
//! Prompts are compared as tasks are ([`words`]); tools by their names and, under each name, their parameters, as shown to agents.
//! Candidates come from MinHash bands, what is reported is the exact Jaccard similarity.

use super::foreign::{Foreign, ForeignTool};
use super::index::{Index, sketch};
use super::pool::jaccard;
use super::{feature, words};
use serde::Serialize;
use std::collections::BTreeSet;
use terrarium_envs::environment::Environment;
use terrarium_envs::task::Task;

/// How far an estimate may lie below the truth: candidates are looked for with so much less.
const SLACK: f64 = 0.2;

/// What of theirs is near ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A prompt near a task's.
    Prompt,
    /// The tools of a row near those of an environment.
    ToolSet,
    /// One tool near one of an environment's.
    Tool,
}

/// One of theirs with the nearest of ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near {
    /// What it is.
    pub what: What,
    /// Line of their file, from 1.
    pub line: u64,
    /// Theirs: the beginning of the prompt, or names of tools.
    pub theirs: String,
    /// Ours: the id of the task or environment; for a tool `<environment>: <tool>`.
    pub ours: String,
    /// Jaccard similarity, 0 to 1.
    pub similarity: f64,
}

/// Sets of ours to compare with.
#[derive(Clone, Debug, Default)]
struct Sets {
    index: Index,
    features: Vec<Vec<u64>>,
    names: Vec<String>,
}

impl Sets {
    fn add(&mut self, features: Vec<u64>, name: String) {
        self.index.insert(&sketch(&features));
        self.features.push(features);
        self.names.push(name);
    }

    /// The most similar one from `least` on; of several the first.
    fn nearest(&self, features: &[u64], least: f64) -> Option<(f64, &str)> {
        if features.is_empty() {
            return None;
        }
        let found = self.index.near(&sketch(features), (least - SLACK).max(0.0));
        let exact = found.into_iter().map(|(n, _)| (jaccard(features, &self.features[n as usize]), n));
        let best = exact.filter(|(s, _)| *s >= least).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
        Some((best.0, &self.names[best.1 as usize]))
    }
}

/// A collection of ours, ready to be compared.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    prompts: Sets,
    tool_sets: Sets,
    tools: Sets,
    known_tools: BTreeSet<Vec<u64>>,
}

impl Ours {
    /// Adds an environment and its tasks.
    pub fn add(&mut self, environment: &Environment, tasks: &[Task]) {
        let tools: Vec<ForeignTool> = environment
            .tools
            .iter()
            .map(|tool| ForeignTool {
                name: tool.name.clone(),
                parameters: tool.parameters["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.clone())
                    .collect(),
            })
            .collect();
        for tool in &tools {
            let features = tool_features(std::slice::from_ref(tool));
            if self.known_tools.insert(features.clone()) {
                self.tools.add(features, format!("{}: {}", environment.id, tool.name));
            }
        }
        self.tool_sets.add(tool_features(&tools), environment.id.clone());
        for task in tasks {
            self.prompts.add(words::features(&task.prompt), task.id.clone());
        }
    }

    /// What of a row of theirs is near ours, from a similarity on.
    pub fn near(&self, line: u64, row: &Foreign, least: f64) -> Vec<Near> {
        let mut all = Vec::new();
        for prompt in &row.prompts {
            if let Some((similarity, ours)) = self.prompts.nearest(&words::features(prompt), least) {
                let theirs = shortened(prompt);
                all.push(Near { what: What::Prompt, line, theirs, ours: ours.to_owned(), similarity });
            }
        }
        if row.tools.len() > 1
            && let Some((similarity, ours)) = self.tool_sets.nearest(&tool_features(&row.tools), least)
        {
            let theirs = shortened(&row.tools.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", "));
            all.push(Near { what: What::ToolSet, line, theirs, ours: ours.to_owned(), similarity });
        }
        for tool in &row.tools {
            let features = tool_features(std::slice::from_ref(tool));
            if let Some((similarity, ours)) = self.tools.nearest(&features, least) {
                let theirs = format!("{}({})", tool.name, tool.parameters.join(", "));
                all.push(Near {
                    what: What::Tool,
                    line,
                    theirs: shortened(&theirs),
                    ours: ours.to_owned(),
                    similarity,
                });
            }
        }
        all
    }
}

/// Names of tools, and of parameters under them, in lower case with `_` between words.
fn tool_features(tools: &[ForeignTool]) -> Vec<u64> {
    let plain = |name: &str| {
        let plain: String =
            name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        plain.trim_matches('_').to_owned()
    };
    let mut all = Vec::new();
    for tool in tools {
        let name = plain(&tool.name);
        all.extend(tool.parameters.iter().map(|p| feature(&format!("{name}({})", plain(p)))));
        all.push(feature(&name));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The beginning of a text in one line.
fn shortened(text: &str) -> String {
    const CHARACTERS: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= CHARACTERS { line } else { line.chars().take(CHARACTERS).chain(['…']).collect() }
}
