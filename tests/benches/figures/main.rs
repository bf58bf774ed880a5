//! Every figure that Terrarium promises about speed and size, measured in one run under one configuration, and a table of them.
//!
//! Run: `make bench` (or `cargo bench -p terrarium-tests --bench figures`); five minutes at most. One line alone:
//! `cargo bench -p terrarium-tests --bench figures -- core/reset`. docs/performance.md has the figures and what bounds them.
//!
//! Configuration of all lines: profile `bench` (optimised, no debug assertions); `Config::default()` but for `instances_max`, which is
//! 10,100 for the line of ten thousand live worlds: fuel and epochs on, copy-on-write images in the pooling allocator, dirty pages
//! cleaned in place (`PAGEMAP_SCAN`), NaNs canonical. Arguments arrive as JSON text and results leave as JSON text.
//! "direct" is the core path (our own lowering and lifting), "dynamic" the component path (`wasmtime::component::Val`).

mod memory;
mod objects;
mod table;
mod worlds;

use async_trait::async_trait;
use criterion::{BatchSize, Criterion, SamplingMode, Throughput};
use futures::FutureExt;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use table::{Measured, Table, Target};
use terrarium_dataset::Store;
use terrarium_envs::Loaded;
use terrarium_envs::environment::Environment;
use terrarium_envs::episode::{Episode, EpisodeKey};
use terrarium_envs::episode_loop::{Cast, run_episode};
use terrarium_envs::error::SinkError;
use terrarium_envs::policy::{Expert, Policy};
use terrarium_envs::sandbox::{CallOutcome, Config, Path, Program, Sandbox};
use terrarium_envs::scheduler::{Cancel, Job, Options, rollout};
use terrarium_envs::setup::Setup;
use terrarium_envs::sink::{EpisodeSink, Samples};
use terrarium_envs::task::Task;
use worlds::{Call, run};

/// Live worlds of the memory line.
const WORLDS: u32 = 10_000;
/// Resets of the line about failures.
const RESETS: usize = 1_000_000;
/// Episodes of a rollout.
const EPISODES: u32 = 2_000;

fn config(cache_dir: Option<PathBuf>, programs_max: usize) -> Config {
    Config { instances_max: WORLDS + 100, cache_dir, programs_max, ..Config::default() }
}

/// Reset and the ten calls.
fn episode(program: &Arc<Program>, calls: &[Call]) {
    let mut world = program.instantiate().expect("a world");
    for call in calls {
        match run(&mut world, call) {
            CallOutcome::Ok(text) => drop(black_box(text)),
            other => panic!("{call:?}: {other:?}"),
        }
    }
}

fn calls_of_worlds(c: &mut Criterion, component: &[u8], sandbox: &Sandbox, calls: &[Call]) {
    for (name, path) in [("direct", Path::Core), ("dynamic", Path::Component)] {
        let program = sandbox.load_as(component, path).expect("it loads");
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("reset", |b| b.iter(|| black_box(program.instantiate().expect("a world"))));
        let mut world = program.instantiate().expect("a world");
        group.bench_function("keyed_read", |b| b.iter(|| black_box(run(&mut world, &calls[1]))));
        group.bench_function("search_20_rows", |b| b.iter(|| black_box(run(&mut world, &calls[0]))));
        group.bench_function("write", |b| {
            b.iter_batched_ref(
                || program.instantiate().expect("a world"),
                |world| black_box(run(world, &calls[9])),
                BatchSize::NumIterations(64),
            );
        });
        group.bench_function("episode", |b| b.iter(|| episode(&program, calls)));
        group.finish();
    }
    let program = sandbox.load(component).expect("it loads");
    let mut world = program.instantiate().expect("a world");
    calls.iter().for_each(|call| drop(run(&mut world, call)));
    let mut group = c.benchmark_group("state");
    group.bench_function("fork_after_10_calls", |b| b.iter(|| black_box(world.fork().expect("a fork"))));
    group.bench_function("net_diff", |b| b.iter(|| black_box(world.net_diff().expect("a difference"))));
    group.bench_function("state", |b| b.iter(|| black_box(world.state().expect("the state"))));
    group.finish();
}

fn compiling(c: &mut Criterion, source: &worlds::Source) {
    let component = source.compile().component;
    let mut group = c.benchmark_group("compile");
    group.sample_size(20);
    let cold = Sandbox::new(config(None, 0)).expect("a sandbox");
    group.bench_function("suite_to_program", |b| {
        b.iter(|| black_box(cold.load(&source.compile().component).expect("it loads")));
    });
    group.bench_function("suite_to_component", |b| b.iter(|| black_box(source.compile())));
    let folder = tempfile::tempdir().expect("a folder");
    let warm = Sandbox::new(config(Some(folder.path().to_owned()), 0)).expect("a sandbox");
    group.bench_function("cached_load", |b| b.iter(|| black_box(warm.load(&component).expect("it loads"))));
    group.finish();
}

fn by_hand(c: &mut Criterion, sandbox: &Sandbox) {
    let (desks, calls) = worlds::desks(sandbox);
    for (name, program) in ["desk_compiled", "desk_by_hand"].into_iter().zip(&desks) {
        let mut group = c.benchmark_group(name);
        group.bench_function("episode", |b| b.iter(|| episode(program, &calls)));
        let mut world = program.instantiate().expect("a world");
        for (id, call) in [("search_20_rows", 0), ("search_by_title", 4), ("keyed_read", 1)] {
            group.bench_function(id, |b| b.iter(|| black_box(run(&mut world, &calls[call]))));
        }
        group.finish();
    }
}

/// A sink that drops what it gets.
struct Nowhere;

#[async_trait]
impl EpisodeSink for Nowhere {
    async fn stored(&self, _policy: &str) -> Result<Samples, SinkError> {
        Ok(Samples::default())
    }
    async fn put(&self, episodes: Vec<Episode>) -> Result<(), SinkError> {
        black_box(episodes);
        Ok(())
    }
}

/// Whole episodes: agent loop, messages, steps with differences, verdict.
fn episodes(c: &mut Criterion, sandbox: &Sandbox, environment: &Arc<Environment>, task: &Arc<Task>) {
    let loaded = Loaded::load(sandbox, environment).expect("it loads");
    let setup = Setup::default();
    let mut group = c.benchmark_group("agent_loop");
    group.throughput(Throughput::Elements(1));
    group.bench_function("episode", |b| {
        b.iter(|| {
            let key = EpisodeKey { task_id: task.id.clone(), policy: "expert".to_owned(), sample: 0 };
            let mut agent = Expert.agent(0);
            let cast = Cast::alone(agent.as_mut());
            let episode = run_episode(&loaded, task, cast, &setup, key, 0).now_or_never().expect("scripted");
            assert_eq!(episode.reward, Some(1.0), "{:?}", episode.checks);
            episode
        });
    });
    group.finish();
    let mut group = c.benchmark_group("rollout");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(u64::from(EPISODES)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = runtime.block_on(async {
        let store = Store::create(folder.path().join("figures.db")).await.expect("a store");
        store.put_environment_with_tasks(environment, &[Task::clone(task)], None).await.expect("it is stored");
        store
    });
    let next = AtomicU32::new(0);
    let sinks: [(&str, usize, &dyn EpisodeSink); 3] =
        [("in_memory_1_core", 1, &Nowhere), ("in_memory_2_cores", 2, &Nowhere), ("stored_2_cores", 2, &store)];
    for (name, concurrency, sink) in sinks {
        let options = Options { concurrency, ..Options::default() };
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..iterations {
                    let first = next.fetch_add(EPISODES, Ordering::Relaxed);
                    let (environment, task) = (Arc::clone(environment), Arc::clone(task));
                    let jobs = (first..first + EPISODES).map(move |sample| Job {
                        environment: Arc::clone(&environment),
                        task: Arc::clone(&task),
                        sample,
                    });
                    let cancel = Cancel::new();
                    let started = Instant::now();
                    let run = rollout(sandbox, jobs, Arc::new(Expert), sink, &options, &cancel, |_| ());
                    assert_eq!(runtime.block_on(run).expect("a run").solved, u64::from(EPISODES));
                    elapsed += started.elapsed();
                }
                elapsed
            });
        });
    }
    group.finish();
}

fn main() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("figures");
    // Only this run's figures go into the table.
    let _ = std::fs::remove_dir_all(&folder);
    let mut c = Criterion::default()
        .output_directory(&folder)
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let source = worlds::service_desk();
    let compiled = source.compile();
    let sandbox = Sandbox::new(config(None, 64)).expect("a sandbox");
    let program = sandbox.load(&compiled.component).expect("it loads");
    let calls = worlds::ten_calls(&program);
    let results = worlds::results(&program, &calls);
    assert_eq!(results[0].matches("\"id\"").count(), 20, "the search has 20 rows");
    println!(
        "it-service-desk: {} tools, {} rows, core module {} bytes of which data {}; a search is {} bytes of JSON",
        program.tools().len(),
        source.rows(),
        compiled.core_bytes,
        compiled.data_bytes,
        results[0].len()
    );

    calls_of_worlds(&mut c, &compiled.component, &sandbox, &calls);
    compiling(&mut c, &source);
    by_hand(&mut c, &sandbox);
    let (environment, task) = worlds::task(&source, &sandbox, &calls);
    episodes(&mut c, &sandbox, &environment, &task);
    // A filter means that only single lines are wanted. Numbers are values of criterion's options.
    let all = std::env::args().skip(1).all(|a| a.starts_with("--") || a.parse::<f64>().is_ok());
    let (live, failed, objects) = if all {
        let live = memory::live(&program, WORLDS as usize, &calls[0], &calls[9]);
        let failed = memory::failed_resets(&program, RESETS, &calls[9]);
        let state = program.instantiate().expect("a world").state().expect("its state");
        (Some(live), Some(failed), objects::measure(&state, &calls, &results))
    } else {
        (None, None, None)
    };
    c.final_summary();
    println!("\n{}", report(&Measured::at(&folder), live, failed, objects).text());
}

fn report(m: &Measured, live: Option<memory::Live>, failed: Option<usize>, objects: Option<objects::Objects>) -> Table {
    use Target::{AtLeast, AtMost, None as Free};
    let mut t = Table::default();
    t.micros("reset, direct", m.time("direct/reset"), AtMost(7.0));
    t.micros("reset, dynamic", m.time("dynamic/reset"), AtMost(7.0));
    t.micros("keyed read, direct", m.time("direct/keyed_read"), AtMost(4.0));
    t.micros("keyed read, dynamic", m.time("dynamic/keyed_read"), AtMost(4.0));
    t.micros("search of 20 rows, direct", m.time("direct/search_20_rows"), AtMost(8.0));
    t.micros("search of 20 rows, dynamic", m.time("dynamic/search_20_rows"), AtMost(20.0));
    t.micros("first write of a world, direct", m.time("direct/write"), Free);
    t.micros("fork after 10 calls", m.time("state/fork_after_10_calls"), AtMost(25.0));
    t.micros("difference after 10 calls", m.time("state/net_diff"), Free);
    t.micros("the whole state", m.time("state/state"), Free);
    t.millis("compile 25 tools, to a program", m.time("compile/suite_to_program"), AtMost(30.0));
    t.millis("compile 25 tools, to a component", m.time("compile/suite_to_component"), Free);
    t.millis("cached load", m.time("compile/cached_load"), AtMost(0.2));
    t.rate("episodes of 10 calls, direct", m.time("direct/episode"), AtLeast(20_000.0));
    t.rate("episodes of 10 calls, dynamic", m.time("dynamic/episode"), AtLeast(10_000.0));
    t.rate("episodes in the agent loop", m.time("agent_loop/episode"), AtLeast(7_000.0));
    let whole = |id: &str| {
        m.time(id).map(|time| table::Time {
            median: time.median / f64::from(EPISODES),
            best: time.best / f64::from(EPISODES),
        })
    };
    t.rate("rollout in memory, 1 core", whole("rollout/in_memory_1_core"), AtLeast(7_000.0));
    t.rate("rollout in memory, 2 cores", whole("rollout/in_memory_2_cores"), Free);
    t.rate("rollout stored in SQLite, 2 cores", whole("rollout/stored_2_cores"), AtLeast(2_500.0));
    for (name, id, target) in [
        ("compiled / by hand, episode", "episode", AtMost(1.3)),
        ("compiled / by hand, keyed read", "keyed_read", Free),
        ("compiled / by hand, search by state", "search_20_rows", Free),
        ("compiled / by hand, search by title", "search_by_title", Free),
    ] {
        let both = m.time(&format!("desk_compiled/{id}")).zip(m.time(&format!("desk_by_hand/{id}")));
        if let Some((compiled, written)) = both {
            t.line(name, "x", compiled.median / written.median, Some(compiled.best / written.best), target);
        }
    }
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    if let Some(live) = live {
        t.line("10,000 live worlds, untouched", "MiB", mebibytes(live.untouched), None, AtMost(100.0));
        t.line("10,000 live worlds, searched and written", "MiB", mebibytes(live.used), None, AtMost(300.0));
        t.line("making one of 10,000 live worlds", "us", live.each_ns / 1e3, None, Free);
    }
    if let Some(failed) = failed {
        t.line("failed resets of 1,000,000", "", failed as f64, None, AtMost(0.0));
    }
    if let Some(o) = objects {
        t.line("Python objects: deepcopy reset", "us", o.reset, None, Free);
        t.line("Python objects: keyed read", "us", o.get, None, Free);
        t.line("Python objects: search of 20 rows", "us", o.search, None, Free);
        t.line("Python objects: episodes of 10 calls", "/s", 1e6 / o.episode, None, Free);
    }
    t
}
