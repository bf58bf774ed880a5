//! The exported lines: what stands in them, and that Hugging Face `datasets` gives them back unchanged.

use crate::support::Desk;
use serde_json::Value;

#[test]
fn lines_hold_messages_tools_reward_and_ids() {
    let desk = Desk::with_worlds("3", "15");
    for policy in ["expert", "noop"] {
        desk.run(&["rollout", "--policy", policy, "--json", "-q"]).json();
    }
    let summary = desk.run(&["export", "--out", "data", "--json"]).json();
    let mut rows = 0;
    for file in summary["files"].as_array().expect("files") {
        let name = file.as_str().expect("a name");
        if !name.ends_with(".jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(desk.path("data").join(name)).expect("file");
        for line in text.lines() {
            rows += 1;
            let row: Value = serde_json::from_str(line).expect("JSON");
            let reward = &row["reward"];
            assert!(reward == 1.0 || reward == 0.0, "{row}");
            assert_eq!(reward == 1.0, row["policy"] == "expert", "{row}");
            assert!(row["tools"].as_str().is_some_and(|t| serde_json::from_str::<Vec<Value>>(t).is_ok()), "{row}");
            for key in ["outcome", "task_id", "environment_id", "split"] {
                assert!(row[key].is_string(), "{key}: {row}");
            }
            let messages = row["messages"].as_array().expect("messages");
            assert!(messages[0]["role"] == "system" && messages[1]["role"] == "user", "{row}");
            for call in messages.iter().filter_map(|m| m["tool_calls"].as_array()).flatten() {
                assert!(call["function"]["arguments"].is_string() && call["type"] == "function", "{call}");
            }
        }
    }
    assert_eq!(summary["rows"].as_u64(), Some(rows));
    assert_eq!(rows, 30);
    let card = std::fs::read_to_string(desk.path("data/README.md")).expect("card");
    assert!(card.starts_with("---\n") && card.contains("license:"), "{card}");
}
