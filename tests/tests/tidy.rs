//! The crates' arrows, the one table of versions, and what only some crates may do (DESIGN section 2).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who may use whom; dev-dependencies are exempt.
const ARROWS: &[(&str, &[&str])] = &[
    ("terrarium-tools", &[]),
    ("terrarium-sandbox", &[]),
    ("terrarium-model", &[]),
    ("terrarium-envs", &["terrarium-sandbox", "terrarium-tools"]),
    ("terrarium-synth", &["terrarium-envs", "terrarium-tools"]),
    ("terrarium-dataset", &["terrarium-envs"]),
    (
        "terrarium-cli",
        &[
            "terrarium-dataset",
            "terrarium-envs",
            "terrarium-model",
            "terrarium-sandbox",
            "terrarium-synth",
            "terrarium-tools",
        ],
    ),
    (
        "terrarium-tests",
        &["terrarium-dataset", "terrarium-envs", "terrarium-sandbox", "terrarium-synth", "terrarium-tools"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

fn metadata() -> cargo_metadata::Metadata {
    cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--offline".to_owned()])
        .no_deps()
        .exec()
        .expect("cargo metadata")
}

#[test]
fn crates_use_only_what_the_design_allows() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
    let metadata = metadata();
    assert_eq!(metadata.packages.len(), ARROWS.len(), "a crate was added or removed: put its arrows here");
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} has no arrows in this test"));
        for dependency in &package.dependencies {
            if dependency.name.starts_with("terrarium-")
                && dependency.kind != cargo_metadata::DependencyKind::Development
            {
                assert!(allowed.contains(dependency.name.as_str()), "{name} may not use {}", dependency.name);
            }
        }
    }
}

#[test]
fn libtorch_and_the_oracle_are_optional() {
    for package in &metadata().packages {
        for dependency in &package.dependencies {
            let normal = dependency.kind == cargo_metadata::DependencyKind::Normal;
            let heavy = ["tch", "torch-sys", "terrarium-model", "starlark"].contains(&dependency.name.as_str());
            if normal && heavy && package.name.as_str() != "terrarium-model" {
                assert!(dependency.optional, "{} must take {} behind a feature", package.name, dependency.name);
            }
        }
    }
}

#[test]
fn versions_stand_in_the_workspace_table_alone() {
    for (name, _) in ARROWS {
        let folder = name.trim_start_matches("terrarium-");
        let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("manifest");
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let versioned = line.contains("version = \"") || line.contains(" = \"0") || line.contains(" = \"1");
            assert!(!versioned, "{folder}/Cargo.toml names a version: {line}");
        }
    }
}

/// Lines of library code, tests at the foot of a file left out.
fn library_lines(folder: &str) -> Vec<(PathBuf, usize, String)> {
    let mut stack = vec![root().join(folder).join("src")];
    let mut lines = Vec::new();
    while let Some(path) = stack.pop() {
        let mut entries: Vec<_> =
            std::fs::read_dir(&path).expect("source folder").map(|e| e.expect("entry").path()).collect();
        entries.sort();
        for entry in entries {
            if entry.is_dir() {
                stack.push(entry);
            } else if entry.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&entry).expect("source");
                for (i, line) in text.lines().enumerate() {
                    if line.starts_with("#[cfg(test)]") {
                        break;
                    }
                    lines.push((entry.clone(), i + 1, line.to_owned()));
                }
            }
        }
    }
    lines
}

#[test]
fn only_cli_prints_and_only_dataset_speaks_sql() {
    for folder in ["tools", "sandbox", "envs", "synth", "model", "dataset"] {
        for (path, number, line) in library_lines(folder) {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            for forbidden in ["println!(", "eprintln!(", "dbg!(", "std::process::exit("] {
                assert!(!code.contains(forbidden), "{}:{number}: only cli prints or exits: {code}", path.display());
            }
            if folder != "dataset" {
                assert!(!code.contains("sqlx::"), "{}:{number}: only dataset speaks SQL", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_stands_where_the_style_guide_allows() {
    for folder in ["tools", "sandbox", "envs", "synth", "model", "dataset", "cli"] {
        for (path, number, line) in library_lines(folder) {
            let code = line.trim_start();
            // Attributes only say what is allowed; what they allow is looked at below.
            if code.starts_with("//") || code.starts_with("#![allow(") || !code.contains("unsafe ") {
                continue;
            }
            let shown = path.display().to_string();
            // The style guide's places, and the one where the CUDA half of libtorch is loaded.
            let places = ["sandbox/src/cache.rs", "model/src/ops", "model/src/runtime/cuda.rs"];
            let allowed = places.iter().any(|place| shown.contains(place));
            assert!(allowed, "{shown}:{number}: unsafe is not allowed here: {code}");
        }
    }
}
