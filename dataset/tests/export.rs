//! The export: what a line looks like, that its bytes depend on nothing else, and that Hugging Face's loader keeps them.

mod support;

use std::path::Path;
use std::process::Command;
use terrarium_dataset::export::{ExportOptions, Format, export};
use terrarium_dataset::{EpisodeFilter, TaskFilter};
use terrarium_envs::environment::Split;
use terrarium_envs::outcome::Outcome;

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[tokio::test]
async fn a_line_and_the_card() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let out = dir.path().join("out");
    let summary = export(&store, &ExportOptions::new(Format::OpenAi), &out).await.unwrap();
    let files: Vec<_> = summary.files.iter().map(|f| (f.name.to_str().unwrap(), f.split, f.rows)).collect();
    let expected = [
        ("train.jsonl", Some("train"), 18),
        ("validation.jsonl", Some("validation"), 18),
        ("test_suite.jsonl", Some("test_suite"), 18),
        ("test_process.jsonl", Some("test_process"), 18),
        ("README.md", None, 0),
    ];
    assert_eq!((summary.rows, files.as_slice()), (72, expected.as_slice()));
    for file in &summary.files {
        assert_eq!(std::fs::metadata(out.join(&file.name)).unwrap().len(), file.bytes);
    }
    let train = read(&out, "train.jsonl");
    let system = "You work at desk 0. Members with fines above 10.00 may not borrow. ";
    let first = train.lines().next().unwrap().replace(&system.repeat(12), "<system>");
    insta::assert_snapshot!("line", first);
    insta::assert_snapshot!("card", read(&out, "README.md"));
    let broken: serde_json::Value = serde_json::from_str(train.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&broken["reward"], &broken["outcome"]), (&serde_json::Value::Null, &"policy_error".into()));
}

#[tokio::test]
async fn the_same_content_gives_the_same_bytes() {
    let mut exports = Vec::new();
    for order in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let store = support::filled(dir.path(), order).await;
        let out = dir.path().join("out");
        let options = ExportOptions { thinking: true, ..ExportOptions::new(Format::OpenAi) };
        export(&store, &options, &out).await.unwrap();
        exports
            .push(Split::ALL.map(|s| read(&out, &format!("{}.jsonl", s.name()))).join("") + &read(&out, "README.md"));
    }
    assert!(exports[0] == exports[1] && exports[1] == exports[2], "the bytes depend on the order of storing");
    assert!(
        exports[0].contains(r#""reasoning_content":"First I look.""#) && exports[0].contains("name: reasoning_content")
    );
    assert!(!exports[0].contains("elapsed"));
}

#[tokio::test]
async fn options_and_filters() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let out = dir.path().join("out");
    export(&store, &ExportOptions::new(Format::OpenAi), &out).await.unwrap();
    assert!(!read(&out, "train.jsonl").contains("First I look"), "thinking leaves only when asked for");

    // A smaller export into the same folder replaces it: no file of a split that is empty now stays.
    let tasks = TaskFilter { split: Some(Split::Validation), ..TaskFilter::default() };
    let filter = EpisodeFilter {
        tasks,
        outcomes: vec![Outcome::Solved],
        policies: vec!["expert".into()],
        ..EpisodeFilter::default()
    };
    let options = ExportOptions { objects: true, selection: filter.into(), ..ExportOptions::new(Format::OpenAi) };
    let summary = export(&store, &options, &out).await.unwrap();
    assert_eq!(summary.rows, 3);
    let mut names: Vec<_> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["README.md", "validation.jsonl"]);
    for line in read(&out, "validation.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let tools: Vec<_> =
            line["tools"].as_array().unwrap().iter().map(|t| t["function"]["name"].as_str().unwrap()).collect();
        assert_eq!(tools, ["check_out", "find_loans", "submit"]);
        assert_eq!((line["outcome"].as_str(), line["policy"].as_str()), (Some("solved"), Some("expert")));
    }
    // Nothing at all is an export too.
    let none = EpisodeFilter { policies: vec!["nobody".into()], ..EpisodeFilter::default() };
    let options = ExportOptions { selection: none.into(), ..ExportOptions::new(Format::OpenAi) };
    let summary = export(&store, &options, &out).await.unwrap();
    assert_eq!((summary.rows, summary.files.len()), (0, 1));
}

/// Hugging Face's loader takes a folder for known if its name and its card's front matter are. Another export must have another one,
/// even where as many rows of the same lengths differ in a reward.
#[tokio::test]
async fn other_rows_have_another_front_matter() {
    let front = |dir: &Path| read(dir, "README.md").split("\n---\n").next().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let mut fronts = Vec::new();
    for (name, limit) in [("a", None), ("b", Some(30)), ("c", None)] {
        let filter = EpisodeFilter { limit, ..EpisodeFilter::default() };
        let options = ExportOptions { selection: filter.into(), ..ExportOptions::new(Format::OpenAi) };
        export(&store, &options, &dir.path().join(name)).await.unwrap();
        fronts.push(front(&dir.path().join(name)));
    }
    assert_ne!(fronts[0], fronts[1]);
    assert_eq!(fronts[0], fronts[2]);
    assert!(fronts[0].contains("\n  description: rows blake3 "), "{}", fronts[0]);

    let one = dir.path().join("one.db");
    let mut told = Vec::new();
    for outcome in [Outcome::Solved, Outcome::Failed] {
        let store = support::one_episode(&one, outcome).await;
        let out = dir.path().join("one");
        let summary = export(&store, &ExportOptions::new(Format::OpenAi), &out).await.unwrap();
        told.push((summary.files[0].bytes, front(&out)));
        drop(store);
        std::fs::remove_file(&one).unwrap();
    }
    assert_eq!(told[0].0, told[1].0, "the two rows have the same length");
    assert_ne!(told[0].1, told[1].1);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    std::fs::write(dir.path().join("file"), "").unwrap();
    let error = export(&store, &ExportOptions::new(Format::OpenAi), &dir.path().join("file/out")).await.unwrap_err();
    assert!(error.to_string().contains("file/out"), "{error}");
}

/// Loads the export with the `datasets` package, if this Python has it, and compares every string with the file's.
#[tokio::test]
async fn hugging_face_datasets_keeps_every_string() {
    let python = |args: &[&str]| Command::new("python3").args(args).output();
    if !python(&["-c", "import datasets"]).is_ok_and(|o| o.status.success()) {
        eprintln!(
            "SKIPPED hugging_face_datasets_keeps_every_string: this python3 has no `datasets` (pip install datasets)"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = support::filled(dir.path(), 0).await;
    let out = dir.path().join("out");
    for thinking in [false, true] {
        export(&store, &ExportOptions { thinking, ..ExportOptions::new(Format::OpenAi) }, &out).await.unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hf_datasets.py");
        let done = python(&[script, out.to_str().unwrap()]).unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.contains("72 rows equal"), "{said}");
    }
}
