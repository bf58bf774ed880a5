//! A hand-written suite of two tables: calls, state, differences, forks, traps, on the core path; and the same calls on both.

mod support;

use serde_json::{Value, json};
use support::{both, call, component, desk, ok, sandbox, with_section};
use terrarium_sandbox::{CallOutcome, Config, Error, Instance, Mark, Path, Sandbox, Trap};

fn start() -> Instance {
    sandbox().load(&desk()).expect("program").instantiate().expect("instance")
}

fn expected_members() -> Value {
    json!([
        {"id": "M-0001", "name": "Ada Byron", "tier": "standard", "fines": "0.00", "phone": null},
        {"id": "M-0002", "name": "Ben Okri", "tier": "student", "fines": "12.50", "phone": "555-0101"},
        {"id": "M-0003", "name": "Zoë \"Z\" Åberg", "tier": "senior", "fines": "-0.05", "phone": null},
    ])
}

#[test]
fn reads() {
    let mut desk = start();
    let names: Vec<&str> = desk.program().tools().iter().map(|t| t.name.as_str()).collect();
    let expected = "get_member list_members add_member set_fines remove_member lend trap_midway spin_midway lie_midway refuse_midway";
    assert_eq!(names.join(" "), expected);
    assert_eq!(ok(&mut desk, "list_members", json!({})), expected_members());
    let text = call(&mut desk, "get_member", json!({"id": "M-0002"})).outcome;
    let expected = r#"{"id":"M-0002","name":"Ben Okri","tier":"student","fines":"12.50","phone":"555-0101"}"#;
    assert_eq!(text, CallOutcome::Ok(expected.to_owned()));
    let error = call(&mut desk, "get_member", json!({"id": "M-9999"})).outcome;
    assert_eq!(error, CallOutcome::ToolError { code: "not_found".into(), message: "no such member".into() });
    assert!(desk.net_diff().expect("diff").is_empty());
}

#[test]
fn code_without_optimisations_does_the_same_for_the_same_fuel() {
    let run = |optimize: bool| {
        let sandbox = Sandbox::new(Config { optimize, ..Config::default() }).expect("sandbox");
        let mut desk = sandbox.load(&desk()).expect("program").instantiate().expect("instance");
        let calls = [
            ("list_members", json!({})),
            ("set_fines", json!({"id": "M-0001", "fines": "3.10"})),
            ("remove_member", json!({"id": "M-0001"})),
            ("get_member", json!({"id": "M-0001"})),
            ("trap_midway", json!({"id": "M-0002", "fines": "1.00"})),
        ];
        let calls = calls.map(|(tool, arguments)| call(&mut desk, tool, arguments));
        (calls, desk.state().expect("state"))
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn state_has_all_rows_in_order() {
    let state = start().state().expect("state");
    let loan = json!({"id": "L-000001", "member": "M-0001", "due": "2026-03-01", "pages": 12});
    let expected = json!({"tables": {"member": expected_members(), "loan": [loan]}});
    assert_eq!(state.to_string(), expected.to_string());
}

#[test]
fn writes_show_up_in_state_and_diff() {
    let mut desk = start();
    let start = desk.mark();
    let added = ok(&mut desk, "add_member", json!({"name": "Cy", "tier": "student", "phone": "1"}));
    assert_eq!(added, json!({"id": "M-0004", "name": "Cy", "tier": "student", "fines": "0.00", "phone": "1"}));
    let middle = desk.mark();
    assert!(middle > start);
    assert_eq!(ok(&mut desk, "set_fines", json!({"id": "M-0001", "fines": "3.5"})), Value::Null);
    ok(&mut desk, "set_fines", json!({"id": "M-0002", "fines": "1.00"}));
    ok(&mut desk, "set_fines", json!({"id": "M-0002", "fines": "2.00"}));
    ok(&mut desk, "remove_member", json!({"id": "M-0002"}));
    ok(&mut desk, "lend", json!({"member": "M-0001", "due": "2026-12-31"}));
    let diff = serde_json::to_value(desk.net_diff().expect("diff")).expect("JSON");
    let expected = json!({"tables": [
        {"table": "member", "inserted": [added],
         "updated": [{"key": "M-0001", "before": {"fines": "0.00"}, "after": {"fines": "3.50"}}],
         "deleted": [{"id": "M-0002", "name": "Ben Okri", "tier": "student", "fines": "12.50", "phone": "555-0101"}]},
        {"table": "loan", "inserted": [{"id": "L-000002", "member": "M-0001", "due": "2026-12-31", "pages": null}],
         "updated": [], "deleted": []},
    ]});
    assert_eq!(diff, expected);
    assert_eq!(desk.diff(start).expect("diff"), desk.net_diff().expect("diff"));
    let rest = desk.diff(middle).expect("diff");
    assert!(rest.tables[0].inserted.is_empty());
    assert!(desk.diff(desk.mark()).expect("diff").is_empty());
    let members = &desk.state().expect("state")["tables"]["member"];
    let ids: Vec<_> = members.as_array().expect("rows").iter().map(|m| m["id"].as_str().expect("id")).collect();
    assert_eq!(ids, ["M-0001", "M-0003", "M-0004"]);
}

#[test]
fn what_is_undone_is_no_difference() {
    let mut desk = start();
    ok(&mut desk, "add_member", json!({"name": "Cy", "tier": "student"}));
    ok(&mut desk, "set_fines", json!({"id": "M-0004", "fines": "1.00"}));
    ok(&mut desk, "remove_member", json!({"id": "M-0004"}));
    ok(&mut desk, "set_fines", json!({"id": "M-0002", "fines": "1.00"}));
    ok(&mut desk, "set_fines", json!({"id": "M-0002", "fines": "12.50"}));
    assert!(desk.net_diff().expect("diff").is_empty());
    let refused = call(&mut desk, "refuse_midway", json!({"id": "M-0001", "fines": "9.00"})).outcome;
    assert!(matches!(refused, CallOutcome::ToolError { code, .. } if code == "refused"));
    assert!(desk.net_diff().expect("diff").is_empty());
}

#[test]
fn a_trap_in_the_middle_of_a_write_leaves_no_trace() {
    let mut desk = start();
    ok(&mut desk, "set_fines", json!({"id": "M-0001", "fines": "7.00"}));
    ok(&mut desk, "add_member", json!({"name": "Cy", "tier": "student"}));
    let (mark, state) = (desk.mark(), desk.state().expect("state"));
    let arguments = json!({"id": "M-0002", "fines": "99.00"});
    let unreachable = Trap::Other("wasm trap: wasm `unreachable` instruction executed".to_owned());
    let broken = Trap::Other(Trap::INVALID_REPLY.to_owned());
    for (tool, trap) in [("trap_midway", unreachable), ("spin_midway", Trap::OutOfFuel), ("lie_midway", broken)] {
        for _ in 0..3 {
            assert_eq!(call(&mut desk, tool, arguments.clone()).outcome, CallOutcome::Trap(trap.clone()));
            assert_eq!(desk.state().expect("state"), state);
            assert_eq!(desk.mark(), mark);
        }
    }
    ok(&mut desk, "set_fines", json!({"id": "M-0002", "fines": "1.00"}));
    assert_eq!(
        desk.diff(mark).expect("diff").tables[0].updated[0].before,
        *json!({"fines": "12.50"}).as_object().expect("map")
    );
}

#[test]
fn long_histories_survive_traps_and_forks() {
    let mut desk = start();
    for i in 0..300 {
        ok(&mut desk, "add_member", json!({"name": format!("Member {i}"), "tier": "senior", "phone": "x".repeat(i)}));
        ok(&mut desk, "set_fines", json!({"id": "M-0002", "fines": format!("{i}.00")}));
        if i % 70 == 3 {
            let state = desk.state().expect("state");
            let trap = call(&mut desk, "trap_midway", json!({"id": "M-0001", "fines": "1.00"})).outcome;
            assert!(matches!(trap, CallOutcome::Trap(_)));
            assert_eq!(desk.state().expect("state"), state);
        }
    }
    let diff = desk.net_diff().expect("diff");
    assert_eq!(diff.tables[0].inserted.len(), 300);
    assert_eq!(diff.tables[0].updated[0].before["fines"], "12.50");
    let fork = desk.fork().expect("fork");
    assert_eq!(fork.net_diff().expect("diff"), diff);
    assert_eq!(fork.state().expect("state"), desk.state().expect("state"));
}

#[test]
fn forks_are_independent() {
    let mut parent = start();
    ok(&mut parent, "set_fines", json!({"id": "M-0001", "fines": "5.00"}));
    let mark = parent.mark();
    let mut child = parent.fork().expect("fork");
    assert_eq!(child.mark(), mark);
    ok(&mut child, "remove_member", json!({"id": "M-0001"}));
    ok(&mut parent, "set_fines", json!({"id": "M-0003", "fines": "6.00"}));
    assert_eq!(parent.diff(mark).expect("diff").tables[0].updated.len(), 1);
    assert_eq!(child.diff(mark).expect("diff").tables[0].deleted.len(), 1);
    // A trap in the child brings it back to its own state, not to the fork or the start.
    let state = child.state().expect("state");
    call(&mut child, "trap_midway", json!({"id": "M-0002", "fines": "1.00"}));
    assert_eq!(child.state().expect("state"), state);
    let grandchild = child.fork().expect("fork");
    drop(child);
    drop(parent);
    assert_eq!(grandchild.state().expect("state"), state);
}

#[test]
fn both_paths_answer_and_burn_alike() {
    let sandbox = sandbox();
    let mut guests = both(&sandbox, &desk()).map(|p| p.instantiate().expect("instance"));
    let calls = [
        ("list_members", json!({})),
        ("get_member", json!({"id": "M-0003"})),
        ("get_member", json!({"id": "M-0009"})),
        ("get_member", json!({"id": 7})),
        ("get_member", json!({})),
        ("add_member", json!({"name": "Änne", "tier": "senior", "phone": null})),
        ("add_member", json!({"name": "Bo", "tier": "standard", "phone": ""})),
        ("add_member", json!({"name": "Bo", "tier": "gold"})),
        ("trap_midway", json!({"id": "M-0001", "fines": "1.00"})),
        ("lie_midway", json!({"id": "M-0001", "fines": "1.00"})),
        ("spin_midway", json!({"id": "M-0001", "fines": "1.00"})),
        ("refuse_midway", json!({"id": "M-0001", "fines": "1.00"})),
        ("set_fines", json!({"id": "M-0001", "fines": "92233720368547758.07"})),
        ("lend", json!({"member": "M-0001", "due": "0001-01-01", "pages": -9_223_372_036_854_775_808_i64})),
        ("lend", json!({"member": "M-0001", "due": "9999-12-31"})),
        ("remove_member", json!({"id": "M-0002"})),
        ("list_members", json!({})),
        ("no_such_tool", json!({})),
    ];
    for (tool, arguments) in calls {
        let [core, component] = guests.each_mut().map(|g| call(g, tool, arguments.clone()));
        assert_eq!(core, component, "{tool}({arguments})");
    }
}

#[test]
fn a_component_without_state_says_so() {
    let sandbox = sandbox();
    for program in
        [sandbox.load_as(&desk(), Path::Component), sandbox.load(&component(support::DESK_WAT, support::DESK_WIT))]
    {
        let mut desk = program.expect("program").instantiate().expect("instance");
        assert!(!desk.program().has_state());
        ok(&mut desk, "set_fines", json!({"id": "M-0001", "fines": "5.00"}));
        assert!(matches!(desk.state(), Err(Error::NoState)));
        assert!(matches!(desk.net_diff(), Err(Error::NoState)));
        assert!(matches!(desk.diff(Mark::default()), Err(Error::NoState)));
        // It forks and recovers by replay.
        let mut fork = desk.fork().expect("fork");
        call(&mut fork, "trap_midway", json!({"id": "M-0001", "fines": "9.00"}));
        assert_eq!(ok(&mut fork, "get_member", json!({"id": "M-0001"}))["fines"], "5.00");
    }
}

#[test]
fn a_mark_of_another_instance_is_refused() {
    let mut long = start();
    ok(&mut long, "set_fines", json!({"id": "M-0001", "fines": "5.00"}));
    assert!(matches!(start().diff(long.mark()), Err(Error::BadMark { mark: 1, entries: 0 })));
}

#[test]
fn instances_move_between_threads() {
    let sandbox = sandbox();
    let program = sandbox.load(&desk()).expect("program");
    let mut desk = program.instantiate().expect("instance");
    let state = std::thread::spawn(move || {
        ok(&mut desk, "set_fines", json!({"id": "M-0001", "fines": "5.00"}));
        desk.state().expect("state")
    });
    assert_eq!(state.join().expect("thread")["tables"]["member"][0]["fines"], "5.00");
}

#[test]
fn broken_layouts_are_refused_when_loaded() {
    let sandbox = sandbox();
    let plain = || component(support::DESK_WAT, support::DESK_WIT);
    for (section, says) in [
        ("", "terrarium:state"),
        ("[]", "terrarium:state"),
        (r#"{"version":2,"header":1024,"tables":[]}"#, "version 2"),
        (r#"{"version":1,"header":1024,"tables":[]}"#, "2 tables in memory"),
        (r#"{"version":1,"header":4294967290,"tables":[]}"#, "outside the memory"),
        (r#"{"version":1,"header":0,"tables":[]}"#, "no magic number"),
        (
            r#"{"version":1,"header":1024,"tables":[{"name":"a","record":"book"},{"name":"b","record":"loan"}]}"#,
            "`book`",
        ),
        (
            r#"{"version":1,"header":1024,"tables":[{"name":"a","record":"money"},{"name":"b","record":"loan"}]}"#,
            "`money`",
        ),
        (
            r#"{"version":1,"header":1024,"tables":[{"name":"a","record":"loan"},{"name":"a","record":"loan"}]}"#,
            "two tables",
        ),
    ] {
        let error = sandbox.load(&with_section(plain(), "terrarium:state", section.as_bytes())).expect_err(section);
        assert!(matches!(error, Error::Contract(_)) && error.to_string().contains(says), "{section}: {error}");
    }
}
