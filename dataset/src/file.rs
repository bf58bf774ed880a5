//! What can be told about a database from its file alone, before SQLite opens it.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes of the header.
const HEADER_BYTES: usize = 100;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Missing,
    /// It has no bytes: a creation that was cut short, or `touch`.
    Empty,
    /// It looks like a SQLite database.
    Database,
}

/// Looks at the file: header, and size against the header.
///
/// # Errors
/// [`Error::NotADatabase`], [`Error::Truncated`], or [`Error::Io`] when it cannot be read.
pub fn inspect(path: &Path) -> Result<State> {
    let io = |e: std::io::Error| Error::Io { path: path.to_path_buf(), detail: e.to_string() };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(State::Missing),
        Err(e) => return Err(io(e)),
    };
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(Error::NotADatabase { path: path.to_path_buf() });
    }
    let found = metadata.len();
    if found == 0 {
        return Ok(State::Empty);
    }
    let mut header = [0u8; HEADER_BYTES];
    let mut filled = 0;
    while filled < HEADER_BYTES {
        match file.read(&mut header[filled..]).map_err(io)? {
            0 => break,
            n => filled += n,
        }
    }
    if header[..filled.min(16)] != MAGIC[..filled.min(16)] {
        return Err(Error::NotADatabase { path: path.to_path_buf() });
    }
    // A crash in the middle of a checkpoint may leave the file shorter than its new header; the WAL then has the rest.
    if let Some(expected) = expected_bytes(&header[..filled])
        && found < expected
        && !has_log(path)
    {
        return Err(Error::Truncated { path: path.to_path_buf(), expected, found });
    }
    Ok(State::Database)
}

/// Size according to the header (SQLite file format, section 1.3): page size at 16, pages at 28, valid if the
/// counters at 24 and 92 agree. Without a whole header: the smallest database there is.
fn expected_bytes(header: &[u8]) -> Option<u64> {
    const SMALLEST: u64 = 512;
    if header.len() < HEADER_BYTES {
        return Some(SMALLEST);
    }
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        n => u64::from(n),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    (pages > 0 && header[24..28] == header[92..96]).then(|| page_bytes * u64::from(pages))
}

/// Whether a write-ahead log with content lies beside the file.
fn has_log(path: &Path) -> bool {
    std::fs::metadata(beside(path, "-wal")).is_ok_and(|m| m.len() > 0)
}

/// `terrarium.db-wal` for `terrarium.db`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
