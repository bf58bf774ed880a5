//! Lists the suites and process modules under `suites/`, so that adding one is adding a file.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of suites, and the split of the environments that come from each.
const FOLDERS: [(&str, &str); 3] =
    [("train", "Split::Train"), ("test_suite", "Split::TestSuite"), ("test_process", "Split::TestProcess")];

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("suites");
    let mut index = String::from("const LIBRARY: &[LibrarySuite] = &[\n");
    for (folder, split) in FOLDERS {
        for (stem, file) in texts(&root.join(folder)) {
            let slug = stem.replace('_', "-");
            writeln!(index, "    LibrarySuite {{ slug: {slug:?}, source: include_str!({file:?}), split: {split} }},")
                .expect("text grows");
        }
    }
    index.push_str("];\nconst MODULES: &[(&str, &str)] = &[\n");
    for (stem, file) in texts(&root.join("processes")) {
        let path = format!("processes/{stem}.star");
        writeln!(index, "    ({path:?}, include_str!({file:?})),").expect("text grows");
    }
    index.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("library_index.rs");
    fs::write(&out, index).unwrap_or_else(|e| panic!("cannot write {}: {e}", out.display()));
}

/// Name without ending, and path, of each `.star` file of a folder, in name order.
fn texts(folder: &Path) -> Vec<(String, String)> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "star"));
    files.sort();
    let named = |file: PathBuf| {
        let stem = file.file_stem().and_then(|s| s.to_str()).expect("suites have plain names").to_owned();
        (stem, file.to_str().expect("the sources stand below a path in UTF-8").to_owned())
    };
    files.into_iter().map(named).collect()
}
