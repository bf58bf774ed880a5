//! The one error type of this crate.

use std::path::PathBuf;

/// What can go wrong while a model is configured, loaded, run or asked for tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("cannot {operation} {}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{} is not valid JSON", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("model configuration: {0}")]
    Config(String),
    #[error("{} is not a readable safetensors file: {reason}", path.display())]
    Safetensors { path: PathBuf, reason: String },
    #[error("checkpoint lacks {count} tensors the configuration asks for, the first is `{first}`")]
    MissingTensors { count: usize, first: String },
    #[error("checkpoint has {count} tensors the configuration does not know, the first is `{first}`")]
    UnexpectedTensors { count: usize, first: String },
    #[error("tensor `{name}` has shape {found:?}, the configuration asks for {expected:?}")]
    TensorShape { name: String, expected: Vec<i64>, found: Vec<i64> },
    #[error("tensor `{name}` is stored as {found}; only F64, F32, F16, BF16 and F8_E4M3 matrices can be read")]
    TensorKind { name: String, found: String },
    #[error("tensor `{name}` is stored as F8_E4M3 without its scales, `{scale}`")]
    MissingScale { name: String, scale: String },
    #[error("tokenizer {}: {reason}", path.display())]
    Tokenizer { path: PathBuf, reason: String },
    #[error("chat template: {0}")]
    Template(String),
    #[error("tokens: {0}")]
    Tokens(#[from] TokensError),
    #[error("cache: {0}")]
    Cache(String),
    #[error("request: {0}")]
    Request(String),
    #[error("CUDA kernel `{kernel}`: {reason}")]
    Kernel { kernel: &'static str, reason: String },
    #[error("the engine thread has ended")]
    EngineEnded,
    #[error("libtorch failed")]
    Torch(#[from] tch::TchError),
}

/// Why a batch of token ids cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    #[error("the batch is empty: give at least one row of token ids")]
    NoRows,
    #[error("row {row} is empty")]
    EmptyRow { row: usize },
    #[error("row {row} has {found} tokens, row 0 has {expected}: rows must be equally long")]
    Ragged { row: usize, expected: usize, found: usize },
    #[error("row {row}, position {position}: id {id} is outside the vocabulary 0..{vocabulary}")]
    OutsideVocabulary { row: usize, position: usize, id: i64, vocabulary: i64 },
    #[error("rows have {length} tokens, the model's context is {context}")]
    TooLong { length: usize, context: i64 },
}

/// Result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
