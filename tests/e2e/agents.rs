//! Agents that err, meet trouble, talk to a user, run out of room and branch off: every episode is stored with its conditions, and runs
//! again to the last byte.

use crate::support::Desk;
use serde_json::{Value, json};

/// Every stored episode runs again and agrees.
#[track_caller]
fn replays(desk: &Desk) -> Value {
    let said = desk.run(&["verify", "--episodes", "--json", "-q"]).json();
    assert_eq!(said["differ"], json!(0), "{said}");
    assert!(said["episodes"].as_u64().is_some_and(|n| n > 0), "{said}");
    said
}

#[test]
fn the_noisy_expert_solves_the_library_whatever_it_meets() {
    let desk = Desk::with_worlds("9", "90");
    let noisy = ["rollout", "--policy", "noisy-expert", "--json", "-q", "--group", "3"];
    let said = desk.run(&noisy).json();
    assert_eq!((&said["episodes"], &said["solved"]), (&json!(270), &json!(270)), "{said}");
    let erring = "SELECT CAST(count(DISTINCT e.id) AS TEXT) FROM episodes e JOIN steps s ON s.episode_id = e.id WHERE s.outcome <> 'ok'";
    let erred: u64 = desk.query(erring)[0].parse().expect("a number");
    assert!(erred > 200, "{erred} of 270 episodes have an error in them");
    replays(&desk);

    let other = Desk::with_worlds("9", "90");
    let hard = [&noisy[..], &["--faults", "15", "--user", "scripted", "--seed", "4", "--max-turns", "256"]].concat();
    let said = other.run(&hard).json();
    assert_eq!((&said["episodes"], &said["solved"]), (&json!(270), &json!(270)), "{said}");
    let count = |code: &str| -> u64 {
        other.query(&format!("SELECT CAST(count(*) AS TEXT) FROM steps WHERE outcome = '{code}'"))[0]
            .parse()
            .expect("a number")
    };
    for code in ["timeout", "rate_limited", "user_spoke"] {
        assert!(count(code) > 20, "{code}: {}", count(code));
    }
    let setups = other.query("SELECT DISTINCT setup FROM episodes");
    assert_eq!(
        setups,
        [
            r#"{"budget":{"turns":256,"calls":256,"tokens":null,"time":null,"context_bytes":4194304,"format_errors":3},"faults":{"per_mille":150,"kinds":[],"in_a_row":2,"page":5},"user":"scripted"}"#
        ]
    );
    replays(&other);
}

#[test]
fn an_episode_branches_at_any_step() {
    let desk = Desk::with_worlds("3", "15");
    desk.run(&["rollout", "--policy", "expert", "--json", "-q"]).json();
    let longest = &desk.query("SELECT task_id FROM episodes ORDER BY step_count DESC, task_id LIMIT 1")[0];
    let fork = format!("{longest}@expert#0@2");
    let said = desk.run(&["rollout", "--policy", "random", "--group", "6", "--fork", &fork, "--json", "-q"]).json();
    assert_eq!((&said["episodes"], &said["policy"]), (&json!(6), &json!("random/expert#0@2")), "{said}");
    let said = desk.run(&["rollout", "--policy", "expert", "--fork", &fork, "--json", "-q"]).json();
    assert_eq!((&said["episodes"], &said["solved"]), (&json!(1), &json!(1)), "{said}");
    let heads = "SELECT DISTINCT group_concat(s.tool || s.arguments || s.result) FROM (SELECT * FROM steps ORDER BY episode_id, number) s
        JOIN episodes e ON e.id = s.episode_id WHERE s.number < 2 AND e.task_id = ";
    assert_eq!(desk.query(&format!("{heads} '{longest}' GROUP BY e.id")).len(), 1, "all begin alike");
    replays(&desk);
    let far = format!("{longest}@expert#0@99");
    assert!(
        desk.run(&["rollout", "--policy", "random", "--fork", &far]).error(2).contains("cannot branch after step 99")
    );
    let no_step = desk.run(&["rollout", "--policy", "random", "--fork", longest]);
    assert!(no_step.error(2).contains("TASK@POLICY#SAMPLE@K"), "{}", no_step.err);
}

#[test]
fn conditions_that_make_no_sense_are_refused() {
    let desk = Desk::with_worlds("1", "3");
    for (arguments, said) in [
        (["--context", "summary"], "--window"),
        (["--faults", "lots"], "PERCENT"),
        (["--user", "bob"], "scripted"),
        (["--max-seconds", "0"], "more than 0"),
    ] {
        let run = desk.run(&[&["rollout", "--policy", "random"][..], &arguments].concat());
        assert!(run.error(2).contains(said), "{}", run.err);
    }
}
