//! How many ten-step episodes a second are stored, and read back: in our way (statements of many rows), and in the two others that were
//! tried (a statement a row; one JSON array a table, taken apart by SQLite's json_each).
//! Run: `cargo bench -p terrarium-dataset --profile dev`. docs/performance.md has the figures.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};
use std::time::{Duration, Instant};
use terrarium_dataset::{EpisodeFilter, Store};
use terrarium_envs::episode::Episode;
use terrarium_envs::task::Task;

/// Episodes a batch: what a rollout gathers in its 200 ms.
const BATCH: u32 = 512;

fn batches(task: &Task, system: &str, from: u32, batches: u64, traces: bool) -> Vec<Vec<Episode>> {
    let episode = |sample| {
        let mut episode = support::episode(task, system, "expert", sample, 10);
        if traces {
            episode.traces = support::traces(10);
        }
        episode
    };
    (0..batches as u32).map(|b| (0..BATCH).map(|s| episode(from + b * BATCH + s)).collect()).collect()
}

fn put(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("put_ten_step_episodes");
    group.throughput(Throughput::Elements(u64::from(BATCH))).sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, traces) in [("store", false), ("store_with_token_traces", true)] {
        let dir = tempfile::tempdir().unwrap();
        let (environment, task, store) = runtime.block_on(async {
            let store = Store::create(dir.path().join("terrarium.db")).await.unwrap();
            let environment = support::environment(0);
            let task = support::task(&environment, 0);
            store.put_environment_with_tasks(&environment, std::slice::from_ref(&task), None).await.unwrap();
            (environment, task, store)
        });
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let batches = batches(&task, &environment.system, next, iterations, traces);
                next += iterations as u32 * BATCH;
                runtime.block_on(async {
                    let started = Instant::now();
                    for batch in batches {
                        store.put_episodes(batch).await.unwrap();
                    }
                    started.elapsed()
                })
            });
        });
    }
    for way in ["steps_row_by_row", "steps_json_each"] {
        let dir = tempfile::tempdir().unwrap();
        let environment = support::environment(0);
        let task = support::task(&environment, 0);
        let mut connection = runtime.block_on(async {
            let options = SqliteConnectOptions::new()
                .filename(dir.path().join("steps.db"))
                .create_if_missing(true)
                .page_size(8192)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .pragma("wal_autocheckpoint", "8192");
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            connection.execute(STEPS).await.unwrap();
            connection
        });
        let mut next = 0;
        group.bench_function(way, |bencher| {
            bencher.iter_custom(|iterations| {
                let batches = batches(&task, &environment.system, next, iterations, false);
                next += iterations as u32 * BATCH;
                runtime.block_on(async {
                    let started = Instant::now();
                    for batch in batches {
                        connection.execute("BEGIN IMMEDIATE").await.unwrap();
                        if way == "steps_json_each" {
                            json_each(&mut connection, batch).await
                        } else {
                            row_by_row(&mut connection, batch).await
                        }
                        connection.execute("COMMIT").await.unwrap();
                    }
                    started.elapsed()
                })
            });
        });
    }
    group.finish();
}

const STEPS: &str = "CREATE TABLE steps (episode_id INTEGER NOT NULL, number INTEGER NOT NULL, turn INTEGER NOT NULL, tool TEXT NOT NULL, \
    outcome TEXT NOT NULL, fuel INTEGER NOT NULL, elapsed_us INTEGER NOT NULL, call_id TEXT NOT NULL, arguments TEXT NOT NULL, \
    diff TEXT NOT NULL, result TEXT NOT NULL, PRIMARY KEY (episode_id, number)) STRICT, WITHOUT ROWID";

async fn row_by_row(connection: &mut SqliteConnection, batch: Vec<Episode>) {
    for episode in batch {
        for (number, s) in episode.steps.into_iter().enumerate() {
            sqlx::query("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .bind(episode.key.sample)
                .bind(number as i64)
                .bind(s.turn)
                .bind(s.tool)
                .bind(s.outcome)
                .bind(s.fuel.cast_signed())
                .bind(s.elapsed_us.cast_signed())
                .bind(s.call_id)
                .bind(s.arguments)
                .bind(s.diff)
                .bind(s.result)
                .execute(&mut *connection)
                .await
                .unwrap();
        }
    }
}

async fn json_each(connection: &mut SqliteConnection, batch: Vec<Episode>) {
    let mut rows = Vec::new();
    for episode in batch {
        for (number, s) in episode.steps.into_iter().enumerate() {
            let row = (
                episode.key.sample,
                number,
                s.turn,
                s.tool,
                s.outcome,
                s.fuel,
                s.elapsed_us,
                s.call_id,
                s.arguments,
                s.diff,
                s.result,
            );
            rows.push(row);
        }
    }
    let query = "INSERT INTO steps SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, \
        value->>9, value->>10 FROM json_each(?)";
    sqlx::query(query).bind(serde_json::to_string(&rows).unwrap()).execute(connection).await.unwrap();
}

fn read(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = runtime.block_on(async {
        let store = Store::create(dir.path().join("terrarium.db")).await.unwrap();
        let environment = support::environment(0);
        let task = support::task(&environment, 0);
        store.put_environment_with_tasks(&environment, std::slice::from_ref(&task), None).await.unwrap();
        for batch in batches(&task, &environment.system, 0, 8, false) {
            store.put_episodes(batch).await.unwrap();
        }
        store
    });
    let mut group = criterion.benchmark_group("read_ten_step_episodes");
    group
        .throughput(Throughput::Elements(u64::from(BATCH) * 8))
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.bench_function("cursor", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                store.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap().len()
            })
        });
    });
    group.finish();
}

criterion_group!(benches, put, read);
criterion_main!(benches);
