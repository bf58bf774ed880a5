//! What was typed: clap types, one struct a command. What it means is decided in `commands/`.

use crate::agent_args::AgentArgs;
#[cfg(feature = "torch")]
pub use crate::model_args::ModelCommand;
#[cfg(feature = "torch")]
pub use crate::serve_args::ServeCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Thousands of sealed little worlds to train tool-using agents in.
#[derive(Parser, Debug)]
#[command(
    name = "terrarium",
    version,
    about = "Thousands of sealed little worlds to train tool-using agents in",
    max_term_width = 110,
    arg_required_else_help = true
)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage. `terrarium <command> --help` has examples.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug, Clone)]
pub struct Global {
    /// The SQLite file that holds everything.
    #[arg(long, global = true, default_value = "terrarium.db", value_name = "FILE")]
    pub db: PathBuf,
    /// The one seed of every random stream.
    #[arg(long, global = true, default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON summary object on stdout instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// The whole story in a minute: synthesize, roll out four policies, export, report.
    Demo(DemoArgs),
    /// Synthesize environments and certified tasks into the database.
    Synth(SynthArgs),
    /// Check, build or describe tool suites.
    #[command(subcommand)]
    Suite(SuiteCommand),
    /// Run a policy on tasks and store every episode.
    Rollout(RolloutArgs),
    /// Run a policy k times a task and report pass@1, pass@k and pass^k.
    Eval(EvalArgs),
    /// Re-run certificates, or replay and re-score stored episodes.
    Verify(VerifyArgs),
    /// Write episodes and tasks as files that trainers load.
    Export(ExportArgs),
    /// Show one environment, task or episode.
    #[command(subcommand)]
    Show(ShowCommand),
    /// What the database holds.
    Stats(StatsArgs),
    /// Add what other databases hold to `--db`.
    Merge(MergeArgs),
    /// The embedded model.
    #[cfg(feature = "torch")]
    #[command(subcommand)]
    Model(ModelCommand),
    /// Serve over the network.
    #[cfg(feature = "torch")]
    #[command(subcommand)]
    Serve(ServeCommand),
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  terrarium demo --out demo-out\n  terrarium demo --envs 20 --tasks 200")]
pub struct DemoArgs {
    /// Folder for the database and the exported dataset; made anew.
    #[arg(long, default_value = "demo-out")]
    pub out: PathBuf,
    /// Environments.
    #[arg(long, default_value_t = 200)]
    pub envs: u64,
    /// Certified tasks.
    #[arg(long, default_value_t = 5000)]
    pub tasks: u64,
    /// Episodes of the embedded model.
    #[arg(long, default_value_t = 24)]
    pub dsa_episodes: usize,
    /// Threads (default: all cores).
    #[arg(long)]
    pub threads: Option<usize>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium synth --envs 200 --tasks 5000 --seed 7\n  terrarium synth --envs 20 --tasks 500 --kinds ask --difficulty 6..20\n  terrarium synth --envs 5 --tasks 50 --suites my-suites/\n\nThe same seed gives the same bytes, whatever --threads says. Stopped or killed, the same command resumes."
)]
pub struct SynthArgs {
    /// Environments to make.
    #[arg(long, default_value_t = 200)]
    pub envs: u64,
    /// Certified tasks to make, spread over the environments.
    #[arg(long, default_value_t = 5000)]
    pub tasks: u64,
    /// Kinds of task (default: all).
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Range of the structural difficulty score, e.g. `4..12`, `6..`.
    #[arg(long, value_name = "A..B")]
    pub difficulty: Option<String>,
    /// Folder of `.star` suites to use instead of the library; folders `train`, `test_suite`, `test_process` in it are splits.
    #[arg(long, value_name = "DIR")]
    pub suites: Option<PathBuf>,
    /// Threads (default: all cores).
    #[arg(long)]
    pub threads: Option<usize>,
    /// Say what would be made, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Subcommand, Debug)]
pub enum SuiteCommand {
    /// Check a suite; errors point at file, line and column and say what to do.
    Check {
        /// The `.star` file.
        file: PathBuf,
        /// Also run compiled and interpreted tools side by side on random calls (needs the `oracle` feature).
        #[arg(long)]
        oracle: bool,
    },
    /// Compile a suite to a WebAssembly component, with a small world in it.
    Build {
        /// The `.star` file, or the name of a library suite.
        file: PathBuf,
        /// Where the component goes.
        #[arg(short, long, value_name = "X.wasm")]
        out: PathBuf,
        /// Also print the WIT of the component.
        #[arg(long)]
        wit: bool,
        /// Also print, for each tool, its type, its JSON Schema, the tables it reads and writes, its code size and the fuel of random calls.
        #[arg(long)]
        explain: bool,
    },
    /// Call one tool in a fresh, sealed world and print its result and what it changed.
    Call {
        /// A component (`.wasm`, in any language), a `.star` file, or the name of a library suite.
        file: PathBuf,
        /// The tool.
        tool: String,
        /// Its arguments, a JSON object.
        #[arg(default_value = "{}")]
        arguments: String,
        /// Fuel of the call: about one unit a WebAssembly instruction.
        #[arg(long, default_value_t = 100_000_000)]
        fuel: u64,
        /// Memory of the world, in MiB.
        #[arg(long, default_value_t = 64, value_name = "MIB")]
        memory: u32,
    },
    /// Print the tools as JSON Schemas.
    Schema {
        /// A component (`.wasm`, in any language), a `.star` file, or the name of a library suite.
        file: PathBuf,
    },
    /// Make a component of a core WebAssembly module, say of clang, and the WIT text of its interface.
    Wrap {
        /// The core module.
        file: PathBuf,
        /// WIT text with a world `suite`.
        #[arg(long, value_name = "FILE")]
        wit: PathBuf,
        /// Where the component goes.
        #[arg(short, long, value_name = "X.wasm")]
        out: PathBuf,
    },
    /// List the library.
    List,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium rollout --policy expert\n  terrarium rollout --policy noisy-expert --group 4 --faults 10 --user scripted\n  terrarium rollout --policy random --split train --tasks 100 --group 4\n  terrarium rollout --policy dsa --tasks 20\n  TERRARIUM_API_KEY=... terrarium rollout --policy openai:http://127.0.0.1:8000/v1#my-model --concurrency 64 --stream\n  terrarium rollout --policy random --group 8 --fork TASK@expert#0@3\n\nStopped or killed, the same command resumes: stored episodes are not run again (--retry: but those that broke are)."
)]
pub struct RolloutArgs {
    /// expert | noisy-expert | noop | random | dsa | dsa:DIR | dsa-constrained | dsa-constrained:DIR (nothing but valid calls) | openai:URL#MODEL
    #[arg(long)]
    pub policy: String,
    #[command(flatten)]
    pub select: Select,
    /// Episodes a task.
    #[arg(long, default_value_t = 1)]
    pub group: u32,
    /// Episodes at a time (default: the cores for scripted policies, 16 for `openai`, 8 for `dsa`).
    #[arg(long)]
    pub concurrency: Option<usize>,
    /// Branch from a stored episode: take over its first K steps, then let the policy go on, under the episode's own conditions.
    #[arg(long, value_name = "TASK[@POLICY[#SAMPLE]]@K")]
    pub fork: Option<String>,
    /// Run stored episodes of this policy again that ended `policy_error` or `harness_error`.
    #[arg(long)]
    pub retry: bool,
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Which tasks.
#[derive(Args, Debug, Clone)]
pub struct Select {
    /// train | validation | test_suite | test_process | all
    #[arg(long, default_value = "all")]
    pub split: String,
    /// At most this many tasks, evenly spread (default: every task of the split).
    #[arg(long)]
    pub tasks: Option<usize>,
    /// Only this kind of task.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only this environment.
    #[arg(long, value_name = "ID")]
    pub env: Option<String>,
    /// Only this task.
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    /// Only environments with at most this many tools.
    #[arg(long, value_name = "N")]
    pub max_tools: Option<usize>,
    /// Only tasks whose opening (system message, tools, prompt) takes at most this many tokens of the embedded model.
    #[cfg(feature = "torch")]
    #[arg(long, value_name = "TOKENS")]
    pub max_prompt: Option<usize>,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  terrarium eval --policy random --split test_suite -k 4")]
pub struct EvalArgs {
    /// expert | noisy-expert | noop | random | dsa | dsa:DIR | dsa-constrained | dsa-constrained:DIR (nothing but valid calls) | openai:URL#MODEL
    #[arg(long)]
    pub policy: String,
    #[command(flatten)]
    pub select: Select,
    /// Episodes a task.
    #[arg(short, long, default_value_t = 1)]
    pub k: u32,
    /// Episodes at a time.
    #[arg(long)]
    pub concurrency: Option<usize>,
    #[command(flatten)]
    pub agent: AgentArgs,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium verify                     every certificate, on the stored component bytes\n  terrarium verify --task ID\n  terrarium verify --episodes          replay every stored episode, compare bytes, score again"
)]
pub struct VerifyArgs {
    /// Only this environment.
    #[arg(long, value_name = "ID")]
    pub env: Option<String>,
    /// Only this task.
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    /// Replay stored episodes instead of certificates.
    #[arg(long)]
    pub episodes: bool,
    /// Record today's verdicts beside the first ones, which stay (`export --rescored` uses them).
    #[arg(long, requires = "episodes")]
    pub record: bool,
    /// Threads (default: all cores).
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Export formats.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenAI chat messages and tools, one episode a row.
    Openai,
    /// TRL SFT: messages and tools of solved episodes.
    Trl,
    /// TRL DPO: prompt, chosen, rejected.
    TrlDpo,
    /// TRL KTO: prompt, completion, label.
    TrlKto,
    /// TRL GRPO: prompts, one task a row.
    TrlGrpo,
    /// verl RL, one task a row.
    Verl,
    /// verl multi-turn SFT, solved episodes.
    VerlSft,
    /// SkyRL prompts, one task a row.
    Skyrl,
    /// SkyRL tokenised SFT: exact tokens and loss mask of solved episodes of the embedded model.
    SkyrlSft,
    /// Traces of verifiers (version 1).
    Verifiers,
    /// Agent Trajectory Interchange Format 1.7.
    Atif,
    /// Agent Data Protocol 1.2.
    Adp,
    /// NeMo Gym input rows, one task a row.
    Nemo,
}

/// Kinds of exported files.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// One JSON object a line.
    Jsonl,
    /// The same, compressed with zstd.
    Zst,
    /// Parquet with zstd.
    Parquet,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium export --out data/                                    every scored episode, OpenAI chat\n  terrarium export --format trl --policy expert --out sft/\n  terrarium export --format trl-dpo --best 1 --out pairs/\n  terrarium export --format verl --files parquet --where 'pass_rate BETWEEN 0.1 AND 0.9' --out rl/\n\n--where is an SQL expression over task_id, environment_id, suite, domain, split, kind, difficulty, calls, writes, tool_count, depth,\ndistractors, pass_rate; for episodes also policy, sample, outcome, reward, turns, step_count, trace_count, tokens, group_episodes,\ngroup_scored, group_solved; for tasks also episodes, scored, solved. docs/exports.md has a loader for each trainer."
)]
pub struct ExportArgs {
    /// Format of the rows.
    #[arg(long, value_enum, default_value = "openai")]
    pub format: Format,
    /// Kind of the files.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub files: Files,
    /// Folder for the files and the dataset card.
    #[arg(long)]
    pub out: PathBuf,
    /// Only this policy (may be given several times).
    #[arg(long)]
    pub policy: Vec<String>,
    /// train | validation | test_suite | test_process | all
    #[arg(long, default_value = "all")]
    pub split: String,
    /// Only this kind of task.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only episodes with reward 1 (what trl, verl-sft and skyrl-sft take anyway).
    #[arg(long, conflicts_with_all = ["failed", "include_broken"])]
    pub solved: bool,
    /// Also failed episodes, in formats that take only solved ones.
    #[arg(long)]
    pub failed: bool,
    /// Also episodes without a reward (broken runs); their `reward` is null.
    #[arg(long)]
    pub include_broken: bool,
    /// Only rows for which this SQL expression holds.
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub condition: Option<String>,
    /// Only the best N episodes of each task and policy; for trl-dpo: at most N pairs a task.
    #[arg(long, value_name = "N")]
    pub best: Option<u32>,
    /// Only episodes of at most N tokens (without token traces: a quarter of the bytes of messages and tools).
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u64>,
    /// Episodes of at most N tokens in all, spread over the environments.
    #[arg(long, value_name = "N")]
    pub total_tokens: Option<u64>,
    /// At most N rows, the first in order.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Leave out training tasks that are near-duplicates of a task of another split.
    #[arg(long)]
    pub split_safe: bool,
    /// Judge episodes by the newest verdict that `verify --episodes --record` recorded, where there is one.
    #[arg(long)]
    pub rescored: bool,
    /// Write the agent's thinking (`reasoning_content`).
    #[arg(long)]
    pub thinking: bool,
    /// Write `arguments` and `tools` as JSON values instead of JSON strings.
    #[arg(long)]
    pub objects: bool,
}

#[derive(Subcommand, Debug)]
pub enum ShowCommand {
    /// An environment: system message, tools, recipe.
    Env {
        /// Its id.
        id: String,
    },
    /// A task: prompt, goal, solution, certificate.
    Task {
        /// Its id.
        id: String,
    },
    /// An episode as a conversation with diffs.
    Episode {
        /// `TASK`, `TASK@POLICY` or `TASK@POLICY#SAMPLE`.
        id: String,
    },
    /// Why candidates were turned down, with examples.
    Rejected {
        /// Only this reason.
        reason: Option<String>,
    },
    /// Which prompts and tools are near those of a JSONL file of other people's: exit code 1 where any is.
    ///
    /// Rows may be texts, chats (`messages`, `prompt`, `conversations`) and OpenAI tools (`tools`, or a tool a row).
    Contamination {
        /// The JSONL file.
        file: PathBuf,
        /// Jaccard similarity from which two are near, 0 to 1.
        #[arg(long, default_value_t = 0.7)]
        similarity: f64,
        /// At most this many pairs to look at, the most similar first.
        #[arg(long, default_value_t = 20)]
        pairs: usize,
    },
    /// The collection, all policies side by side and episodes to read, as one HTML page that needs nothing else.
    Report {
        /// Where the page goes.
        #[arg(long, value_name = "FILE")]
        html: PathBuf,
        /// At most this many episodes to read.
        #[arg(long, default_value_t = 120)]
        episodes: usize,
    },
}

#[derive(Args, Debug)]
pub struct StatsArgs {
    /// Also check the database's integrity.
    #[arg(long)]
    pub check: bool,
    /// Count the kept sums again from the episodes and find clusters of near-duplicates again, first.
    #[arg(long)]
    pub rebuild: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  terrarium merge machine-a.db machine-b.db --db all.db\n\nNothing is added twice; stopped or killed, the same command goes on. What has the same key and other content is named and left\nout, and the exit code is 1."
)]
pub struct MergeArgs {
    /// Databases to read.
    #[arg(required = true, value_name = "FILE")]
    pub sources: Vec<PathBuf>,
    /// Give episodes whose task, policy and sample are taken by another episode the next free sample number.
    #[arg(long)]
    pub renumber: bool,
}
