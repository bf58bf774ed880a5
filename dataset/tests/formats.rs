//! Every format: what its rows hold, that their bytes depend on nothing but the episodes, and what selections leave.

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use terrarium_dataset::export::{Container, ExportOptions, ExportSummary, Format, Unit, export};
use terrarium_dataset::{EpisodeFilter, Error, Expression, Selection, Store, Subject, TaskFilter};
use terrarium_envs::environment::Split;
use terrarium_envs::episode::EpisodeKey;
use terrarium_envs::outcome::Outcome;

async fn write(store: &Store, options: &ExportOptions, dir: &Path) -> (ExportSummary, Vec<Value>) {
    let summary = export(store, options, dir).await.unwrap();
    let mut rows = Vec::new();
    for file in summary.files.iter().filter(|f| f.split.is_some()) {
        let bytes = std::fs::read(dir.join(&file.name)).unwrap();
        let text = match options.container {
            Container::JsonlZst => zstd::decode_all(bytes.as_slice()).unwrap(),
            _ => bytes,
        };
        rows.extend(String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    assert_eq!(summary.rows, rows.len() as u64);
    (summary, rows)
}

/// Adds an episode with token traces and one that never began to a filled store.
async fn extended(dir: &Path, order: usize) -> Store {
    let store = support::filled(dir, order).await;
    let environment = support::environment(0);
    let task = support::task(&environment, 0);
    let mut traced = support::episode(&task, &environment.system, "dsa", 0, 3);
    traced.traces = support::traces(3);
    let mut empty = support::episode(&task, &environment.system, "dsa", 1, 1);
    (empty.outcome, empty.reward, empty.turns) = (Outcome::HarnessError, None, 0);
    empty.messages.clear();
    empty.steps.clear();
    store.put_episodes(vec![traced, empty]).await.unwrap();
    store
}

#[tokio::test]
async fn every_format_has_the_same_bytes_for_the_same_episodes() {
    let mut digests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for order in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let store = extended(dir.path(), order).await;
        for format in Format::ALL {
            for container in Container::ALL {
                let options = ExportOptions { container, thinking: true, ..ExportOptions::new(format) };
                let out = dir.path().join(format!("{}-{}", format.name(), container.extension()));
                match export(&store, &options, &out).await {
                    Ok(summary) => {
                        let mut hash = blake3::Hasher::new();
                        for file in &summary.files {
                            let bytes = std::fs::read(out.join(&file.name)).unwrap();
                            assert!(file.bytes == bytes.len() as u64 && !bytes.is_empty());
                            hash.update(&bytes);
                        }
                        assert!(summary.rows > 0, "{}", format.name());
                        let name = format!("{} {}", format.name(), container.extension());
                        digests.entry(name).or_default().insert(hash.finalize().to_hex().to_string());
                    }
                    Err(Error::NoColumns { .. }) => {
                        assert!(container == Container::Parquet);
                        assert!(["verifiers", "atif", "adp", "nemo"].contains(&format.name()), "{}", format.name());
                    }
                    Err(error) => panic!("{}: {error}", format.name()),
                }
            }
        }
    }
    assert_eq!(digests.len(), 13 * 3 - 4);
    for (name, found) in &digests {
        assert_eq!(found.len(), 1, "{name}: the bytes depend on the order of storing");
    }
}

#[tokio::test]
async fn rows_hold_what_their_readers_look_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = extended(dir.path(), 0).await;
    let mut counts = BTreeMap::new();
    for format in Format::ALL {
        let (summary, rows) = write(&store, &ExportOptions::new(format), &dir.path().join(format.name())).await;
        let first = &rows[0];
        counts.insert(format.name(), rows.len());
        let left_out = u64::from(matches!(format.unit(), Unit::Episode));
        assert_eq!(summary.left_out.get("no messages").copied().unwrap_or(0), left_out, "{}", format.name());
        let text = first.to_string();
        assert!(!text.contains("elapsed"), "{text}");
        let keys: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = match format {
            Format::OpenAi | Format::Trl | Format::VerlSft => &["messages", "tools", "reward"],
            Format::TrlDpo => &["prompt", "chosen", "rejected", "tools"],
            Format::TrlKto => &["prompt", "completion", "label", "tools"],
            Format::TrlGrpo => &["prompt", "tools", "task_id"],
            Format::Verl => &["data_source", "prompt", "ability", "reward_model", "extra_info", "agent_name"],
            Format::SkyRl => &["data_source", "prompt", "env_class", "reward_spec", "extra_info"],
            Format::SkyRlSft => &["input_ids", "loss_mask", "logprobs"],
            Format::Verifiers => &["version", "id", "verifiers", "task", "agent", "tools", "nodes", "calls", "rewards"],
            Format::Atif => {
                &["schema_version", "session_id", "trajectory_id", "agent", "steps", "final_metrics", "extra"]
            }
            Format::Adp => &["schema_version", "id", "content", "available_custom_tools", "details"],
            Format::Nemo => &["id", "responses_create_params", "agent_ref", "task_id"],
        };
        assert_eq!(&keys[..expected.len()], expected, "{}", format.name());
        if format.unit() == Unit::Task {
            assert!(
                !text.contains("verifier") && !text.contains("solution"),
                "what verifies leaves with the prompt: {text}"
            );
        }
    }
    // 72 episodes of `filled`, a traced one; 12 tasks with two solved and two failed episodes at each of two policies, and 12 tasks.
    assert_eq!((counts["openai"], counts["trl-kto"], counts["skyrl-sft"], counts["verl"]), (73, 73, 1, 12));
    assert_eq!(counts["trl-dpo"], 24);
}

#[tokio::test]
async fn tokens_and_masks_are_those_of_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let store = extended(dir.path(), 0).await;
    let traces = support::traces(3);
    let last = traces.last().unwrap();
    let whole: Vec<u32> = last.prompt_ids.iter().chain(&last.token_ids).copied().collect();
    let sampled: usize = traces.iter().map(|t| t.token_ids.len()).sum();

    let (_, rows) = write(&store, &ExportOptions::new(Format::SkyRlSft), &dir.path().join("tokens")).await;
    assert_eq!(serde_json::from_value::<Vec<u32>>(rows[0]["input_ids"].clone()).unwrap(), whole);
    let mask: Vec<usize> = serde_json::from_value(rows[0]["loss_mask"].clone()).unwrap();
    assert_eq!((mask.len(), mask.iter().sum::<usize>()), (whole.len(), sampled));

    let only =
        EpisodeFilter { policies: vec!["dsa".into()], outcomes: vec![Outcome::Solved], ..EpisodeFilter::default() };
    let options = |format| ExportOptions { selection: only.clone().into(), ..ExportOptions::new(format) };
    let (_, rows) = write(&store, &options(Format::Verifiers), &dir.path().join("verifiers")).await;
    let nodes = rows[0]["nodes"].as_array().unwrap();
    let line: Vec<u32> = nodes
        .iter()
        .flat_map(|node| node["token_ids"].as_array().cloned().unwrap_or_default())
        .map(|id| id.as_u64().unwrap() as u32)
        .collect();
    assert_eq!(line, whole, "the chain's tokens are what the model saw");
    let (_, rows) = write(&store, &options(Format::Atif), &dir.path().join("atif")).await;
    let agent: Vec<&Value> = rows[0]["steps"].as_array().unwrap().iter().filter(|s| s["source"] == "agent").collect();
    assert_eq!(agent.len(), 3);
    for (step, trace) in agent.iter().zip(&traces) {
        assert_eq!(step["metrics"]["prompt_token_ids"], serde_json::json!(trace.prompt_ids));
        assert_eq!(step["metrics"]["logprobs"].as_array().unwrap().len(), trace.token_ids.len());
    }
}

async fn keys(store: &Store, selection: Selection) -> Vec<EpisodeKey> {
    store.select(&selection).await.unwrap().collect().await.unwrap().into_iter().map(|e| e.key).collect()
}

#[tokio::test]
async fn selections_select() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 1).await;
    let all = keys(&store, Selection::default()).await;
    assert_eq!(all.len(), 72);
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(all, sorted);

    let condition = |text: &'static str| async move {
        Selection { expression: Some(Expression::check(text, Subject::Episode).await.unwrap()), ..Selection::default() }
    };
    for (text, count) in [
        ("reward = 1", 24),
        ("reward IS NULL AND split = 'train'", 6),
        ("policy LIKE 'openai:%' AND step_count > 3", 24),
        ("pass_rate = 0.5 AND group_scored = 2", 72),
        ("pass_rate > 0.5", 0),
        ("suite = 'library-desk' AND writes = 1 AND kind = 'ask' AND trace_count = 0", 24),
        ("tokens BETWEEN 100 AND 100000", 72),
    ] {
        assert_eq!(keys(&store, condition(text).await).await.len(), count, "{text}");
    }
    // The best of each task and policy is the solved one, sample 0.
    let best = keys(&store, Selection { best: Some(1), ..Selection::default() }).await;
    assert!(best.len() == 24 && best.iter().all(|k| k.sample == 0), "{best:?}");
    let limit = EpisodeFilter { limit: Some(5), ..EpisodeFilter::default() };
    assert_eq!(keys(&store, limit.into()).await, all[..5]);
    // Tokens: none is short enough, all are; a total takes whole episodes until it is used up, from every environment.
    assert!(keys(&store, Selection { tokens_max: Some(10), ..Selection::default() }).await.is_empty());
    assert_eq!(keys(&store, Selection { tokens_max: Some(1 << 40), ..Selection::default() }).await.len(), 72);
    let some = keys(&store, Selection { tokens_total: Some(20_000), ..Selection::default() }).await;
    let environments: BTreeSet<&str> = some.iter().filter_map(|k| k.task_id.split('/').next()).collect();
    assert!(some.len() < 72 && environments.len() == 4, "{} of {environments:?}", some.len());
    // All prompts are the same but for a number, and they stand in every split.
    let safe = keys(&store, Selection { split_safe: true, ..Selection::default() }).await;
    assert_eq!(safe.len(), 54, "no training task is left");
    let train = TaskFilter { split: Some(Split::Train), ..TaskFilter::default() };
    let train = EpisodeFilter { tasks: train, ..EpisodeFilter::default() };
    assert!(keys(&store, Selection { split_safe: true, ..train.into() }).await.is_empty());
}

#[tokio::test]
async fn tasks_are_selected_by_what_policies_made_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let environment = support::environment(0);
    let untried = support::task(&environment, 77);
    store.put_tasks(&environment.id, std::slice::from_ref(&untried)).await.unwrap();
    let count = |text: &'static str, policy: Option<&'static str>| {
        let store = store.clone();
        async move {
            let expression = Some(Expression::check(text, Subject::Task).await.unwrap());
            let episodes =
                EpisodeFilter { policies: policy.map(str::to_owned).into_iter().collect(), ..EpisodeFilter::default() };
            let mut cursor =
                store.select_tasks(&Selection { expression, episodes, ..Selection::default() }).await.unwrap();
            let mut tasks = Vec::new();
            while let Some(task) = cursor.next().await.unwrap() {
                tasks.push(task.task);
            }
            tasks
        }
    };
    assert_eq!(count("TRUE", None).await.len(), 13);
    assert_eq!(count("episodes = 6 AND solved = 2", None).await.len(), 12);
    assert_eq!(count("episodes = 3 AND solved = 1", Some("expert")).await.len(), 12);
    assert_eq!(count("episodes = 0 AND pass_rate IS NULL", None).await, [untried]);
}

#[tokio::test]
async fn pairs_are_of_one_task() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let pairs = store.select_pairs(&Selection::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(pairs.len(), 2 * 24);
    for pair in pairs.chunks(2) {
        assert_eq!((pair[0].outcome, pair[1].outcome), (Outcome::Solved, Outcome::Failed));
        assert_eq!(pair[0].key.task_id, pair[1].key.task_id);
    }
    let one = store.select_pairs(&Selection { best: Some(1), ..Selection::default() }).await.unwrap();
    assert_eq!(one.collect().await.unwrap().len(), 2 * 12);
}
