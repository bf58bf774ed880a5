//! Small files that ask for much: components of thousands of instances, types of millions of parts, tables and memories without end,
//! arguments of megabytes. Each is refused or stopped, soon, and by name.

mod support;

use serde_json::{Value, json};
use std::fmt::Write;
use std::time::{Duration, Instant};
use support::{call, component, ok, sandbox};
use terrarium_sandbox::{CallOutcome, Error, Instance, Result, Trap};

/// Far longer than any refusal takes, far shorter than what the bombs ask for.
const SOON: Duration = Duration::from_secs(10);

fn started(wat: &str) -> Result<Instance> {
    let began = Instant::now();
    let result = sandbox().load(&wat::parse_str(wat).expect("wat")).and_then(|program| program.instantiate());
    assert!(began.elapsed() < SOON, "{:?} for {}", began.elapsed(), &wat[..wat.len().min(300)]);
    result
}

fn refused(wat: &str) -> String {
    started(wat).expect_err("a bomb").to_string()
}

#[test]
fn thousands_of_instances_are_refused() {
    // One after the other.
    let mut flat = String::from("(component (core module $m (func (export \"f\")))");
    for i in 0..5000 {
        write!(flat, "(core instance $i{i} (instantiate $m))").expect("a string takes it");
    }
    flat += "(func (export \"f\") (canon lift (core func $i0 \"f\"))))";
    assert!(refused(&flat).contains("instances"), "{}", refused(&flat));
    // Each component holds two of the one before: a billion in a few hundred bytes.
    let mut nested = String::from("(component (component $c0 (core module $m) (core instance (instantiate $m)))");
    for i in 1..30 {
        let below = i - 1;
        write!(
            nested,
            "(component $c{i} (alias outer 1 $c{below} (component $b)) (instance (instantiate $b)) (instance (instantiate $b)))"
        )
        .expect("a string takes it");
    }
    nested += "(instance (instantiate $c29)) (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
        (func (export \"f\") (canon lift (core func $i \"f\"))))";
    assert!(refused(&nested).contains("instances"), "{}", refused(&nested));
    // The same, each component inside the next.
    let mut inside = String::from("(component $c (core module $m) (core instance (instantiate $m)))");
    for _ in 1..30 {
        inside = format!("(component $c {inside} (instance (instantiate $c)) (instance (instantiate $c)))");
    }
    inside = format!(
        "(component {inside} (instance (instantiate $c)) (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
        (func (export \"f\") (canon lift (core func $i \"f\"))))"
    );
    assert!(refused(&inside).contains("instances"), "{}", refused(&inside));
}

#[test]
fn memories_are_limited_together() {
    // Two memories of 40 pages of 64 KiB fit 4 MiB alone, and not together.
    let modules = |count: usize| {
        let instances: String = (0..count).map(|i| format!("(core instance $i{i} (instantiate $m))")).collect();
        format!(
            "(component (core module $m (memory 40) (func (export \"f\"))) {instances}
            (func (export \"f\") (canon lift (core func $i0 \"f\"))))"
        )
    };
    started(&modules(1)).expect("one fits");
    assert!(matches!(started(&modules(2)), Err(Error::Invalid(_))));
}

#[test]
fn a_growing_table_is_stopped() {
    let mut guest = started(
        r#"(component
          (core module $m
            (table $t 1 funcref)
            (func (export "grow") (result i32)
              (loop $more (br_if $more (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 100)))))
              (unreachable))
            (func (export "size") (result i32) (table.size $t)))
          (core instance $i (instantiate $m))
          (func (export "grow") (result u32) (canon lift (core func $i "grow")))
          (func (export "size") (result u32) (canon lift (core func $i "size"))))"#,
    )
    .expect("an instance");
    for _ in 0..3 {
        assert_eq!(call(&mut guest, "grow", json!({})).outcome, CallOutcome::Trap(Trap::OutOfMemory));
        assert_eq!(ok(&mut guest, "size", json!({})), json!(1));
    }
}

#[test]
fn a_start_function_is_metered_too() {
    let start = |body: &str| {
        format!(
            "(component (core module $m (memory 1) (func $s {body}) (start $s) (func (export \"f\")))
            (core instance $i (instantiate $m)) (func (export \"f\") (canon lift (core func $i \"f\"))))"
        )
    };
    let trap = |body: &str| match started(&start(body)) {
        Err(Error::StartTrap(trap)) => trap,
        other => panic!("{other:?}"),
    };
    assert_eq!(trap("(loop $l (br $l))"), Trap::OutOfFuel);
    assert_eq!(trap("(call $s)"), Trap::StackOverflow);
    assert_eq!(
        trap("(loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) (unreachable)"),
        Trap::OutOfMemory
    );
}

/// A component with one function whose parameters have these types, after definitions.
fn taking(definitions: &str, parameters: &[&str]) -> String {
    let named: String = parameters.iter().enumerate().fold(String::new(), |mut all, (i, ty)| {
        write!(all, "(param \"a{i}\" {ty})").expect("a string takes it");
        all
    });
    format!(
        r#"(component
          (core module $m
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "f") (param i32)))
          (core instance $i (instantiate $m))
          (alias core export $i "memory" (core memory $memory))
          (alias core export $i "realloc" (core func $realloc))
          {definitions}
          (func (export "f") {named}
            (canon lift (core func $i "f") (memory $memory) (realloc $realloc))))"#
    )
}

/// `$t0` is `first`; each further type is made of the one before, which stands for `@`.
fn tower(first: &str, next: &str, height: usize) -> String {
    let mut out = format!("(type $t0 {first})");
    for i in 1..height {
        write!(out, "(type $t{i} {})", next.replace('@', &format!("$t{}", i - 1))).expect("a string takes it");
    }
    out
}

#[test]
fn hostile_types_are_refused_or_run() {
    let doubling = |height| tower("(tuple u8 u8)", "(tuple @ @)", height);
    // 2^40 parts, and a type that validation lets pass.
    for (height, parameters) in [(40, 1), (19, 1), (15, 16)] {
        let ty = format!("$t{}", height - 1);
        let error = refused(&taking(&doubling(height), &vec![ty.as_str(); parameters]));
        assert!(error.contains("type"), "{error}");
    }
    // As many parts behind options and cases, each of which has a schema of its own.
    let options = tower("u8", "(tuple (option @) (option @))", 30);
    let error = refused(&taking(&options.replace("(option @)", "@"), &["$t29"]));
    assert!(error.contains("type"), "{error}");
    // Deep rather than wide.
    for height in [50, 5000] {
        let lists = tower("(list u8)", "(list @)", height);
        let ty = format!("$t{}", height - 1);
        match started(&taking(
            &lists,
            &[&ty, "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8", "u8"],
        )) {
            Ok(mut guest) => {
                let schema = guest.program().tools()[0].parameters_schema();
                assert_eq!(schema["properties"]["a0"]["type"], "array");
                let outcome = call(&mut guest, "f", json!({"a0": [[[1]]]})).outcome;
                assert!(matches!(outcome, CallOutcome::BadArguments { .. }), "{outcome:?}");
            }
            Err(error) => assert!(matches!(error, Error::Invalid(_) | Error::UnsupportedType { .. }), "{error:?}"),
        }
    }
    // Many names.
    let names: String = (0..60_000).fold(String::new(), |mut all, i| {
        write!(all, " \"n{i}\"").expect("a string takes it");
        all
    });
    let many = format!("(type $e (enum{names})) (export $x \"e\" (type $e))");
    let pads = vec!["u8"; 16];
    let outcome = started(&taking(&many, &[&["$x"], &pads[..]].concat()));
    match outcome {
        Ok(mut guest) => {
            let outcome = call(&mut guest, "f", json!({"a0": "nothing"})).outcome;
            assert!(matches!(&outcome, CallOutcome::BadArguments { message } if message.len() < 10_000), "{outcome:?}");
        }
        Err(error) => assert!(matches!(error, Error::Invalid(_) | Error::UnsupportedType { .. }), "{error:?}"),
    }
}

#[test]
fn thousands_of_tools_are_refused() {
    let exports: String = (0..1001).fold(String::new(), |mut all, i| {
        write!(all, "(func (export \"f{i}\") (canon lift (core func $i \"f\")))").expect("a string takes it");
        all
    });
    let wat =
        format!("(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) {exports})");
    assert!(refused(&wat).contains("1001 functions"), "{}", refused(&wat));
}

#[test]
fn arguments_of_megabytes_trap_in_the_guest_and_not_in_the_host() {
    let wit = "package terrarium:big; interface tools { record tool-error { code: string, message: string }
        take: func(items: list<string>, text: string) -> result<u32, tool-error>; } world suite { export tools; }";
    // Allocates for as long as it gets memory.
    let wat = r#"(module
        (memory (export "memory") 1)
        (global $next (mut i32) (i32.const 1024))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
          (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
          (global.set $next (i32.add (local.get $at) (local.get 3)))
          (loop $more
            (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
              (then
                (if (i32.eq (i32.const -1) (memory.grow (i32.const 1))) (then (unreachable)))
                (br $more))))
          (local.get $at))
        (func (export "terrarium:big/tools#take") (param i32 i32 i32 i32) (result i32)
          (i32.store (i32.const 520) (i32.add (local.get 1) (local.get 3)))
          (i32.const 512)))"#;
    let mut guest = sandbox().load(&component(wat, wit)).expect("program").instantiate().expect("instance");
    let fits = json!({"items": vec!["ab"; 1000], "text": "x".repeat(1 << 20)});
    assert!(matches!(call(&mut guest, "take", fits).outcome, CallOutcome::Ok(_)));
    for arguments in [
        json!({"items": [], "text": "x".repeat(20 << 20)}),
        json!({"items": vec!["a"; 600_000], "text": ""}),
        json!({"items": vec!["x".repeat(100_000); 100], "text": ""}),
    ] {
        let began = Instant::now();
        let outcome = call(&mut guest, "take", arguments).outcome;
        assert!(
            matches!(outcome, CallOutcome::Trap(Trap::OutOfMemory | Trap::OutOfFuel | Trap::Other(_))),
            "{outcome:?}"
        );
        assert!(began.elapsed() < SOON);
    }
    assert!(matches!(call(&mut guest, "take", json!({"items": [], "text": "x"})).outcome, CallOutcome::Ok(_)));
}

#[test]
fn a_message_about_bad_arguments_is_short_whatever_they_are() {
    let wit = "package terrarium:big; interface tools { record tool-error { code: string, message: string }
        take: func(text: string) -> result<u32, tool-error>; } world suite { export tools; }";
    let wat = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "terrarium:big/tools#take") (param i32 i32) (result i32) (i32.const 512)))"#;
    let mut guest = sandbox().load(&component(wat, wit)).expect("program").instantiate().expect("instance");
    let long = "é".repeat(1 << 20);
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let named = Value::Object([(long.clone(), json!(1))].into_iter().collect());
    for arguments in [json!({"text": deep}), named, json!({"text": {"x": long}}), json!({"text": [long]}), json!(long)]
    {
        match call(&mut guest, "take", arguments).outcome {
            CallOutcome::BadArguments { message } => assert!(message.len() < 500, "{} bytes", message.len()),
            other => panic!("{other:?}"),
        }
    }
    match call(&mut guest, &long, json!({})).outcome {
        CallOutcome::BadArguments { message } => assert!(message.len() < 500, "{} bytes", message.len()),
        other => panic!("{other:?}"),
    }
}

/// Sections that are kept in memory are bounded.
#[test]
fn sections_are_limited() {
    let bytes = support::with_section(support::hostile(), "terrarium:docs", &vec![b' '; 5 << 20]);
    assert!(matches!(sandbox().load(&bytes), Err(Error::TooLarge { .. })));
}
