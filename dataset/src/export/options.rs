//! What is exported, and how.

use super::format::Format;
use crate::select::Selection;

/// What an export contains.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportOptions {
    /// The shape of rows.
    pub format: Format,
    /// The kind of files.
    pub container: Container,
    /// Which episodes or tasks.
    pub selection: Selection,
    /// `tools` and `arguments` as JSON values instead of JSON text.
    pub objects: bool,
    /// The agent's thinking.
    pub thinking: bool,
}

impl ExportOptions {
    /// All there is in a format, as JSON lines.
    pub fn new(format: Format) -> ExportOptions {
        ExportOptions {
            format,
            container: Container::Jsonl,
            selection: Selection::default(),
            objects: false,
            thinking: false,
        }
    }
}

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Container {
    /// One JSON object a line.
    Jsonl,
    /// The same, compressed with zstd.
    JsonlZst,
    /// Parquet with zstd. Only for formats whose rows have columns.
    Parquet,
}

impl Container {
    /// All in a fixed order.
    pub const ALL: [Container; 3] = [Container::Jsonl, Container::JsonlZst, Container::Parquet];

    /// What files end with.
    pub fn extension(self) -> &'static str {
        match self {
            Container::Jsonl => "jsonl",
            Container::JsonlZst => "jsonl.zst",
            Container::Parquet => "parquet",
        }
    }
}
