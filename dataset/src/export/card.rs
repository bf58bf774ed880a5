//! The dataset card: `README.md` with the front matter that Hugging Face reads, so that `load_dataset(folder)` finds splits and types.

use super::openai::OpenAiOptions;
use super::split_file;
use crate::episodes::StoredEpisode;
use crate::store::FORMAT_VERSION;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use terrarium_envs::environment::Split;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::task::Kind;

/// Its file.
pub const NAME: &str = "README.md";

/// What is counted while episodes are written. Its size depends on the number of tasks' kinds, policies and environments, not on rows.
#[derive(Default)]
pub struct Counts {
    splits: BTreeMap<Split, SplitCounts>,
    rows: BTreeMap<(Split, Kind, String), RowCounts>,
    outcomes: BTreeMap<Outcome, u64>,
}

#[derive(Default)]
struct SplitCounts {
    episodes: u64,
    tasks: u64,
    environments: BTreeSet<String>,
    last_task: String,
}

#[derive(Default)]
struct RowCounts {
    episodes: u64,
    scored: u64,
    solved: u64,
}

impl Counts {
    /// Counts an episode. They must come ordered by task.
    pub fn add(&mut self, stored: &StoredEpisode) {
        let episode = &stored.episode;
        let split = self.splits.entry(stored.split).or_default();
        split.episodes += 1;
        if split.last_task != episode.key.task_id {
            split.last_task.clone_from(&episode.key.task_id);
            split.tasks += 1;
            if !split.environments.contains(&episode.environment_id) {
                split.environments.insert(episode.environment_id.clone());
            }
        }
        let row = self.rows.entry((stored.split, stored.kind, episode.key.policy.clone())).or_default();
        row.episodes += 1;
        row.scored += u64::from(episode.reward.is_some());
        row.solved += u64::from(episode.outcome == Outcome::Solved);
        *self.outcomes.entry(episode.outcome).or_default() += 1;
    }
}

/// The card.
pub fn text(counts: &Counts, seed: Option<&str>, options: &OpenAiOptions) -> String {
    let mut card = String::new();
    front_matter(&mut card, counts, options);
    let (episodes, tasks) = counts.splits.values().fold((0, 0), |(e, t), s| (e + s.episodes, t + s.tasks));
    let mut put = |line: &str| {
        card.push_str(line);
        card.push('\n');
    };
    put("# Tool-use episodes from Terrarium\n");
    put(&format!(
        "{episodes} episodes over {tasks} tasks. Every task has a machine-checked certificate: its reference solution scores 1, doing nothing \
         scores 0, and broken variants of the solution score 0. Rewards come from programs that compare the world's state and the answer, \
         never from a language model.\n"
    ));
    put("| split | environments | tasks | episodes |\n| --- | --- | --- | --- |");
    for (split, s) in &counts.splits {
        put(&format!("| {} | {} | {} | {} |", split.name(), s.environments.len(), s.tasks, s.episodes));
    }
    put("\n| split | kind | policy | episodes | with a reward | solved |\n| --- | --- | --- | --- | --- | --- |");
    for ((split, kind, policy), row) in &counts.rows {
        let policy = policy.replace('|', "\\|");
        put(&format!(
            "| {} | {} | {policy} | {} | {} | {} |",
            split.name(),
            kind.name(),
            row.episodes,
            row.scored,
            row.solved
        ));
    }
    put("\n| outcome | reward | episodes |\n| --- | --- | --- |");
    for (outcome, episodes) in &counts.outcomes {
        let reward = outcome.reward().map_or("null".to_owned(), |r| format!("{r}"));
        put(&format!("| {} | {reward} | {episodes} |", outcome.name()));
    }
    put(
        "\n`reward` is null when the run itself broke (trap, limits, endpoint): such a row is no failure of the agent and must not be trained on as one.\n",
    );
    put("## Loading\n");
    put("```python\nfrom datasets import load_dataset\ndata = load_dataset(\"path/to/this/folder\")\n```\n");
    put("## Columns\n");
    put(
        "- `messages`: OpenAI chat messages. `arguments` of a call is JSON text, as the agent wrote it; `content` of a tool message is JSON text.",
    );
    put(if options.tools_as_objects {
        "- `tools`: list of OpenAI function tools."
    } else {
        "- `tools`: JSON text of a list of OpenAI function tools (`json.loads` gives the list)."
    });
    put("- `reward`: 1, 0 or null; `outcome`: how the episode ended.");
    put(
        "- `task_id`, `environment_id`, `split`, `kind`, `policy`, `sample`: which episode; together `task_id`, `policy`, `sample` are unique.\n",
    );
    put("## Origin\n");
    put(&format!("- Terrarium {}, database format {FORMAT_VERSION}", env!("CARGO_PKG_VERSION")));
    put(&format!("- Seed: {}", seed.unwrap_or("not recorded")));
    put(&format!("- Licence: {}", env!("CARGO_PKG_LICENSE")));
    card
}

/// The YAML that Hugging Face reads. Types are given outright: a column that begins with many nulls (`reward`) would be guessed wrong.
fn front_matter(card: &mut String, counts: &Counts, options: &OpenAiOptions) {
    card.push_str("---\nlicense:\n- mit\n- apache-2.0\nlanguage:\n- en\ntask_categories:\n- text-generation\ntags:\n- tool-use\n- agent\n- reinforcement-learning\n- synthetic\n");
    card.push_str("configs:\n- config_name: default\n  data_files:\n");
    for split in counts.splits.keys() {
        let _ = write!(card, "  - split: {}\n    path: {}\n", split.name(), split_file(*split));
    }
    if counts.splits.is_empty() {
        card.push_str("  []\n");
    }
    // With `tools` as objects the loader has to guess, which only datasets 5 and later do without loss.
    if !options.tools_as_objects {
        card.push_str("dataset_info:\n- config_name: default\n  features:\n");
        card.push_str(MESSAGES);
        if options.thinking {
            card.push_str("    - name: reasoning_content\n      dtype: string\n");
        }
        card.push_str(CALLS);
        for (name, kind) in COLUMNS {
            let _ = write!(card, "  - name: {name}\n    dtype: {kind}\n");
        }
    }
    card.push_str("---\n\n");
}

const MESSAGES: &str = "  - name: messages\n    list:\n    - name: role\n      dtype: string\n    - name: tool_call_id\n      dtype: string\n    \
- name: name\n      dtype: string\n    - name: content\n      dtype: string\n";
const CALLS: &str = "    - name: tool_calls\n      list:\n      - name: id\n        dtype: string\n      - name: type\n        dtype: string\n      \
- name: function\n        struct:\n        - name: name\n          dtype: string\n        - name: arguments\n          dtype: string\n";
const COLUMNS: [(&str, &str); 9] = [
    ("tools", "string"),
    ("reward", "float64"),
    ("outcome", "string"),
    ("task_id", "string"),
    ("environment_id", "string"),
    ("split", "string"),
    ("kind", "string"),
    ("policy", "string"),
    ("sample", "int64"),
];
