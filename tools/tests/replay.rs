//! Findings of the soak about calls that are made again after a trap.

use serde_json::json;
use terrarium_sandbox::{CallOutcome, Config, Limits, Sandbox};
use terrarium_tools::compile::compile;
use terrarium_tools::value::{TableRows, World};
use terrarium_tools::{Surface, parse_suite};

const SUITE: &str = r#"
suite("notes", title = "Notes", domain = "test", policy = "None.")
note = table("note", key("N", 2), rows(1, 2), called = "{size}", size = integer(0, 9))

def squares(n: int) -> int:
    """Needs memory for `n` numbers.

    Args:
        n: How many.
    """
    return sum([i * i for i in range(n)])

def add(n: int) -> int:
    """The same, and writes.

    Args:
        n: How many.
    """
    note.insert(size = n)
    return squares(n)

tool(squares)
tool(add, ask = ["add {n}", "note {n}"], gives = {"n": integer(0, 9)}, effect = [insert(note, size = n)])
"#;

/// A read that made the memory grow was not made again after a trap, so that the write after it burnt the fuel of growing.
#[test]
fn a_read_that_grows_the_memory_is_part_of_the_history() {
    let suite = parse_suite("notes.star", SUITE).unwrap_or_else(|faults| panic!("{}", faults[0]));
    let table = TableRows { key: suite.tables[0].key.clone(), rows: Vec::new(), next_key: 1 };
    let world = World { today: 20_000, tables: vec![table] };
    let compiled = compile(&suite, &Surface::plain(&suite), &world).expect("it compiles");
    let limits = Limits { fuel_per_call: 20_000_000, ..Limits::default() };
    let sandbox = Sandbox::new(Config { limits, ..Config::default() }).expect("a sandbox");
    let mut instance = sandbox.load(&compiled.component).expect("a program").instantiate().expect("an instance");
    let mut call = |tool: &str, n: u32| instance.call(tool, &json!({"n": n})).expect("our side works");
    let alone = call("add", 2_000).fuel;
    assert!(matches!(call("squares", 60_000).outcome, CallOutcome::Ok(_)));
    let grown = call("add", 20_000);
    assert!(matches!(grown.outcome, CallOutcome::Ok(_)) && grown.fuel > alone);
    assert!(matches!(call("squares", 2_000_000).outcome, CallOutcome::Trap(_)), "the fuel suffices");
    assert!(matches!(call("add", 1).outcome, CallOutcome::Ok(_)));
    let state = instance.state().expect("the state");
    assert_eq!(state["tables"]["note"].as_array().map(Vec::len), Some(3), "{state}");
}
