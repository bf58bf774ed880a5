//! One open database: a connection that writes and a few that read.
//!
//! SQLite runs on threads of its own (one a connection), so that callers only build and read values. Writes are serialised
//! by a lock in this process and by SQLite's between processes; readers never wait for writers (WAL) and each sees one
//! consistent state. Every write is one transaction.

use crate::error::{Error, Result};
use crate::file::{self, State};
use futures::FutureExt;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Executor, Sqlite, SqlitePool};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// `PRAGMA application_id` of our databases: "TRRA".
const APPLICATION_ID: i64 = 0x5452_5241;
/// The newest format (`PRAGMA user_version`) this program reads and writes.
pub const FORMAT_VERSION: i64 = 5;

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a write waits for another process's, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Upper limit of the file in pages of 8 KiB; writes beyond it fail with [`Error::Full`]. None: SQLite's own (32 TiB).
    pub pages_max: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Options { busy_timeout_ms: 10_000, pages_max: None }
    }
}

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub path: PathBuf,
    waited_ms: u128,
    /// None when opened for reading only.
    writer: Option<Mutex<SqliteConnection>>,
    pub readers: SqlitePool,
    /// System messages of environments by id, needed to store and load messages without them.
    pub systems: Mutex<BTreeMap<String, Arc<str>>>,
}

/// A write in progress.
pub(crate) struct Transaction<'s> {
    store: &'s Store,
    connection: MutexGuard<'s, SqliteConnection>,
    open: bool,
}

impl Transaction<'_> {
    /// The connection to write on.
    pub fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Makes the writes last.
    pub async fn commit(mut self) -> Result<()> {
        let committed = self.connection.execute("COMMIT").await;
        self.open = committed.is_err();
        self.store.sql(committed)?;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            // The first poll hands the command to SQLite's thread, which runs it before any later one. Its answer does not matter:
            // after some errors (disk full) SQLite has undone the transaction by itself and there is nothing left to undo.
            let _ = self.connection.execute("ROLLBACK").now_or_never();
        }
    }
}

impl Store {
    /// Opens an existing database, bringing an older format up to date.
    ///
    /// # Errors
    /// A variant for each thing that can be wrong with a file: missing, empty, no database, another program's, cut off,
    /// damaged, newer, locked, not writable.
    pub async fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::open_with(path, Options::default()).await
    }

    /// [`Store::open`] with options.
    pub async fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Store> {
        let path = path.as_ref();
        match file::inspect(path)? {
            State::Missing => Err(Error::Missing { path: path.to_path_buf() }),
            State::Empty => Err(Error::Empty { path: path.to_path_buf() }),
            State::Database => Store::connect(path, &options, Access::Write).await,
        }
    }

    /// Makes a new database. A file without bytes counts as none.
    ///
    /// # Errors
    /// [`Error::Exists`], and those of writing.
    pub async fn create(path: impl AsRef<Path>) -> Result<Store> {
        let path = path.as_ref();
        match file::inspect(path) {
            Ok(State::Missing | State::Empty) => Store::connect(path, &Options::default(), Access::Write).await,
            _ => Err(Error::Exists { path: path.to_path_buf() }),
        }
    }

    /// Opens a database, making it if there is none.
    ///
    /// # Errors
    /// Those of [`Store::open`], without missing and empty.
    pub async fn open_or_create(path: impl AsRef<Path>) -> Result<Store> {
        Store::open_or_create_with(path, Options::default()).await
    }

    /// [`Store::open_or_create`] with options.
    pub async fn open_or_create_with(path: impl AsRef<Path>, options: Options) -> Result<Store> {
        file::inspect(path.as_ref())?;
        Store::connect(path.as_ref(), &options, Access::Write).await
    }

    /// Opens an existing database for reading only. Its folder must be writable, or the database closed cleanly.
    ///
    /// # Errors
    /// Those of [`Store::open`]; every write fails with [`Error::ReadOnly`].
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Store> {
        let path = path.as_ref();
        match file::inspect(path)? {
            State::Missing => Err(Error::Missing { path: path.to_path_buf() }),
            State::Empty => Err(Error::Empty { path: path.to_path_buf() }),
            State::Database => Store::connect(path, &Options::default(), Access::Read).await,
        }
    }

    async fn connect(path: &Path, options: &Options, access: Access) -> Result<Store> {
        let waited_ms = u128::from(options.busy_timeout_ms);
        let fail = |e: sqlx::Error| Error::of_sqlx(path, waited_ms, e);
        let settings = SqliteConnectOptions::new()
            .filename(path)
            .row_buffer_size(ROW_BUFFER)
            .busy_timeout(Duration::from_millis(options.busy_timeout_ms))
            .foreign_keys(true);
        let writer = match access {
            Access::Read => None,
            Access::Write => Some(Mutex::new(write_connection(path, options, &settings).await?)),
        };
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .connect_lazy_with(settings.read_only(true).thread_name(|n| format!("sqlite-read-{n}")));
        if access == Access::Read {
            let mut connection = readers.acquire().await.map_err(fail)?;
            require_ours(path, waited_ms, &mut connection).await?;
        }
        let shared =
            Shared { path: path.to_path_buf(), waited_ms, writer, readers, systems: Mutex::new(BTreeMap::new()) };
        Ok(Store { shared: Arc::new(shared) })
    }

    /// Where the database lies.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Waits for what is being written and closes the file; the write-ahead log is folded in. Other clones fail afterwards.
    /// Dropping the store without it is safe; the log is then folded in by whoever opens it next.
    pub async fn close(self) -> Result<()> {
        self.shared.readers.close().await;
        let path = self.shared.path.clone();
        if let Ok(shared) = Arc::try_unwrap(self.shared)
            && let Some(writer) = shared.writer
        {
            writer.into_inner().close().await.map_err(|e| Error::of_sqlx(&path, shared.waited_ms, e))?;
        }
        Ok(())
    }

    /// Begins a transaction that holds the write lock from its start. Dropping it undoes it.
    pub(crate) async fn begin(&self) -> Result<Transaction<'_>> {
        let Some(writer) = &self.shared.writer else {
            return Err(Error::ReadOnly { path: self.shared.path.clone() });
        };
        // Open before it is begun: if this future is dropped meanwhile, SQLite's thread may begin it all the same.
        let mut transaction = Transaction { store: self, connection: writer.lock().await, open: true };
        let begun = transaction.connection.execute("BEGIN IMMEDIATE").await;
        self.sql(begun)?;
        Ok(transaction)
    }

    /// A connection that reads.
    pub(crate) async fn reader(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>> {
        self.sql(self.shared.readers.acquire().await)
    }

    /// Our error for sqlx's.
    pub(crate) fn sql<T>(&self, result: Result<T, sqlx::Error>) -> Result<T> {
        result.map_err(|e| Error::of_sqlx(&self.shared.path, self.shared.waited_ms, e))
    }

    /// [`Error::Corrupt`]: a stored value that cannot be read.
    pub(crate) fn corrupt(&self, detail: impl Into<String>) -> Error {
        Error::Corrupt { path: self.shared.path.clone(), detail: detail.into() }
    }

    /// Writes facts about the database (`seed`, `version`, ...); a name that exists is overwritten.
    pub async fn put_meta(&self, name: &str, value: &str) -> Result<()> {
        let mut transaction = self.begin().await?;
        let query =
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.sql(sqlx::query(query).bind(name).bind(value).execute(transaction.connection()).await)?;
        transaction.commit().await
    }

    /// All facts about the database, by name.
    pub async fn meta(&self) -> Result<BTreeMap<String, String>> {
        let mut reader = self.reader().await?;
        let rows = sqlx::query_as::<_, (String, String)>("SELECT name, value FROM meta").fetch_all(&mut *reader).await;
        Ok(self.sql(rows)?.into_iter().collect())
    }
}

/// Connections that read at the same time. An export holds one, a report a second.
const READERS_MAX: u32 = 4;
/// Rows that SQLite's thread may be ahead of who reads: fewer, and the two wake each other all the time.
const ROW_BUFFER: usize = 1024;
/// Pages in the log before it is folded into the file: 64 MiB, which halves what bulk writing costs against SQLite's 4 MiB.
const LOG_PAGES: &str = "8192";

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Read,
    Write,
}

/// Opens the connection that writes, and makes or updates the schema.
async fn write_connection(path: &Path, options: &Options, settings: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let waited_ms = u128::from(options.busy_timeout_ms);
    let fail = |e: sqlx::Error| Error::of_sqlx(path, waited_ms, e);
    // Whose it is is asked before anything is written to it.
    if file::inspect(path)? == State::Database {
        let mut connection =
            SqliteConnection::connect_with(&settings.clone().create_if_missing(false)).await.map_err(fail)?;
        let ours = require_ours(path, waited_ms, &mut connection).await;
        connection.close().await.map_err(fail)?;
        match ours {
            Ok(()) | Err(Error::Empty { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let mut settings = settings
        .clone()
        .create_if_missing(true)
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        .pragma("cache_size", "-65536")
        .thread_name(|_| "sqlite-write".to_owned());
    if let Some(pages) = options.pages_max {
        settings = settings.pragma("max_page_count", pages.to_string());
    }
    let mut connection = SqliteConnection::connect_with(&settings).await.map_err(fail)?;
    MIGRATIONS.run(&mut connection).await.map_err(|e| match e {
        sqlx::migrate::MigrateError::Execute(e) | sqlx::migrate::MigrateError::ExecuteMigration(e, _) => fail(e),
        other => Error::Corrupt { path: path.to_path_buf(), detail: other.to_string() },
    })?;
    Ok(connection)
}

/// That the database is ours and not of a later version.
async fn require_ours(path: &Path, waited_ms: u128, connection: &mut SqliteConnection) -> Result<()> {
    let fail = |e: sqlx::Error| Error::of_sqlx(path, waited_ms, e);
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(fail)?;
    if id != APPLICATION_ID {
        // A creation that was cut short has at most sqlx's table of migrations.
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut *connection).await.map_err(fail)?;
        let path = path.to_path_buf();
        return Err(if tables == 0 && id == 0 { Error::Empty { path } } else { Error::Foreign { path } });
    }
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(fail)?;
    if found > FORMAT_VERSION {
        return Err(Error::Newer { path: path.to_path_buf(), found, known: FORMAT_VERSION });
    }
    Ok(())
}
