//! `make soak`: all fuzz bodies for as long as it takes to reach the counts that Terrarium promises, or until the time is up.
//!
//! Prints one line a kind when it is done, the counts at the end, and each difference with the command that shows it again. Ends with 1
//! when there was one, when something hung, or when the time did not suffice.

use clap::Parser;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
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
    /// The program of `tests/smith`, which writes modules by `wasm-smith`.
    #[arg(long, value_name = "PROGRAM")]
    smith: PathBuf,
    /// Run one item only: a kind (program, library, source, arguments, component, smith) and the seed of a finding.
    #[arg(long, num_args = 2, value_names = ["KIND", "SEED"])]
    only: Option<Vec<String>>,
    /// Write the first components of kind smith into a folder, for `tests/tests/fuzz.rs`, and end.
    #[arg(long, num_args = 2, value_names = ["FOLDER", "COUNT"])]
    keep: Option<Vec<String>>,
}

/// Distinct generated programs of a full run.
const PROGRAMS: f64 = 20_000.0;
/// Compared calls on suites of the library of a full run.
const LIBRARY_CALLS: f64 = 1_000_000.0;

/// Items of a kind in a full run.
fn items(kind: Kind) -> u64 {
    match kind {
        // The generator repeats itself seldom, and the checker refuses few.
        Kind::Program => 20_300,
        // A few of the thousand calls of each stop at a limit.
        Kind::Library => 1_030,
        Kind::Source => 20_000,
        Kind::Arguments => 3_000,
        Kind::Component => 10_000,
        Kind::Smith => 50_000,
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
    let lab = Lab::new().with_smith(&options.smith);
    if let Some(only) = &options.only {
        return one(&lab, only);
    }
    if let Some(keep) = &options.keep {
        return keep_components(&lab, options.seed, Path::new(&keep[0]), &keep[1]);
    }
    let started = Instant::now();
    let deadline = started + Duration::from_secs_f64(60.0 * options.minutes);
    let shared = Shared {
        lab,
        next: AtomicU64::new(0),
        seen: Mutex::default(),
        digests: Mutex::default(),
        findings: Mutex::default(),
        at: (0..options.threads).map(|_| Mutex::default()).collect(),
    };
    let mut complete = true;
    for kind in Kind::ALL {
        let goal = ((items(kind) as f64 * options.share).ceil() as u64).max(1);
        let began = Instant::now();
        let count = run(&shared, kind, options.seed, goal, deadline);
        let seconds = began.elapsed().as_secs_f64();
        let findings = lock(&shared.findings).len();
        println!("{}: {count} of {goal} in {seconds:.0} s, {findings} findings so far", kind.name());
        complete &= count == goal;
    }
    let seen = lock(&shared.seen).clone();
    let findings = lock(&shared.findings).clone();
    let distinct = lock(&shared.digests).len();
    println!("programs: {distinct} distinct, {} rejected by the checker", seen.rejected);
    let mut promise = |what: &str, kept: bool| {
        if !kept {
            println!("not reached: {what}");
        }
        complete &= kept;
    };
    promise("20,000 distinct programs", distinct as f64 >= PROGRAMS * options.share);
    promise("1,000,000 calls on the library", seen.library_calls as f64 >= LIBRARY_CALLS * options.share);
    for components in [&seen.components, &seen.smiths] {
        promise("half of the components called", components.called * 2 >= components.components);
    }
    promise("at most one program in a hundred refused by the checker", seen.rejected * 100 <= seen.programs);
    if let Some(rejection) = &seen.rejection {
        println!("the last program that the checker refused:\n{rejection}\n");
    }
    println!(
        "calls: {} compared, {} of them on the library ({} values, {} refusals in the author's words), {} stopped at a limit",
        seen.calls.compared, seen.library_calls, seen.calls.succeeded, seen.calls.refused, seen.calls.limited
    );
    println!("sources: {:?}", seen.sources);
    println!("arguments: {:?}", seen.arguments);
    for (name, made) in [("components", &seen.components), ("components by wasm-smith", &seen.smiths)] {
        println!(
            "{name}: {}, {} called, {} of them on both paths; {:?}",
            made.components, made.called, made.both, made.outcomes
        );
    }
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
    // Of the others what to run again and what differs, without the program.
    for finding in findings.iter().skip(FINDINGS_MAX) {
        println!("\n{}", finding.lines().take(2).collect::<Vec<_>>().join("\n"));
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
    format!("make soak SOAK_ONLY=\"{} {seed}\"", kind.name())
}

fn one(lab: &Lab, only: &[String]) -> ExitCode {
    let kind = Kind::ALL.into_iter().find(|k| k.name() == only[0]);
    let (Some(kind), Ok(seed)) = (kind, only[1].parse()) else {
        println!("a kind is one of {}; a seed is a number", Kind::ALL.map(Kind::name).join(", "));
        return ExitCode::from(2);
    };
    match catch_unwind(AssertUnwindSafe(|| lab.run(kind, &mut Random::new(seed)))) {
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

/// Writes components of kind smith.
fn keep_components(lab: &Lab, seed: u64, folder: &Path, count: &str) -> ExitCode {
    let Ok(count) = count.parse::<u64>() else {
        println!("a count is a number");
        return ExitCode::from(2);
    };
    for index in 0..count {
        let bytes = match lab.smith(&mut Random::new(Kind::Smith.seed(seed, index))) {
            Ok(made) => made,
            Err(error) => {
                println!("{error}");
                return ExitCode::FAILURE;
            }
        };
        let name = format!("{index:03}.wasm");
        if let Err(error) = std::fs::write(folder.join(&name), bytes) {
            println!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
