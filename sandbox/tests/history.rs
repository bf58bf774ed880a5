//! Going back: forks at any step and the difference that a single call made, whatever came after.

mod support;

use serde_json::{Value, json};
use support::{both, call, desk, ok, sandbox};
use terrarium_sandbox::{CallOutcome, Error, Instance, StateDiff};

/// Calls of every kind: reads, inserts, updates, deletes, refusals, mistakes, traps.
fn script(n: usize) -> (&'static str, Value) {
    let id = format!("M-{:04}", n % 5 + 1);
    match n % 8 {
        0 => ("add_member", json!({"name": format!("Member {n}"), "tier": "senior", "phone": "x".repeat(n)})),
        1 => ("set_fines", json!({"id": id, "fines": format!("{n}.00")})),
        2 => ("get_member", json!({"id": id})),
        3 => ("lend", json!({"member": id, "due": "2026-12-31", "pages": n})),
        4 => ("trap_midway", json!({"id": "M-0001", "fines": "1.00"})),
        5 if n % 3 == 0 => ("remove_member", json!({"id": format!("M-{:04}", n / 8 + 4)})),
        5 => ("refuse_midway", json!({"id": "M-0001", "fines": "1.00"})),
        6 => ("set_fines", json!({"id": id, "fines": 7})),
        _ => ("set_fines", json!({"id": "M-0001", "fines": format!("{}.50", n / 16)})),
    }
}

/// The state before every step, and what the step changed, as seen while it happened.
fn play(world: &mut Instance, steps: usize) -> Vec<(Value, StateDiff)> {
    (0..steps)
        .map(|n| {
            let (before, mark) = (world.state().expect("state"), world.mark());
            let (tool, arguments) = script(n);
            call(world, tool, arguments);
            (before, world.diff(mark).expect("difference"))
        })
        .collect()
}

#[test]
fn every_step_can_be_gone_back_to() {
    let mut world = sandbox().load(&desk()).expect("program").instantiate().expect("instance");
    let seen = play(&mut world, 400);
    assert_eq!(world.steps(), 400);
    assert!(seen.iter().filter(|(_, diff)| !diff.is_empty()).count() > 100, "the script writes often");
    for (n, (state, diff)) in seen.iter().enumerate() {
        let fork = world.fork_at(n as u32).expect("a fork");
        assert_eq!(&fork.state().expect("state"), state, "before step {n}");
        assert_eq!(fork.steps(), n as u32);
        assert_eq!(&world.step_diff(n as u32).expect("difference"), diff, "of step {n}");
    }
    let end = world.fork_at(400).expect("a fork");
    assert_eq!(end.state().expect("state"), world.state().expect("state"));
    for step in [401, u32::MAX] {
        let error = world.fork_at(step).expect_err("no such step");
        assert!(matches!(error, Error::BadStep { first: 0, last: 400, .. }), "{error}");
    }
    assert!(matches!(world.step_diff(400), Err(Error::BadStep { step: 400, .. })));
}

#[test]
fn a_fork_goes_its_own_way_and_burns_the_same_fuel() {
    let mut world = sandbox().load(&desk()).expect("program").instantiate().expect("instance");
    play(&mut world, 100);
    let calls: Vec<_> = (80..100).map(script).collect();
    let mut again = world.fork_at(80).expect("a fork");
    let mut twice = world.fork_at(80).expect("a fork");
    let (first, second) = (calls.iter(), calls.iter());
    let first: Vec<_> = first.map(|(tool, arguments)| call(&mut again, tool, arguments.clone())).collect();
    let second: Vec<_> = second.map(|(tool, arguments)| call(&mut twice, tool, arguments.clone())).collect();
    assert_eq!(first, second);
    assert_eq!(again.state().expect("state"), world.state().expect("state"));
    ok(&mut twice, "set_fines", json!({"id": "M-0002", "fines": "9.99"}));
    assert_ne!(twice.state().expect("state"), world.state().expect("state"));
    // Steps before the fork are still known by their differences, and its own can be gone back to.
    assert_eq!(again.step_diff(8).expect("difference"), world.step_diff(8).expect("difference"));
    assert_eq!(again.fork_at(90).expect("a fork").steps(), 90);
}

#[test]
fn a_fork_of_now_knows_its_steps_from_here_on() {
    let mut world = sandbox().load(&desk()).expect("program").instantiate().expect("instance");
    play(&mut world, 10);
    let mut fork = world.fork().expect("a fork");
    let before = fork.state().expect("state");
    ok(&mut fork, "add_member", json!({"name": "Cy", "tier": "student"}));
    assert_eq!(fork.fork_at(10).expect("a fork").state().expect("state"), before);
    assert!(matches!(fork.fork_at(9), Err(Error::BadStep { step: 9, first: 10, last: 11 })));
    assert_eq!(fork.step_diff(0).expect("difference"), world.step_diff(0).expect("difference"));
}

#[test]
fn foreign_components_go_back_by_replay() {
    let sandbox = sandbox();
    let [_, foreign] = both(&sandbox, &desk()).map(|p| p.instantiate().expect("instance"));
    let mut world = foreign;
    for n in 0..40 {
        let (tool, arguments) = script(n);
        call(&mut world, tool, arguments);
    }
    let mut fork = world.fork_at(2).expect("a fork");
    assert_eq!(ok(&mut fork, "get_member", json!({"id": "M-0002"}))["fines"], "1.00");
    let mut fork = world.fork_at(1).expect("a fork");
    assert_eq!(ok(&mut fork, "get_member", json!({"id": "M-0002"}))["fines"], "12.50");
    assert!(matches!(call(&mut fork, "get_member", json!({"id": "M-0099"})).outcome, CallOutcome::ToolError { .. }));
    assert!(matches!(world.step_diff(0), Err(Error::NoState)));
}

#[test]
fn differences_between_marks_do_not_see_what_came_later() {
    let mut world = sandbox().load(&desk()).expect("program").instantiate().expect("instance");
    let start = world.mark();
    ok(&mut world, "set_fines", json!({"id": "M-0001", "fines": "1.00"}));
    ok(&mut world, "add_member", json!({"name": "Cy", "tier": "student"}));
    let middle = world.mark();
    let seen = world.diff(start).expect("difference");
    ok(&mut world, "set_fines", json!({"id": "M-0001", "fines": "2.00"}));
    ok(&mut world, "set_fines", json!({"id": "M-0004", "fines": "2.00"}));
    ok(&mut world, "remove_member", json!({"id": "M-0004"}));
    assert_eq!(world.diff_between(start, middle).expect("difference"), seen);
    assert_eq!(world.diff_between(start, world.mark()).expect("difference"), world.net_diff().expect("difference"));
    assert!(world.diff_between(middle, middle).expect("difference").is_empty());
    assert!(matches!(world.diff_between(middle, start), Err(Error::BadMark { mark: 2, entries: 0 })));
}
