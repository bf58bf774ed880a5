//! Runs of many episodes: the same bytes whatever the concurrency, nothing run twice, clean stops.

mod support;

use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use support::{Memory, environment, sandbox, task};
use terrarium_envs::episode::Episode;
use terrarium_envs::error::SinkError;
use terrarium_envs::message::MessageCall;
use terrarium_envs::outcome::Outcome;
use terrarium_envs::policy::{Agent, Expert, Noop, Policy, PolicyFailure, PolicyTurn, Random, SharedPolicy, Situation};
use terrarium_envs::scheduler::{Cancel, Job, Options, Summary, episode_seed, rollout};
use terrarium_envs::sink::{EpisodeSink, Samples};
use terrarium_envs::{Error, Result};

fn jobs(environments: u64, tasks: i64, group: u32) -> Vec<Job> {
    let mut jobs = Vec::new();
    for e in 0..environments {
        let environment = environment(e);
        for n in 0..tasks {
            let task = task(&environment, n);
            let job = |sample| Job { environment: Arc::clone(&environment), task: Arc::clone(&task), sample };
            jobs.extend((0..group).map(job));
        }
    }
    jobs
}

async fn run(jobs: Vec<Job>, policy: SharedPolicy, sink: &dyn EpisodeSink, options: &Options) -> Result<Summary> {
    rollout(&sandbox(), jobs, policy, sink, options, &Cancel::new(), |_| ()).await
}

fn options(concurrency: usize) -> Options {
    Options { concurrency, seed: 7, ..Options::default() }
}

/// Waits a little before each message, then does what the expert does.
struct Slow(Duration);

struct SlowAgent(Box<dyn Agent>, Duration);

impl Policy for Slow {
    fn label(&self) -> String {
        "expert".to_owned()
    }
    fn agent(&self, seed: u64) -> Box<dyn Agent> {
        Box::new(SlowAgent(Expert.agent(seed), self.0))
    }
}

#[async_trait]
impl Agent for SlowAgent {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        tokio::time::sleep(self.1).await;
        self.0.act(situation).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_does_not_show_in_the_episodes() {
    let mut runs = Vec::new();
    for concurrency in [1, 2, 16] {
        let sink = Memory::default();
        let summary = run(jobs(3, 10, 4), Arc::new(Random), &sink, &options(concurrency)).await.expect("a run");
        assert_eq!((summary.episodes, summary.skipped, summary.cancelled), (120, 0, false));
        runs.push(sink.timeless());
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);

    let (scripted, waiting) = (Memory::default(), Memory::default());
    run(jobs(2, 5, 2), Arc::new(Expert), &scripted, &options(2)).await.expect("a run");
    let summary =
        run(jobs(2, 5, 2), Arc::new(Slow(Duration::from_millis(1))), &waiting, &options(8)).await.expect("a run");
    assert_eq!((summary.solved, summary.outcomes.len()), (20, 1));
    assert_eq!(scripted.timeless(), waiting.timeless());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_run_resumes_and_ends_with_the_same_bytes() {
    let whole = Memory::default();
    run(jobs(3, 10, 2), Arc::new(Random), &whole, &options(2)).await.expect("a run");

    let parts = Memory::default();
    let mut runs = 0;
    loop {
        let cancel = Cancel::new();
        let small = Options { batch: 4, flush: Duration::from_millis(1), ..options(2) };
        let summary = rollout(&sandbox(), jobs(3, 10, 2), Arc::new(Random), &parts, &small, &cancel, |p| {
            if p.done >= 8 {
                cancel.cancel();
            }
        })
        .await
        .expect("a run");
        runs += 1;
        assert!(runs < 50);
        if !summary.cancelled {
            break;
        }
        assert!(summary.episodes >= 1);
    }
    assert_eq!(whole.timeless(), parts.timeless());

    let again = run(jobs(3, 10, 2), Arc::new(Random), &whole, &options(2)).await.expect("a run");
    assert_eq!((again.episodes, again.skipped), (0, 60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_finishes_what_is_under_way() {
    let sink = Memory::default();
    let cancel = Cancel::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        stop.cancel();
    });
    let policy = Arc::new(Slow(Duration::from_millis(20)));
    let summary =
        rollout(&sandbox(), jobs(1, 100, 1), policy, &sink, &options(4), &cancel, |_| ()).await.expect("a run");
    assert!(summary.cancelled && summary.episodes >= 4 && summary.episodes < 100, "{summary:?}");
    assert_eq!(summary.solved, summary.episodes, "no episode was cut off");
    assert_eq!(sink.timeless().len() as u64, summary.episodes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn episodes_reach_the_sink_within_the_flush_time() {
    let sink = Memory::default();
    let mut reports = Vec::new();
    let policy = Arc::new(Slow(Duration::from_millis(40)));
    let options = Options { flush: Duration::from_millis(30), ..options(1) };
    rollout(&sandbox(), jobs(1, 6, 1), policy, &sink, &options, &Cancel::new(), |p| {
        reports.push((p.done, p.total, p.solved));
    })
    .await
    .expect("a run");
    assert!(sink.batches.lock().expect("no panic").len() >= 4, "episodes were held back");
    assert_eq!(reports.last(), Some(&(6, Some(6), 6)));
    assert!(reports.is_sorted());
}

#[tokio::test]
async fn equal_jobs_run_once_and_seeds_hang_on_the_key() {
    let sink = Memory::default();
    let mut twice = jobs(1, 3, 1);
    twice.extend(jobs(1, 3, 1));
    let summary = run(twice, Arc::new(Noop), &sink, &options(2)).await.expect("a run");
    assert_eq!((summary.episodes, summary.skipped), (3, 3));
    for episode in sink.timeless() {
        assert_eq!(episode.seed, episode_seed(7, &episode.key));
        assert_eq!(episode.outcome, Outcome::Failed);
    }
}

#[tokio::test]
async fn an_environment_that_does_not_load_gives_null_rewards() {
    let mut jobs = jobs(2, 2, 1);
    let mut broken = (*jobs[0].environment).clone();
    broken.component = Arc::new(b"not a component".to_vec());
    let broken = Arc::new(broken);
    jobs[0].environment = Arc::clone(&broken);
    jobs[1].environment = broken;
    let sink = Memory::default();
    let summary = run(jobs, Arc::new(Expert), &sink, &options(2)).await.expect("a run");
    assert_eq!(summary.outcomes[&Outcome::HarnessError], 2);
    assert_eq!(summary.outcomes[&Outcome::Solved], 2);
    let failed = sink.timeless().into_iter().find(|e| e.outcome == Outcome::HarnessError).expect("one");
    assert!(failed.reward.is_none() && failed.error.is_some_and(|e| e.contains("component")));
}

/// Fails or panics.
struct Bad(bool);

struct BadAgent(bool);

impl Policy for Bad {
    fn label(&self) -> String {
        "bad".to_owned()
    }
    fn agent(&self, _seed: u64) -> Box<dyn Agent> {
        Box::new(BadAgent(self.0))
    }
    fn scripted(&self) -> bool {
        true
    }
}

#[async_trait]
impl Agent for BadAgent {
    async fn act(&mut self, _situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        assert!(!self.0, "a defect");
        Err(PolicyFailure::Failed("gone".to_owned()))
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_stops_the_run() {
    let sink = Memory::default();
    let options = Options { policy_errors_max: 5, ..options(1) };
    let summary = run(jobs(1, 100, 1), Arc::new(Bad(false)), &sink, &options).await.expect("a run");
    assert_eq!((summary.episodes, summary.outcomes[&Outcome::PolicyError]), (5, 5));
    assert!(summary.stopped.is_some_and(|s| s.contains("5 times in a row")));
}

#[tokio::test]
async fn a_policy_that_panics_is_an_error_of_the_run() {
    let error = run(jobs(1, 3, 1), Arc::new(Bad(true)), &Memory::default(), &options(1)).await.expect_err("an error");
    assert!(matches!(error, Error::Worker(_)), "{error}");
}

/// Says that it is scripted, but waits.
struct Liar;

impl Policy for Liar {
    fn label(&self) -> String {
        "liar".to_owned()
    }
    fn agent(&self, _seed: u64) -> Box<dyn Agent> {
        Box::new(Waits)
    }
    fn scripted(&self) -> bool {
        true
    }
}

struct Waits;

#[async_trait]
impl Agent for Waits {
    async fn act(&mut self, _situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        tokio::task::yield_now().await;
        Ok(PolicyTurn {
            calls: vec![MessageCall { id: String::new(), name: "submit".into(), arguments: "{}".into() }],
            ..PolicyTurn::default()
        })
    }
}

#[tokio::test]
async fn a_policy_that_says_it_is_scripted_must_not_wait() {
    let sink = Memory::default();
    let summary = run(jobs(1, 2, 1), Arc::new(Liar), &sink, &options(1)).await.expect("a run");
    assert_eq!(summary.outcomes[&Outcome::HarnessError], 2);
}

/// A store that breaks after some episodes.
struct Full;

#[async_trait]
impl EpisodeSink for Full {
    async fn stored(&self, _policy: &str) -> Result<Samples, SinkError> {
        Ok(Samples::default())
    }
    async fn put(&self, _episodes: Vec<Episode>) -> Result<(), SinkError> {
        Err("the disk is full".into())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_fails_stops_the_run() {
    for policy in [Arc::new(Expert) as SharedPolicy, Arc::new(Slow(Duration::from_millis(1)))] {
        let error = run(jobs(2, 500, 1), policy, &Full, &options(4)).await.expect_err("an error");
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
}
