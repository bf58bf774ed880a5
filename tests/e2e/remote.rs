//! A remote model: many conversations with an endpoint that misbehaves, through the binary; killed and resumed.

use crate::endpoint::{Endpoint, Mischief, replays};
use crate::support::Desk;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

const KEY: &str = "a-key-that-nobody-may-see";

/// An endpoint that knows every task's solution by its prompt.
async fn endpoint(desk: &Desk, mischief: Mischief) -> Endpoint {
    let tasks = desk.query_async("SELECT json_array(prompt, json(solution)) FROM tasks").await;
    let solutions: BTreeMap<String, Vec<(String, Value)>> = tasks
        .iter()
        .map(|text| {
            let row: Value = serde_json::from_str(text).expect("JSON");
            let calls = row[1].as_array().expect("calls").iter();
            let calls = calls.map(|c| (c["name"].as_str().expect("a name").to_owned(), c["arguments"].clone()));
            (row[0].as_str().expect("a prompt").to_owned(), calls.collect())
        })
        .collect();
    Endpoint::start(mischief, replays(move |prompt| solutions.get(prompt).cloned().unwrap_or_default())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_conversations_survive_the_endpoint_and_a_kill() {
    let desk = Desk::with_worlds("3", "32");
    let mischief = Mischief { latency: Duration::from_millis(15), ..Mischief::lots(3) };
    let endpoint = endpoint(&desk, mischief).await;
    let policy = format!("openai:{}#scripted", endpoint.url);
    let arguments = |stream: bool| {
        let mut arguments = vec!["rollout", "--policy", &policy, "--group", "4", "--concurrency", "64", "--json"];
        arguments.extend(["--request-attempts", "12"]);
        if stream {
            arguments.push("--stream");
        }
        arguments
    };
    for milliseconds in [400, 700] {
        let mut child = desk
            .command(&arguments(true))
            .env("TERRARIUM_API_KEY", KEY)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        child.kill().expect("kill -9");
        child.wait().expect("it ends");
        let stats = desk.run(&["stats", "--check", "--json"]);
        assert_eq!(stats.code, Some(0), "{}{}", stats.out, stats.err);
    }
    let before: u64 =
        desk.query_async("SELECT CAST(count(*) AS TEXT) FROM episodes").await[0].parse().expect("a number");
    let output = tokio::task::block_in_place(|| {
        desk.command(&arguments(false)).env("TERRARIUM_API_KEY", KEY).output().expect("it runs")
    });
    let err = String::from_utf8_lossy(&output.stderr);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {err}"));
    assert_eq!((&said["episodes"], &said["resumed"]), (&json!(128), &json!(before)), "{said}");
    assert_eq!(said["outcomes"], json!({"solved": 128}), "{said}");
    assert!(said["trouble"]["rate_limited"].as_u64().is_some_and(|n| n > 0), "{said}");
    assert!(said["completion_tokens"].as_u64().is_some_and(|n| n > 0), "{said}");
    let twice = "SELECT CAST(count(DISTINCT task_id || '@' || sample) AS TEXT) FROM episodes";
    assert_eq!(desk.query_async(twice).await, ["128"]);
    let replayed = desk.run(&["verify", "--episodes", "--json", "-q"]).json();
    assert_eq!((&replayed["episodes"], &replayed["differ"]), (&json!(128), &json!(0)), "{replayed}");
    assert!(!err.contains(KEY) && !String::from_utf8_lossy(&output.stdout).contains(KEY));
    for file in ["terrarium.db", "terrarium.db-wal"] {
        let bytes = std::fs::read(desk.path(file)).unwrap_or_default();
        assert!(!bytes.windows(KEY.len()).any(|w| w == KEY.as_bytes()), "the key is in {file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_down_stops_the_run_and_retry_mends_it() {
    let desk = Desk::with_worlds("2", "10");
    let fast = ["--group", "4", "--request-attempts", "1", "--json", "-q"];
    let down = Endpoint::start(Mischief { broken: 1000, ..Mischief::default() }, |_| Value::Null).await;
    let policy = format!("openai:{}#scripted", down.url);
    let run = desk.run(&[&["rollout", "--policy", &policy][..], &fast].concat());
    assert_eq!(run.code, Some(1), "{}", run.err);
    let said: Value = serde_json::from_str(&run.out).expect("JSON");
    assert!(said["stopped"].as_str().is_some_and(|s| s.contains("times in a row")), "{said}");
    assert_eq!(desk.query_async("SELECT CAST(count(reward) AS TEXT) FROM episodes").await, ["0"], "no reward for that");

    let up = endpoint(&desk, Mischief::default()).await;
    let policy = format!("openai:{}#scripted", up.url);
    let again = [&["rollout", "--policy", &policy][..], &fast, &["--retry"]].concat();
    let said = desk.run(&again).json();
    assert_eq!(said["outcomes"], json!({"solved": 40}), "{said}");
    desk.run(&["stats", "--check", "--json"]).json();
}
