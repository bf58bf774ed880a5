//! Episodes and solutions in a world with rows: a compiled suite.

#[path = "support/desk.rs"]
mod desk;
mod support;

use desk::{call, check_out, environment, expected_copies, find, task};
use serde_json::json;
use std::sync::Arc;
use support::Memory;
use terrarium_envs::episode_loop::{Cast, run_episode};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{Expert, Noop, Policy, Random, SharedPolicy};
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_envs::scheduler::{Cancel, Job, Options, rollout};
use terrarium_envs::task::{Task, ToolCall};
use terrarium_envs::verifier::{ExpectedChange, ExpectedDelete, Score, Verifier};
use terrarium_envs::world::StateDiff;
use terrarium_envs::{Loaded, Runner, Setup, run_solution};

fn sandbox() -> Sandbox {
    Sandbox::new(Config::default()).expect("a sandbox")
}

fn runner() -> (Runner, Arc<Task>) {
    let environment = environment();
    (Runner::new(&sandbox(), &environment).expect("a runner"), task(&environment))
}

fn score(runner: &mut Runner, verifier: &Verifier, calls: &[ToolCall]) -> Score {
    run_solution(runner, verifier, calls).expect("it runs").score
}

#[test]
fn only_what_was_asked_scores() {
    let (mut runner, task) = runner();
    let (first, second) = (check_out("M-0001", "B-0005"), check_out("M-0002", "B-0006"));
    let passes = |runner: &mut Runner, calls: &[ToolCall]| score(runner, &task.verifier, calls).solved();
    assert!(passes(&mut runner, &task.solution));
    assert!(passes(&mut runner, &[first.clone(), second.clone()]));
    assert!(passes(&mut runner, &[second.clone(), first.clone()]), "another order gives other keys");
    let borrow_and_return =
        [check_out("M-0003", "B-0003"), call("check_in", json!({"loan_id": "L-0003"})), first.clone(), second.clone()];
    assert!(passes(&mut runner, &borrow_and_return), "what was undone is no change");
    assert!(!passes(&mut runner, &[]));
    assert!(!passes(&mut runner, std::slice::from_ref(&first)));
    assert!(!passes(&mut runner, &[first.clone(), first.clone(), second.clone()]));
    assert!(!passes(&mut runner, &[first.clone(), check_out("M-0003", "B-0006")]));
    assert!(!passes(&mut runner, &[first, second, check_out("M-0003", "B-0003")]));
}

#[test]
fn a_deletion_is_expected_like_any_change() {
    let (mut runner, _) = runner();
    let deleted = vec![ExpectedDelete { table: "loan".to_owned(), key: "L-0001".to_owned() }];
    let change = ExpectedChange { deleted, updated: vec![expected_copies("B-0001", 1)], ..ExpectedChange::default() };
    let verifier = Verifier { change, answer: None };
    let check_in = |loan: &str| call("check_in", json!({"loan_id": loan}));
    assert!(score(&mut runner, &verifier, &[check_in("L-0001")]).solved());
    let wrong = score(&mut runner, &verifier, &[check_in("L-0002")]);
    let failed: Vec<&str> = wrong.checks.iter().filter(|c| !c.passed).map(|c| c.name.as_str()).collect();
    assert_eq!(failed, ["update book B-0001", "delete loan L-0001", "nothing else changed"]);
}

#[test]
fn refused_calls_change_nothing_and_say_why() {
    let (mut runner, _) = runner();
    for (arguments, status) in [
        (json!({"member_id": "M-0006", "book_id": "B-0002"}), "policy"),
        (json!({"member_id": "M-0001", "book_id": "B-0001"}), "unavailable"),
        (json!({"member_id": "M-9999", "book_id": "B-0002"}), "not_found"),
        (json!({"member_id": 7, "book_id": "B-0002"}), "bad_arguments"),
        (json!({"member": "M-0001", "book_id": "B-0002"}), "bad_arguments"),
    ] {
        let record = runner.call(&call("check_out", arguments)).expect("it runs");
        assert_eq!(record.status.name(), status, "{}", record.result);
        assert_eq!(record.value()["error"]["code"], json!(status));
    }
    assert_eq!(runner.world().net_diff().expect("readable"), Some(StateDiff::default()));
}

#[test]
fn marks_forks_and_resets() {
    let (mut runner, _) = runner();
    runner.call(&check_out("M-0001", "B-0005")).expect("it runs");
    let mark = runner.world().mark();
    let mut fork = runner.world().fork().expect("a fork");
    runner.call(&check_out("M-0002", "B-0006")).expect("it runs");
    let late = runner.world().diff_since(mark).expect("readable").expect("state");
    assert_eq!(late.tables.iter().map(|t| (t.inserted.len(), t.updated.len())).collect::<Vec<_>>(), [(0, 1), (1, 0)]);
    assert_eq!(fork.diff_since(mark).expect("readable"), Some(StateDiff::default()));
    fork.call("check_in", &json!({"loan_id": "L-0003"})).expect("it runs");
    assert_eq!(fork.net_diff().expect("readable"), Some(StateDiff::default()));
    assert_ne!(fork.state().expect("readable"), runner.world().state().expect("readable"));
    runner.reset().expect("a fresh world");
    assert_eq!(runner.world().net_diff().expect("readable"), Some(StateDiff::default()));
}

#[tokio::test]
async fn the_expert_leaves_a_difference_a_write() {
    let environment = environment();
    let task = task(&environment);
    let loaded = Loaded::load(&sandbox(), &environment).expect("it loads");
    let episode =
        run_episode(&loaded, &task, Cast::alone(Expert.agent(0).as_mut()), &Setup::default(), support::key(&task), 0)
            .await;
    assert_eq!((episode.outcome, episode.turns), (Outcome::Solved, 10));
    let with_diff: Vec<&str> = episode.steps.iter().filter(|s| !s.diff.is_empty()).map(|s| s.tool.as_str()).collect();
    assert_eq!(with_diff, ["check_out", "check_out"]);
    let diff: StateDiff = serde_json::from_str(&episode.steps[6].diff).expect("a difference");
    assert_eq!(diff.tables[0].updated[0].after["copies"], json!(3));
    assert_eq!(diff.tables[1].inserted[0]["id"], json!("L-0003"));
    assert!(episode.checks.iter().all(|c| c.passed) && episode.checks.len() == 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_policy_runs_the_same_twice() {
    let environment = environment();
    let task = task(&environment);
    let jobs = || {
        let (environment, task) = (Arc::clone(&environment), Arc::clone(&task));
        (0..600).map(move |sample| Job { environment: Arc::clone(&environment), task: Arc::clone(&task), sample })
    };
    for (policy, solved) in [(Arc::new(Expert) as SharedPolicy, 600), (Arc::new(Noop), 0), (Arc::new(Random), 0)] {
        let mut runs = Vec::new();
        for concurrency in [1, 2] {
            let sink = Memory::default();
            let options = Options { concurrency, ..Options::default() };
            let run = rollout(&sandbox(), jobs(), Arc::clone(&policy), &sink, &options, &Cancel::new(), |_| ()).await;
            assert_eq!(run.expect("a run").solved, solved);
            runs.push(sink.timeless());
        }
        assert_eq!(runs[0], runs[1]);
        // The random one writes now and then, or it would say little about how guessable a task is.
        if policy.label() == "random" {
            let wrote = runs[0].iter().filter(|e| e.steps.iter().any(|s| !s.diff.is_empty())).count();
            assert!(wrote >= 5, "{wrote} of 600");
            assert!(
                runs[0].iter().all(|e| e.reward == Some(0.0) && e.steps.iter().all(|s| s.outcome != "bad_arguments"))
            );
        }
    }
}

#[test]
fn replaying_the_calls_of_a_solution_gives_the_same_bytes() {
    let (mut runner, task) = runner();
    let mut run = || run_solution(&mut runner, &task.verifier, &task.solution).expect("it runs");
    let first = run();
    assert_eq!(first, run());
    assert!(first.results[0].result.contains("Ann Lee") && !first.results[0].result.contains("Bo Day"));
    let all = runner.call(&find("")).expect("it runs").value();
    assert_eq!((all["items"].as_array().map(Vec::len), &all["more"]), (Some(6), &json!(false)));
}
