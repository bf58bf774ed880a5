//! Two databases become one: nothing twice, nothing lost, conflicts named; and the kept sums follow.

mod support;

use std::path::Path;
use terrarium_dataset::merge::{MergeReport, Taken};
use terrarium_dataset::runs::RunStart;
use terrarium_dataset::{EpisodeFilter, Error, Store};
use terrarium_envs::clusters::Clusters;
use terrarium_envs::environment::Environment;
use terrarium_envs::episode::Episode;
use terrarium_envs::task::Task;

/// A store with environment `n`, its tasks 0..3, and samples of one policy, drawn with `luck`.
async fn made(path: &Path, n: usize, samples: std::ops::Range<u32>, luck: u64) -> (Store, Environment, Vec<Task>) {
    let store = Store::create(path).await.unwrap();
    store.put_meta("seed", "7").await.unwrap();
    let environment = support::environment(n);
    let tasks: Vec<Task> = (0..3).map(|n| support::task(&environment, n)).collect();
    store.put_environment_with_tasks(&environment, &tasks, None).await.unwrap();
    let mut episodes = Vec::new();
    for task in &tasks {
        for sample in samples.clone() {
            let mut episode = support::episode(task, &environment.system, "random", sample, 3);
            episode.seed = luck + u64::from(sample);
            episodes.push(episode);
        }
    }
    store.put_episodes(episodes).await.unwrap();
    let options = serde_json::json!({"samples": samples.len()});
    let start =
        RunStart { command: "rollout".into(), policy: Some("random".into()), seed: luck, version: "0".into(), options };
    let run = store.begin_run(&start).await.unwrap();
    store.put_metrics(run, 1, &[("reward", 0.5)]).await.unwrap();
    store.finish_run(run, &serde_json::json!({"done": true})).await.unwrap();
    (store, environment, tasks)
}

async fn all(store: &Store) -> Vec<Episode> {
    store.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap()
}

async fn merge(target: &Store, source: &Store, taken: Taken) -> MergeReport {
    let mut report = MergeReport::default();
    target.merge(source, taken, &mut report, |_| {}).await.unwrap();
    report
}

#[tokio::test]
async fn clusters_come_along_and_can_be_set_anew() {
    let dir = tempfile::tempdir().unwrap();
    let source = support::filled(dir.path(), 0).await;
    let target = Store::create(dir.path().join("all.db")).await.unwrap();
    merge(&target, &source, Taken::Conflict).await;
    let environment = support::environment(2);
    let tasks: Vec<Task> = (0..3).map(|n| support::task(&environment, n)).collect();
    let clusters = support::clusters(&environment, 3);
    assert_eq!(target.clusters(&environment.id, &tasks).await.unwrap(), clusters);
    // Clusters are no content: what has others is the same environment, and keeps its own.
    let other = Clusters { environment: "00000000000000bb".to_owned(), tasks: vec!["00000000000000cc".to_owned(); 3] };
    target.put_clustered(&environment, &tasks, &other, None).await.unwrap();
    assert_eq!(target.clusters(&environment.id, &tasks).await.unwrap(), clusters);
    target.set_clusters(&environment.id, &tasks, &other).await.unwrap();
    assert_eq!(target.clusters(&environment.id, &tasks).await.unwrap(), other);
}

#[tokio::test]
async fn merging_adds_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let (a, ..) = made(&dir.path().join("a.db"), 0, 0..2, 100).await;
    let (b, ..) = made(&dir.path().join("b.db"), 0, 1..4, 100).await;
    let (c, ..) = made(&dir.path().join("c.db"), 1, 0..2, 100).await;
    let target = Store::create(dir.path().join("all.db")).await.unwrap();
    for (source, episodes, known, tasks) in [(&a, 6, 0, 3), (&b, 6, 3, 0), (&c, 6, 0, 3)] {
        let report = merge(&target, source, Taken::Conflict).await;
        assert_eq!(report.conflict_count, 0, "{report:?}");
        assert_eq!((report.added["episodes"], report.known.get("episodes").copied().unwrap_or(0)), (episodes, known));
        assert_eq!(report.added["tasks"], tasks);
        // The same again adds nothing.
        let again = merge(&target, source, Taken::Conflict).await;
        assert!(again.added.values().all(|n| *n == 0) && again.conflict_count == 0, "{again:?}");
    }
    assert_eq!(all(&target).await.len(), 18);
    assert_eq!(target.runs().await.unwrap().len(), 2, "a and c have the same run, b another");
    assert_eq!(target.metric(1, "reward").await.unwrap(), [(1, 0.5)]);
    let check = target.check().await.unwrap();
    assert!(check.is_sound(), "{check:?}");
}

#[tokio::test]
async fn conflicts_are_named_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (target, ..) = made(&dir.path().join("a.db"), 0, 0..2, 100).await;
    let (other, environment, tasks) = made(&dir.path().join("b.db"), 0, 0..3, 500).await;
    let before = all(&target).await;
    let report = merge(&target, &other, Taken::Conflict).await;
    assert_eq!((report.conflict_count, report.added["episodes"]), (6, 3));
    assert!(report.conflicts[0].contains("b.db: episode") && report.conflicts[0].contains("@random#0"), "{report:?}");
    assert!(before.iter().all(|e| all_contains(&before, e)));
    // What was there stays as it was.
    let after = all(&target).await;
    assert!(before.iter().all(|e| all_contains(&after, e)) && after.len() == 9);
    // Under other numbers they all fit, once.
    let report = merge(&target, &other, Taken::Renumber).await;
    assert_eq!((report.renumbered, report.conflict_count, all(&target).await.len()), (6, 0, 15));
    let report = merge(&target, &other, Taken::Renumber).await;
    assert_eq!((report.renumbered, report.conflict_count, all(&target).await.len()), (0, 0, 15));
    assert!(target.check().await.unwrap().is_sound());

    // Another environment under the same id.
    let third = Store::create(dir.path().join("c.db")).await.unwrap();
    let mut changed = environment;
    changed.title.push('!');
    third.put_environment_with_tasks(&changed, &tasks, None).await.unwrap();
    third.put_episodes(vec![support::episode(&tasks[0], &changed.system, "expert", 0, 2)]).await.unwrap();
    let report = merge(&target, &third, Taken::Conflict).await;
    assert_eq!(report.conflict_count, 2, "the environment and its episode: {report:?}");
    assert!(report.conflicts[0].contains(&format!("environment {}", changed.id)), "{report:?}");

    // Another task under the same id.
    let fourth = Store::create(dir.path().join("d.db")).await.unwrap();
    let mut other_tasks = tasks.clone();
    other_tasks[1].prompt.push('!');
    let environment = support::environment(0);
    fourth.put_environment_with_tasks(&environment, &other_tasks, None).await.unwrap();
    let report = merge(&target, &fourth, Taken::Conflict).await;
    assert!(report.conflict_count == 1 && report.conflicts[0].contains(&tasks[1].id), "{report:?}");
}

fn all_contains(all: &[Episode], episode: &Episode) -> bool {
    all.iter().any(|e| e == episode)
}

#[tokio::test]
async fn a_database_is_not_merged_into_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let (target, ..) = made(&path, 0, 0..1, 1).await;
    let same = Store::open_read_only(&path).await.unwrap();
    let mut report = MergeReport::default();
    let error = target.merge(&same, Taken::Conflict, &mut report, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
}
