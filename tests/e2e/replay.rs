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
