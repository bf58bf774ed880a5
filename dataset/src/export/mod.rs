//! Exports: episodes as files that today's trainers load. A file for each format.

mod atomic;
mod card;
pub mod openai;

use crate::error::{Error, Result};
use crate::store::Store;
use serde::Serialize;
use std::path::{Path, PathBuf};
use terrarium_envs::environment::Split;

/// What an export wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExportSummary {
    /// Episodes.
    pub rows: u64,
    /// Files written, in order, relative to the export's folder.
    pub files: Vec<ExportedFile>,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportedFile {
    /// Name within the folder.
    pub name: PathBuf,
    /// Its split; none for the dataset card.
    pub split: Option<&'static str>,
    /// Episodes in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// The file of a split.
fn split_file(split: Split) -> String {
    format!("{}.jsonl", split.name())
}

/// Makes the folder of an export and removes what a killed export left in it.
fn prepare(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| io(dir, &e))?;
    atomic::sweep(dir)
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Full { path: path.to_path_buf() },
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Error::ReadOnly { path: path.to_path_buf() }
        }
        _ => Error::Io { path: path.to_path_buf(), detail: error.to_string() },
    }
}

/// Facts for a dataset card that are not in the rows.
async fn seed(store: &Store) -> Result<Option<String>> {
    Ok(store.meta().await?.remove("seed"))
}
