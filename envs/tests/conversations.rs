//! Many conversations at once with an endpoint that misbehaves: all finish, and no reward is written for the endpoint's trouble.

#[path = "../../tests/support/endpoint.rs"]
mod endpoint;
mod support;

use endpoint::{Endpoint, Mischief, replays};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{Memory, environment, sandbox, task};
use terrarium_envs::episode::Episode;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{ChatOptions, ChatPolicy};
use terrarium_envs::scheduler::{Cancel, Job, Options, Summary, rollout};

/// "What is 3 + n?" is added up, then submitted.
fn adds_up() -> impl Fn(&Value) -> Value {
    replays(|prompt| {
        let n: i64 = prompt.trim_end_matches('?').rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number");
        vec![("add".into(), json!({"a": 3, "b": n})), ("submit".into(), json!({"answer": 3 + n}))]
    })
}

fn options(url: &str) -> ChatOptions {
    let mut options = ChatOptions::new(url, "tiny");
    options.backoff = Duration::from_millis(2);
    options.backoff_max = Duration::from_millis(40);
    options.timeout = Duration::from_secs(5);
    options.attempts = 12;
    options
}

async fn converse(endpoint: &Endpoint, options: ChatOptions, episodes: u32) -> (Summary, Vec<Episode>) {
    let sink = Memory::default();
    let environment = environment(0);
    let jobs = (0..episodes).map(move |n| Job {
        task: task(&environment, i64::from(n / 4)),
        environment: Arc::clone(&environment),
        sample: n % 4,
    });
    let policy = Arc::new(ChatPolicy::new(options).expect("a policy"));
    let run = Options { concurrency: 64, seed: 3, ..Options::default() };
    let summary = rollout(&sandbox(), jobs, policy, &sink, &run, &Cancel::new(), |_| ()).await.expect("a run");
    assert!(endpoint.requests() > 0);
    (summary, sink.timeless())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_conversations_finish_whatever_the_endpoint_does() {
    for stream in [false, true] {
        let mischief = Mischief { latency: Duration::from_millis(10), ..Mischief::lots(5) };
        let endpoint = Endpoint::start(mischief, adds_up()).await;
        let options = ChatOptions { stream, ..options(&endpoint.url) };
        let (summary, episodes) = converse(&endpoint, options, 256).await;
        assert_eq!((summary.episodes, summary.solved), (256, 256), "{:?}", summary.outcomes);
        assert!(episodes.iter().all(|e| e.turns == 2 && e.reward == Some(1.0)));
        assert!(endpoint.most_at_once() > 48, "{} at once", endpoint.most_at_once());
        let answers = endpoint.answers();
        for kind in ["ok", "limited", "broken", "reset", "slow", "garbled"] {
            assert!(answers.get(kind).is_some_and(|n| *n > 5), "{answers:?}");
        }
        // Each of our requests is seen, and each trouble is counted once.
        let trouble: u64 = summary.trouble.values().sum();
        let made = answers["limited"] + answers["broken"] + answers["reset"] + answers["garbled"];
        assert_eq!((trouble, endpoint.requests()), (made, made + answers["ok"] + answers["slow"]), "{answers:?}");
        assert_eq!(summary.trouble["rate_limited"], answers["limited"]);
        assert!(summary.completion_tokens > 256 && episodes.iter().all(|e| e.usage.len() == 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hardly_answers_gives_null_rewards_never_zeros() {
    let mischief = Mischief { limited: 300, broken: 300, reset: 200, garbled: 100, ..Mischief::lots(9) };
    let endpoint = Endpoint::start(mischief, adds_up()).await;
    let options = ChatOptions { attempts: 2, ..options(&endpoint.url) };
    let sink = Memory::default();
    let environment = environment(0);
    let jobs: Vec<Job> = (0..200)
        .map(|n| Job { task: task(&environment, n), environment: Arc::clone(&environment), sample: 0 })
        .collect();
    let policy = Arc::new(ChatPolicy::new(options).expect("a policy"));
    let run = Options { concurrency: 64, policy_errors_max: u32::MAX, ..Options::default() };
    let summary = rollout(&sandbox(), jobs, policy, &sink, &run, &Cancel::new(), |_| ()).await.expect("a run");
    assert_eq!(summary.episodes, 200);
    assert!(summary.outcomes[&Outcome::PolicyError] > 100, "{:?}", summary.outcomes);
    for episode in sink.timeless() {
        match episode.outcome {
            Outcome::Solved => assert_eq!(episode.reward, Some(1.0)),
            Outcome::PolicyError => {
                let error = episode.error.expect("a reason");
                let named =
                    ["rate_limited: ", "server: ", "unreachable: ", "garbled: "].iter().any(|k| error.starts_with(k));
                assert!(episode.reward.is_none() && named, "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn requests_keep_to_their_rate() {
    let endpoint = Endpoint::start(Mischief::default(), adds_up()).await;
    let options = ChatOptions { requests_per_minute: Some(6000.0), ..options(&endpoint.url) };
    let began = std::time::Instant::now();
    let (summary, _) = converse(&endpoint, options, 20).await;
    assert_eq!(summary.solved, 20);
    // 40 requests, ten milliseconds apart.
    assert!(began.elapsed() >= Duration::from_millis(390), "{:?}", began.elapsed());
}

#[tokio::test]
async fn log_probabilities_are_kept_where_offered() {
    let endpoint = Endpoint::start(Mischief::default(), adds_up()).await;
    let (_, episodes) = converse(&endpoint, options(&endpoint.url), 1).await;
    let traces = &episodes[0].traces;
    assert_eq!(traces.iter().map(|t| t.turn).collect::<Vec<_>>(), [0, 1]);
    for (trace, usage) in traces.iter().zip(&episodes[0].usage) {
        assert_eq!((trace.tokens() as u64, trace.logprobs.len() as u64), (usage.completion, usage.completion));
        assert!(trace.token_ids.is_empty() && trace.logprobs.iter().all(|l| (l + 0.5).abs() < f32::EPSILON));
    }
}
