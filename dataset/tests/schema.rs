//! The queries of docs/schema.md run and find something, and the kept sums say what the episodes say.

mod support;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::path::Path;
use terrarium_dataset::runs::RunStart;
use terrarium_dataset::{EpisodeFilter, Store};

/// The SQL blocks of the page.
fn queries() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md");
    let text = std::fs::read_to_string(page).unwrap();
    text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim().to_owned()).collect()
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

#[tokio::test]
async fn the_documented_queries_find_something() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let start = RunStart {
        command: "rollout".into(),
        policy: Some("expert".into()),
        seed: 7,
        version: "0".into(),
        options: serde_json::json!({"split": "all", "group": 3}),
    };
    let run = store.begin_run(&start).await.unwrap();
    store.put_metrics(run, 3, &[("reward", 0.25)]).await.unwrap();
    let key = store.episodes(&EpisodeFilter::default()).await.unwrap().next().await.unwrap().unwrap().key;
    store.close().await.unwrap();
    let mut connection = connect(&dir.path().join("terrarium.db")).await;
    let queries = queries();
    assert_eq!(queries.len(), 10);
    for query in queries {
        // The page names an episode that is not here.
        let query = query.replace("TASK", &key.task_id);
        let rows = connection.fetch_all(AssertSqlSafe(query.clone())).await.unwrap_or_else(|e| panic!("{query}\n{e}"));
        assert!(!rows.is_empty(), "nothing found: {query}");
    }
}

#[tokio::test]
async fn sums_follow_the_episodes() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 1).await;
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    store.close().await.unwrap();

    // Somebody deletes episodes by hand; the check names the sums, and counting again mends them.
    let path = dir.path().join("terrarium.db");
    let mut connection = connect(&path).await;
    connection.execute("DELETE FROM episodes WHERE policy = 'expert' AND sample = 0").await.unwrap();
    connection.close().await.unwrap();
    let store = Store::open(&path).await.unwrap();
    let report = store.check().await.unwrap();
    let places: Vec<&str> = report.findings.iter().map(|f| f.place.as_str()).collect();
    let all = [
        "table task_totals",
        "table pass_counts",
        "table episode_totals",
        "table environment_totals",
        "table call_totals",
    ];
    assert_eq!(places, all);
    assert!(report.findings[0].detail.contains("--rebuild"), "{report:?}");
    store.rebuild_summaries().await.unwrap();
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// A database of format 1, as the program before wrote it: the same migration file, and rows without the later columns.
#[tokio::test]
async fn format_1_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("terrarium.db");
    let store = support::filled(dir.path(), 0).await;
    let before: Vec<_> = store.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap();
    store.close().await.unwrap();
    // Back to format 1: what the later migrations made goes away, and so do the notes that they ran.
    let mut connection = connect(&path).await;
    let undo = "ALTER TABLE environments DROP COLUMN cluster; ALTER TABLE tasks DROP COLUMN cluster; DROP VIEW results_judged; DROP VIEW task_totals_judged; DROP VIEW judged; DROP TABLE rescores; \
        ALTER TABLE episodes DROP COLUMN setup; ALTER TABLE episodes DROP COLUMN usage; ALTER TABLE episodes DROP COLUMN cuts; \
        ALTER TABLE episodes DROP COLUMN prompt_tokens; ALTER TABLE episodes DROP COLUMN completion_tokens; \
        ALTER TABLE traces DROP COLUMN texts; DROP VIEW scoreboard; DROP VIEW results; DROP VIEW task_totals_now; DROP VIEW pass_counts_now; DROP VIEW episode_totals_now; \
        DROP VIEW environment_totals_now; DROP VIEW call_totals_now; DROP TABLE task_totals; DROP TABLE pass_counts; DROP TABLE episode_totals; \
        DROP TABLE environment_totals; DROP TABLE call_totals; ALTER TABLE episodes DROP COLUMN text_bytes; \
        ALTER TABLE episodes DROP COLUMN tokens; ALTER TABLE episodes DROP COLUMN sampled_tokens; PRAGMA user_version = 1; \
        CREATE VIEW results AS SELECT 1; CREATE VIEW scoreboard AS SELECT 1; DELETE FROM _sqlx_migrations WHERE version >= 2";
    connection.execute(undo).await.unwrap();
    connection.close().await.unwrap();

    let store = Store::open(&path).await.unwrap();
    let after: Vec<_> = store.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(before, after);
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    store.close().await.unwrap();
    let mut connection = connect(&path).await;
    let row = connection
        .fetch_one("SELECT min(text_bytes), (SELECT sum(episodes) FROM task_totals) FROM episodes")
        .await
        .unwrap();
    assert!(row.get::<i64, _>(0) > 100 && row.get::<i64, _>(1) == 72);
}
