//! The texts of the suite library, for tests of this crate, which cannot use `terrarium-synth`.

use std::fs;
use std::path::{Path, PathBuf};
use terrarium_tools::suite::Suite;
use terrarium_tools::{Diagnostic, parse_suite_with};

/// Where the suites of the library are, a folder for each split.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../synth/suites")
}

/// The suites of the library, in the order of their paths.
pub fn files() -> Vec<PathBuf> {
    ["test_process", "test_suite", "train"].iter().flat_map(|folder| suites_in(&root().join(folder))).collect()
}

/// The suites of a folder, in the order of their names.
pub fn suites_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "star"));
    files.sort();
    files
}

/// Checks a suite; modules are looked for below its folder, then in the library.
pub fn parse(file: &Path) -> Result<Suite, Vec<Diagnostic>> {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let module = |path: &str| {
        let own = file.parent().and_then(|folder| fs::read_to_string(folder.join(path)).ok());
        own.or_else(|| fs::read_to_string(root().join(path)).ok())
    };
    parse_suite_with(&file.to_string_lossy(), &text, &module)
}
