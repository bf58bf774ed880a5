//! Arguments of `terrarium model`.

use crate::place::{IndexKind, PlaceArgs, RowKind};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Kinds that weights are saved in.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightKind {
    Float32,
    Bfloat16,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium model bench\n  terrarium model bench --contexts 1024,4096 --runs 20 --json\n\nWeights and cached rows are random: only time is measured. Preset `bench` at 131072 tokens takes about 5 GB of memory."
)]
pub struct BenchArgs {
    /// Shape: tiny | small | bench
    #[arg(long, default_value = "bench")]
    pub preset: String,
    /// Lengths of context.
    #[arg(long, value_delimiter = ',', default_value = "1024,4096,16384,65536,131072")]
    pub contexts: Vec<usize>,
    /// Tokens of the prefill pass: the last chunk of a prompt.
    #[arg(long, default_value_t = 512)]
    pub chunk: usize,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Form of cached rows.
    #[arg(long, value_enum, default_value = "exact")]
    pub rows: RowKind,
    /// Form of cached indexer keys (default: int8 on the CPU, fp8 on CUDA).
    #[arg(long, value_enum)]
    pub index: Option<IndexKind>,
    /// Runs of a decode pass, of which the fastest counts; a prefill pass has a fifth of them.
    #[arg(long, default_value_t = 15)]
    pub runs: usize,
    /// Leave dense attention out: the peak of memory is then that of the model alone.
    #[arg(long)]
    pub sparse_only: bool,
}

#[derive(Subcommand, Debug)]
pub enum ModelCommand {
    /// Write a randomly initialised checkpoint, or with `--dry-run` say how large it would be.
    #[command(
        after_help = "Examples:\n  terrarium model init --out model\n  terrarium model init --preset deepseek-v3.2 --dry-run"
    )]
    Init {
        /// Folder for the checkpoint.
        #[arg(long, required_unless_present = "dry_run")]
        out: Option<PathBuf>,
        /// Shape: tiny | small | bench | lite | deepseek-v3.2
        #[arg(long, default_value = "tiny")]
        preset: String,
        /// Kind the weights are saved in.
        #[arg(long, value_enum, default_value = "float32")]
        kind: WeightKind,
        /// Print the sizes and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Logits [B, S, V] of token ids, as JSON: computed in float64 unless `--dtype` says otherwise.
    Logits {
        /// Checkpoint folder.
        dir: PathBuf,
        /// JSON file `[[int, ...], ...]`.
        #[arg(long)]
        tokens: PathBuf,
        /// Where the JSON goes (default: stdout).
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Encode and parse DSML rows; one result row each.
    Dsml {
        /// JSONL of the form in `golden/dsml`.
        file: PathBuf,
    },
    /// Vocabularies.
    #[command(subcommand)]
    Tokenizer(TokenizerCommand),
    /// Decode and prefill by length of context, sparse against dense, every stage beside its floor.
    Bench(BenchArgs),
    /// libtorch, threads, accelerators, where a model would compute; of a checkpoint folder also shape and sizes.
    Info {
        /// Checkpoint folder.
        dir: Option<PathBuf>,
    },
}

#[derive(Subcommand, Debug)]
pub enum TokenizerCommand {
    /// Learn a byte-level BPE vocabulary from text files and write it as a Hugging Face `tokenizer.json`. The same files in the same
    /// order give the same bytes.
    #[command(
        after_help = "Example:\n  terrarium model tokenizer train corpus/*.txt --size 4096 --out model/tokenizer.json\n\nA model reads it from its checkpoint folder, if `vocab_size` in config.json is at least its number of ids."
    )]
    Train {
        /// Text files in UTF-8, together at most 1 GiB.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Ids: 7 special tokens, 256 bytes, and merges.
        #[arg(long, default_value_t = 4096)]
        size: usize,
        /// Where the vocabulary goes.
        #[arg(long)]
        out: PathBuf,
    },
}
