//! Three statements of what a tool does must agree, for every suite of the library on random worlds and arguments: the
//! compiled body in the sandbox, the body in the host evaluator, and what the author declared (`needs`, `effect`,
//! `finds`, `match`). `TERRARIUM_SUITES=FOLDER` holds the suites of another folder to it instead.

mod dice;
#[path = "../support/library.rs"]
mod library;

use dice::{Dice, arguments_json};
use serde_json::{Map, Value as Json, json};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use terrarium_sandbox::{CallOutcome, Config, Instance, Sandbox};
use terrarium_tools::compile::compile;
use terrarium_tools::eval::{ChangeKind, Evaluator, RowChange, ToolError, fill_derived};
use terrarium_tools::suite::{Suite, Tool};
use terrarium_tools::types::Type;
use terrarium_tools::value::{Value, to_json};
use terrarium_tools::{Diagnostic, Surface, parse_suite};

/// Worlds of each suite, and calls of each tool in each.
const WORLDS: u64 = 2;
const WORLDS_MAX: u64 = 12;
const CALLS: usize = 60;
/// Suites that are tried at a time.
const THREADS: usize = 2;

/// The library, and the example of the guide for authors; or the folder that the environment names.
fn suites() -> Vec<Suite> {
    let other = std::env::var_os("TERRARIUM_SUITES").map(PathBuf::from);
    let files = other.as_ref().map_or_else(library::files, |folder| library::suites_in(folder));
    let checked = |faults: Vec<Diagnostic>| -> Suite { panic!("{}", faults[0]) };
    let mut suites: Vec<Suite> = files.iter().map(|file| library::parse(file).unwrap_or_else(checked)).collect();
    if other.is_none() {
        let guide = include_str!("../../../docs/suites.md").split("```python\n").nth(1).expect("an example");
        let example = guide.split("```").next().expect("its end");
        suites.push(parse_suite("docs/suites.md", example).unwrap_or_else(checked));
    }
    suites
}

/// One suite, one world: evaluator and sandbox side by side.
struct Pair<'s> {
    suite: &'s Suite,
    evaluator: Evaluator<'s>,
    instance: Instance,
}

/// What one call did, in the same form for both sides.
#[derive(Debug, PartialEq)]
enum Reply {
    Ok(Json),
    Error(String),
}

impl Pair<'_> {
    fn compiled(&mut self, tool: &Tool, arguments: &Json) -> Reply {
        let call = self.instance.call(&tool.name, arguments).expect("our side works");
        match call.outcome {
            CallOutcome::Ok(text) => Reply::Ok(serde_json::from_str(&text).expect("JSON")),
            CallOutcome::ToolError { code, .. } => Reply::Error(code),
            other => panic!("{}.{} {arguments}: {other:?}", self.suite.name, tool.name),
        }
    }

    fn evaluated(&mut self, tool: &Tool, arguments: &[Value]) -> Reply {
        match self.evaluator.call(tool, arguments) {
            Ok(value) => Reply::Ok(to_json(self.suite, &self.suite.functions[tool.function].returns, &value)),
            Err(ToolError { code, .. }) => Reply::Error(code),
        }
    }

    /// Declared changes in the form of the sandbox's diff.
    fn diff_json(&self, changes: &[RowChange]) -> Json {
        let mut tables = Vec::new();
        for (table, definition) in self.suite.tables.iter().enumerate() {
            let of = |kind: ChangeKind| changes.iter().filter(move |c| c.table == table && c.kind == kind);
            let row = |change: &RowChange, after: bool, key: bool| {
                let mut out = Map::new();
                if key {
                    out.insert("id".into(), json!(change.key));
                }
                for column in &change.columns {
                    let value = if after { &column.after } else { &column.before };
                    let definition = &definition.columns[column.column];
                    out.insert(definition.name.clone(), to_json(self.suite, &definition.ty, value));
                }
                Json::Object(out)
            };
            let inserted: Vec<Json> = of(ChangeKind::Insert).map(|c| row(c, true, true)).collect();
            let updated: Vec<Json> = of(ChangeKind::Update)
                .map(|c| json!({"key": c.key, "before": row(c, false, false), "after": row(c, true, false)}))
                .collect();
            let deleted: Vec<Json> = of(ChangeKind::Delete).map(|c| row(c, false, true)).collect();
            if inserted.len() + updated.len() + deleted.len() > 0 {
                tables.push(
                    json!({"table": definition.name, "inserted": inserted, "updated": updated, "deleted": deleted}),
                );
            }
        }
        json!({"tables": tables})
    }

    fn state_json(&self) -> Json {
        let world = self.evaluator.rows().to_world();
        let mut tables = Map::new();
        for (table, rows) in self.suite.tables.iter().zip(&world.tables) {
            let index = self.suite.tables.iter().position(|t| t.name == table.name).expect("a table");
            let rows = rows.rows.iter().map(|row| to_json(self.suite, &Type::Row(index), &Value::Record(row.clone())));
            tables.insert(table.name.clone(), rows.collect());
        }
        json!({"tables": tables})
    }
}

/// How often a tool succeeded and failed.
#[derive(Default)]
struct Tally {
    succeeded: usize,
    failed: usize,
}

#[test]
fn bodies_effects_and_compiled_tools_agree() {
    let suites = suites();
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let next = AtomicUsize::new(0);
    let counted = Mutex::new((0, 0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(suite) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (conditional, refused) = one_suite(&sandbox, suite);
                    let mut counted = counted.lock().expect("no thread failed");
                    *counted = (counted.0 + conditional, counted.1 + refused);
                }
            });
        }
    });
    let (conditional, refused) = *counted.lock().expect("no thread failed");
    assert!(
        refused * 100 >= conditional * 95,
        "of {conditional} tools with conditions only {refused} were ever refused"
    );
}

/// Tools with conditions, and how many of them were ever refused.
fn one_suite(sandbox: &Sandbox, suite: &Suite) -> (usize, usize) {
    let mut tallies: Vec<Tally> = suite.tools.iter().map(|_| Tally::default()).collect();
    // Some tools are seldom allowed: further worlds until each was.
    let untried = |tallies: &[Tally]| tallies.iter().any(|tally| tally.succeeded == 0);
    for seed in 0..WORLDS_MAX {
        if seed >= WORLDS && !untried(&tallies) {
            break;
        }
        one_world(sandbox, suite, seed, &mut tallies);
    }
    let (mut conditional, mut refused) = (0, 0);
    for (tool, tally) in suite.tools.iter().zip(&tallies) {
        let name = format!("{}.{}", suite.name, tool.name);
        println!("{name}: {} succeeded, {} failed", tally.succeeded, tally.failed);
        assert!(tally.succeeded > 0, "{name} was never allowed");
        if !tool.needs.is_empty() {
            conditional += 1;
            refused += usize::from(tally.failed > 0);
        }
    }
    (conditional, refused)
}

fn one_world(sandbox: &Sandbox, suite: &Suite, seed: u64, tallies: &mut [Tally]) {
    let mut dice = Dice(seed);
    let surface = Surface { parameters: dice.parameters(suite), ..Surface::plain(suite) };
    let mut world = dice.world(suite);
    fill_derived(suite, &surface.parameters, &mut world).expect("derived columns");
    let compiled = compile(suite, &surface, &world).unwrap_or_else(|e| panic!("{}: {e}", suite.name));
    let program = sandbox.load(&compiled.component).expect("a program");
    let evaluator = Evaluator::new(suite, &surface.parameters, &world);
    let mut pair = Pair { suite, evaluator, instance: program.instantiate().expect("an instance") };
    assert_eq!(pair.instance.state().expect("a state"), pair.state_json(), "{}: the first state", suite.name);

    // Each tool alone, always on the fresh world.
    let fresh = pair.evaluator.rows().clone();
    for (tool, tally) in suite.tools.iter().zip(tallies) {
        for round in 0..CALLS {
            let mut arguments = dice.arguments(suite, tool, &world);
            // Half of the rounds look for a call that is allowed.
            for _ in 0..if round % 2 == 0 { 30 } else { 0 } {
                if pair.evaluator.needs(tool, &arguments) == Ok(true) {
                    break;
                }
                arguments = dice.arguments(suite, tool, &world);
            }
            let json = arguments_json(suite, tool, &arguments);
            let place = format!("{}.{} {json} (world {seed})", suite.name, tool.name);
            let needs = pair.evaluator.needs(tool, &arguments);
            let declared = pair.evaluator.effects(tool, &arguments);
            let expected = pair.evaluated(tool, &arguments);
            let found = tool.finds.as_ref().map(|finds| {
                let rows = pair.evaluator.finds(finds, &arguments).expect("finds");
                rows.iter().map(|row| pair.evaluator.rows().key(finds.table, *row).to_owned()).collect::<Vec<_>>()
            });
            let got = pair.compiled(tool, &json);
            assert_eq!(got, expected, "{place}: compiled, then evaluated");
            let ok = matches!(got, Reply::Ok(_));
            if ok {
                tally.succeeded += 1;
            } else {
                tally.failed += 1;
            }
            let diff = serde_json::to_value(pair.instance.net_diff().expect("a diff")).expect("JSON");
            if tool.writes {
                assert_eq!(
                    ok,
                    needs == Ok(true) && declared.is_ok(),
                    "{place}: {got:?} but needs {needs:?}, effects {declared:?}"
                );
                if ok {
                    assert_eq!(
                        diff,
                        pair.diff_json(&declared.expect("checked")),
                        "{place}: diff, then declared effects"
                    );
                }
            }
            if !ok || !tool.writes {
                assert_eq!(diff, json!({"tables": []}), "{place}: changed something");
            }
            if round % 10 == 0 {
                assert_eq!(pair.instance.state().expect("a state"), pair.state_json(), "{place}: state");
            }
            if let (Reply::Ok(reply), Some(found)) = (&got, found) {
                check_finds(tool, &arguments, reply, &found, &place);
            }
            pair.evaluator.replace_rows(fresh.clone());
            pair.instance = program.instantiate().expect("an instance");
        }
    }

    // A long run of calls in one instance.
    for step in 0..400 {
        let tool = &suite.tools[dice.below(suite.tools.len())];
        let now = pair.evaluator.rows().to_world();
        let arguments = dice.arguments(suite, tool, &now);
        let json = arguments_json(suite, tool, &arguments);
        let expected = pair.evaluated(tool, &arguments);
        let got = pair.compiled(tool, &json);
        assert_eq!(got, expected, "{}.{} {json} (world {seed}, step {step})", suite.name, tool.name);
    }
    assert_eq!(pair.instance.state().expect("a state"), pair.state_json(), "{}: the last state", suite.name);
}

/// A read tool with a declared meaning gives exactly the rows that match, page by page.
fn check_finds(tool: &Tool, arguments: &[Value], reply: &Json, found: &[String], place: &str) {
    let finds = tool.finds.as_ref().expect("checked");
    let id_field = finds.shows.iter().find(|s| s.0 == 0).map(|s| s.1.as_str());
    let items: Vec<&Json> = match (finds.page, finds.single) {
        (Some(_), _) => reply["items"].as_array().expect("items").iter().collect(),
        (None, true) => vec![reply],
        (None, false) => reply.as_array().expect("a list").iter().collect(),
    };
    let Some(id_field) = id_field else { return };
    let ids: Vec<&str> = items.iter().map(|item| item[id_field].as_str().expect("an id")).collect();
    match finds.page {
        None => assert_eq!(ids, found, "{place}"),
        Some(page) => {
            let Value::Int(page) = arguments[page] else { panic!("{place}: a page number") };
            let more = reply["more"].as_bool().expect("more");
            if page == 1 {
                assert_eq!(ids, found[..ids.len()], "{place}");
                assert_eq!(more, found.len() > ids.len(), "{place}");
            } else {
                // Pages have one size: a later page starts where the earlier ones end.
                let before = found.len().saturating_sub(ids.len());
                assert!(ids.is_empty() || more || ids == found[before..], "{place}");
                assert!(ids.iter().all(|id| found.iter().any(|f| f == id)), "{place}");
            }
        }
    }
}
