//! `kill -9` in the middle, and the same command again: nothing lost, nothing twice, same bytes.

use crate::support::Desk;
use serde_json::json;
use std::thread::sleep;
use std::time::{Duration, Instant};

const TASKS: &str = "SELECT id || prompt || certificate FROM tasks ORDER BY id";

#[test]
fn synth_resumes_after_kill_and_ends_with_the_same_bytes() {
    let arguments = ["synth", "--envs", "12", "--tasks", "120", "--seed", "3", "--json", "-q"];
    let unbroken = Desk::new();
    unbroken.run(&arguments).json();
    let broken = Desk::new();
    for milliseconds in [150, 400, 700] {
        let mut child = broken.start(&arguments);
        sleep(Duration::from_millis(milliseconds));
        child.kill().expect("kill -9");
        child.wait().expect("it ends");
    }
    let made = broken.run(&arguments).json();
    assert_eq!((&made["environments"], &made["tasks"]), (&json!(12), &json!(120)), "{made}");
    assert_eq!(broken.query(TASKS), unbroken.query(TASKS));
    assert_eq!(
        broken.query("SELECT id || digest FROM environments ORDER BY id"),
        unbroken.query("SELECT id || digest FROM environments ORDER BY id")
    );
    broken.run(&["stats", "--check", "--json"]).json();
}

#[test]
fn rollout_resumes_after_kill_without_loss_or_duplicate() {
    let desk = Desk::with_worlds("6", "90");
    let arguments = ["rollout", "--policy", "random", "--group", "20", "--seed", "5", "--json", "-q"];
    for milliseconds in [120, 250, 400] {
        let mut child = desk.start(&arguments);
        sleep(Duration::from_millis(milliseconds));
        child.kill().expect("kill -9");
        child.wait().expect("it ends");
    }
    let before = desk.query("SELECT CAST(count(*) AS TEXT) FROM episodes")[0].parse::<u64>().expect("a number");
    let said = desk.run(&arguments).json();
    assert_eq!(said["episodes"], json!(1800), "{said}");
    assert_eq!(said["resumed"], json!(before), "{said}");
    assert_eq!(desk.query("SELECT CAST(count(*) AS TEXT) FROM episodes"), ["1800"]);
    assert_eq!(desk.query("SELECT CAST(count(DISTINCT task_id || '@' || sample) AS TEXT) FROM episodes"), ["1800"]);
    desk.run(&["stats", "--check", "--json"]).json();
    let again = desk.run(&arguments).json();
    assert_eq!((&again["episodes"], &again["resumed"]), (&json!(1800), &json!(1800)), "{again}");
}

#[test]
#[cfg(unix)]
fn interrupt_stops_cleanly_and_says_how_to_go_on() {
    let desk = Desk::with_worlds("6", "90");
    let child = desk
        .command(&["rollout", "--policy", "random", "--group", "200", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    // Once the first episodes are stored it is in the middle of its work, however busy the machine.
    let started = Instant::now();
    while desk.query("SELECT CAST(count(*) AS TEXT) FROM episodes")[0] == "0" {
        assert!(started.elapsed() < Duration::from_secs(60), "no episode was stored in a minute");
        sleep(Duration::from_millis(50));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("same command"), "{err}");
    desk.run(&["stats", "--check", "--json"]).json();
}
