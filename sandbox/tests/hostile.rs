//! Guests that misbehave: each promise of the crate's documentation is attacked here.

mod support;

use serde_json::json;
use support::{both, call, component, hostile, ok, sandbox};
use terrarium_sandbox::{CallOutcome, Config, Error, Limits, Path, Sandbox, Trap};

macro_rules! guest {
    ($name:literal) => {
        wat::parse_str(include_str!(concat!("../../tests/guests/", $name, ".wat"))).expect($name)
    };
}

/// Each misdeed ends in its own trap, the same on both paths, and the next call works.
#[test]
fn misdeeds_end_in_typed_traps() {
    let sandbox = sandbox();
    let engine = |text: &str| Trap::Other(format!("wasm trap: {text}"));
    let invalid = || Trap::Other(Trap::INVALID_REPLY.to_owned());
    let cases = [
        ("spin", Trap::OutOfFuel),
        ("hog", Trap::OutOfMemory),
        ("recurse", Trap::StackOverflow),
        ("divide", engine("integer divide by zero")),
        ("stray", engine("out of bounds memory access")),
        ("huge_list", Trap::OutputTooLarge),
        ("huge_string", Trap::OutputTooLarge),
        ("huge_error", Trap::OutputTooLarge),
        ("bad_utf8", invalid()),
        ("string_past_end", invalid()),
        ("string_wraps", invalid()),
        ("list_past_end", invalid()),
        ("list_wraps", invalid()),
        ("list_unaligned", invalid()),
        ("bad_tag", invalid()),
        ("bad_enum", invalid()),
        ("bad_char", invalid()),
        ("bad_date", invalid()),
        ("bad_error", invalid()),
        ("reply_past_end", invalid()),
        ("reply_unaligned", invalid()),
        ("post_trap", engine("wasm `unreachable` instruction executed")),
        ("post_spin", Trap::OutOfFuel),
    ];
    let [mut core, mut component] = both(&sandbox, &hostile()).map(|p| p.instantiate().expect("instance"));
    for (tool, trap) in cases {
        let here = call(&mut core, tool, json!({}));
        let there = call(&mut component, tool, json!({}));
        assert_eq!(here.outcome, CallOutcome::Trap(trap.clone()), "{tool} on the core path");
        assert_eq!(there.outcome, CallOutcome::Trap(trap), "{tool} on the component path");
        assert_eq!(here.fuel, there.fuel, "{tool}");
        assert!(here.fuel <= support::limits().fuel_per_call, "{tool}");
        for guest in [&mut core, &mut component] {
            assert_eq!(ok(guest, "fine", json!({})), json!("fine"), "after {tool}");
        }
    }
    assert_eq!(sandbox.instances_alive(), 2);
}

/// `cabi_realloc` may return any address; the host must not write outside the memory.
#[test]
fn a_lying_allocator_is_caught() {
    let sandbox = sandbox();
    let invalid = CallOutcome::Trap(Trap::Other(Trap::INVALID_REPLY.to_owned()));
    for address in ["65535", "-1", "-8", "0x7fffffff"] {
        let wat = support::HOSTILE_WAT
            .replace("(i32.const 4096))\n\n  (func $reply", &format!("(i32.const {address}))\n\n  (func $reply"));
        assert_ne!(wat, support::HOSTILE_WAT);
        let bytes = component(&wat, support::HOSTILE_WIT);
        for program in both(&sandbox, &bytes) {
            let mut guest = program.instantiate().expect("instance");
            assert_eq!(call(&mut guest, "takes", json!({"text": "a longer text"})).outcome, invalid, "{address}");
        }
    }
}

/// Text of any size arrives whole or not at all.
#[test]
fn arguments_larger_than_the_memory_trap() {
    let sandbox = sandbox();
    for program in both(&sandbox, &hostile()) {
        let mut guest = program.instantiate().expect("instance");
        let text = "x".repeat(5000);
        assert_eq!(ok(&mut guest, "takes", json!({"text": text})), json!(text));
        let outcome = call(&mut guest, "takes", json!({"text": "x".repeat(1 << 20)})).outcome;
        assert_eq!(outcome, CallOutcome::Trap(Trap::Other(Trap::INVALID_REPLY.to_owned())));
    }
}

/// With fuel out of the way, the clock stops an endless loop.
#[test]
fn the_wall_clock_backstop_works() {
    let limits = Limits { fuel_per_call: u64::MAX / 2, epoch_ms: 40, ..Limits::default() };
    let sandbox = Sandbox::new(Config { limits, ..Config::default() }).expect("sandbox");
    for program in both(&sandbox, &hostile()) {
        let mut guest = program.instantiate().expect("instance");
        assert_eq!(call(&mut guest, "spin", json!({})).outcome, CallOutcome::Trap(Trap::EpochDeadline));
        assert_eq!(call(&mut guest, "post_spin", json!({})).outcome, CallOutcome::Trap(Trap::EpochDeadline));
        assert_eq!(ok(&mut guest, "fine", json!({})), json!("fine"));
    }
}

/// Instances keep the clock running after the sandbox is gone.
#[test]
fn the_backstop_outlives_the_sandbox_value() {
    let limits = Limits { fuel_per_call: u64::MAX / 2, epoch_ms: 40, ..Limits::default() };
    let sandbox = Sandbox::new(Config { limits, ..Config::default() }).expect("sandbox");
    let mut guest = sandbox.load_as(&hostile(), Path::Core).expect("program").instantiate().expect("instance");
    drop(sandbox);
    assert_eq!(call(&mut guest, "spin", json!({})).outcome, CallOutcome::Trap(Trap::EpochDeadline));
}

#[test]
fn whoever_imports_more_than_types_is_refused_by_name() {
    let sandbox = sandbox();
    let refused = |bytes: Vec<u8>| match sandbox.load(&bytes) {
        Err(Error::Import { kind, name }) => format!("{kind} {name}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(guest!("wasi")), "the interface wasi:cli/environment@0.2.0");
    assert_eq!(refused(guest!("import-func")), "the function host-log");
    let program = sandbox.load(&guest!("import-types")).expect("types may be imported");
    let mut guest = program.instantiate().expect("instance");
    assert_eq!(ok(&mut guest, "f", json!({"pair": {"a": 7}})), json!({"a": 7}));
}

/// A claim to be one of ours does not smuggle imports in.
#[test]
fn a_state_section_does_not_allow_imports() {
    let bytes = support::with_section(guest!("wasi"), "terrarium:state", support::DESK_STATE.as_bytes());
    assert!(matches!(sandbox().load(&bytes), Err(Error::Import { .. })));
}

/// The core path runs modules whose whole state is their memory, and no others.
#[test]
fn state_outside_the_memory_is_refused_on_the_core_path() {
    let sandbox = sandbox();
    let base = "(memory (export \"memory\") 1)";
    for (extra, says) in [
        ("(global $g (mut i32) (i32.const 0))", "a mutable global"),
        ("(table 1 funcref)", "a table"),
        ("(data \"passive\")", "a passive data segment"),
        ("(func $start) (start $start)", "a start function"),
    ] {
        let wat = support::HOSTILE_WAT.replace(base, &format!("{base} {extra}"));
        let bytes = component(&wat, support::HOSTILE_WIT);
        let error = sandbox.load_as(&bytes, Path::Core).expect_err(extra);
        assert!(matches!(error, Error::Contract(_)) && error.to_string().contains(says), "{error}");
    }
}

#[test]
fn bombs_are_refused_when_started() {
    let sandbox = sandbox();
    for bytes in [guest!("table-bomb"), guest!("memory-bomb")] {
        let error = sandbox.load(&bytes).and_then(|p| p.instantiate()).expect_err("bomb");
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }
    let error = sandbox.load(&guest!("start-trap")).and_then(|p| p.instantiate()).expect_err("trap");
    assert!(matches!(error, Error::StartTrap(Trap::Other(_))), "{error:?}");
    assert_eq!(sandbox.instances_alive(), 0);
}

#[test]
fn what_is_no_tool_suite_is_refused() {
    let sandbox = sandbox();
    let no_tools = sandbox.load(&guest!("no-tools")).expect_err("no tools");
    assert!(matches!(no_tools, Error::NoTools), "{no_tools}");
    let wit =
        "package terrarium:r; interface tools { resource thing; f: func() -> thing; } world suite { export tools; }";
    let wat = r#"(module (func (export "terrarium:r/tools#f") (result i32) (i32.const 1)))"#;
    let resource = sandbox.load(&component(wat, wit)).expect_err("a resource");
    assert!(matches!(resource, Error::UnsupportedType { .. }), "{resource}");
    for bytes in [b"".to_vec(), b"garbage".to_vec(), b"\0asm".to_vec(), wat::parse_str("(module)").expect("module")] {
        assert!(matches!(sandbox.load(&bytes), Err(Error::Invalid(_))), "{bytes:?}");
    }
}

/// Truncated and flipped components are refused or run; nothing panics.
#[test]
fn damaged_components_never_panic() {
    let sandbox =
        Sandbox::new(Config { limits: support::limits(), programs_max: 0, ..Config::default() }).expect("sandbox");
    let whole = support::desk();
    for end in (0..whole.len()).step_by(61) {
        assert!(sandbox.load(&whole[..end]).is_err(), "cut at {end}");
    }
    for at in (0..whole.len()).step_by(67) {
        for bit in [0, 3, 7] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            for path in [Path::Auto, Path::Component] {
                let Ok(program) = sandbox.load_as(&flipped, path) else { continue };
                let Ok(mut guest) = program.instantiate() else { continue };
                let _ = guest.call("list_members", &json!({}));
                let _ = guest.call("set_fines", &json!({"id": "M-0001", "fines": "1.00"}));
                let _ = (guest.net_diff(), guest.state(), guest.fork());
            }
        }
    }
    assert_eq!(sandbox.instances_alive(), 0);
}

#[test]
fn instances_are_counted() {
    let sandbox = Sandbox::new(Config { instances_max: 2, ..Config::default() }).expect("sandbox");
    let [program, _] = both(&sandbox, &hostile());
    let first = program.instantiate().expect("first");
    let second = first.fork().expect("second");
    assert!(matches!(first.fork(), Err(Error::TooManyInstances { instances_max: 2 })));
    drop(second);
    program.instantiate().expect("third");
}

#[test]
fn senseless_limits_are_refused() {
    let base = Limits::default;
    for limits in [
        Limits { fuel_per_call: 0, ..base() },
        Limits { memory_bytes_max: 1, ..base() },
        Limits { stack_bytes_max: 64 << 20, ..base() },
        Limits { output_bytes_max: 0, ..base() },
        Limits { epoch_ms: 0, ..base() },
    ] {
        assert!(matches!(Sandbox::new(Config { limits, ..Config::default() }), Err(Error::Limit { .. })));
    }
}

/// Functions without interface, and every kind of reply.
#[test]
fn bare_functions_are_tools_too() {
    let mut bare = sandbox().load(&guest!("bare")).expect("program").instantiate().expect("instance");
    let outcome = |bare: &mut _, tool, arguments| call(bare, tool, arguments).outcome;
    let error = |code: &str, message: &str| CallOutcome::ToolError { code: code.into(), message: message.into() };
    assert_eq!(outcome(&mut bare, "nothing", json!({})), CallOutcome::Ok("null".into()));
    assert_eq!(outcome(&mut bare, "double", json!({"n": 21})), CallOutcome::Ok("42".into()));
    assert_eq!(outcome(&mut bare, "refuse", json!({})), error("error", ""));
    assert_eq!(outcome(&mut bare, "refuse_text", json!({})), error("error", "why"));
    // A foreign component is rebuilt and forked by replaying its calls.
    for n in 1..=3 {
        assert_eq!(outcome(&mut bare, "count", json!({})), CallOutcome::Ok(n.to_string()));
    }
    assert!(matches!(outcome(&mut bare, "trap", json!({})), CallOutcome::Trap(_)));
    let mut fork = bare.fork().expect("fork");
    assert_eq!(outcome(&mut bare, "count", json!({})), CallOutcome::Ok("4".into()));
    assert_eq!(outcome(&mut fork, "count", json!({})), CallOutcome::Ok("4".into()));
}

/// A foreign guest that has made too many calls says so instead of answering from a wrong state.
#[test]
fn a_full_replay_log_is_an_error() {
    let mut bare = sandbox().load(&guest!("bare")).expect("program").instantiate().expect("instance");
    for _ in 0..=terrarium_sandbox::FOREIGN_CALLS_MAX {
        call(&mut bare, "count", json!({}));
    }
    assert!(matches!(bare.fork(), Err(Error::LogFull { .. })));
    assert!(matches!(bare.call("trap", &json!({})), Err(Error::LogFull { .. })));
    assert!(matches!(bare.call("count", &json!({})), Err(Error::Internal(_))));
}

/// The output limit is exact, and the same on both paths.
#[test]
fn a_reply_may_fill_the_output_limit_and_no_more() {
    let limits = Limits { output_bytes_max: 100, ..support::limits() };
    let sandbox = Sandbox::new(Config { limits, ..Config::default() }).expect("sandbox");
    for program in both(&sandbox, &hostile()) {
        let mut guest = program.instantiate().expect("instance");
        let mut outcome = |n: usize| call(&mut guest, "takes", json!({"text": "x".repeat(n)})).outcome;
        assert_eq!(outcome(98), CallOutcome::Ok(format!("\"{}\"", "x".repeat(98))));
        assert_eq!(outcome(99), CallOutcome::Trap(Trap::OutputTooLarge));
        assert_eq!(outcome(101), CallOutcome::Trap(Trap::OutputTooLarge));
    }
}

/// NaNs have one bit pattern, so they do not tell machines apart.
#[test]
fn nans_are_canonical() {
    let wit = "package terrarium:nan; interface tools { record tool-error { code: string, message: string }
        bits: func() -> result<list<u64>, tool-error>; nan: func() -> result<f64, tool-error>; } world suite { export tools; }";
    let wat = r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "terrarium:nan/tools#bits") (result i32)
          (f64.store (i32.const 512) (f64.div (f64.load (i32.const 800)) (f64.load (i32.const 800))))
          (f64.store (i32.const 520) (f64.add (f64.load (i32.const 808)) (f64.const 1)))
          (i32.store (i32.const 260) (i32.const 512))
          (i32.store (i32.const 264) (i32.const 2))
          (i32.const 256))
        (func (export "terrarium:nan/tools#nan") (result i32)
          (f64.store (i32.const 264) (f64.const nan))
          (i32.const 256))
        (data (i32.const 808) "\ff\ff\ff\ff\ff\ff\ff\ff"))"#;
    for program in both(&sandbox(), &component(wat, wit)) {
        let mut guest = program.instantiate().expect("instance");
        let canonical = 0x7ff8_0000_0000_0000_u64;
        assert_eq!(ok(&mut guest, "bits", json!({})), json!([canonical, canonical]));
        assert_eq!(call(&mut guest, "nan", json!({})).outcome, CallOutcome::Ok("null".into()));
    }
}

/// A component of several modules is not one of ours, whatever its sections say.
#[test]
fn several_modules_are_refused_on_the_core_path() {
    let wat = "(component (core module $a (func (export \"f\"))) (core module) (core instance $i (instantiate $a))
        (func (export \"f\") (canon lift (core func $i \"f\"))))";
    let bytes =
        support::with_section(wat::parse_str(wat).expect("wat"), "terrarium:state", support::DESK_STATE.as_bytes());
    let error = sandbox().load(&bytes).expect_err("two modules");
    assert!(matches!(error, Error::Contract(_)) && error.to_string().contains("2 core modules"), "{error}");
}

/// The same calls cost the same fuel and give the same bytes in every instance.
#[test]
fn runs_repeat_exactly() {
    let sandbox = sandbox();
    let program = sandbox.load(&support::desk()).expect("program");
    let run = || {
        let mut guest = program.instantiate().expect("instance");
        let mut calls = Vec::new();
        for i in 0..50 {
            calls.push(call(&mut guest, "add_member", json!({"name": format!("N{i}"), "tier": "student"})));
            calls.push(call(&mut guest, "trap_midway", json!({"id": "M-0002", "fines": "5.00"})));
            calls.push(call(&mut guest, "list_members", json!({})));
        }
        (calls, guest.state().expect("state").to_string())
    };
    assert_eq!(run(), run());
}

#[test]
fn any_component_has_schemas() {
    let program = sandbox().load(&guest!("bare")).expect("program");
    let double = program.tools().iter().find(|t| t.name == "double").expect("tool");
    let n = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    let expected = json!({"type": "object", "properties": {"n": n}, "required": ["n"], "additionalProperties": false});
    assert_eq!(double.parameters_schema(), expected);
    let desk = sandbox().load(&support::desk()).expect("program");
    let lend = desk.tools().iter().find(|t| t.name == "lend").expect("tool").parameters_schema();
    assert_eq!(lend["required"], json!(["member", "due"]));
    assert_eq!(lend["properties"]["due"], json!({"type": "string", "format": "date"}));
    assert_eq!(lend["properties"]["pages"], json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}));
}
