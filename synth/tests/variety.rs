//! The library is wide, and so is what is made of it: no suite is another one under new names, no environment another one's twin, and
//! nothing stands on both sides of the line between training and testing. Names are those of the source, before worlds rename them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use terrarium_envs::environment::Split;
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_synth::candidate::split;
use terrarium_synth::dedup::is_testing;
use terrarium_synth::dedup::plan::Plan;
use terrarium_synth::dedup::pool::{curve, suites};
use terrarium_synth::library::{self, ParsedSuite};
use terrarium_synth::vary::{self, signature, surface};
use terrarium_synth::{Admission, Error, Options, Resume, Synthesizer, link};
use terrarium_tools::Suite;

/// Environments whose variety is measured: as many as DeepSeek-V3.2's pipeline has, and a few more.
const ENVIRONMENTS: usize = 2_000;
/// Median similarity of nearest neighbours that is asked for.
const MEDIAN_MAX: f64 = 0.6;
/// What is promised of the two environments that are most alike: a number of its own, whatever the generator aims at.
const ALIKE_MAX: f64 = 0.85;

/// Largest similarity of two suites.
const SIMILARITY_MAX: f64 = 0.5;

/// What a suite is made of: its tools with their parameters, its tables with their columns.
fn parts(suite: &Suite) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for tool in &suite.tools {
        parts.insert(format!("tool {}", tool.name));
        for parameter in &suite.functions[tool.function].parameters {
            parts.insert(format!("{}({}: {:?})", tool.name, parameter.name, parameter.ty));
        }
    }
    for table in &suite.tables {
        parts.insert(format!("table {}", table.name));
        parts.extend(table.columns.iter().map(|column| format!("{}.{}", table.name, column.name)));
    }
    parts
}

/// Jaccard similarity: the share of parts that both have among those that either has.
fn similarity(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let both = a.intersection(b).count();
    both as f64 / (a.len() + b.len() - both) as f64
}

#[test]
fn no_two_suites_are_alike() {
    let suites = library::parsed().expect("the library checks");
    let parts: Vec<BTreeSet<String>> = suites.iter().map(|s| parts(&s.suite)).collect();
    assert!(similarity(&parts[0], &parts[0]) > 0.999);
    let mut nearest: Vec<(f64, &str, &str)> = Vec::new();
    for (i, a) in parts.iter().enumerate() {
        let others = parts.iter().enumerate().filter(|(j, _)| *j != i);
        let scored =
            others.map(|(j, b)| (similarity(a, b), suites[i].suite.name.as_str(), suites[j].suite.name.as_str()));
        nearest.extend(scored.max_by(|a, b| a.0.total_cmp(&b.0)));
    }
    nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let median = nearest[nearest.len() / 2].0;
    println!("{} suites, nearest neighbours: median {median:.2}, closest {:?}", nearest.len(), &nearest[..3]);
    assert!(nearest[0].0 <= SIMILARITY_MAX, "{:?}", nearest[0]);
}

#[test]
fn the_library_has_the_breadth_that_is_promised() {
    let suites = library::parsed().expect("the library checks");
    let tools: BTreeSet<(&str, &str)> =
        suites.iter().flat_map(|s| s.suite.tools.iter().map(|t| (s.suite.name.as_str(), t.name.as_str()))).collect();
    let names: BTreeSet<&str> = tools.iter().map(|(_, tool)| *tool).collect();
    let domains: BTreeSet<&str> = suites.iter().map(|s| s.suite.domain.as_str()).collect();
    println!("{} suites, {} domains, {} tools, {} tool names", suites.len(), domains.len(), tools.len(), names.len());
    assert!(suites.len() >= 40 && domains.len() >= 40 && names.len() >= 2_000, "fewer than the library promises");
}

#[test]
fn every_suite_has_worlds_in_every_split_it_belongs_to() {
    let library = library::parsed().expect("the library checks");
    let mut worlds: BTreeMap<Split, BTreeMap<String, usize>> = BTreeMap::new();
    for (split, signature) in drawn(7, ENVIRONMENTS) {
        for suite in suites(&signature) {
            *worlds.entry(split).or_default().entry(suite.to_owned()).or_default() += 1;
        }
    }
    for (split, own) in [
        (Split::Train, Split::Train),
        (Split::Validation, Split::Train),
        (Split::TestSuite, Split::TestSuite),
        (Split::TestProcess, Split::TestProcess),
    ] {
        let counts = &worlds[&split];
        let mut sorted: Vec<usize> = counts.values().copied().collect();
        sorted.sort_unstable();
        let median = sorted[sorted.len() / 2];
        println!(
            "{}: {} suites, {} to {} worlds, median {median}",
            split.name(),
            sorted.len(),
            sorted[0],
            sorted[sorted.len() - 1]
        );
        for suite in library.iter().filter(|s| s.split == own) {
            let n = counts.get(&suite.suite.name).copied().unwrap_or(0);
            assert!(
                n > 0 && n * 4 >= median,
                "{} has {n} worlds in {}, the median is {median}",
                suite.suite.name,
                split.name()
            );
        }
    }
}

/// Split and signature of so many environments as they are drawn, without compiling them.
fn drawn(seed: u64, environments: usize) -> Vec<(Split, Vec<String>)> {
    let library = library::parsed().expect("the library checks");
    let plan = Plan::default();
    let mut all = Vec::with_capacity(environments);
    for index in 0.. {
        let Some(draw) = plan.draw(library, seed, index) else { continue };
        let stock = link::stock(library, seed, draw);
        let recipe = vary::recipe_of(&stock, seed, draw);
        let surface = surface::build(&stock.parsed.suite, &recipe.surface, Vec::new());
        let split = split(stock.parsed.split, library.len() as u64, index);
        all.push((split, signature::of(&stock.parsed.suite, &recipe, &surface)));
        if all.len() == environments {
            break;
        }
    }
    all
}

#[test]
fn two_thousand_environments_are_told_apart() {
    let signatures: Vec<Vec<String>> = drawn(7, ENVIRONMENTS).into_iter().map(|(_, signature)| signature).collect();
    let tools: BTreeSet<Vec<&String>> =
        signatures.iter().map(|lines| lines.iter().filter(|line| line.ends_with(')')).collect()).collect();
    assert_eq!(tools.len(), ENVIRONMENTS, "two environments share their set of tool signatures");
    let curve = curve(&signatures, &[100, 500, 1000]);
    println!("{curve:.2?}");
    let all = curve.last().expect("environments");
    assert!(all.median <= MEDIAN_MAX && all.most <= ALIKE_MAX, "{all:?}");
}

#[test]
fn no_suite_and_no_set_of_tools_is_on_both_sides() {
    let mut suites_of: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    let mut sets_of: BTreeMap<bool, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (split, signature) in drawn(5, 450) {
        let own = suites(&signature).into_iter().map(str::to_owned);
        suites_of.entry(is_testing(split)).or_default().extend(own);
        // Without the suite: the same tools under another suite's name would be found, too.
        let bare = signature.iter().filter_map(|line| line.split_once('.')).map(|(_, tool)| tool.to_owned());
        sets_of.entry(is_testing(split)).or_default().insert(bare.collect());
    }
    assert!(suites_of[&true].len() > 30 && suites_of[&false].len() > 100, "both sides are looked at");
    assert!(suites_of[&true].is_disjoint(&suites_of[&false]));
    assert!(sets_of[&true].is_disjoint(&sets_of[&false]));
}

#[test]
fn no_process_module_of_the_second_test_split_is_trained_on() {
    let library = library::parsed().expect("the library checks");
    let modules = |wanted: &dyn Fn(Split) -> bool| -> BTreeSet<&String> {
        library.iter().filter(|s| wanted(s.split)).flat_map(|s| &s.modules).collect()
    };
    let unseen = modules(&|split| split == Split::TestProcess);
    assert!(!unseen.is_empty());
    assert!(unseen.is_disjoint(&modules(&|split| split != Split::TestProcess)));
}

/// Every so manyth suite of each split, so that both sides are there.
fn some_suites(step: usize) -> Vec<ParsedSuite> {
    let library = library::parsed().expect("the library checks");
    library.iter().step_by(step).cloned().collect()
}

#[test]
fn no_cluster_of_prompts_is_on_both_sides() {
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let suites = some_suites(8);
    let options = Options { seed: 3, envs: suites.len() as u64, tasks: 190, threads: 2, suites, ..Options::default() };
    let mut clusters: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    let synthesizer = Synthesizer::new(options, &sandbox).expect("options");
    let report = synthesizer.run::<Error>(Resume::default(), &AtomicBool::new(false), |made: Admission, _| {
        assert_eq!(made.clusters.tasks.len(), made.tasks.len());
        clusters.entry(is_testing(made.environment.split)).or_default().extend(made.clusters.tasks);
        Ok(())
    });
    report.expect("synthesis");
    assert!(clusters[&true].len() > 20 && clusters[&false].len() > 50, "both sides are looked at");
    assert!(clusters[&true].is_disjoint(&clusters[&false]));
}
