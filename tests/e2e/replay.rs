//! Stored episodes run again: the same bytes, or the first byte that is not.

use crate::support::Desk;
use serde_json::json;

#[test]
fn a_changed_byte_is_reported_where_it_stands() {
    let desk = Desk::with_worlds("1", "6");
    desk.run(&["rollout", "--policy", "expert", "--json", "--quiet"]).json();
    let same = desk.run(&["verify", "--episodes", "--json", "--quiet"]).json();
    assert_eq!((&same["episodes"], &same["agree"], &same["differ"]), (&json!(6), &json!(6), &json!(0)), "{same}");

    // One character of one stored result becomes another.
    let id = "SELECT episode_id FROM steps WHERE number = 1 AND length(result) > 60 ORDER BY episode_id LIMIT 1";
    let result = |desk: &Desk| {
        desk.query(&format!("SELECT result FROM steps WHERE number = 1 AND episode_id = ({id})")).remove(0)
    };
    let before = result(&desk);
    let byte = before.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).nth(12).expect("a letter").0;
    let mut changed = before.clone();
    changed.replace_range(byte..=byte, "~");
    let quoted = changed.replace('\'', "''");
    desk.query(&format!(
        "UPDATE steps SET result = '{quoted}' WHERE number = 1 AND episode_id = ({id}) RETURNING CAST(number AS TEXT)"
    ));

    let said = desk.run(&["verify", "--episodes", "--json", "--quiet"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    let report: serde_json::Value = serde_json::from_str(&said.out).expect("one JSON object");
    assert_eq!((&report["agree"], &report["differ"]), (&json!(5), &json!(1)), "{report}");
    let difference = report["differences"][0].as_str().expect("a line");
    assert!(difference.contains(&format!("step 1, result, byte {byte}: was `")), "{difference}");
    let (was, is) = difference.split_once("` and is `").expect("both sides");
    assert!(was.contains('~') && !is.contains('~'), "{difference}");
    let shown = is.trim_matches(['`', '…']);
    assert!(before.contains(shown) && shown.len() >= 40.min(before.len() - byte), "{difference}");
}

/// A task's verifier is mended after its episodes ran: today's verdicts stand beside the first ones, and exports use them when asked.
#[test]
fn verdicts_of_a_mended_verifier_are_recorded_and_exported() {
    let desk = Desk::with_worlds("2", "20");
    desk.run(&["rollout", "--policy", "expert", "--json", "--quiet"]).json();
    let verify = ["verify", "--episodes", "--record", "--json", "--quiet"];
    let said = desk.run(&verify).json();
    assert_eq!(said["recorded"], json!({"new": 20, "known": 0, "diverged": 0, "contradicted": 0}), "{said}");
    let said = desk.run(&verify).json();
    assert_eq!((&said["recorded"]["new"], &said["recorded"]["known"]), (&json!(0), &json!(20)), "{said}");

    let changed = desk.query(
        "UPDATE tasks SET verifier = json_set(verifier, '$.answer', json('{\"integer\": 987654321}')) \
         WHERE id IN (SELECT id FROM tasks WHERE kind = 'ask' ORDER BY id LIMIT 2) RETURNING id",
    );
    assert_eq!(changed.len(), 2, "there are questions");
    // Without --record it is only told; with it, it is kept.
    let told = desk.run(&verify[..2]);
    assert_eq!(told.code, Some(1), "{}{}", told.out, told.err);
    assert!(told.out.contains("18 agree, 2 differ, 2 of them in their reward"), "{}", told.out);
    let said = desk.run(&verify).json();
    assert_eq!(said["recorded"], json!({"new": 2, "known": 18, "diverged": 0, "contradicted": 0}), "{said}");
    assert_eq!((&said["differ"], &said["reward_changed"]), (&json!(2), &json!(2)), "{said}");
    desk.run(&["stats", "--check", "--json"]).json();

    let rows = |more: &[&str]| {
        let all = [&["export", "--format", "trl", "--out", "sft", "--json", "-q"], more].concat();
        desk.run(&all).json()["rows"].as_u64().expect("rows")
    };
    assert_eq!((rows(&[]), rows(&["--rescored"])), (20, 18));
    let shown = desk.run(&["show", "episode", &changed[0]]).out;
    assert!(shown.contains("expert#0: solved, reward 1"), "{shown}");
    let later: Vec<&str> = shown.split("re-scored by 1-").skip(1).collect();
    assert_eq!(later.len(), 2, "{shown}");
    assert!(later[0].contains(": solved, reward 1") && later[1].contains(": failed, reward 0"), "{shown}");
    assert!(later[1].contains("FAILED answer"), "{shown}");
}
