//! A process killed at any moment loses at most what was in flight; run again, it ends with the same content as an unbroken run.
//!
//! The test starts its own binary again as the victim (`victim` below, told by a variable what to do).

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use terrarium_dataset::export::{ExportOptions, Format, export};
use terrarium_dataset::{EpisodeFilter, RejectedExample, Store, Synthesis, TaskFilter};
use terrarium_envs::sink::EpisodeSink;

const ROLE: &str = "TERRARIUM_TEST_VICTIM";
const CANDIDATES: u64 = 60;
const OPTIONS: &str = "victim";

/// Not a test of its own: the process that is killed.
#[tokio::test]
async fn victim() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, dir) = role.split_once(' ').unwrap();
    let store = Store::open_or_create(Path::new(dir).join("terrarium.db")).await.unwrap();
    match role {
        "synthesize" => synthesize(&store).await,
        "roll-out" => roll_out(&store).await,
        "export" => loop {
            export(&store, &ExportOptions::new(Format::OpenAi), &Path::new(dir).join("out")).await.unwrap();
        },
        other => panic!("unknown role {other}"),
    }
}

/// Candidates by index: every third is refused.
async fn synthesize(store: &Store) {
    let start = store
        .synthesis(OPTIONS)
        .await
        .unwrap()
        .unwrap_or(Synthesis { options: OPTIONS.into(), ..Synthesis::default() });
    let mut progress = Synthesis { examples: Vec::new(), ..start };
    for index in progress.next_index..CANDIDATES {
        progress.next_index = index + 1;
        progress.state = serde_json::json!({"seen": index});
        if index % 3 == 2 {
            *progress.rejected.entry("duplicate".into()).or_default() += 1;
            progress.examples.push(RejectedExample {
                candidate: index,
                reason: "duplicate".into(),
                detail: "seen".into(),
            });
            continue;
        }
        let environment = support::environment(index as usize);
        let tasks: Vec<_> = (0..20).map(|n| support::task(&environment, n)).collect();
        store.put_environment_with_tasks(&environment, &tasks, Some(&progress)).await.unwrap();
        progress.examples.clear();
    }
    store.put_synthesis(&progress).await.unwrap();
}

/// Every task that has no episode yet, in batches.
async fn roll_out(store: &Store) {
    let done = store.stored("expert").await.unwrap();
    let mut batch = Vec::new();
    for environment in store.environments(None).await.unwrap() {
        for task in store
            .tasks(&TaskFilter { environment: Some(environment.id.clone()), ..TaskFilter::default() })
            .await
            .unwrap()
        {
            let mut episode = support::episode(&task, &environment.system, "expert", 0, 6);
            episode.traces = support::traces(2);
            if !done.contains(&episode.key.task_id, episode.key.sample) {
                batch.push(episode);
            }
            if batch.len() == 16 {
                store.put(std::mem::take(&mut batch)).await.unwrap();
            }
        }
    }
    store.put(batch).await.unwrap();
}

fn start(role: &str, dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
        .env(ROLE, format!("{role} {}", dir.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills `role` again and again, a little later each time, until it gets through by itself. Gives the number of kills.
async fn kill_until_done(role: &str, dir: &Path) -> u32 {
    for kills in 0.. {
        let mut child = start(role, dir);
        let lifetime = Duration::from_millis(6 + u64::from(kills * kills));
        let began = std::time::Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if began.elapsed() >= lifetime {
                break None;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        match ended {
            Some(status) => {
                assert!(status.success(), "{role} failed after {kills} kills");
                return kills;
            }
            None => {
                child.kill().unwrap(); // SIGKILL
                child.wait().unwrap();
            }
        }
        // Whatever was cut off, the database is sound.
        if dir.join("terrarium.db").metadata().is_ok_and(|m| m.len() > 0) {
            match Store::open(dir.join("terrarium.db")).await {
                Ok(store) => {
                    let report = store.check().await.unwrap();
                    assert!(report.is_sound(), "after {kills} kills: {:?}", report.findings);
                    store.close().await.unwrap();
                }
                Err(error) => {
                    assert!(matches!(error, terrarium_dataset::Error::Empty { .. }), "after {kills} kills: {error}")
                }
            }
        }
        assert!(kills < 200, "{role} never gets through");
    }
    unreachable!()
}

#[tokio::test]
async fn a_killed_run_goes_on_and_ends_with_the_same_content() {
    let broken = tempfile::tempdir().unwrap();
    let kills = kill_until_done("synthesize", broken.path()).await + kill_until_done("roll-out", broken.path()).await;
    assert!(kills > 2, "nothing was interrupted");

    let unbroken = tempfile::tempdir().unwrap();
    let whole = Store::create(unbroken.path().join("terrarium.db")).await.unwrap();
    synthesize(&whole).await;
    roll_out(&whole).await;

    let mended = Store::open(broken.path().join("terrarium.db")).await.unwrap();
    assert!(mended.environments(None).await.unwrap() == whole.environments(None).await.unwrap());
    assert!(mended.tasks(&TaskFilter::default()).await.unwrap() == whole.tasks(&TaskFilter::default()).await.unwrap());
    assert_eq!(mended.synthesis(OPTIONS).await.unwrap(), whole.synthesis(OPTIONS).await.unwrap());
    let (a, b) = (
        mended.episodes(&EpisodeFilter::default()).await.unwrap(),
        whole.episodes(&EpisodeFilter::default()).await.unwrap(),
    );
    assert!(a.collect().await.unwrap() == b.collect().await.unwrap());
    for store in [&mended, &whole] {
        let dir = store.path().parent().unwrap().join("export");
        export(store, &ExportOptions::new(Format::OpenAi), &dir).await.unwrap();
    }
    for name in ["train.jsonl", "validation.jsonl", "test_suite.jsonl", "test_process.jsonl", "README.md"] {
        let read = |dir: &Path| std::fs::read(dir.join("export").join(name)).unwrap();
        assert!(read(broken.path()) == read(unbroken.path()), "{name} differs");
    }
}

#[tokio::test]
async fn a_killed_export_leaves_no_torn_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("terrarium.db")).await.unwrap();
    synthesize(&store).await;
    roll_out(&store).await;
    let expected_dir = dir.path().join("expected");
    let summary = export(&store, &ExportOptions::new(Format::OpenAi), &expected_dir).await.unwrap();
    let mut leftovers = 0;
    for n in 0..12 {
        let mut child = start("export", dir.path());
        tokio::time::sleep(Duration::from_millis(25 + n * 13)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let Ok(listing) = std::fs::read_dir(dir.path().join("out")) else { continue };
        for entry in listing {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') {
                leftovers += 1;
            } else {
                assert!(
                    std::fs::read(entry.path()).unwrap() == std::fs::read(expected_dir.join(&name)).unwrap(),
                    "{name} is torn"
                );
            }
        }
    }
    eprintln!("{leftovers} unfinished files were left by 12 killed exports");
    export(&store, &ExportOptions::new(Format::OpenAi), &dir.path().join("out")).await.unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path().join("out")).unwrap().count(),
        summary.files.len(),
        "leftovers are cleaned up"
    );
}
