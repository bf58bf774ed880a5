//! The library is wide: no suite is another one under new names. Names are those of the source, before worlds rename them.

use std::collections::BTreeSet;
use terrarium_synth::library;
use terrarium_tools::Suite;

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
