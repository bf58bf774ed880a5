//! `make soak`: all fuzz bodies for as long as it takes to reach the counts that Terrarium promises, or until the time is up.
//!
//! Prints one line a kind when it is done, the counts at the end, and each difference with the command that shows it again. Ends with 1
//! when there was one, when something hung, or when the time did not suffice.

use clap::Parser;
use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use terrarium_tests::lab::{Kind, Lab, Seen};
use terrarium_tests::support::Random;

/// An item that takes longer than this hangs.
const ITEM_MAX: Duration = Duration::from_secs(60);
/// Findings that are shown in full.
const FINDINGS_MAX: usize = 5;

/// Compares compiled suites with the interpreter, and attacks the checker, the schemas and the sandbox, at random.
#[derive(Parser)]
struct Options {
    /// Seed of everything.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Wall-clock bound.
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Part of the full counts to reach.
    #[arg(long, default_value_t = 1.0)]
    share: f64,
    /// Run one item only: a kind (program, library, source, arguments, component) and the seed of a finding.
    #[arg(long, num_args = 2, value_names = ["KIND", "SEED"])]
    only: Option<Vec<String>>,
}

/// Items of a kind in a full run.
fn items(kind: Kind) -> u64 {
    match kind {
        // 20,000 distinct ones are promised; the generator repeats itself seldom, and the checker refuses few.
        Kind::Program => 21_000,
        Kind::Library => 1_500,
        Kind::Source => 20_000,
        Kind::Arguments => 3_000,
        Kind::Component => 50_000,
    }
}

/// What threads share.
struct Shared {
    lab: Lab,
    next: AtomicU64,
    seen: Mutex<Seen>,
    digests: Mutex<HashSet<u64>>,
    findings: Mutex<Vec<String>>,
    /// Item that each thread is at.
    at: Vec<Mutex<Option<(u64, Instant)>>>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(only) = &options.only {
        return one(only);
    }
    let started = Instant::now();
    let deadline = started + Duration::from_secs_f64(60.0 * options.minutes);
    let shared = Shared {
        lab: Lab::new(),
        next: AtomicU64::new(0),
        seen: Mutex::default(),
        digests: Mutex::default(),
        findings: Mutex::default(),
        at: (0..options.threads).map(|_| Mutex::default()).collect(),
    };
    let mut done = BTreeMap::new();
    let mut complete = true;
    for kind in Kind::ALL {
        let goal = ((items(kind) as f64 * options.share).ceil() as u64).max(1);
        let began = Instant::now();
        let count = run(&shared, kind, options.seed, goal, deadline);
        let seconds = began.elapsed().as_secs_f64();
        println!("{}: {count} of {goal} in {seconds:.0} s", kind.name());
        complete &= count == goal;
        done.insert(kind.name(), count);
    }
    let seen = lock(&shared.seen).clone();
    let findings = lock(&shared.findings).clone();
    let distinct = lock(&shared.digests).len();
    println!("programs: {distinct} distinct, {} rejected by the checker", seen.rejected);
    if seen.rejected * 100 > seen.programs
        && let Some(rejection) = &seen.rejection
    {
        println!("the checker refuses more than one in a hundred, the last one because of\n{rejection}");
        complete = false;
    }
    println!(
        "calls: {} compared ({} values, {} refusals in the author's words), {} stopped at a limit",
        seen.calls.compared, seen.calls.succeeded, seen.calls.refused, seen.calls.limited
    );
    println!("sources: {:?}", seen.sources);
    println!("arguments: {:?}", seen.arguments);
    println!(
        "components: {}, {} called, {} of them on both paths; {:?}",
        seen.components.components, seen.components.called, seen.components.both, seen.components.outcomes
    );
    println!(
        "seed {}, {} threads, {:.0} s, {} findings",
        options.seed,
        options.threads,
        started.elapsed().as_secs_f64(),
        findings.len()
    );
    for finding in findings.iter().take(FINDINGS_MAX) {
        println!("\n{finding}");
    }
    if !complete {
        println!("not all counts were reached in good order");
    }
    if complete && findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs items of a kind on all threads; gives how many were done.
fn run(shared: &Shared, kind: Kind, seed: u64, goal: u64, deadline: Instant) -> u64 {
    shared.next.store(0, Relaxed);
    let counted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..shared.at.len())
            .map(|worker| {
                let counted = &counted;
                scope.spawn(move || {
                    while Instant::now() < deadline {
                        let index = shared.next.fetch_add(1, Relaxed);
                        if index >= goal {
                            break;
                        }
                        item(shared, worker, kind, kind.seed(seed, index));
                        counted.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        while workers.iter().any(|w| !w.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            for at in &shared.at {
                if let Some((seed, since)) = *lock(at)
                    && since.elapsed() > ITEM_MAX
                {
                    println!("hangs: {}", command(kind, seed));
                    std::process::abort();
                }
            }
        }
    });
    counted.load(Relaxed)
}

fn item(shared: &Shared, worker: usize, kind: Kind, seed: u64) {
    *lock(&shared.at[worker]) = Some((seed, Instant::now()));
    let result = catch_unwind(AssertUnwindSafe(|| shared.lab.run(kind, &mut Random::new(seed))));
    *lock(&shared.at[worker]) = None;
    match result {
        Ok(Ok(seen)) => {
            if seen.programs > 0 {
                lock(&shared.digests).insert(seen.digest);
            }
            lock(&shared.seen).add(&seen);
        }
        Ok(Err(finding)) => lock(&shared.findings).push(format!("{}\n{finding}", command(kind, seed))),
        Err(panic) => lock(&shared.findings).push(format!("{}\npanic: {}", command(kind, seed), words(&*panic))),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

fn command(kind: Kind, seed: u64) -> String {
    format!("cargo run -p terrarium-tests --bin soak -- --only {} {seed}", kind.name())
}

fn one(only: &[String]) -> ExitCode {
    let kind = Kind::ALL.into_iter().find(|k| k.name() == only[0]);
    let (Some(kind), Ok(seed)) = (kind, only[1].parse()) else {
        println!("a kind is one of {}; a seed is a number", Kind::ALL.map(Kind::name).join(", "));
        return ExitCode::from(2);
    };
    match catch_unwind(AssertUnwindSafe(|| Lab::new().run(kind, &mut Random::new(seed)))) {
        Ok(Ok(seen)) => {
            println!("no difference: {seen:?}");
            ExitCode::SUCCESS
        }
        Ok(Err(finding)) => {
            println!("{finding}");
            ExitCode::FAILURE
        }
        Err(panic) => {
            println!("panic: {}", words(&*panic));
            ExitCode::FAILURE
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
