//! The dataset card: `README.md` with the front matter that Hugging Face reads, so that `load_dataset(folder)` finds splits and types.

use super::ExportSummary;
use super::columns::features;
use super::files;
use super::format::{Format, Unit};
use super::options::{Container, ExportOptions};
use crate::episodes::StoredEpisode;
use crate::store::FORMAT_VERSION;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use terrarium_envs::environment::Split;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::task::{Kind, Task};

/// Its file.
pub const NAME: &str = "README.md";

/// What is counted while rows are written. Its size depends on the number of tasks' kinds, policies and environments, not on rows.
#[derive(Default)]
pub struct Counts {
    splits: BTreeMap<Split, SplitCounts>,
    policies: BTreeMap<(Split, Kind, String), RowCounts>,
    kinds: BTreeMap<(Split, Kind), u64>,
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
    pub fn add_episode(&mut self, stored: &StoredEpisode) {
        let episode = &stored.episode;
        self.visit(stored.split, stored.kind, &episode.key.task_id, &episode.environment_id);
        self.splits.entry(stored.split).or_default().episodes += 1;
        let row = self.policies.entry((stored.split, stored.kind, episode.key.policy.clone())).or_default();
        row.episodes += 1;
        row.scored += u64::from(episode.reward.is_some());
        row.solved += u64::from(episode.outcome == Outcome::Solved);
        *self.outcomes.entry(episode.outcome).or_default() += 1;
    }

    /// Counts a task. They must come ordered by id.
    pub fn add_task(&mut self, task: &Task) {
        self.visit(task.split, task.kind, &task.id, &task.environment_id);
    }

    fn visit(&mut self, split: Split, kind: Kind, task: &str, environment: &str) {
        let counts = self.splits.entry(split).or_default();
        if counts.last_task != task {
            task.clone_into(&mut counts.last_task);
            counts.tasks += 1;
            *self.kinds.entry((split, kind)).or_default() += 1;
            if !counts.environments.contains(environment) {
                counts.environments.insert(environment.to_owned());
            }
        }
    }
}

/// The card.
pub fn text(counts: &Counts, summary: &ExportSummary, seed: Option<&str>, options: &ExportOptions) -> String {
    let mut card = String::new();
    let digest = digest(summary);
    front_matter(&mut card, counts, options, &digest);
    let (episodes, tasks) = counts.splits.values().fold((0, 0), |(e, t), s| (e + s.episodes, t + s.tasks));
    let by_task = options.format.unit() == Unit::Task;
    let (title, what) = match options.format.unit() {
        Unit::Task => ("Tool-use tasks from Terrarium", format!("{tasks} tasks.")),
        Unit::Pair => {
            ("Tool-use preferences from Terrarium", format!("{} pairs of episodes over {tasks} tasks.", summary.rows))
        }
        Unit::Episode | Unit::TracedEpisode => {
            ("Tool-use episodes from Terrarium", format!("{episodes} episodes over {tasks} tasks."))
        }
    };
    let mut put = |line: &str| {
        card.push_str(line);
        card.push('\n');
    };
    put(&format!("# {title}\n"));
    put(&format!(
        "{what} Every task has a machine-checked certificate: its reference solution scores 1, doing nothing \
         scores 0, and broken variants of the solution score 0. Rewards come from programs that compare the world's state and the answer, \
         never from a language model.\n"
    ));
    if by_task {
        put("| split | kind | tasks |\n| --- | --- | --- |");
        for ((split, kind), tasks) in &counts.kinds {
            put(&format!("| {} | {} | {tasks} |", split.name(), kind.name()));
        }
        put("\n| split | environments | tasks |\n| --- | --- | --- |");
        for (split, s) in &counts.splits {
            put(&format!("| {} | {} | {} |", split.name(), s.environments.len(), s.tasks));
        }
        put("");
    } else {
        put("| split | environments | tasks | episodes |\n| --- | --- | --- | --- |");
        for (split, s) in &counts.splits {
            put(&format!("| {} | {} | {} | {} |", split.name(), s.environments.len(), s.tasks, s.episodes));
        }
        put("\n| split | kind | policy | episodes | with a reward | solved |\n| --- | --- | --- | --- | --- | --- |");
        for ((split, kind, policy), row) in &counts.policies {
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
    }
    for (reason, rows) in &summary.left_out {
        put(&format!("{rows} selected episodes have no row: {reason}.\n"));
    }
    put("## Loading\n");
    put(&loading(counts, options));
    put("## Rows\n");
    put(&format!("Format `{}`.\n", options.format.name()));
    put(options.format.about());
    if options.objects {
        put("- Written with `--objects`: `tools` and `arguments` of calls are JSON values instead of text.");
    }
    put("\n## Selection\n");
    for line in chosen(options) {
        put(&format!("- {line}"));
    }
    put("\n## Origin\n");
    put(&format!("- Terrarium {}, database format {FORMAT_VERSION}", env!("CARGO_PKG_VERSION")));
    put(&format!("- Seed: {}", seed.unwrap_or("not recorded")));
    put(&format!("- Rows of all files: blake3 {digest}"));
    put(&format!("- Licence: {}", env!("CARGO_PKG_LICENSE")));
    card
}

/// One digest of the rows of all files.
fn digest(summary: &ExportSummary) -> String {
    let mut hash = blake3::Hasher::new();
    for file in &summary.files {
        hash.update(
            format!("{} {}\n", file.split.unwrap_or_default(), file.digest.as_deref().unwrap_or_default()).as_bytes(),
        );
    }
    hash.finalize().to_hex().to_string()
}

fn loading(counts: &Counts, options: &ExportOptions) -> String {
    if options.format.columns(false).is_some() {
        return "```python\nfrom datasets import load_dataset\ndata = load_dataset(\"path/to/this/folder\")\n```\n"
            .to_owned();
    }
    let split = counts.splits.keys().next().copied().unwrap_or(Split::Train);
    let name = files::name(split, options.container);
    match options.container {
        Container::JsonlZst => format!(
            "```python\nimport io, json, zstandard\nwith open(\"{name}\", \"rb\") as packed:\n    lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), \"utf-8\")\n    rows = [json.loads(line) for line in lines]\n```\n"
        ),
        _ => format!(
            "```python\nimport json\nwith open(\"{name}\", encoding=\"utf-8\") as lines:\n    rows = [json.loads(line) for line in lines]\n```\n"
        ),
    }
}

/// What was asked for, so that the same command makes the same files.
fn chosen(options: &ExportOptions) -> Vec<String> {
    let selection = &options.selection;
    let filter = &selection.episodes;
    let mut lines = Vec::new();
    if let Some(split) = filter.tasks.split {
        lines.push(format!("split: {}", split.name()));
    }
    if !filter.policies.is_empty() {
        lines.push(format!("policies: {}", filter.policies.join(", ")));
    }
    if options.format.unit() != Unit::Task && !filter.outcomes.is_empty() {
        lines.push(format!("outcomes: {}", filter.outcomes.iter().map(|o| o.name()).collect::<Vec<_>>().join(", ")));
    }
    if let Some(expression) = &selection.expression {
        lines.push(format!("where: `{expression}`"));
    }
    if let Some(most) = selection.tokens_max {
        lines.push(format!("at most {most} tokens an episode"));
    }
    if selection.split_safe {
        lines.push("training tasks with a near-duplicate in another split are left out".to_owned());
    }
    if let Some(best) = selection.best {
        lines.push(match options.format {
            Format::TrlDpo => format!("at most {best} pairs a task"),
            _ => format!("the best {best} of each task and policy"),
        });
    }
    if let Some(total) = selection.tokens_total {
        lines.push(format!("at most {total} tokens in all"));
    }
    if let Some(limit) = filter.limit {
        lines.push(format!("at most {limit} rows"));
    }
    if lines.is_empty() {
        lines.push("everything".to_owned());
    }
    lines
}

/// The YAML that Hugging Face reads. Types are given outright: a column that begins with many nulls (`reward`) would be guessed wrong.
///
/// The configuration carries the digest of the rows, because `datasets` keeps what it once loaded under the name of the folder and what
/// stands here: without it, a second export into the same folder (or another one of that name) would be loaded as the first.
fn front_matter(card: &mut String, counts: &Counts, options: &ExportOptions, digest: &str) {
    card.push_str("---\nlicense:\n- mit\n- apache-2.0\nlanguage:\n- en\ntask_categories:\n- text-generation\ntags:\n- tool-use\n- agent\n- reinforcement-learning\n- synthetic\n");
    let _ = write!(card, "configs:\n- config_name: default\n  description: rows blake3 {digest}\n  data_files:\n");
    for split in counts.splits.keys() {
        let _ = write!(card, "  - split: {}\n    path: {}\n", split.name(), files::name(*split, options.container));
    }
    if counts.splits.is_empty() {
        card.push_str("  []\n");
    }
    // With values instead of text the loader has to guess, which only datasets 5 and later do without loss.
    if let Some(columns) = options.format.columns(options.thinking).filter(|_| !options.objects) {
        card.push_str("dataset_info:\n- config_name: default\n  features:\n");
        card.push_str(&features(&columns, 2));
    }
    card.push_str("---\n\n");
}
