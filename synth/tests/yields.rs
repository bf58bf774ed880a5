//! Every suite of the library contributes: alone it gives tasks of all kinds, but for a few, and none gives much less than the others.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_envs::task::Kind;
use terrarium_synth::library::{self, ParsedSuite};
use terrarium_synth::{Admission, Error, Options, Resume, Synthesizer};

/// Tasks of a world.
const TASKS: u64 = 20;
/// Worlds tried until every kind was there. Some worlds have few tools, and not every world breaks every claim.
const WORLDS: u64 = 6;
/// Pairs of a suite and a kind that may be missing: rules that rows seldom break, tables too small to choose from (14 on 2026-11-24, 12 of
/// them of kind policy or plan).
const MISSING_MAX: usize = 20;
/// Kinds that one suite may miss.
const MISSING_EACH_MAX: usize = 2;
/// Suites at a time.
const THREADS: usize = 2;

/// What a suite gave.
struct Given {
    suite: String,
    missing: Vec<&'static str>,
    worlds: u64,
    share: f64,
}

fn give(parsed: &ParsedSuite, sandbox: &Sandbox) -> Given {
    let mut kinds: BTreeSet<Kind> = BTreeSet::new();
    let (mut drawn, mut certified, mut worlds) = (0, 0, 0);
    while worlds < WORLDS && kinds.len() < Kind::ALL.len() {
        let options =
            Options { seed: 40 + worlds, envs: 1, tasks: TASKS, suites: vec![parsed.clone()], ..Options::default() };
        let synthesizer = Synthesizer::new(options, sandbox).expect("options");
        let report = synthesizer.run::<Error>(Resume::default(), &AtomicBool::new(false), |made: Admission, _| {
            kinds.extend(made.tasks.iter().map(|t| t.kind));
            Ok(())
        });
        let report = report.unwrap_or_else(|e| panic!("{}: {e}", parsed.suite.name));
        let of_suite = &report.suites[&parsed.suite.name];
        drawn += of_suite.drawn;
        certified += of_suite.certified;
        worlds += 1;
    }
    let missing = Kind::ALL.into_iter().filter(|k| !kinds.contains(k)).map(Kind::name).collect();
    Given { suite: parsed.suite.name.clone(), missing, worlds, share: certified as f64 / drawn as f64 }
}

#[test]
fn every_suite_gives_its_kinds_and_none_gives_little() {
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let library = library::parsed().expect("the library checks");
    let next = AtomicUsize::new(0);
    let all: Mutex<Vec<Given>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(parsed) = library.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let given = give(parsed, &sandbox);
                    all.lock().expect("no thread panicked").push(given);
                }
            });
        }
    });
    let mut all = all.into_inner().expect("no thread panicked");
    all.sort_by(|a, b| a.share.total_cmp(&b.share));
    assert_eq!(all.len(), library.len());
    let median = all[all.len() / 2].share;
    println!("median yield {median:.3}, least {:.3} ({})", all[0].share, all[0].suite);
    println!("worlds needed: {} at most", all.iter().map(|g| g.worlds).max().unwrap_or(0));
    let most = all.iter().map(|g| g.missing.len()).max().unwrap_or(0);
    let pairs: usize = all.iter().map(|g| g.missing.len()).sum();
    let missing: Vec<String> = all
        .iter()
        .filter(|g| !g.missing.is_empty())
        .map(|g| format!("{}: {}", g.suite, g.missing.join(", ")))
        .collect();
    println!("kinds that no world of a suite gave: {missing:#?}");
    assert!(pairs <= MISSING_MAX && most <= MISSING_EACH_MAX, "no task of a kind: {missing:#?}");
    let low: Vec<&str> = all.iter().filter(|g| g.share * 4.0 < median).map(|g| g.suite.as_str()).collect();
    assert!(low.is_empty(), "less than a quarter of the median {median:.3}: {low:?}");
}
