//! Every suite of the library checks, and what it declares can be used by a planner that only calls tools.

#[path = "support/library.rs"]
mod library;

use terrarium_tools::suite::{Finds, Suite};
use terrarium_tools::types::Type;
use terrarium_tools::{Surface, parse_suite};

fn parsed() -> Vec<Suite> {
    let mut suites = Vec::new();
    let mut faults = String::new();
    for file in library::files() {
        match library::parse(&file) {
            Ok(suite) => suites.push(suite),
            Err(diagnostics) => diagnostics.iter().for_each(|d| faults.push_str(&format!("{d}\n"))),
        }
    }
    assert!(faults.is_empty(), "{faults}");
    suites
}

/// Tables whose rows a write tool names by key.
fn named_by_key(suite: &Suite) -> Vec<usize> {
    let mut tables = Vec::new();
    for tool in suite.tools.iter().filter(|t| t.writes) {
        for parameter in &suite.functions[tool.function].parameters {
            let ty = if let Type::Option(inner) = &parameter.ty { inner } else { &parameter.ty };
            if let Type::Key(table) = ty {
                tables.push(*table);
            }
        }
    }
    tables.sort_unstable();
    tables.dedup();
    tables
}

#[test]
fn every_suite_checks() {
    let suites = parsed();
    assert!(suites.len() >= 6, "{} suites", suites.len());
    for suite in &suites {
        let writes = suite.tools.iter().filter(|t| t.writes).count();
        let finds = suite.tools.iter().filter(|t| t.finds.is_some()).count();
        assert!(suite.tables.len() >= 4 && writes >= 5 && finds >= 4, "{}: {writes} write, {finds} find", suite.name);
        assert!(!suite.parameters.is_empty() && suite.policy.contains('{'), "{}: a policy with parameters", suite.name);
        for parameter in &suite.parameters {
            assert!(parameter.choices.len() > 1, "{}: {} does not vary", suite.name, parameter.name);
        }
    }
}

/// A row that a prompt names must be reachable: by search, by reference from a reachable row, or in a list of all.
#[test]
fn named_rows_can_be_found() {
    for suite in parsed() {
        let finds: Vec<&Finds> = suite.tools.iter().filter_map(|t| t.finds.as_ref()).filter(|f| !f.single).collect();
        for table in named_by_key(&suite) {
            let definition = &suite.tables[table];
            let lists: Vec<_> = finds.iter().filter(|f| f.table == table).collect();
            assert!(!lists.is_empty(), "{}: no tool lists {}", suite.name, definition.plural);
            let single = suite.tools.iter().filter_map(|t| t.finds.as_ref()).filter(|f| f.single && f.table == table);
            let shown: Vec<usize> =
                single.chain(lists.iter().copied().copied()).flat_map(|f| f.shows.iter().map(|s| s.0)).collect();
            for column in 0..definition.columns.len() {
                let name = &definition.columns[column].name;
                assert!(shown.contains(&column), "{}: no tool shows {}.{name}", suite.name, definition.name);
            }
            assert!(!definition.called.is_empty(), "{}: {} has no `called`", suite.name, definition.name);
        }
    }
}

#[test]
fn every_write_tool_reads_as_english() {
    for suite in parsed() {
        for tool in suite.tools.iter().filter(|t| t.writes) {
            assert!(tool.ask.len() >= 2, "{}: {} has one way to ask", suite.name, tool.name);
            for ask in &tool.ask {
                let first = ask.chars().next().expect("a text");
                assert!(first.is_lowercase() && !ask.ends_with('.'), "{}: {ask}", suite.name);
                let needed = suite.functions[tool.function].parameters.iter();
                for parameter in needed.filter(|p| !matches!(p.ty, Type::Option(_))) {
                    assert!(ask.contains(&format!("{{{}}}", parameter.name)), "{}: {ask}", suite.name);
                }
            }
        }
        let surface = Surface::plain(&suite);
        for tool in &surface.tools {
            assert!(!tool.doc.is_empty(), "{}: {} has no description", suite.name, tool.name);
            for (_, name, doc) in &tool.parameters {
                assert!(!doc.is_empty(), "{}: {}.{name} has no description", suite.name, tool.name);
            }
        }
    }
}

#[test]
fn the_example_of_the_guide_checks() {
    let guide = include_str!("../../docs/suites.md");
    let example = guide.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    if let Err(faults) = parse_suite("docs/suites.md", example) {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
}
