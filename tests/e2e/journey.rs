//! The main path: synthesize, verify, roll out, evaluate, look, export; and the same seed gives the same bytes.

use crate::support::Desk;
use serde_json::json;

#[test]
fn the_whole_story() {
    let desk = Desk::new();
    let made = desk.run(&["synth", "--envs", "6", "--tasks", "60", "--seed", "7", "--json"]).json();
    assert_eq!((&made["environments"], &made["tasks"]), (&json!(6), &json!(60)), "{made}");
    assert!(made["rejected"].is_object() && made["seconds"].is_number(), "{made}");

    let verified = desk.run(&["verify", "--json"]).json();
    assert_eq!((&verified["tasks"], &verified["agree"]), (&json!(60), &json!(60)), "{verified}");

    let expert = desk.run(&["rollout", "--policy", "expert", "--json"]).json();
    assert_eq!((&expert["episodes"], &expert["solved"]), (&json!(60), &json!(60)), "{expert}");
    let noop = desk.run(&["rollout", "--policy", "noop", "--json"]).json();
    assert_eq!((&noop["episodes"], &noop["solved"]), (&json!(60), &json!(0)), "{noop}");
    assert_eq!(noop["outcomes"], json!({"failed": 60}), "{noop}");
    let random = desk.run(&["rollout", "--policy", "random", "--group", "3", "--json"]).json();
    assert_eq!(random["episodes"], json!(180), "{random}");
    assert!(random["solved"].as_u64().is_some_and(|n| n <= 1), "{random}");

    let replayed = desk.run(&["verify", "--episodes", "--json"]).json();
    assert_eq!((&replayed["episodes"], &replayed["agree"]), (&json!(300), &json!(300)), "{replayed}");

    let eval = desk.run(&["eval", "--policy", "expert", "-k", "1", "--json"]).json();
    assert_eq!(eval["pass_at_1"], json!(1.0), "{eval}");

    let stats = desk.run(&["stats", "--check", "--json"]).json();
    assert_eq!(
        (&stats["environments"], &stats["tasks"], &stats["episodes"]),
        (&json!(6), &json!(60), &json!(300)),
        "{stats}"
    );

    let task = &desk.query("SELECT id FROM tasks ORDER BY id LIMIT 1")[0];
    let shown = desk.run(&["show", "task", task]);
    assert!(shown.code == Some(0) && shown.out.contains("certificate"), "{}{}", shown.out, shown.err);
    let episode = desk.run(&["show", "episode", &format!("{task}@expert")]);
    assert!(episode.code == Some(0) && episode.out.contains("solved"), "{}{}", episode.out, episode.err);
    let changed = &desk.query(
        "SELECT e.task_id FROM episodes e JOIN steps s ON s.episode_id = e.id WHERE e.policy = 'expert' AND s.diff LIKE '%\"before\":{\"%' ORDER BY 1 LIMIT 1",
    )[0];
    let episode = desk.run(&["show", "episode", &format!("{changed}@expert")]);
    let change = episode.out.lines().find(|line| line.starts_with("   ~ "));
    assert!(change.is_some_and(|line| line.contains(": ") && line.contains(" -> ")), "{}{}", episode.out, episode.err);
    let env = task.split('/').next().expect("environment id");
    let shown = desk.run(&["show", "env", env]);
    assert!(shown.code == Some(0) && shown.out.contains("submit"), "{}{}", shown.out, shown.err);

    let exported = desk.run(&["export", "--format", "openai", "--out", "data", "--json"]).json();
    assert_eq!(exported["rows"], json!(300), "{exported}");
    assert!(desk.path("data/README.md").exists());
}

const CONTENT: &str = "SELECT group_concat(line, char(10)) FROM (SELECT * FROM (
    SELECT 'e ' || id || ' ' || digest || ' ' || system AS line FROM environments
    UNION ALL SELECT 't ' || id || ' ' || prompt || ' ' || solution || ' ' || verifier || ' ' || certificate FROM tasks) ORDER BY line)";

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_threads() {
    let mut contents = Vec::new();
    for (seed, threads) in [("7", "1"), ("7", "2"), ("7", "5"), ("8", "2")] {
        let desk = Desk::new();
        desk.run(&["synth", "--envs", "5", "--tasks", "40", "--seed", seed, "--threads", threads, "--json", "-q"])
            .json();
        for policy in ["expert", "random"] {
            desk.run(&["rollout", "--policy", policy, "--seed", seed, "--concurrency", threads, "--json", "-q"]).json();
        }
        desk.run(&["export", "--out", "data", "--json", "-q"]).json();
        let mut files: Vec<_> =
            std::fs::read_dir(desk.path("data")).expect("data").map(|e| e.expect("entry").path()).collect();
        files.sort();
        let files: Vec<(String, Vec<u8>)> = files
            .iter()
            .map(|f| (f.file_name().expect("name").to_string_lossy().into_owned(), std::fs::read(f).expect("file")))
            .collect();
        contents.push((desk.query(CONTENT), files));
    }
    assert!(contents[0].0[0].len() > 10_000, "the comparison is over something");
    assert!(contents[0] == contents[1], "1 and 2 threads differ");
    assert!(contents[0] == contents[2], "1 and 5 threads differ");
    assert!(contents[0].0 != contents[3].0, "another seed gives other worlds");
}

#[test]
fn dry_run_says_and_writes_nothing() {
    let desk = Desk::new();
    let said = desk.run(&["synth", "--envs", "3", "--tasks", "9", "--dry-run", "--json"]).json();
    assert_eq!(said["dry_run"], json!(true), "{said}");
    assert!(!desk.path("terrarium.db").exists());
}
