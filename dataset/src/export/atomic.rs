//! Files that are there whole or not at all: written beside, synced, renamed.

use super::io;
use crate::error::Result;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Unfinished files start with this; the process id follows, so that two exports at once do not share one.
const PREFIX: &str = ".terrarium-unfinished-";
/// Bytes gathered before a write.
const BUFFER_BYTES: usize = 1 << 18;

/// A file being written. Dropped before [`AtomicFile::finish`], it leaves nothing.
pub struct AtomicFile {
    writer: Option<BufWriter<File>>,
    unfinished: PathBuf,
    path: PathBuf,
    bytes: u64,
}

impl AtomicFile {
    /// Begins the file `name` in `dir`.
    pub fn create(dir: &Path, name: &str) -> Result<AtomicFile> {
        let unfinished = dir.join(format!("{PREFIX}{}-{name}", std::process::id()));
        let file = File::create(&unfinished).map_err(|e| io(&unfinished, &e))?;
        let writer = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(AtomicFile { writer, unfinished, path: dir.join(name), bytes: 0 })
    }

    /// Appends.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|e| io(&self.unfinished, &e))
    }

    /// Puts the file in its place; gives its size.
    pub fn finish(mut self) -> Result<u64> {
        let writer = self.writer.take().expect("finish runs once");
        let finish = || -> std::io::Result<()> {
            writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&self.unfinished, &self.path)?;
            // The rename itself must reach the disk. Some systems cannot sync a folder; the file is whole there all the same.
            if let Some(dir) = self.path.parent()
                && let Ok(dir) = File::open(dir)
            {
                dir.sync_all().ok();
            }
            Ok(())
        };
        match finish() {
            Ok(()) => Ok(self.bytes),
            Err(error) => {
                std::fs::remove_file(&self.unfinished).ok();
                Err(io(&self.path, &error))
            }
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.writer.as_mut().expect("only `finish` takes the writer").write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.as_mut().expect("only `finish` takes the writer").flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            std::fs::remove_file(&self.unfinished).ok();
        }
    }
}

/// Removes unfinished files of processes that are gone.
pub fn sweep(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(|e| io(dir, &e))? {
        let entry = entry.map_err(|e| io(dir, &e))?;
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else { continue };
        let owner = rest.split('-').next().and_then(|id| id.parse::<u32>().ok());
        if owner.is_none_or(|id| !is_running(id)) {
            std::fs::remove_file(entry.path()).map_err(|e| io(&entry.path(), &e))?;
        }
    }
    Ok(())
}

/// Whether a process runs. Where that cannot be told (no /proc), only our own counts as running.
fn is_running(id: u32) -> bool {
    id == std::process::id() || (Path::new("/proc/self").exists() && Path::new("/proc").join(id.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::create(dir.path(), "a.jsonl").unwrap();
        file.append(b"one\n").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "an unfinished file stays behind");

        let mut file = AtomicFile::create(dir.path(), "a.jsonl").unwrap();
        file.append(b"one\n").unwrap();
        assert!(!dir.path().join("a.jsonl").exists());
        assert_eq!(file.finish().unwrap(), 4);
        assert_eq!(std::fs::read(dir.path().join("a.jsonl")).unwrap(), b"one\n");
    }

    #[test]
    fn sweeping_removes_only_what_the_dead_left() {
        let dir = tempfile::tempdir().unwrap();
        let dead = dir.path().join(format!("{PREFIX}4294967295-a.jsonl"));
        std::fs::write(&dead, "half").unwrap();
        std::fs::write(dir.path().join("mine.jsonl"), "whole").unwrap();
        let living = AtomicFile::create(dir.path(), "b.jsonl").unwrap();
        sweep(dir.path()).unwrap();
        assert!(!dead.exists() && living.unfinished.exists() && dir.path().join("mine.jsonl").exists());
    }
}
