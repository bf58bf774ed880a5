//! Later verdicts stand beside the first ones: never overwritten, merged, checked, and used by exports that ask for them.

mod support;

use serde_json::Value;
use std::path::Path;
use terrarium_dataset::export::{ExportOptions, Format, export};
use terrarium_dataset::merge::{MergeReport, Taken};
use terrarium_dataset::rescores::{Recorded, Verdict};
use terrarium_dataset::{EpisodeFilter, Expression, Selection, Store, Subject};
use terrarium_envs::episode::EpisodeKey;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::verifier::Check;

fn verdict(verifier: &str, outcome: Outcome) -> Verdict {
    let checks =
        vec![Check { name: "answer".into(), passed: outcome == Outcome::Solved, detail: "judged again".into() }];
    Verdict { verifier: verifier.into(), outcome, reward: outcome.reward(), error: None, checks }
}

async fn keys(store: &Store, policy: &str) -> Vec<EpisodeKey> {
    let filter = EpisodeFilter { policies: vec![policy.into()], ..EpisodeFilter::default() };
    let episodes = store.episodes(&filter).await.unwrap().collect().await.unwrap();
    episodes.into_iter().map(|episode| episode.key).collect()
}

/// `task policy sample outcome` of the exported rows.
async fn rows(store: &Store, dir: &Path, selection: Selection, format: Format) -> Vec<String> {
    let out = dir.join("out");
    export(store, &ExportOptions { selection, ..ExportOptions::new(format) }, &out).await.unwrap();
    let mut rows = Vec::new();
    for split in ["train", "validation", "test_suite", "test_process"] {
        let text = std::fs::read_to_string(out.join(format!("{split}.jsonl"))).unwrap_or_default();
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            rows.push(format!("{} {} {} {}", row["task_id"], row["policy"], row["sample"], row["outcome"]));
        }
    }
    rows
}

async fn selection(text: &str, subject: Subject, rescored: bool) -> Selection {
    Selection { expression: Some(Expression::check(text, subject).await.unwrap()), rescored, ..Selection::default() }
}

#[tokio::test]
async fn a_verdict_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let key = keys(&store, "expert").await.remove(0);
    let first = store.episode(&key).await.unwrap();
    let failed = (key.clone(), verdict("1-a", Outcome::Failed));
    let added = store.put_verdicts(std::slice::from_ref(&failed)).await.unwrap();
    assert_eq!(added, Recorded { added: 1, known: 0, contradicted: Vec::new() });
    assert_eq!(store.put_verdicts(std::slice::from_ref(&failed)).await.unwrap().known, 1);
    let other = [(key.clone(), verdict("1-a", Outcome::Solved)), (key.clone(), verdict("2-a", Outcome::Solved))];
    let recorded = store.put_verdicts(&other).await.unwrap();
    assert_eq!((recorded.added, recorded.contradicted), (1, vec![key.clone()]));
    let names: Vec<_> = store.verdicts(&key).await.unwrap().into_iter().map(|v| (v.verifier, v.outcome)).collect();
    assert_eq!(names, [("1-a".to_owned(), Outcome::Failed), ("2-a".to_owned(), Outcome::Solved)]);
    assert_eq!(store.episode(&key).await.unwrap(), first, "the first verdict stays");
    let report = store.check().await.unwrap();
    assert!(report.is_sound() && report.checked["rescores"] == 2, "{report:?}");

    // A reward that does not fit its outcome is refused, with all that came with it.
    let wrong = Verdict { reward: Some(1.0), ..verdict("3-a", Outcome::Failed) };
    let both = [(key.clone(), verdict("4-a", Outcome::Solved)), (key.clone(), wrong)];
    assert!(store.put_verdicts(&both).await.is_err());
    assert_eq!(store.verdicts(&key).await.unwrap().len(), 2);
}

#[tokio::test]
async fn exports_use_the_newest_verdicts_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let solved = || Selection::from(EpisodeFilter { outcomes: vec![Outcome::Solved], ..EpisodeFilter::default() });
    let before = rows(&store, dir.path(), solved(), Format::OpenAi).await;
    assert_eq!(before.len(), 24);
    // Of one task, the solved episode turns out failed, the failed one solved; the newest verdict counts.
    let of_task: Vec<_> = keys(&store, "expert").await.into_iter().take(3).collect();
    let changed = [
        (of_task[0].clone(), verdict("1-a", Outcome::Solved)),
        (of_task[2].clone(), verdict("1-a", Outcome::Failed)),
        (of_task[0].clone(), verdict("2-a", Outcome::Failed)),
        (of_task[2].clone(), verdict("2-a", Outcome::Solved)),
    ];
    store.put_verdicts(&changed).await.unwrap();

    assert_eq!(rows(&store, dir.path(), solved(), Format::OpenAi).await, before, "only when asked");
    let after = rows(&store, dir.path(), Selection { rescored: true, ..solved() }, Format::OpenAi).await;
    let place = |rows: &[String], key: &EpisodeKey| {
        let begin = format!("\"{}\" \"{}\" {} ", key.task_id, key.policy, key.sample);
        rows.iter().any(|row| row.starts_with(&begin))
    };
    assert_eq!(after.len(), 24);
    assert!(!place(&after, &of_task[0]) && place(&after, &of_task[2]));
    assert!(place(&before, &of_task[0]) && !place(&before, &of_task[2]));
    let card = std::fs::read_to_string(dir.path().join("out/README.md")).unwrap();
    assert!(card.contains("1 of 24 episodes carry the newest verdict"), "{card}");

    // Conditions, groups, pairs and tasks see them too.
    store.put_verdicts(&[(of_task[2].clone(), verdict("3-a", Outcome::Failed))]).await.unwrap();
    let task = &of_task[0].task_id;
    for (rescored, reward, rate) in [(false, 1, 1), (true, 0, 0)] {
        let text = format!("task_id = '{task}' AND policy = 'expert' AND reward = 1");
        let found = rows(&store, dir.path(), selection(&text, Subject::Episode, rescored).await, Format::OpenAi).await;
        assert_eq!(found.len(), reward, "{found:?}");
        let text = format!("task_id = '{task}' AND policy = 'expert' AND pass_rate = 0");
        let found = rows(&store, dir.path(), selection(&text, Subject::Episode, rescored).await, Format::OpenAi).await;
        assert_eq!(found.is_empty(), rate == 1, "{found:?}");
        let text = format!("task_id = '{task}' AND solved = 2");
        let found = rows(&store, dir.path(), selection(&text, Subject::Task, rescored).await, Format::TrlGrpo).await;
        assert_eq!(found.len(), rate);
    }
    let all = Selection { rescored: true, ..Selection::default() };
    let pairs = rows(&store, dir.path(), all, Format::TrlDpo).await;
    assert!(!pairs.is_empty());
}

#[tokio::test]
async fn merging_brings_verdicts_along() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, into) = (support::filled(a.path(), 0).await, support::filled(b.path(), 1).await);
    let keys = keys(&from, "expert").await;
    from.put_verdicts(&[
        (keys[0].clone(), verdict("2-a", Outcome::Failed)),
        (keys[2].clone(), verdict("2-a", Outcome::Solved)),
    ])
    .await
    .unwrap();
    into.put_verdicts(&[(keys[2].clone(), verdict("2-a", Outcome::Failed))]).await.unwrap();
    let mut report = MergeReport::default();
    into.merge(&from, Taken::Conflict, &mut report, |_| ()).await.unwrap();
    assert_eq!((report.added["rescores"], report.conflict_count), (1, 1), "{report:?}");
    assert!(report.conflicts[0].contains("says something else"), "{report:?}");
    assert_eq!(into.verdicts(&keys[0]).await.unwrap(), from.verdicts(&keys[0]).await.unwrap());
    assert_eq!(into.verdicts(&keys[2]).await.unwrap()[0].outcome, Outcome::Failed, "what was there stays");
    let mut again = MergeReport::default();
    into.merge(&from, Taken::Conflict, &mut again, |_| ()).await.unwrap();
    assert_eq!((again.added["rescores"], again.known["rescores"]), (0, 1));
    assert!(into.check().await.unwrap().is_sound());
}
