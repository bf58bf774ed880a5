//! Runs the binary in a fresh directory and reads what it says.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A fresh directory and the binary.
pub struct Desk {
    dir: tempfile::TempDir,
}

/// What a run printed.
pub struct Said {
    /// Exit code; none when it was killed.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// The JSON summary of a run that must have succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("stdout is not one JSON object: {e}\n{}", self.out))
    }

    /// The message of a run that must have failed with `code`.
    #[track_caller]
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        &self.err
    }
}

impl Desk {
    pub fn new() -> Self {
        Desk { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The command, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_terrarium"));
        command.current_dir(self.dir.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().expect("the binary starts"))
    }

    /// Starts in the background, output thrown away.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    /// A desk with a small synthesized database.
    #[track_caller]
    pub fn with_worlds(envs: &str, tasks: &str) -> Self {
        let desk = Desk::new();
        desk.run(&["synth", "--envs", envs, "--tasks", tasks, "--seed", "7", "--json", "--quiet"]).json();
        desk
    }

    /// One text column of the database.
    pub fn query(&self, sql: &str) -> Vec<String> {
        self.query_in("terrarium.db", sql)
    }

    /// One text column of a database file.
    pub fn query_in(&self, file: &str, sql: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(column(&self.path(file), sql))
    }

    /// [`Desk::query`] from within a runtime.
    pub async fn query_async(&self, sql: &str) -> Vec<String> {
        column(&self.path("terrarium.db"), sql).await
    }
}

async fn column(file: &Path, sql: &str) -> Vec<String> {
    use sqlx::{ConnectOptions, Connection, Row};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.expect("the database opens");
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.expect("the query runs");
    connection.close().await.expect("closes");
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}
