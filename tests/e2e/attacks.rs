//! Broken on purpose: each gets a message that says what to do, and nothing is lost.

use crate::support::Desk;
use std::fs;

#[test]
fn usage_errors_exit_with_2() {
    let desk = Desk::new();
    for arguments in [
        vec!["rollout"],
        vec!["rollout", "--policy", "wizard"],
        vec!["synth", "--kinds", "axe"],
        vec!["synth", "--difficulty", "9..1"],
        vec!["synth", "--envs", "0"],
        vec!["export", "--out", "x", "--split", "tarin"],
        vec!["frobnicate"],
    ] {
        let said = desk.run(&arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}{}", said.out, said.err);
        assert!(!said.err.is_empty());
    }
}

#[test]
fn a_missing_database_says_how_to_make_one() {
    let desk = Desk::new();
    for arguments in [vec!["rollout", "--policy", "noop"], vec!["stats"], vec!["export", "--out", "x"], vec!["verify"]]
    {
        let said = desk.run(&arguments);
        assert!(said.error(1).contains("terrarium synth"), "{arguments:?}: {}", said.err);
        assert!(!desk.path("terrarium.db").exists(), "{arguments:?} made a database");
    }
}

#[test]
fn unknown_ids_are_named() {
    let desk = Desk::with_worlds("2", "6");
    for arguments in [
        vec!["show", "task", "library-desk-000000000000/00000000"],
        vec!["show", "env", "nowhere"],
        vec!["show", "episode", "x@expert"],
        vec!["rollout", "--policy", "noop", "--task", "no-such-task"],
        vec!["verify", "--task", "no-such-task"],
    ] {
        let said = desk.run(&arguments);
        let err = said.error(1);
        assert!(err.contains(arguments.last().expect("one").split('@').next().expect("part")), "{arguments:?}: {err}");
    }
}

#[test]
fn a_truncated_or_foreign_database_is_refused_and_left_alone() {
    let desk = Desk::with_worlds("2", "6");
    let whole = fs::read(desk.path("terrarium.db")).expect("database");
    for (name, bytes) in [
        ("half.db", whole[..whole.len() / 2].to_vec()),
        ("text.db", b"this is not a database at all".repeat(100)),
        ("empty-header.db", vec![0; 4096]),
    ] {
        fs::write(desk.path(name), &bytes).expect("written");
        let said = desk.run(&["stats", "--check", "--db", name]);
        let err = said.error(1);
        assert!(err.contains(name), "{name}: {err}");
        assert_eq!(fs::read(desk.path(name)).expect("still there"), bytes, "{name} was changed");
    }
}

#[test]
fn a_database_locked_by_another_process_is_named() {
    use sqlx::{ConnectOptions, Connection, Executor};
    let desk = Desk::with_worlds("2", "6");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let mut lock = runtime.block_on(async {
        let mut lock = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(desk.path("terrarium.db"))
            .connect()
            .await
            .expect("opens");
        lock.execute("BEGIN IMMEDIATE").await.expect("locks");
        lock
    });
    let said = desk.run(&["rollout", "--policy", "noop"]);
    assert!(said.error(1).contains("locked"), "{}", said.err);
    runtime.block_on(async {
        lock.execute("ROLLBACK").await.expect("unlocks");
        lock.close().await.expect("closes");
    });
    desk.run(&["rollout", "--policy", "noop", "--json"]).json();
}

#[test]
fn a_suite_with_a_type_error_points_at_the_place() {
    let desk = Desk::new();
    let suite = "suite(\"bad\", title = \"Bad\", domain = \"test\", policy = \"None.\")\nthing = table(\"thing\", key(\"T\", 3), rows(3, 5), size = integer(0, 9))\n\ndef grow(thing_id: key_of(thing)) -> thing:\n    \"\"\"Grow it.\"\"\"\n    t = thing.get(thing_id)\n    t.size = \"big\"\n    return t\n\ntool(grow, ask = [\"grow {thing_id}\"], effect = [update(thing, thing_id, size = 1)])\n";
    fs::write(desk.path("bad.star"), suite).expect("written");
    let said = desk.run(&["suite", "check", "bad.star"]);
    assert!(said.error(1).contains("bad.star:7:"), "{}", said.err);
}

#[test]
fn a_full_disk_is_named() {
    let desk = Desk::new();
    // A file size limit stands in for a full disk: writes beyond it fail with an I/O error, as on a full one.
    let output = std::process::Command::new("bash")
        .arg("-c")
        .arg("ulimit -f 256; trap '' XFSZ; exec \"$0\" synth --envs 8 --tasks 200 --seed 1 -q")
        .arg(env!("CARGO_BIN_EXE_terrarium"))
        .current_dir(desk.root())
        .output()
        .expect("bash");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("disk"), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    // With room again the same command goes on and ends as if nothing had happened.
    desk.run(&["synth", "--envs", "8", "--tasks", "200", "--seed", "1", "--json", "-q"]).json();
    desk.run(&["stats", "--check", "--json"]).json();
}

#[cfg(feature = "torch")]
#[test]
fn malformed_token_files_are_refused() {
    let desk = Desk::new();
    desk.run(&["model", "init", "--out", "m", "--json"]);
    for (text, word) in [
        ("[[1, 2], [3]]", "row"),
        ("[[1, -5]]", "-5"),
        ("[[99999999]]", "99999999"),
        ("[]", "empty"),
        ("{\"a\": 1}", "[[int"),
        ("[[1,", "[[int"),
    ] {
        fs::write(desk.path("tokens.json"), text).expect("written");
        let said = desk.run(&["model", "logits", "m", "--tokens", "tokens.json"]);
        assert!(said.error(1).contains(word), "{text}: {}", said.err);
    }
}

/// A component by hand: one export without parameters around a core module.
fn component(core: &str) -> String {
    format!(
        "(component (core module $m {core}) (core instance $i (instantiate $m))
           (func $run (result u32) (canon lift (core func $i \"run\")))
           (instance $tools (export \"run\" (func $run)))
           (export \"terrarium:hostile/tools\" (instance $tools)))"
    )
}

#[test]
fn hostile_components_are_stopped_and_named() {
    let desk = Desk::new();
    let spin = "(func (export \"run\") (result i32) (loop $l (br $l)) (i32.const 0))";
    let hog = "(memory 1) (func (export \"run\") (result i32)
        (loop $l (if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)) (br $l)) (i32.const 0))";
    for (name, core, code) in [("spin", spin, "out_of_fuel"), ("hog", hog, "out_of_memory")] {
        let bytes = wat::parse_str(component(core)).expect("assembles");
        fs::write(desk.path(&format!("{name}.wasm")), bytes).expect("written");
        let said = desk.run(&["suite", "call", &format!("{name}.wasm"), "run", "--json"]);
        assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
        assert!(said.out.contains(&format!("\"code\":\"{code}\"")), "{name}: {}{}", said.out, said.err);
    }
    let wanting = wat::parse_str("(component (import \"wasi:cli/exit@0.2.0\" (instance (export \"exit\" (func)))))")
        .expect("assembles");
    fs::write(desk.path("wanting.wasm"), wanting).expect("written");
    let said = desk.run(&["suite", "call", "wanting.wasm", "run"]);
    assert!(said.error(1).contains("wasi:cli/exit"), "{}", said.err);
    fs::write(desk.path("noise.wasm"), b"\0asm not at all").expect("written");
    let said = desk.run(&["suite", "call", "noise.wasm", "run"]);
    assert!(said.error(1).contains("noise.wasm"), "{}", said.err);
}
