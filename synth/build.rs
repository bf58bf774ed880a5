//! Lists the suites and process modules under `suites/`, so that adding one is adding a file, and the words of the prompt templates.

use std::collections::BTreeSet;
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
    write("library_index.rs", &index);
    let prompts = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("prompts");
    let words: Vec<String> = template_words(&prompts).into_iter().collect();
    let list = format!(
        "/// Words that prompt templates bring, in lower case, sorted.\nconst TEMPLATE_WORDS: &[&str] = &{words:?};\n"
    );
    write("template_words.rs", &list);
}

fn write(name: &str, text: &str) {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join(name);
    fs::write(&out, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", out.display()));
}

/// The words of all templates of a folder outside of `{{ }}` and `{% %}`.
fn template_words(folder: &Path) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for file in files(folder, "j2") {
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()));
        for (n, part) in text.split('{').enumerate() {
            // Of `{ expression }} words` and `% statement %} words`, which follow an opening brace, what stands behind the closing one.
            let literal = if n == 0 { part } else { part.rsplit_once('}').map_or("", |(_, rest)| rest) };
            let some = literal.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
            words.extend(some.map(str::to_lowercase));
        }
    }
    words
}

/// The files of a folder with an ending, in name order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == ending));
    files.sort();
    files
}

/// Name without ending, and path, of each `.star` file of a folder, in name order.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let named = |file: PathBuf| {
        let stem = file.file_stem().and_then(|s| s.to_str()).expect("suites have plain names").to_owned();
        (stem, file.to_str().expect("the sources stand below a path in UTF-8").to_owned())
    };
    files(folder, "star").into_iter().map(named).collect()
}
