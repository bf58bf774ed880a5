//! Store then load is identity, whatever was stored.

mod support;

use proptest::prelude::*;
use serde_json::json;
use terrarium_dataset::{EpisodeFilter, Error, RejectedExample, Store, Synthesis, TaskFilter};
use terrarium_envs::budget::Budget;
use terrarium_envs::context::Cut;
use terrarium_envs::environment::Split;
use terrarium_envs::episode::{Episode, EpisodeKey, Step, TokenTrace};
use terrarium_envs::message::{Message, MessageCall};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::setup::{Fork, Setup, UserKind};
use terrarium_envs::sink::EpisodeSink;
use terrarium_envs::task::Kind;
use terrarium_envs::usage::Usage;
use terrarium_envs::verifier::Check;

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("terrarium.db")).await.unwrap();
    (dir, store)
}

#[tokio::test]
async fn environments_and_tasks_come_back_equal_and_in_order() {
    let (dir, store) = store().await;
    let environments: Vec<_> = (0..5).rev().map(support::environment).collect();
    for environment in &environments {
        let tasks: Vec<_> = (0..7).map(|n| support::task(environment, n)).collect();
        store.put_environment_with_tasks(environment, &tasks, None).await.unwrap();
        // The same again changes nothing.
        store.put_environment_with_tasks(environment, &tasks, None).await.unwrap();
    }
    store.close().await.unwrap();
    assert!(!dir.path().join("terrarium.db-wal").exists(), "closing folds the log in");

    let store = Store::open(dir.path().join("terrarium.db")).await.unwrap();
    let mut expected = environments.clone();
    expected.reverse();
    assert_eq!(store.environments(None).await.unwrap(), expected);
    assert_eq!(store.environments(Some(Split::Validation)).await.unwrap(), vec![support::environment(1)]);
    assert_eq!(store.environment(&expected[3].id).await.unwrap(), expected[3]);
    // In the order they were stored.
    assert_eq!(store.signatures().await.unwrap()[0], (environments[0].id.clone(), environments[0].signature.clone()));
    let as_stored: Vec<_> = environments.iter().map(|e| e.id.clone()).collect();
    assert_eq!(store.environment_ids_as_stored().await.unwrap(), as_stored);
    let all: Vec<_> = expected.iter().flat_map(|e| (0..7).map(|n| support::task(e, n))).collect();
    assert_eq!(store.tasks(&TaskFilter::default()).await.unwrap(), all);
    assert_eq!(store.task(&all[9].id).await.unwrap(), all[9]);

    let ask = TaskFilter { kinds: vec![Kind::Ask], split: Some(Split::Train), limit: Some(4), ..TaskFilter::default() };
    let wanted: Vec<_> =
        all.iter().filter(|t| t.kind == Kind::Ask && t.split == Split::Train).take(4).cloned().collect();
    assert_eq!(store.tasks(&ask).await.unwrap(), wanted);
    let of_environment = TaskFilter {
        environment: Some(expected[2].id.clone()),
        suite: Some("library-desk".into()),
        ..TaskFilter::default()
    };
    assert_eq!(store.tasks(&of_environment).await.unwrap().len(), 7);
    let none = TaskFilter { suite: Some("no-such".into()), ..TaskFilter::default() };
    assert_eq!(store.task_ids(&none).await.unwrap(), Vec::<String>::new());
    let ids = TaskFilter { ids: vec![all[3].id.clone(), all[1].id.clone()], ..TaskFilter::default() };
    assert_eq!(store.task_ids(&ids).await.unwrap(), vec![all[1].id.clone(), all[3].id.clone()]);
}

#[tokio::test]
async fn an_id_keeps_its_content() {
    let (_dir, store) = store().await;
    let environment = support::environment(0);
    let task = support::task(&environment, 0);
    store.put_environment_with_tasks(&environment, std::slice::from_ref(&task), None).await.unwrap();
    let mut other = environment.clone();
    other.system.push('!');
    let error = store.put_environment_with_tasks(&other, &[], None).await.unwrap_err();
    assert!(matches!(&error, Error::Differs { what: "environment", id } if *id == environment.id), "{error}");
    let mut changed = task.clone();
    changed.prompt.push('!');
    let error = store.put_tasks(&environment.id, &[support::task(&environment, 1), changed]).await.unwrap_err();
    assert!(matches!(&error, Error::Differs { what: "task", id } if *id == task.id), "{error}");
    assert_eq!(store.tasks(&TaskFilter::default()).await.unwrap(), vec![task], "a refused call stores nothing");
    let stranger = support::task(&support::environment(1), 0);
    assert!(matches!(store.put_tasks(&environment.id, &[stranger]).await, Err(Error::Refused { .. })));
    assert!(matches!(
        store.put_tasks("nowhere-000000000000", &[]).await,
        Err(Error::Unknown { what: "environment", .. })
    ));
}

#[tokio::test]
async fn episodes_come_back_equal_and_ordered_whatever_the_batch() {
    let (_dir, store) = store().await;
    let mut all = Vec::new();
    for n in 0..3 {
        let environment = support::environment(n);
        let tasks: Vec<_> = (0..9).map(|n| support::task(&environment, n)).collect();
        store.put_environment_with_tasks(&environment, &tasks, None).await.unwrap();
        for task in &tasks {
            for policy in ["dsa", "expert"] {
                for sample in 0..11 {
                    let mut episode = support::episode(task, &environment.system, policy, sample, 1 + sample as usize);
                    if policy == "dsa" {
                        episode.traces = support::traces(sample);
                    }
                    all.push(episode);
                }
            }
        }
    }
    // Stored in an order that has nothing to do with the keys, in batches of changing size.
    let mut shuffled: Vec<Episode> = (0..all.len()).map(|i| all[i * 331 % all.len()].clone()).collect();
    let mut size = 1;
    while !shuffled.is_empty() {
        let batch = shuffled.split_off(shuffled.len().saturating_sub(size));
        store.put(batch).await.unwrap();
        size += 17;
    }
    let read = store.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(read.len(), all.len());
    assert!(read == all, "what was read differs from what was stored");

    let some = EpisodeFilter {
        policies: vec!["dsa".into()],
        outcomes: vec![Outcome::Solved],
        limit: Some(150),
        ..EpisodeFilter::default()
    };
    let wanted: Vec<_> =
        all.iter().filter(|e| e.key.policy == "dsa" && e.outcome == Outcome::Solved).take(150).cloned().collect();
    assert!(wanted.len() < 150 && store.episodes(&some).await.unwrap().collect().await.unwrap() == wanted);
    let bare = EpisodeFilter { without_traces: true, limit: Some(3), ..EpisodeFilter::default() };
    let bare = store.episodes(&bare).await.unwrap().collect().await.unwrap();
    assert!(bare.len() == 3 && bare.iter().all(|e| e.traces.is_empty()));
    assert_eq!(store.episode(&all[100].key).await.unwrap(), all[100]);
    assert_eq!(store.stored("expert").await.unwrap().len(), all.len() as u64 / 2);
    assert!(store.stored("noop").await.unwrap().is_empty());
}

#[tokio::test]
async fn refusals_name_the_episode_and_store_nothing() {
    let (_dir, store) = store().await;
    let environment = support::environment(0);
    let task = support::task(&environment, 0);
    store.put_environment_with_tasks(&environment, std::slice::from_ref(&task), None).await.unwrap();
    let episode = |sample| support::episode(&task, &environment.system, "expert", sample, 3);
    store.put_episodes(vec![episode(0)]).await.unwrap();
    let error = store.put_episodes(vec![episode(1), episode(0)]).await.unwrap_err();
    assert!(matches!(error, Error::EpisodeExists { sample: 0, .. }), "{error}");
    let mut stranger = episode(2);
    stranger.key.task_id = format!("{}/ffffffff", environment.id);
    let error = store.put_episodes(vec![episode(1), stranger]).await.unwrap_err();
    assert!(matches!(error, Error::Unknown { what: "task", .. }), "{error}");
    let mut lost = episode(2);
    lost.environment_id = "nowhere-000000000000".into();
    assert!(matches!(store.put_episodes(vec![lost]).await.unwrap_err(), Error::Unknown { what: "environment", .. }));
    // A broken run is never a zero, and a finished one never without a reward.
    for (outcome, reward) in [
        (Outcome::Trap, Some(0.0)),
        (Outcome::Failed, None),
        (Outcome::Solved, Some(0.0)),
        (Outcome::OutOfTurns, Some(1.0)),
    ] {
        let wrong = Episode { outcome, reward, ..episode(3) };
        assert!(
            matches!(store.put_episodes(vec![wrong]).await.unwrap_err(), Error::Refused { .. }),
            "{outcome:?} {reward:?}"
        );
    }
    let samples = store.stored_samples("expert").await.unwrap();
    assert!(samples.len() == 1 && samples.contains(&episode(0).key.task_id, 0));
    store.put_episodes(vec![episode(1)]).await.unwrap();
    let missing = EpisodeKey { task_id: task.id.clone(), policy: "noop".into(), sample: 0 };
    assert!(matches!(store.episode(&missing).await.unwrap_err(), Error::Unknown { what: "episode", .. }));
}

#[tokio::test]
async fn progress_runs_metrics_and_facts_come_back() {
    let (_dir, store) = store().await;
    assert_eq!(store.synthesis("abc").await.unwrap(), None);
    let example =
        |candidate| RejectedExample { candidate, reason: "duplicate".into(), detail: "like library-desk-0".into() };
    let mut progress = Synthesis {
        options: "abc".into(),
        next_index: 17,
        rejected: [("duplicate".to_owned(), 2)].into(),
        state: json!({"tasks": 12, "share": 0.1}),
        examples: vec![example(3)],
    };
    store.put_environment_with_tasks(&support::environment(0), &[], Some(&progress)).await.unwrap();
    assert_eq!(store.synthesis("abc").await.unwrap(), Some(progress.clone()));
    progress.next_index = 20;
    progress.examples = vec![example(9)];
    store.put_synthesis(&progress).await.unwrap();
    progress.examples = vec![example(3), example(9)];
    assert_eq!(store.synthesis("abc").await.unwrap(), Some(progress));

    let start = terrarium_dataset::runs::RunStart {
        command: "train grpo".into(),
        policy: Some("dsa".into()),
        seed: u64::MAX,
        version: "0.1.0".into(),
        options: json!({"lr": 1e-5}),
    };
    let id = store.begin_run(&start).await.unwrap();
    store.put_metrics(id, 0, &[("loss", 2.5), ("reward", f64::NAN)]).await.unwrap();
    store.put_metrics(id, 1, &[("loss", 2.25)]).await.unwrap();
    assert_eq!(store.metric(id, "loss").await.unwrap(), vec![(0, 2.5), (1, 2.25)]);
    assert_eq!(store.metric(id, "reward").await.unwrap(), vec![]);
    assert_eq!(store.runs().await.unwrap()[0].summary, None);
    store.finish_run(id, &json!({"steps": 2})).await.unwrap();
    let run = store.runs().await.unwrap().remove(0);
    assert_eq!((run.id, run.start, run.summary), (1, start, Some(json!({"steps": 2}))));
    assert!(matches!(store.finish_run(9, &json!({})).await.unwrap_err(), Error::Unknown { what: "run", .. }));

    store.put_meta("seed", "7").await.unwrap();
    store.put_meta("seed", "8").await.unwrap();
    assert_eq!(store.meta().await.unwrap(), [("seed".to_owned(), "8".to_owned())].into());
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z{}\":, ]{0,20}",
        "\\PC{0,12}",
        Just("\0\u{1}\n\"\\ü“”🦀".to_owned()),
        Just("the system".to_owned())
    ]
}

fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![4 => (0..4u32).prop_map(|n| format!("call_{n}")), 1 => any_text()]
}

fn any_message() -> impl Strategy<Value = Message> {
    let call = (any_id(), any_text(), any_text()).prop_map(|(id, name, arguments)| MessageCall { id, name, arguments });
    prop_oneof![
        any_text().prop_map(|content| Message::System { content }),
        any_text().prop_map(|content| Message::User { content }),
        (any_text(), any_text(), prop::collection::vec(call, 0..4))
            .prop_map(|(content, reasoning, calls)| Message::Assistant { content, reasoning, calls }),
        (any_id(), any_text(), any_text()).prop_map(|(call_id, name, content)| Message::Tool {
            call_id,
            name,
            content
        }),
    ]
}

prop_compose! {
    fn any_step()(call_id in any_id(), tool in any_text(), arguments in any_text(), result in any_text(), diff in any_text(),
        turn in any::<u32>(), fuel in any::<u64>()) -> Step
    {
        Step { turn, call_id, tool, arguments, result, outcome: "ok".into(), diff, fuel, elapsed_us: fuel / 3 }
    }
}

prop_compose! {
    fn any_trace()(turn in any::<u32>(), prompt_ids in prop::collection::vec(0..3u32, 0..6), token_ids in prop::collection::vec(0..3u32, 0..4),
        logprobs in prop::collection::vec(-1e3f32..0.0, 0..4), experts in prop::collection::vec(any::<u16>(), 0..4), finish in any_text()) -> TokenTrace
    {
        let texts = token_ids.iter().map(|id| format!("t\"{id}")).collect();
        TokenTrace { turn, prompt_ids, token_ids, texts, logprobs, experts, finish }
    }
}

prop_compose! {
    fn any_episode()(messages in prop::collection::vec(any_message(), 0..8), steps in prop::collection::vec(any_step(), 0..6),
        traces in prop::collection::vec(any_trace(), 0..4), outcome in prop::sample::select(Outcome::ALL.to_vec()),
        answer in prop::option::of(any_text()), error in prop::option::of(any_text()), seed in any::<u64>(),
        (name, passed, detail) in (any_text(), any::<bool>(), any_text())) -> Episode
    {
        Episode {
            key: EpisodeKey { task_id: String::new(), policy: "p".into(), sample: 0 },
            environment_id: String::new(),
            seed, outcome, reward: outcome.reward(),
            checks: vec![Check { name, passed, detail }],
            answer, error, messages, steps, traces,
            setup: Setup {
                user: UserKind::Model,
                budget: Budget { time: Some(std::time::Duration::from_millis(seed >> 30)), ..Budget::default() },
                fork: Some(Fork { policy: "p".into(), sample: 1, seed, steps: 2 }),
                ..Setup::default()
            },
            usage: vec![Usage { turn: 1, prompt: seed >> 20, cached: 1, completion: seed >> 40, reasoning: 0 }],
            cuts: vec![Cut { at: 5, before: 3, summary: passed.then(|| "s\n".to_owned()) }],
            turns: 3, elapsed_us: seed,
        }
    }
}

/// Makes results and arguments of some messages equal to their steps, as in real episodes, so that texts are left out.
fn align(episode: &mut Episode) {
    for (n, message) in episode.messages.iter_mut().enumerate() {
        let step = |id: &str| episode.steps.iter().filter(|s| s.call_id == id).nth(n % 2).cloned();
        match message {
            Message::Tool { call_id, name, content } => {
                if let Some(step) = step(call_id) {
                    (*name, *content) = (step.tool, step.result);
                }
            }
            Message::Assistant { calls, .. } => {
                for call in calls {
                    if let Some(step) = step(&call.id) {
                        (call.name, call.arguments) = (step.tool, step.arguments);
                    }
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any episode, however unlike a real one, comes back equal.
    #[test]
    fn any_episode_comes_back_equal(mut episodes in prop::collection::vec(any_episode(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_dir, store) = store().await;
            let mut environment = support::environment(0);
            environment.system = "the system".into();
            let task = support::task(&environment, 0);
            store.put_environment_with_tasks(&environment, std::slice::from_ref(&task), None).await.unwrap();
            for (n, episode) in episodes.iter_mut().enumerate() {
                episode.key.task_id.clone_from(&task.id);
                episode.environment_id.clone_from(&environment.id);
                episode.key.sample = n as u32;
                align(episode);
            }
            store.put_episodes(episodes.clone()).await.unwrap();
            let read = store.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap();
            assert_eq!(read, episodes);
        });
    }
}
