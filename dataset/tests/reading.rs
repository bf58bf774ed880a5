//! Reading while somebody writes, statistics, evaluation, checks and the documented views.

mod support;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};
use terrarium_dataset::eval::EvalRow;
use terrarium_dataset::{EpisodeFilter, Store, TaskFilter};
use terrarium_envs::environment::Split;
use terrarium_envs::episode::Episode;
use terrarium_envs::message::Message;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::task::Kind;

async fn filled(environments: usize, tasks: usize, samples: u32) -> (tempfile::TempDir, Store, Vec<Episode>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("terrarium.db")).await.unwrap();
    let mut all = Vec::new();
    for n in 0..environments {
        let environment = support::environment(n);
        let tasks: Vec<_> = (0..tasks).map(|n| support::task(&environment, n)).collect();
        store.put_environment_with_tasks(&environment, &tasks, None).await.unwrap();
        for task in &tasks {
            all.extend((0..samples).map(|s| support::episode(task, &environment.system, "expert", s, 4)));
        }
    }
    store.put_episodes(all.clone()).await.unwrap();
    (dir, store, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_sees_one_moment_while_others_write() {
    let (_dir, store, before) = filled(2, 40, 4).await;
    let mut cursor = store.episodes(&EpisodeFilter::default()).await.unwrap();
    let mut read = vec![cursor.next().await.unwrap().unwrap()];
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for environment in writer.environments(None).await.unwrap() {
            for task in writer
                .tasks(&TaskFilter { environment: Some(environment.id.clone()), ..TaskFilter::default() })
                .await
                .unwrap()
            {
                let new = (0..4).map(|s| support::episode(&task, &environment.system, "another", s, 4)).collect();
                writer.put_episodes(new).await.unwrap();
            }
        }
    });
    while let Some(episode) = cursor.next().await.unwrap() {
        read.push(episode);
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    assert!(read == before, "the cursor saw what was written after it was made");
    let second = Store::open_read_only(store.path()).await.unwrap();
    assert_eq!(
        second.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap().len(),
        2 * before.len()
    );
}

#[tokio::test]
async fn statistics_count_everything() {
    let (_dir, store, _) = filled(5, 6, 3).await;
    let stats = store.stats().await.unwrap();
    assert_eq!(
        (stats.tables["episodes"], stats.tables["steps"], stats.tables["tasks"], stats.tables["environments"]),
        (90, 360, 30, 5)
    );
    assert_eq!((stats.suites, stats.tools), (1, 10));
    assert_eq!((stats.environments["train"], stats.environments["test_suite"]), (2, 1));
    assert_eq!(stats.tasks[0], ("test_process".into(), "act".into(), 3));
    assert_eq!(stats.calls, Some((4.5, 7)));
    assert_eq!(stats.episodes, [("expert".into(), "failed".into(), 60), ("expert".into(), "solved".into(), 30)]);
    assert!(stats.bytes > 0 && stats.rejected.is_empty());
    let report = store.check().await.unwrap();
    assert!(report.is_sound() && report.checked["steps"] == 360, "{report:?}");
    store.quick_check().await.unwrap();
}

/// Four tasks of one environment with known numbers solved of 4 samples: 4, 2, 0, and one of which only broken runs are stored.
#[tokio::test]
async fn evaluation_agrees_with_hand_counts() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("terrarium.db")).await.unwrap();
    let environment = support::environment(0);
    let tasks: Vec<_> = (0..4).map(|n| support::task(&environment, n)).collect();
    store.put_environment_with_tasks(&environment, &tasks, None).await.unwrap();
    for (task, solved) in tasks.iter().zip([4, 2, 0, 0]) {
        for sample in 0..4 {
            let mut episode = support::episode(task, &environment.system, "dsa", sample, 2);
            episode.outcome = if sample < solved { Outcome::Solved } else { Outcome::OutOfTurns };
            if task.id == tasks[3].id {
                episode.outcome = Outcome::PolicyError;
            }
            episode.reward = episode.outcome.reward();
            store.put_episodes(vec![episode]).await.unwrap();
        }
    }
    let rows = store.eval(&EpisodeFilter::default(), 4).await.unwrap();
    let all: &EvalRow = &rows[0];
    assert_eq!((all.policy.as_str(), all.kind, all.calls), ("dsa", None, None));
    assert_eq!((all.tasks, all.episodes, all.scored, all.solved), (4, 16, 12, 6));
    let ks: Vec<_> = all.pass.iter().map(|p| (p.k, p.tasks, p.at.value, p.pow.value)).collect();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert_eq!(ks.iter().map(|k| (k.0, k.1)).collect::<Vec<_>>(), [(1, 3), (2, 3), (4, 3)]);
    assert!(near(ks[0].2, 0.5) && near(ks[0].3, 0.5));
    // Two of four solved: a pair has at least one with 5/6 and both with 1/6.
    assert!(near(ks[1].2, (1.0 + 5.0 / 6.0) / 3.0) && near(ks[1].3, (1.0 + 1.0 / 6.0) / 3.0));
    assert!(near(ks[2].2, 2.0 / 3.0) && near(ks[2].3, 1.0 / 3.0));
    assert!(all.pass[0].at.low > 0.09 && all.pass[0].at.high < 0.91);
    let ask: Vec<_> = rows.iter().filter(|r| r.kind == Some(Kind::Ask) && r.calls.is_none()).collect();
    assert_eq!((ask.len(), ask[0].tasks, ask[0].solved), (1, 2, 2));
    let bucket: Vec<_> = rows.iter().filter(|r| r.kind.is_none() && r.calls == Some((3, Some(4)))).collect();
    assert_eq!((bucket.len(), bucket[0].tasks), (1, 2), "tasks of 3 and 4 calls");
    let one_split = EpisodeFilter {
        tasks: TaskFilter { split: Some(Split::TestSuite), ..TaskFilter::default() },
        ..EpisodeFilter::default()
    };
    assert!(store.eval(&one_split, 4).await.unwrap().is_empty());
}

/// People with SQL see whole messages, although texts are stored once.
#[tokio::test]
async fn the_views_show_what_was_stored() {
    let (_dir, store, all) = filled(2, 2, 2).await;
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(store.path()).read_only(true))
            .await
            .unwrap();
    let episode = &all[5];
    let query = "SELECT role, content, call_id, calls FROM messages WHERE task_id = ? AND sample = ? ORDER BY number";
    let rows = sqlx::query(query)
        .bind(&episode.key.task_id)
        .bind(episode.key.sample)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows.len(), episode.messages.len());
    for (row, message) in rows.iter().zip(&episode.messages) {
        let content: String = row.get("content");
        let calls: serde_json::Value = serde_json::from_str(row.get("calls")).unwrap();
        match message {
            Message::System { content: c } | Message::User { content: c } => assert_eq!(&content, c),
            Message::Tool { content: c, call_id, .. } => {
                assert_eq!((&content, row.get::<&str, _>("call_id")), (c, call_id.as_str()))
            }
            Message::Assistant { content: c, calls: of, .. } => {
                assert_eq!(&content, c);
                assert_eq!(calls, serde_json::to_value(of).unwrap());
            }
        }
    }
    let scoreboard =
        sqlx::query("SELECT policy, split, kind, episodes, scored, solved FROM scoreboard ORDER BY split, kind");
    let scoreboard = scoreboard.fetch_all(&mut connection).await.unwrap();
    assert_eq!(scoreboard.len(), 4);
    let counts: (i64, i64, i64) =
        (scoreboard[0].get("episodes"), scoreboard[0].get("scored"), scoreboard[0].get("solved"));
    assert_eq!(counts, (2, 2, 1));
}
