//! What was typed: clap types, one struct a command. What it means is decided in `commands/`.

#[cfg(feature = "torch")]
pub use crate::model_args::ModelCommand;
#[cfg(feature = "torch")]
pub use crate::serve_args::ServeCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Thousands of sealed little worlds to train tool-using agents in.
#[derive(Parser, Debug)]
#[command(name = "terrarium", version, about, max_term_width = 110, arg_required_else_help = true)]
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
    /// Write episodes as JSONL that trainers load.
    Export(ExportArgs),
    /// Show one environment, task or episode.
    #[command(subcommand)]
    Show(ShowCommand),
    /// What the database holds.
    Stats(StatsArgs),
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
    /// Folder of `.star` suites to use instead of the library.
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
    },
    /// Print the tools as JSON Schemas.
    Schema {
        /// The `.star` file, or the name of a library suite.
        file: PathBuf,
    },
    /// List the library.
    List,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium rollout --policy expert\n  terrarium rollout --policy random --split train --tasks 100 --group 4\n  terrarium rollout --policy dsa --tasks 20\n  TERRARIUM_API_KEY=... terrarium rollout --policy openai:http://127.0.0.1:8000/v1#my-model --concurrency 32\n\nStopped or killed, the same command resumes: stored episodes are not run again."
)]
pub struct RolloutArgs {
    /// expert | noop | random | dsa[:DIR] | openai:URL#MODEL
    #[arg(long)]
    pub policy: String,
    #[command(flatten)]
    pub select: Select,
    /// Episodes a task.
    #[arg(long, default_value_t = 1)]
    pub group: u32,
    /// Episodes at a time (default: twice the cores; 1 for `dsa`).
    #[arg(long)]
    pub concurrency: Option<usize>,
    #[command(flatten)]
    pub budget: BudgetArgs,
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

/// Limits of an episode.
#[derive(Args, Debug, Clone)]
pub struct BudgetArgs {
    /// Assistant messages an episode.
    #[arg(long, default_value_t = 64)]
    pub max_turns: u32,
    /// Tool calls an episode.
    #[arg(long, default_value_t = 256)]
    pub max_calls: u32,
    /// Sampled tokens a message, for `dsa`.
    #[arg(long, default_value_t = 96)]
    pub max_tokens: usize,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  terrarium eval --policy random --split test_suite -k 4")]
pub struct EvalArgs {
    /// expert | noop | random | dsa[:DIR] | openai:URL#MODEL
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
    pub budget: BudgetArgs,
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
    /// Threads (default: all cores).
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Export formats.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenAI chat messages and tools, one episode a line.
    Openai,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium export --format openai --out data/\n  terrarium export --out data/ --policy expert --solved\n\nLoad it: datasets.load_dataset(\"json\", data_files=\"data/train.jsonl\")"
)]
pub struct ExportArgs {
    /// Format of the lines.
    #[arg(long, value_enum, default_value = "openai")]
    pub format: Format,
    /// Folder for the files and the dataset card.
    #[arg(long)]
    pub out: PathBuf,
    /// Only this policy.
    #[arg(long)]
    pub policy: Option<String>,
    /// train | validation | test_suite | test_process | all
    #[arg(long, default_value = "all")]
    pub split: String,
    /// Only episodes with reward 1.
    #[arg(long)]
    pub solved: bool,
    /// Also episodes without a reward (broken runs); their `reward` is null.
    #[arg(long)]
    pub include_broken: bool,
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
}

#[derive(Args, Debug)]
pub struct StatsArgs {
    /// Also check the database's integrity.
    #[arg(long)]
    pub check: bool,
}
