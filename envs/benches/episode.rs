//! How many scripted ten-call episodes a second? One question, three levels: a solution without an agent, the episode loop on one
//! thread, and the scheduler with a sink that drops what it gets.

#[path = "../tests/support/desk.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod desk;

use async_trait::async_trait;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt;
use std::hint::black_box;
use std::sync::Arc;
use terrarium_envs::episode::{Episode, EpisodeKey};
use terrarium_envs::episode_loop::{Cast, run_episode};
use terrarium_envs::error::SinkError;
use terrarium_envs::policy::{Expert, Policy};
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_envs::scheduler::{Cancel, Job, Options, rollout};
use terrarium_envs::sink::{EpisodeSink, Samples};
use terrarium_envs::{Loaded, Runner, Setup, run_solution};

struct Drop;

#[async_trait]
impl EpisodeSink for Drop {
    async fn stored(&self, _policy: &str) -> Result<Samples, SinkError> {
        Ok(Samples::default())
    }
    async fn put(&self, episodes: Vec<Episode>) -> Result<(), SinkError> {
        black_box(episodes);
        Ok(())
    }
}

fn episodes(c: &mut Criterion) {
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let environment = desk::environment();
    let task = desk::task(&environment);
    let loaded = Loaded::load(&sandbox, &environment).expect("it loads");
    let setup = Setup::default();
    let mut group = c.benchmark_group("ten_calls");

    group.throughput(Throughput::Elements(1));
    let mut runner = Runner::with(&loaded).expect("a runner");
    group.bench_function("solution", |b| {
        b.iter(|| run_solution(&mut runner, &task.verifier, &task.solution).expect("it runs"));
    });
    group.bench_function("episode", |b| {
        b.iter(|| {
            let key = EpisodeKey { task_id: task.id.clone(), policy: "expert".to_owned(), sample: 0 };
            let mut agent = Expert.agent(0);
            run_episode(&loaded, &task, Cast::alone(agent.as_mut()), &setup, key, 0).now_or_never().expect("scripted")
        });
    });

    const RUN: u32 = 2000;
    group.sample_size(10).throughput(Throughput::Elements(u64::from(RUN)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for threads in [1, 2] {
        let options = Options { concurrency: threads, ..Options::default() };
        let cancel = Cancel::new();
        group.bench_function(format!("rollout_{threads}_threads"), |b| {
            b.iter(|| {
                let (environment, task) = (Arc::clone(&environment), Arc::clone(&task));
                let jobs = (0..RUN).map(move |sample| Job {
                    environment: Arc::clone(&environment),
                    task: Arc::clone(&task),
                    sample,
                });
                let run = rollout(&sandbox, jobs, Arc::new(Expert), &Drop, &options, &cancel, |_| ());
                assert_eq!(runtime.block_on(run).expect("a run").solved, u64::from(RUN));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, episodes);
criterion_main!(benches);
