//! Example suites in other languages (`tests/guests/c`, `javascript`, `python`), through the path that any foreign component takes:
//! schemas from WIT types, calls, typed errors, state, fork by replay, and a task that is verified by its answer.
//!
//! `tests/guests/build.sh` builds them. Where a language's tool is not installed its test says so on standard error and checks nothing.

use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use terrarium_envs::environment::{Environment, Split, component_digest, environment_id};
use terrarium_envs::runner::{Runner, run_solution};
use terrarium_envs::task::ToolCall;
use terrarium_envs::tool::ToolSpec;
use terrarium_envs::verifier::{Answer, ExpectedChange, Verifier};
use terrarium_sandbox::{CallOutcome, Config, Instance, Limits, Program, Sandbox};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the script builds for a language; nothing, and a loud word, if its tool is missing.
fn built(language: &str, file: &str) -> Option<Vec<u8>> {
    let script = root().join("tests/guests/build.sh");
    let output = Command::new(script).arg(language).output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Some(std::fs::read(root().join("target/guests").join(file)).expect("the script has built it")),
        Some(3) => {
            // Past the test harness, which hides what passing tests print.
            writeln!(std::io::stderr(), "SKIPPED: the {language} guest is not tested: {}", said.trim())
                .expect("standard error");
            None
        }
        _ => panic!("{said}"),
    }
}

/// Compiled code of guests with an interpreter inside takes seconds to make, so it is kept.
fn sandbox() -> Sandbox {
    let cache_dir = Some(root().join("target/guests/compiled"));
    Sandbox::new(Config { cache_dir, ..Config::default() }).expect("the sandbox starts")
}

fn ok(instance: &mut Instance, tool: &str, arguments: Value) -> Value {
    match instance.call(tool, &arguments).expect("the sandbox works").outcome {
        CallOutcome::Ok(text) => serde_json::from_str(&text).expect("results are JSON"),
        other => panic!("{tool}({arguments}): {other:?}"),
    }
}

fn error(instance: &mut Instance, tool: &str, arguments: Value) -> (String, String) {
    match instance.call(tool, &arguments).expect("the sandbox works").outcome {
        CallOutcome::ToolError { code, message } => (code, message),
        other => panic!("{tool}({arguments}): {other:?}"),
    }
}

/// A question about a world made by `program`: `solution`, then the answer.
fn verified(
    component: Vec<u8>,
    sandbox: &Sandbox,
    program: &Arc<Program>,
    solution: &[(&str, Value)],
    right: Answer,
    answer: Value,
) {
    let tools = program.tools().iter().map(|tool| ToolSpec {
        name: tool.name.clone(),
        description: format!("{} it.", tool.name),
        parameters: tool.parameters_schema(),
        writes: true,
    });
    let recipe = json!({"component": program.digest()});
    let environment = Environment {
        id: environment_id("foreign", &recipe),
        suite: "foreign".into(),
        title: "Foreign".into(),
        domain: "test".into(),
        split: Split::Train,
        system: String::new(),
        tools: tools.collect(),
        digest: component_digest(&component),
        component: Arc::new(component),
        recipe,
        signature: Vec::new(),
    };
    let call = |name: &str, arguments: Value| ToolCall { name: name.into(), arguments };
    let verifier = Verifier { change: ExpectedChange::default(), answer: Some(right) };
    let mut runner = Runner::new(sandbox, &environment).expect("the environment starts");
    for (submitted, reward) in [(answer, 1.0), (json!("something else"), 0.0), (Value::Null, 0.0)] {
        let mut calls: Vec<ToolCall> = solution.iter().map(|(name, arguments)| call(name, arguments.clone())).collect();
        calls.push(call("submit", json!({"answer": submitted})));
        let run = run_solution(&mut runner, &verifier, &calls).expect("the solution runs");
        assert!(!run.trapped && (run.score.reward - reward).abs() < f64::EPSILON, "{submitted}: {run:?}");
    }
}

#[test]
fn the_c_suite_runs() {
    let Some(core) = built("c", "stock.core.wasm") else { return };
    let wit = std::fs::read_to_string(root().join("tests/guests/c/stock.wit")).expect("WIT");
    let component = terrarium_tools::wrap(&core, "stock.wit", &wit).expect("a component");
    let sandbox = sandbox();
    let program = sandbox.load(&component).expect("it loads");
    let names: Vec<&str> = program.tools().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["list_items", "receive", "pick"]);
    let schema = program.tools()[1].parameters_schema();
    assert_eq!(schema["properties"]["shelf"], json!({"type": "string", "enum": ["dry", "cold", "frozen"]}));
    assert_eq!(schema["required"], json!(["name", "shelf", "count", "price"]));

    let mut stock = program.instantiate().expect("it starts");
    let frozen = json!([{"id": "I-003", "name": "Peas", "shelf": "frozen", "count": 3, "price": "1.99"}]);
    assert_eq!(ok(&mut stock, "list_items", json!({"shelf": "frozen"})), frozen);
    let berries = json!({"name": "Bérries", "shelf": "frozen", "count": 9, "price": "4.20"});
    assert_eq!(ok(&mut stock, "receive", berries)["id"], "I-004");
    let price = ok(&mut stock, "pick", json!({"lines": [{"id": "I-004", "count": 2}, {"id": "I-003", "count": 1}]}));
    assert_eq!(price, "10.39");

    // A refusal names its reason and changes nothing, though its first line could have been picked.
    let lines = json!({"lines": [{"id": "I-004", "count": 1}, {"id": "I-003", "count": 5}]});
    assert_eq!(error(&mut stock, "pick", lines), ("out_of_stock".into(), "Peas".into()));
    assert_eq!(
        error(&mut stock, "receive", json!({"name": "", "shelf": "dry", "count": 1, "price": "1.00"})).0,
        "bad_name"
    );
    let outcome =
        stock.call("receive", &json!({"name": "x", "shelf": "warm", "count": 1, "price": "1.00"})).expect("a call");
    assert!(
        matches!(&outcome.outcome, CallOutcome::BadArguments { message } if message.starts_with("shelf: expected one of"))
    );

    // A fork has the state of its origin, and goes its own way.
    let mut fork = stock.fork().expect("a fork");
    assert_eq!(
        ok(&mut fork, "list_items", json!({"shelf": "frozen"})),
        ok(&mut stock, "list_items", json!({"shelf": "frozen"}))
    );
    ok(&mut fork, "pick", json!({"lines": [{"id": "I-003", "count": 2}]}));
    assert_eq!(ok(&mut fork, "list_items", json!({"shelf": "frozen"}))[0]["count"], 0);
    assert_eq!(ok(&mut stock, "list_items", json!({"shelf": "frozen"}))[0]["count"], 2);

    let solution = [
        ("receive", json!({"name": "Salt", "shelf": "dry", "count": 5, "price": "0.75"})),
        ("pick", json!({"lines": [{"id": "I-004", "count": 3}]})),
    ];
    verified(component, &sandbox, &program, &solution, Answer::Money(225), json!("2.25"));
}

/// More calls than the scratch memory of the suite would hold if replies were not given back.
#[test]
fn the_c_suite_gives_memory_back() {
    let Some(core) = built("c", "stock.core.wasm") else { return };
    let wit = std::fs::read_to_string(root().join("tests/guests/c/stock.wit")).expect("WIT");
    let component = terrarium_tools::wrap(&core, "stock.wit", &wit).expect("a component");
    let mut stock = sandbox().load(&component).expect("it loads").instantiate().expect("it starts");
    let all = ok(&mut stock, "list_items", json!({}));
    for _ in 0..3000 {
        assert_eq!(ok(&mut stock, "list_items", json!({})), all);
    }
}

#[test]
fn the_javascript_suite_runs() {
    let Some(component) = built("javascript", "ledger.wasm") else { return };
    let sandbox = sandbox();
    let program = sandbox.load(&component).expect("it loads");
    let mut ledger = program.instantiate().expect("it starts");
    let post = |source: &str, target: &str, amount: &str| json!({"day": "2026-03-01", "source": source, "target": target, "amount": amount});
    let entry = ok(&mut ledger, "post", post("A-1", "A-3", "120.50"));
    let expected =
        json!({"number": 1, "day": "2026-03-01", "source": "A-1", "target": "A-3", "amount": "120.50", "note": null});
    assert_eq!(entry, expected);
    assert_eq!(ok(&mut ledger, "accounts", json!({"kind": "asset"}))[0]["balance"], "379.50");
    assert_eq!(
        error(&mut ledger, "post", post("A-1", "A-9", "1.00")),
        ("not_found".into(), "there is no account A-9".into())
    );
    assert_eq!(error(&mut ledger, "post", post("A-1", "A-3", "400.00")).0, "bad_amount");

    let mut fork = ledger.fork().expect("a fork");
    assert_eq!(ok(&mut fork, "close", json!({})), Value::Null);
    assert_eq!(error(&mut fork, "post", post("A-1", "A-3", "1.00")).0, "closed");
    assert_eq!(ok(&mut ledger, "post", post("A-1", "A-3", "1.00"))["number"], 2);
    assert_eq!(ok(&mut fork, "history", json!({"account": "A-3"})), json!([expected]));

    // The same calls, the same bytes and the same fuel.
    let run = || {
        let mut instance = program.instantiate().expect("it starts");
        let calls =
            [("post", post("A-2", "A-1", "5.00")), ("history", json!({"account": "A-1"})), ("accounts", json!({}))];
        calls.map(|(tool, arguments)| instance.call(tool, &arguments).expect("a call"))
    };
    assert_eq!(run(), run());
    let solution = [("post", post("A-2", "A-1", "7.25")), ("accounts", json!({"kind": "asset"}))];
    verified(component, &sandbox, &program, &solution, Answer::Money(50_725), json!("507.25"));
}

#[test]
fn the_python_suite_runs() {
    let Some(component) = built("python", "todo.wasm") else { return };
    let sandbox = sandbox();
    let program = sandbox.load(&component).expect("it loads");
    let mut todo = program.instantiate().expect("it starts");
    let task =
        ok(&mut todo, "add", json!({"title": "Water the ferns", "due": "2026-03-01", "tags": ["plants", "home"]}));
    let expected = json!({"id": "T-1", "title": "Water the ferns", "state": "open", "due": "2026-03-01", "tags": ["home", "plants"]});
    assert_eq!(task, expected);
    ok(&mut todo, "add", json!({"title": "Fern book", "tags": []}));
    assert_eq!(
        error(&mut todo, "add", json!({"title": "x", "tags": ["a", "a"]})),
        ("duplicate_tag".into(), "each tag stands once".into())
    );
    assert_eq!(error(&mut todo, "finish", json!({"id": "T-9"})).0, "not_found");
    assert_eq!(ok(&mut todo, "find", json!({"text": "FERN"})).as_array().map(Vec::len), Some(2));

    let mut fork = todo.fork().expect("a fork");
    assert_eq!(ok(&mut fork, "finish", json!({"id": "T-1"}))["state"], "done");
    assert_eq!(
        ok(&mut fork, "summarize", json!({"today": "2026-04-01"})),
        json!({"open": 1, "done": 1, "overdue": []})
    );
    assert_eq!(
        ok(&mut todo, "summarize", json!({"today": "2026-04-01"})),
        json!({"open": 2, "done": 0, "overdue": ["T-1"]})
    );

    let solution =
        [("add", json!({"title": "Call Ann", "tags": ["phone"]})), ("find", json!({"tag": "phone", "text": ""}))];
    verified(component, &sandbox, &program, &solution, Answer::Text("T-1".into()), json!("T-1"));
}

/// What the table of docs/components.md says: `cargo test --workspace --test components -- --ignored --nocapture`.
#[test]
#[ignore = "measures; the other tests hold what it prints within the default limits"]
fn what_the_suites_need() {
    let wit = std::fs::read_to_string(root().join("tests/guests/c/stock.wit")).expect("WIT");
    let c =
        built("c", "stock.core.wasm").map(|core| terrarium_tools::wrap(&core, "stock.wit", &wit).expect("a component"));
    let suites = [
        ("C", c, "list_items", json!({})),
        ("JavaScript", built("javascript", "ledger.wasm"), "accounts", json!({})),
        ("Python", built("python", "todo.wasm"), "find", json!({"text": ""})),
    ];
    for (language, component, tool, arguments) in suites {
        let Some(component) = component else { continue };
        let sandbox = Sandbox::new(Config::default()).expect("the sandbox starts");
        let began = std::time::Instant::now();
        let program = sandbox.load(&component).expect("it loads");
        let compiled = began.elapsed();
        let mut instance = program.instantiate().expect("it starts");
        let first = instance.call(tool, &arguments).expect("a call").fuel;
        let second = instance.call(tool, &arguments).expect("a call").fuel;
        let (began, mut calls) = (std::time::Instant::now(), 0_u32);
        while began.elapsed() < std::time::Duration::from_secs(1) {
            instance.call(tool, &arguments).expect("a call");
            calls += 1;
        }
        let rate = f64::from(calls) / began.elapsed().as_secs_f64();
        let mut least = 1 << 20;
        let starts = |bytes: usize| {
            let limits = Limits { memory_bytes_max: bytes, ..Limits::default() };
            let cache_dir = Some(root().join("target/guests/compiled"));
            let sandbox = Sandbox::new(Config { limits, cache_dir, ..Config::default() }).expect("the sandbox starts");
            let instance = sandbox.load(&component).and_then(|program| program.instantiate());
            instance.is_ok_and(
                |mut i| matches!(i.call(tool, &arguments), Ok(call) if matches!(call.outcome, CallOutcome::Ok(_))),
            )
        };
        while !starts(least) {
            least += 1 << 20;
        }
        println!(
            "| {language} | {} KB | {:.1} s | {first}, then {second} | {rate:.0} | {} MiB |",
            component.len() / 1000,
            compiled.as_secs_f64(),
            least >> 20
        );
        assert!(
            first * 2 < sandbox.config().limits.fuel_per_call && least * 2 < sandbox.config().limits.memory_bytes_max
        );
    }
}
