//! The files of an export: one for each split, made when its first row comes, whole or not there.

use super::atomic::AtomicFile;
use super::columns::Column;
use super::options::Container;
use super::parquet::ParquetFile;
use super::{ExportedFile, io};
use crate::error::Result;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::path::{Path, PathBuf};
use terrarium_envs::environment::Split;

/// zstd's level of `.jsonl.zst`: its own default.
const LEVEL: i32 = 3;

/// Files that are being written.
pub struct Files {
    dir: PathBuf,
    container: Container,
    /// For Parquet.
    columns: Vec<Column>,
    open: BTreeMap<Split, RowFile>,
}

struct RowFile {
    writer: Writer,
    rows: u64,
    digest: blake3::Hasher,
}

enum Writer {
    Plain(AtomicFile),
    Packed(Box<zstd::stream::write::Encoder<'static, AtomicFile>>),
    Columns(Box<ParquetFile>),
}

/// The file of a split.
pub fn name(split: Split, container: Container) -> String {
    format!("{}.{}", split.name(), container.extension())
}

impl Files {
    /// No file yet.
    pub fn new(dir: &Path, container: Container, columns: Vec<Column>) -> Files {
        Files { dir: dir.to_path_buf(), container, columns, open: BTreeMap::new() }
    }

    /// Rows of a split so far.
    pub fn rows(&self, split: Split) -> u64 {
        self.open.get(&split).map_or(0, |file| file.rows)
    }

    /// Appends one row: a JSON object and a line end.
    pub fn put(&mut self, split: Split, line: &[u8]) -> Result<()> {
        let file = match self.open.entry(split) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => {
                let file = AtomicFile::create(&self.dir, &name(split, self.container))?;
                let writer = match self.container {
                    Container::Jsonl => Writer::Plain(file),
                    Container::Parquet => {
                        let path = self.dir.join(name(split, self.container));
                        Writer::Columns(Box::new(ParquetFile::new(file, path, self.columns.clone())?))
                    }
                    Container::JsonlZst => {
                        let encoder = zstd::stream::write::Encoder::new(file, LEVEL).map_err(|e| io(&self.dir, &e))?;
                        Writer::Packed(Box::new(encoder))
                    }
                };
                new.insert(RowFile { writer, rows: 0, digest: blake3::Hasher::new() })
            }
        };
        file.rows += 1;
        file.digest.update(line);
        match &mut file.writer {
            Writer::Plain(file) => file.append(line),
            Writer::Columns(file) => file.append(line),
            Writer::Packed(encoder) => encoder.write_all(line).map_err(|e| io(&self.dir, &e)),
        }
    }

    /// Puts all files in their places, and removes those of splits (and containers) that this export does not have.
    pub fn finish(mut self) -> Result<Vec<ExportedFile>> {
        let mut files = Vec::new();
        for split in Split::ALL {
            let written = self.open.remove(&split);
            let keep = written.is_some().then_some(self.container);
            for container in Container::ALL.into_iter().filter(|c| Some(*c) != keep) {
                std::fs::remove_file(self.dir.join(name(split, container))).ok();
            }
            let Some(RowFile { writer, rows, digest }) = written else { continue };
            let bytes = match writer {
                Writer::Plain(file) => file.finish()?,
                Writer::Columns(file) => file.finish()?,
                Writer::Packed(encoder) => encoder.finish().map_err(|e| io(&self.dir, &e))?.finish()?,
            };
            files.push(ExportedFile {
                name: name(split, self.container).into(),
                split: Some(split.name()),
                rows,
                bytes,
                digest: Some(digest.finalize().to_hex().to_string()),
            });
        }
        Ok(files)
    }
}
