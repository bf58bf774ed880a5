//! How near do 64 conversations come to what an endpoint can serve?
//!
//! A scripted endpoint serves so many requests at a time, each for so long, and misbehaves with a fifth of them. A bare client that only
//! sends requests, 64 at a time, shows what can be got out of it; then 64 conversations are rolled out. Run it with
//! `cargo run -p terrarium-envs --example ceiling [EPISODES]`; `docs/performance.md` keeps figures.

#[path = "../../tests/support/endpoint.rs"]
mod endpoint;
#[path = "../tests/support/mod.rs"]
mod support;

use endpoint::{Endpoint, Mischief, replays};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Memory, environment, sandbox, task};
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{ChatOptions, ChatPolicy};
use terrarium_envs::scheduler::{Cancel, Job, Options, rollout};

const CONVERSATIONS: usize = 64;
const SLOTS: usize = 32;
const LATENCY: Duration = Duration::from_millis(50);

fn says() -> impl Fn(&Value) -> Value {
    replays(|prompt| {
        let n: i64 = prompt.trim_end_matches('?').rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        vec![("add".into(), json!({"a": 3, "b": n})), ("submit".into(), json!({"answer": 3 + n}))]
    })
}

async fn endpoint() -> Endpoint {
    Endpoint::start(Mischief { latency: LATENCY, slots: SLOTS, ..Mischief::lots(11) }, says()).await
}

/// Requests a second of a client that does nothing else.
async fn bare(requests: u64) -> f64 {
    let endpoint = endpoint().await;
    let environment = environment(0);
    let tools: Vec<Value> =
        environment.shown_tools().iter().map(|t| json!({"type": "function", "function": t})).collect();
    let prompt =
        json!([{"role": "system", "content": environment.system}, {"role": "user", "content": "What is 3 + 4?"}]);
    let body = Arc::new(json!({"model": "m", "messages": prompt, "tools": tools}));
    let (client, sent, began) = (reqwest::Client::new(), Arc::new(AtomicU64::new(0)), Instant::now());
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..CONVERSATIONS {
        let (client, sent, body) = (client.clone(), Arc::clone(&sent), Arc::clone(&body));
        let url = format!("{}/chat/completions", endpoint.url);
        workers.spawn(async move {
            while sent.fetch_add(1, Ordering::Relaxed) < requests {
                if let Ok(response) = client.post(&url).json(&*body).send().await {
                    // What comes does not matter here.
                    let _ = response.bytes().await;
                }
            }
        });
    }
    while workers.join_next().await.is_some() {}
    endpoint.requests() as f64 / began.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let episodes: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(3000);
    for stream in [false, true] {
        let endpoint = endpoint().await;
        let mut chat = ChatOptions::new(&endpoint.url, "m");
        (chat.stream, chat.attempts, chat.backoff) = (stream, 12, Duration::from_millis(50));
        let policy = Arc::new(ChatPolicy::new(chat).expect("a policy"));
        let environment = environment(0);
        let jobs = (0..episodes).map(move |n| Job {
            task: task(&environment, i64::from(n)),
            environment: Arc::clone(&environment),
            sample: 0,
        });
        let options = Options { concurrency: CONVERSATIONS, ..Options::default() };
        let sink = Memory::default();
        let run = rollout(&sandbox(), jobs, policy, &sink, &options, &Cancel::new(), |_| ()).await.expect("a run");
        let rate = endpoint.requests() as f64 / run.seconds;
        let ceiling = bare(endpoint.requests()).await;
        println!(
            "stream {stream}: {} episodes, {} solved, {} requests, trouble {:?}; {rate:.0} requests/s of {ceiling:.0} that a bare client \
             gets: {:.1} %",
            run.episodes,
            run.solved,
            endpoint.requests(),
            run.trouble,
            100.0 * rate / ceiling,
        );
    }
    no_reward_for_trouble(episodes).await;
}

/// The same without a second try: whatever the endpoint spoils must end without a reward, and everything else solved.
async fn no_reward_for_trouble(episodes: u32) {
    let endpoint = endpoint().await;
    let mut chat = ChatOptions::new(&endpoint.url, "m");
    chat.attempts = 1;
    let environment = environment(0);
    let jobs = (0..episodes).map(move |n| Job {
        task: task(&environment, i64::from(n)),
        environment: Arc::clone(&environment),
        sample: 0,
    });
    let options = Options { concurrency: CONVERSATIONS, policy_errors_max: u32::MAX, ..Options::default() };
    let policy = Arc::new(ChatPolicy::new(chat).expect("a policy"));
    let sink = Memory::default();
    rollout(&sandbox(), jobs, policy, &sink, &options, &Cancel::new(), |_| ()).await.expect("a run");
    let (mut solved, mut spoiled) = (0_u32, 0_u32);
    for episode in sink.timeless() {
        match (episode.outcome, episode.reward) {
            (Outcome::Solved, Some(1.0)) => solved += 1,
            (Outcome::PolicyError, None) => spoiled += 1,
            (outcome, reward) => panic!("an episode ended {} with reward {reward:?}", outcome.name()),
        }
    }
    println!("one attempt a request: {solved} solved, {spoiled} spoiled by the endpoint, none of those with a reward");
    assert_eq!(solved + spoiled, episodes, "every episode ends");
}
