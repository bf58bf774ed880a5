//! Reading the state of guests that lie about it: errors, never panics, never unbounded work.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{DESK_STATE, DESK_WAT, DESK_WIT, call, component, ok, with_section};
use terrarium_sandbox::{Config, Error, Instance, Limits, Sandbox};

/// The desk suite with a tool that writes any word to any address: `fines` holds both, in 32 bits each.
fn poked() -> Vec<u8> {
    let start = DESK_WAT.find("    (local $entry i32)\n").expect("body of refuse-midway");
    let end = start + DESK_WAT[start..].find("(i32.const 7)))").expect("its end");
    let body =
        "(i32.store (i32.wrap_i64 (i64.shr_u (local.get $cents) (i64.const 32))) (i32.wrap_i64 (local.get $cents)))
        (call $mark) (call $unit))";
    let wat = format!("{}{body}{}", &DESK_WAT[..start], &DESK_WAT[end + "(i32.const 7)))".len()..]);
    with_section(component(&wat, DESK_WIT), "terrarium:state", DESK_STATE.as_bytes())
}

fn poke(guest: &mut Instance, address: u32, word: u32) {
    let cents = (u64::from(address) << 32 | u64::from(word)) as i64;
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    let fines = format!("{sign}{}.{:02}", cents / 100, cents % 100);
    guest.call("refuse_midway", &json!({"id": "", "fines": fines})).expect("call");
}

/// After writing the words, with one honest update before.
fn after(words: &[(u32, u32)]) -> Instance {
    let sandbox = support::sandbox();
    let mut guest = sandbox.load(&poked()).expect("program").instantiate().expect("instance");
    ok(&mut guest, "set_fines", json!({"id": "M-0001", "fines": "1.00"}));
    for (address, word) in words {
        poke(&mut guest, *address, *word);
    }
    guest
}

#[test]
fn lies_in_the_journal_are_found() {
    // The journal lies at 1216, its only entry is an update of column 3 of the row at 3784.
    for (address, word, says) in [
        (1216, 9, "unknown operation"),
        (1216 + 4, 2, "names no table"),
        (1216 + 4, 1, "tagged with another table"),
        (1216 + 8, 0, "outside the memory"),
        (1216 + 8, u32::MAX, "outside the memory"),
        (1216 + 8, 1224, "tagged with another table"),
        (1216 + 12, 5, "names no column"),
        (1216, 3, "disagree on whether it is deleted"),
        (1036, 65_500, "the journal lies outside"),
        (1036, u32::MAX, "the journal lies outside"),
        (1040, u32::MAX, "the journal is too long"),
        (3784 + 8, u32::MAX, ""),
    ] {
        let guest = after(&[(address, word)]);
        match guest.net_diff() {
            Err(Error::CorruptState(what)) => assert!(what.contains(says), "{address}={word}: {what}"),
            Ok(_) if says.is_empty() => {}
            other => panic!("{address}={word}: {other:?}"),
        }
    }
}

#[test]
fn lies_in_the_tables_are_found() {
    // Directory at 1088 (slots, live rows), slots of member at 1152, first row at 3784 (header before it).
    for (address, word, says) in [
        (1052, u32::MAX, "the directory"),
        (1052, 65_530, "the directory"),
        (1088, u32::MAX, "slots lie outside"),
        (1092, u32::MAX, "too many rows"),
        (1092, 20_000, "slots lie outside"),
        (1092, 4, "a row"),
        (1152, 0, "outside the memory"),
        (1152, 65_530, "outside the memory"),
        (3776, 1, "another table"),
        (3776, 1 << 31, "a deleted row"),
        (3784, u32::MAX, "canonical ABI"),
        (3784 + 4, u32::MAX, "canonical ABI"),
        (3784 + 16, 3, "canonical ABI"),
        (3784 + 32, 2, "canonical ABI"),
    ] {
        match after(&[(address, word)]).state() {
            Err(Error::CorruptState(what)) => assert!(what.contains(says), "{address}={word}: {what}"),
            other => panic!("{address}={word}: {other:?}"),
        }
    }
}

/// One long text in many rows must not fill the host's memory.
#[test]
fn the_state_is_read_within_a_budget() {
    let limits = Limits { state_bytes_max: 20_000, ..Limits::default() };
    let sandbox = Sandbox::new(Config { limits, ..Config::default() }).expect("sandbox");
    let mut guest = sandbox.load(&support::desk()).expect("program").instantiate().expect("instance");
    for _ in 0..3 {
        ok(&mut guest, "add_member", json!({"name": "x".repeat(5000), "tier": "senior"}));
    }
    guest.state().expect("within");
    guest.net_diff().expect("within");
    ok(&mut guest, "add_member", json!({"name": "x".repeat(5000), "tier": "senior"}));
    assert!(matches!(guest.state(), Err(Error::StateTooLarge { bytes_max: 20_000 })));
    assert!(matches!(guest.net_diff(), Err(Error::StateTooLarge { bytes_max: 20_000 })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a guest writes into its own state, reading it gives a value or an error.
    #[test]
    fn no_state_makes_the_host_panic(
        words in prop::collection::vec(
            (prop_oneof![1024..1300_u32, 3776..4100_u32, any::<u32>()], prop_oneof![any::<u32>(), 0..10_u32, 1000..4200_u32, 65_000..65_600_u32]),
            1..6,
        )
    ) {
        let mut guest = after(&words);
        let _ = (guest.state(), guest.net_diff(), guest.mark());
        let reads: [(&str, Value); 2] = [("list_members", json!({})), ("get_member", json!({"id": "M-0002"}))];
        for (tool, arguments) in &reads {
            let _ = guest.call(tool, arguments);
        }
        if let Ok(mut fork) = guest.fork() {
            let _ = fork.state();
            for (tool, arguments) in &reads {
                let _ = fork.call(tool, arguments);
            }
        }
    }
}

/// Calls of many threads over one program do not see each other.
#[test]
fn threads_do_not_share_state() {
    let sandbox = support::sandbox();
    let program = sandbox.load(&support::desk()).expect("program");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let program = &program;
            scope.spawn(move || {
                for round in 0..50 {
                    let mut guest = program.instantiate().expect("instance");
                    let fines = format!("{thread}.{round:02}");
                    ok(&mut guest, "set_fines", json!({"id": "M-0003", "fines": fines}));
                    let mut fork = guest.fork().expect("fork");
                    call(&mut fork, "spin_midway", json!({"id": "M-0003", "fines": "0.00"}));
                    assert_eq!(ok(&mut fork, "get_member", json!({"id": "M-0003"}))["fines"], fines.as_str());
                    assert_eq!(guest.net_diff().expect("diff"), fork.net_diff().expect("diff"));
                }
            });
        }
    });
    assert_eq!(sandbox.instances_alive(), 0);
}
