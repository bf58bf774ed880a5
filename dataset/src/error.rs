//! What can go wrong with a store, each as a sentence that says what to do.

use std::path::PathBuf;

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the store, or something made from it, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such file.
    #[error("there is no database at {}; `terrarium synth` makes one, `--db` names another", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file exists although a new one was to be made.
    #[error("{} exists already; name another file or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file holds nothing yet.
    #[error("{} is empty; `terrarium synth` fills it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Not SQLite at all, or encrypted.
    #[error("{} is not a SQLite database; is `--db` the right file?", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// SQLite, but of another program.
    #[error("{} is a SQLite database of another program; choose another file for `--db`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Shorter than its header says.
    #[error(
        "{} is cut off: it should have {expected} bytes and has {found}; copy it again, with its -wal file, \
         or save what is left with `sqlite3 {} .recover`", path.display(), path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes according to its header.
        expected: u64,
        /// Bytes on disk.
        found: u64,
    },
    /// Damaged inside.
    #[error("{} is damaged ({detail}); restore a copy, or save what is left with `sqlite3 {} .recover`", path.display(), path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite, or reading a row, said.
        detail: String,
    },
    /// Written by a later version.
    #[error("{} has format version {found}, this program knows up to {known}; use the newer program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest we know.
        known: i64,
    },
    /// Somebody else writes.
    #[error("{} is locked by another process (waited {waited_ms} ms); wait for it to end, or work on a copy", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long we waited, in milliseconds.
        waited_ms: u128,
    },
    /// No room.
    #[error("no room left to write {}; free some space and run the command again, it goes on where it stopped", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// No permission to write.
    #[error("{} cannot be written; check its permissions and its folder's, or work on a copy", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The disk, or the folder, refuses.
    #[error("{} could not be read or written: {detail}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The same id, other content.
    #[error(
        "{what} {id} is stored already with other content; the two versions do not fit in one database, use a new `--db`"
    )]
    Differs {
        /// `environment` or `task`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A reference to something that is not stored.
    #[error("{what} {id} is not in {}", path.display())]
    Unknown {
        /// `environment`, `task`, `episode`.
        what: &'static str,
        /// Its id.
        id: String,
        /// The database.
        path: PathBuf,
    },
    /// An episode whose key is taken.
    #[error("sample {sample} of policy {policy} for task {task_id} is stored already")]
    EpisodeExists {
        /// Task.
        task_id: String,
        /// Policy.
        policy: String,
        /// Sample.
        sample: u32,
    },
    /// A value that the schema refuses.
    #[error("the store refuses {what}: {detail}")]
    Refused {
        /// What was to be stored.
        what: String,
        /// Why.
        detail: String,
    },
    /// A world could not be run again.
    #[error("environment {environment_id} could not be run again: {detail}")]
    Replay {
        /// The environment.
        environment_id: String,
        /// Why.
        detail: String,
    },
    /// A condition that is not one expression over the columns that there are.
    #[error("`{text}` is not a condition that can be used: {detail}; it may speak of {columns}")]
    Expression {
        /// What was written.
        text: String,
        /// What is wrong with it.
        detail: String,
        /// The columns.
        columns: String,
    },
    /// Parquet has columns, and this format has none that are the same in every row.
    #[error(
        "rows of {format} have no fixed columns that Parquet could store; write JSON lines, or choose another format"
    )]
    NoColumns {
        /// The format.
        format: &'static str,
    },
    /// Anything else SQLite says.
    #[error("{}: {source}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// What sqlx says.
        source: sqlx::Error,
    },
}

/// Primary result codes of SQLite that have a variant of their own.
mod code {
    pub const BUSY: i32 = 5;
    pub const LOCKED: i32 = 6;
    pub const READ_ONLY: i32 = 8;
    pub const IO: i32 = 10;
    pub const CORRUPT: i32 = 11;
    pub const FULL: i32 = 13;
    pub const CANNOT_OPEN: i32 = 14;
    pub const PROTOCOL: i32 = 15;
    pub const CONSTRAINT: i32 = 19;
    pub const NOT_A_DATABASE: i32 = 26;
}

impl Error {
    /// The variant for what sqlx says about the database at `path`, on which we wait `waited_ms` for locks.
    pub(crate) fn of_sqlx(path: &std::path::Path, waited_ms: u128, source: sqlx::Error) -> Error {
        let path = path.to_path_buf();
        let (code, message) = match &source {
            sqlx::Error::Database(e) => {
                (e.code().and_then(|c| c.parse::<i32>().ok()).unwrap_or(0), e.message().to_owned())
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => (code::CORRUPT, source.to_string()),
            sqlx::Error::Io(e) => (code::IO, e.to_string()),
            _ => (0, String::new()),
        };
        match code & 0xff {
            code::BUSY | code::LOCKED | code::PROTOCOL => Error::Locked { path, waited_ms },
            code::READ_ONLY => Error::ReadOnly { path },
            code::IO if is_disk_full(code) => Error::Full { path },
            code::IO | code::CANNOT_OPEN => Error::Io { path, detail: message },
            code::CORRUPT => Error::Corrupt { path, detail: message },
            code::FULL => Error::Full { path },
            code::NOT_A_DATABASE => Error::NotADatabase { path },
            code::CONSTRAINT => Error::Refused { what: path.display().to_string(), detail: message },
            _ => Error::Sql { path, source },
        }
    }

    /// Whether trying again later can help: somebody else holds the lock.
    pub fn is_locked(&self) -> bool {
        matches!(self, Error::Locked { .. })
    }
}

/// Extended codes by which SQLite reports that a shared-memory or WAL file could not grow: in practice a full disk.
fn is_disk_full(code: i32) -> bool {
    const IOERR_SHMSIZE: i32 = 10 | (19 << 8);
    const IOERR_TRUNCATE: i32 = 10 | (6 << 8);
    code == IOERR_SHMSIZE || code == IOERR_TRUNCATE
}
