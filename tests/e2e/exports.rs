//! Exports through the command: what stands in them, what is refused, and that merging and reporting work on what was rolled out.

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

#[test]
fn every_format_is_written_and_selected_from() {
    let desk = Desk::with_worlds("3", "12");
    for policy in ["expert", "noop"] {
        desk.run(&["rollout", "--policy", policy, "--json", "-q"]).json();
    }
    for (format, rows) in [
        ("openai", 24),
        ("trl", 12),
        ("trl-dpo", 12),
        ("trl-kto", 24),
        ("trl-grpo", 12),
        ("verl", 12),
        ("verl-sft", 12),
        ("skyrl", 12),
        ("skyrl-sft", 0),
        ("verifiers", 24),
        ("atif", 24),
        ("adp", 24),
        ("nemo", 12),
    ] {
        let summary = desk.run(&["export", "--format", format, "--out", format, "--json"]).json();
        assert_eq!((summary["rows"].as_u64(), &summary["format"]), (Some(rows), &format.into()), "{summary}");
        assert!(desk.path(format).join("README.md").exists());
    }
    let rows = |arguments: &[&str]| {
        let all = [&["export", "--out", "some", "--json", "-q"], arguments].concat();
        desk.run(&all).json()["rows"].as_u64().expect("rows")
    };
    assert_eq!(rows(&["--where", "reward = 1 AND policy = 'expert'"]), 12);
    assert_eq!(rows(&["--where", "pass_rate = 0", "--best", "1", "--limit", "3"]), 3);
    assert_eq!(rows(&["--format", "verl", "--files", "parquet", "--where", "solved = 1 AND episodes = 2"]), 12);
    assert!(
        desk.path("some")
            .read_dir()
            .expect("folder")
            .flatten()
            .any(|f| f.path().extension().is_some_and(|e| e == "parquet"))
    );
    assert_eq!(rows(&["--format", "verl", "--policy", "noop", "--where", "solved = 1"]), 0);
    assert_eq!(rows(&["--files", "zst", "--solved"]), 12);

    for (arguments, reason) in [
        (["--where", "1) OR (1"].as_slice(), "closes"),
        (&["--where", "reward = 1; DROP TABLE episodes"], "`;`"),
        (&["--where", "task_id IN (SELECT id FROM tasks)"], "subqueries"),
        (&["--where", "no_such = 1"], "it may speak of task_id, policy"),
        (&["--format", "atif", "--files", "parquet"], "no fixed columns"),
        (&["--format", "verl", "--solved"], "rows of verl are tasks"),
        (&["--solved", "--include-broken"], "cannot be used with"),
    ] {
        let said = desk.run(&[["export", "--out", "never"].as_slice(), arguments].concat());
        assert!(said.error(2).contains(reason), "{arguments:?}: {}", said.err);
    }
    assert!(!desk.path("never").exists(), "a refused export leaves a folder");
}

#[test]
fn two_databases_become_one_and_a_report() {
    let desk = Desk::with_worlds("2", "8");
    std::fs::copy(desk.path("terrarium.db"), desk.path("other.db")).expect("copy");
    desk.run(&["rollout", "--policy", "expert", "--json", "-q"]).json();
    desk.run(&["rollout", "--policy", "random", "--db", "other.db", "--json", "-q"]).json();
    let merge = ["merge", "terrarium.db", "other.db", "--db", "all.db", "--json", "-q"];
    let first = desk.run(&merge).json();
    assert_eq!((first["added"]["episodes"].as_u64(), first["conflict_count"].as_u64()), (Some(16), Some(0)), "{first}");
    let again = desk.run(&merge).json();
    assert_eq!(
        (again["added"]["episodes"].as_u64(), again["known"]["episodes"].as_u64()),
        (Some(0), Some(16)),
        "{again}"
    );
    assert_eq!(desk.run(&["stats", "--check", "--db", "all.db", "--json"]).json()["episodes"], 16);
    assert!(desk.run(&["merge", "missing.db", "--db", "never.db"]).error(1).contains("missing.db"));
    assert!(!desk.path("never.db").exists());

    let report = desk.run(&["show", "report", "--html", "report.html", "--db", "all.db", "--json"]).json();
    assert_eq!((report["policies"].as_u64(), report["episodes"].as_u64()), (Some(2), Some(16)), "{report}");
    let page = std::fs::read_to_string(desk.path("report.html")).expect("page");
    for wanted in ["<!doctype html>", "pass@1", "expert", "random", "100.0 %", "id=\"data\""] {
        assert!(page.contains(wanted), "{wanted}");
    }
    // It needs nothing else, and nothing that an episode says ends the script element.
    for unwanted in ["src=", "@import", "url("] {
        assert!(!page.contains(unwanted), "{unwanted}");
    }
    assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count(), "links stay on the page");
    assert_eq!(page.matches("</script>").count(), 4);
}
