//! How an episode can go, one test a way. The world is a foreign component; worlds with rows are in `tests/worlds.rs`.

mod support;

use serde_json::json;
use support::{Script, calls, environment, key, malformed, sandbox, task, timeless, tool_call};
use terrarium_envs::episode::Episode;
use terrarium_envs::episode_loop::{Cast, run_episode};
use terrarium_envs::message::Message;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{Expert, Noop, Policy, PolicyFailure, PolicyTurn, Random};
use terrarium_envs::task::Task;
use terrarium_envs::verifier::{ExpectedChange, ExpectedDelete};
use terrarium_envs::{Budget, Loaded, Runner, Setup, run_solution};

async fn play(task: &Task, script: Script, budget: &Budget) -> Episode {
    let loaded = Loaded::load(&sandbox(), &environment(0)).expect("the environment loads");
    let mut script = script;
    let setup = Setup { budget: budget.clone(), ..Setup::default() };
    run_episode(&loaded, task, Cast::alone(&mut script), &setup, key(task), 5).await
}

async fn run(turns: Vec<PolicyTurn>) -> Episode {
    play(&task(&environment(0), 4), Script::new(turns), &Budget::default()).await
}

fn end(episode: &Episode) -> (Outcome, Option<f64>) {
    (episode.outcome, episode.reward)
}

const SUM: (&str, &str) = ("add", r#"{"a": 3, "b": 4}"#);
const RIGHT: (&str, &str) = ("submit", r#"{"answer": "7"}"#);

#[tokio::test]
async fn the_expert_solves_and_the_idle_one_fails() {
    let loaded = Loaded::load(&sandbox(), &environment(0)).expect("the environment loads");
    let task = task(&environment(0), 4);
    let expert =
        run_episode(&loaded, &task, Cast::alone(Expert.agent(1).as_mut()), &Setup::default(), key(&task), 1).await;
    assert_eq!(end(&expert), (Outcome::Solved, Some(1.0)));
    assert_eq!((expert.turns, expert.answer.as_deref(), expert.steps.len()), (2, Some("7"), 2));
    assert_eq!((expert.steps[0].result.as_str(), expert.steps[0].outcome.as_str()), ("7", "ok"));
    assert!(expert.steps[0].fuel > 0);
    let roles: Vec<&str> = expert
        .messages
        .iter()
        .map(|m| match m {
            Message::System { .. } => "system",
            Message::User { .. } => "user",
            Message::Assistant { .. } => "assistant",
            Message::Tool { .. } => "tool",
        })
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "tool"]);

    let noop = run_episode(&loaded, &task, Cast::alone(Noop.agent(1).as_mut()), &Setup::default(), key(&task), 1).await;
    assert_eq!(end(&noop), (Outcome::Failed, Some(0.0)));
    assert_eq!(noop.checks.last().map(|c| c.detail.as_str()), Some("no answer was submitted"));
}

#[tokio::test]
async fn the_random_one_repeats_itself_with_its_seed() {
    let loaded = Loaded::load(&sandbox(), &environment(0)).expect("the environment loads");
    let task = task(&environment(0), 4);
    let mut different = 0;
    for seed in 0..20 {
        let mut pair = Vec::new();
        for seed in [seed, seed, seed + 1000] {
            let mut agent = Random.agent(seed);
            let episode =
                run_episode(&loaded, &task, Cast::alone(agent.as_mut()), &Setup::default(), key(&task), 0).await;
            assert!(
                episode.steps.iter().all(|s| s.outcome != "bad_arguments" && s.outcome != "unknown_tool"),
                "{episode:?}"
            );
            pair.push(timeless(episode));
        }
        assert_eq!(pair[0], pair[1]);
        different += usize::from(pair[0] != pair[2]);
    }
    // Two of the three tools trap, so many episodes are equally short.
    assert!(different > 5, "{different} of 20");
}

#[tokio::test]
async fn a_wrong_answer_fails_and_silence_ends_the_episode() {
    let wrong = run(vec![calls(&[SUM]), calls(&[("submit", r#"{"answer": 8}"#)])]).await;
    assert_eq!(end(&wrong), (Outcome::Failed, Some(0.0)));
    let silent = run(vec![PolicyTurn { content: "It is 7.".to_owned(), ..PolicyTurn::default() }]).await;
    assert_eq!(end(&silent), (Outcome::Failed, Some(0.0)));
    assert_eq!(silent.turns, 1);
}

#[tokio::test]
async fn bad_calls_get_an_error_that_says_what_to_do() {
    let episode = run(vec![
        calls(&[("ad", r#"{"a": 3, "b": 4}"#)]),
        calls(&[("add", r#"{"a": 3}"#)]),
        calls(&[("add", "{oops")]),
        calls(&[("submit", r#"{"answer": true}"#)]),
        calls(&[SUM, RIGHT]),
    ])
    .await;
    assert_eq!(end(&episode), (Outcome::Solved, Some(1.0)));
    let seen: Vec<(&str, &str)> = episode.steps.iter().map(|s| (s.outcome.as_str(), s.result.as_str())).collect();
    assert_eq!(seen[0].0, "unknown_tool");
    assert!(seen[0].1.contains("did you mean `add`?"), "{}", seen[0].1);
    assert_eq!(seen[1].0, "bad_arguments");
    assert!(seen[1].1.contains('b'), "{}", seen[1].1);
    assert_eq!(seen[2].0, "bad_arguments");
    assert!(seen[2].1.contains("one JSON object"), "{}", seen[2].1);
    assert_eq!(seen[3].0, "bad_arguments");
    assert_eq!((seen[4].0, seen[5].0), ("ok", "ok"));
    let ids: Vec<&str> = episode.steps.iter().map(|s| s.call_id.as_str()).collect();
    assert_eq!(ids, ["call_0", "call_1", "call_2", "call_3", "call_4", "call_5"]);
    assert_eq!(episode.steps.iter().map(|s| s.turn).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 4]);
}

#[tokio::test]
async fn calls_after_submit_are_not_run() {
    let episode = run(vec![calls(&[RIGHT, ("boom", "{}"), ("submit", r#"{"answer": 0}"#)])]).await;
    assert_eq!(end(&episode), (Outcome::Solved, Some(1.0)));
    assert_eq!(episode.steps.iter().map(|s| s.outcome.as_str()).collect::<Vec<_>>(), ["ok", "submitted", "submitted"]);
    assert_eq!(episode.messages.iter().filter(|m| matches!(m, Message::Tool { .. })).count(), 3);
}

#[tokio::test]
async fn three_malformed_messages_in_a_row_end_it() {
    let unreadable = || calls(&[("add", "[1]")]);
    let episode = run(vec![malformed(), unreadable(), malformed(), calls(&[RIGHT])]).await;
    assert_eq!(end(&episode), (Outcome::FormatError, Some(0.0)));
    assert_eq!(episode.turns, 3);
    assert!(matches!(&episode.messages[3], Message::User { content } if content.contains("the call is not closed")));

    let mended = run(vec![malformed(), malformed(), calls(&[SUM]), malformed(), unreadable(), calls(&[RIGHT])]).await;
    assert_eq!(end(&mended), (Outcome::Solved, Some(1.0)));
}

#[tokio::test]
async fn a_trap_gives_no_reward() {
    let boom = run(vec![calls(&[SUM, ("boom", "{}"), RIGHT])]).await;
    assert_eq!(end(&boom), (Outcome::Trap, None));
    assert_eq!(boom.steps.len(), 2);
    assert!(boom.error.is_some());
    let spin = run(vec![calls(&[("spin", "")]), calls(&[RIGHT])]).await;
    assert_eq!(end(&spin), (Outcome::OutOfFuel, None));
    assert_eq!(spin.steps[0].outcome, "out_of_fuel");
}

#[tokio::test]
async fn budgets_end_an_episode_with_a_zero() {
    let task = task(&environment(0), 4);
    let many = || Script::new((0..100).map(|_| calls(&[SUM])).collect());
    let turns = play(&task, many(), &Budget { turns: 5, ..Budget::default() }).await;
    assert_eq!((end(&turns), turns.turns), ((Outcome::OutOfTurns, Some(0.0)), 5));
    let used = play(&task, many(), &Budget { calls: 3, ..Budget::default() }).await;
    assert_eq!((end(&used), used.steps.len()), ((Outcome::OutOfTurns, Some(0.0)), 3));
    let context = play(&task, many(), &Budget { context_bytes: 1200, ..Budget::default() }).await;
    assert_eq!(end(&context), (Outcome::OutOfContext, Some(0.0)));
    assert!(context.turns > 1);
}

#[tokio::test]
async fn a_policy_that_fails_gives_no_reward() {
    let task = task(&environment(0), 4);
    let script = Script(vec![Ok(calls(&[SUM])), Err(PolicyFailure::Failed("the endpoint is gone".to_owned()))]);
    let failed = play(&task, script, &Budget::default()).await;
    assert_eq!(end(&failed), (Outcome::PolicyError, None));
    assert_eq!(failed.error.as_deref(), Some("the endpoint is gone"));
    let script = Script(vec![Err(PolicyFailure::OutOfContext { window: 4096 })]);
    assert_eq!(end(&play(&task, script, &Budget::default()).await), (Outcome::OutOfContext, Some(0.0)));
}

#[tokio::test]
async fn a_broken_verifier_gives_no_reward() {
    let mut broken = (*task(&environment(0), 4)).clone();
    broken.verifier.answer = None;
    let episode = play(&broken, Script::new(vec![calls(&[RIGHT])]), &Budget::default()).await;
    assert_eq!(end(&episode), (Outcome::VerifierError, None));
    // A change is expected of a component that keeps no readable state.
    let deleted = vec![ExpectedDelete { table: "t".to_owned(), key: "1".to_owned() }];
    broken.verifier.change = ExpectedChange { deleted, ..ExpectedChange::default() };
    let episode = play(&broken, Script::new(vec![calls(&[RIGHT])]), &Budget::default()).await;
    assert_eq!(end(&episode), (Outcome::VerifierError, None));
}

#[test]
fn solutions_run_without_an_agent() {
    let environment = environment(0);
    let task = task(&environment, 4);
    let mut runner = Runner::new(&sandbox(), &environment).expect("a runner");
    for _ in 0..3 {
        let run = run_solution(&mut runner, &task.verifier, &task.solution).expect("it runs");
        assert!(run.score.solved() && !run.trapped);
        assert_eq!((run.results.len(), run.answer), (2, Some(json!(7))));
        assert_eq!(run.results[0].value(), json!(7));
    }
    let run = run_solution(&mut runner, &task.verifier, &[]).expect("it runs");
    assert!(!run.score.solved());
    let spin = [tool_call("spin", json!({})), tool_call("submit", json!({"answer": 7}))];
    let run = run_solution(&mut runner, &task.verifier, &spin).expect("it runs");
    assert!(run.trapped && !run.score.solved() && run.results.len() == 1);
    let run = run_solution(&mut runner, &task.verifier, &task.solution).expect("it runs after a trap");
    assert!(run.score.solved());
}

#[test]
fn an_environment_that_shows_a_tool_it_lacks_is_refused() {
    let mut environment = (*environment(0)).clone();
    environment.tools[0].name = "subtract".to_owned();
    let error = Loaded::load(&sandbox(), &environment.into()).err().expect("an error");
    assert!(error.to_string().contains("`subtract`"), "{error}");
}
