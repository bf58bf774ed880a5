//! What a collection holds and is near to: `show rejected`, `show contamination`, `show report`, folders of suites by split.

use crate::support::Desk;
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn rejected_candidates_have_reasons_and_examples() {
    let desk = Desk::with_worlds("3", "30");
    let said = desk.run(&["show", "rejected", "--json"]).json();
    let reasons = said["rejected"].as_array().expect("a list");
    assert!(reasons.len() > 5, "{said}");
    assert!(reasons.iter().any(|r| r["examples"].as_array().is_some_and(|e| !e.is_empty())), "{said}");
    let first = reasons[0]["reason"].as_str().expect("a name");
    let one = desk.run(&["show", "rejected", first, "--json"]).json();
    assert_eq!(one["rejected"].as_array().map(Vec::len), Some(1), "{one}");
    let error = desk.run(&["show", "rejected", "bad_luck"]);
    assert!(error.error(1).contains("lists the reasons"), "{}", error.err);
}

#[test]
fn contamination_is_found_and_counted() {
    let desk = Desk::with_worlds("3", "30");
    let prompt = desk.query("SELECT prompt FROM tasks ORDER BY id LIMIT 1").remove(0);
    let id = desk.query("SELECT id FROM tasks ORDER BY id LIMIT 1").remove(0);
    let clean = [
        json!("Sort a list of numbers without a library."),
        json!({"messages": [{"role": "user", "content": "Who won the match?"}]}),
    ];
    let lines = |rows: &[Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    std::fs::write(desk.path("clean.jsonl"), lines(&clean)).expect("a file");
    let said = desk.run(&["show", "contamination", "clean.jsonl", "--json"]).json();
    assert_eq!((&said["rows"], &said["prompts"], &said["rows_near"]), (&json!(2), &json!(2), &json!(0)), "{said}");

    let planted = [clean[0].clone(), json!({"prompt": prompt}), json!({"id": 7})];
    std::fs::write(desk.path("planted.jsonl"), lines(&planted)).expect("a file");
    let said = desk.run(&["show", "contamination", "planted.jsonl", "--json"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let json: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(
        (&json["prompts_near"], &json["rows_near"], &json["rows_unread"]),
        (&json!(1), &json!(1), &json!(1)),
        "{json}"
    );
    let pair = &json["pairs"][0];
    assert_eq!(
        (&pair["line"], &pair["what"], &pair["ours"], &pair["similarity"]),
        (&json!(2), &json!("prompt"), &json!(id), &json!(1.0))
    );
    desk.run(&["show", "contamination", "missing.jsonl"]).error(1);
    desk.run(&["show", "contamination", "clean.jsonl", "--similarity", "1.5"]).error(2);
}

#[test]
fn the_report_is_one_page_about_the_collection() {
    let desk = Desk::with_worlds("4", "40");
    let said = desk.run(&["show", "report", "--html", "r.html", "--json"]).json();
    assert_eq!((&said["nearest"]["environments"], &said["environment_clusters"]), (&json!(4), &json!(4)), "{said}");
    let page = std::fs::read_to_string(desk.path("r.html")).expect("a page");
    for part in [
        "id=\"collection\"",
        "id=\"variety\"",
        "<polyline",
        "id=\"suites\"",
        "no_question",
        "id=\"task-data\"",
        "provenance",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "a page that needs nothing else");
}

#[test]
fn a_folder_laid_out_like_the_library_gives_its_splits() {
    let desk = Desk::new();
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../synth/suites");
    let library = library.to_str().expect("a path");
    let own = desk.run(&["synth", "--envs", "3", "--tasks", "9", "--dry-run", "--json"]).json();
    let said = desk.run(&["synth", "--envs", "3", "--tasks", "9", "--dry-run", "--json", "--suites", library]).json();
    assert_eq!(said["options"], own["options"], "the library as a folder is the library");
    std::fs::create_dir(desk.path("empty")).expect("a folder");
    let error = desk.run(&["synth", "--suites", "empty", "--dry-run"]);
    assert!(error.error(1).contains("test_process"), "{}", error.err);
}
