//! Suites from files, folders and the library.

use anyhow::{Context, Result, bail};
use std::path::{Component, Path, PathBuf};
use terrarium_envs::environment::Split;
use terrarium_synth::library::{self, ParsedSuite};
use terrarium_tools::Suite;

const SOURCE_BYTES_MAX: u64 = 4 << 20;

/// The suite in a file, or the library's suite of that name.
pub fn suite(named: &Path) -> Result<Suite> {
    if !named.exists()
        && let Some(name) = named.to_str()
        && let Some(entry) = library::suites().iter().find(|s| s.slug == name)
    {
        return Ok(parse(&format!("{name}.star"), entry.source, Split::Train, &[Path::new(".")])?.suite);
    }
    Ok(from_file(named, Split::Train, None)?.suite)
}

/// Folders of suites inside a folder, and the split of the environments that come from each; the library itself is laid out so.
const SPLIT_FOLDERS: [(&str, Split); 3] =
    [("train", Split::Train), ("test_suite", Split::TestSuite), ("test_process", Split::TestProcess)];

/// Every `.star` file of a folder, for training, and of its folders `train`, `test_suite` and `test_process`, for these splits; in name
/// order, ready for synthesis. Modules they load stand in folders below their own or below `dir`.
pub fn parsed_folder(dir: &Path) -> Result<Vec<ParsedSuite>> {
    let mut suites = Vec::new();
    for file in star_files(dir)? {
        suites.push(from_file(&file, Split::Train, None)?);
    }
    for (folder, split) in SPLIT_FOLDERS {
        let folder = dir.join(folder);
        if folder.is_dir() {
            for file in star_files(&folder)? {
                suites.push(from_file(&file, split, Some(dir))?);
            }
        }
    }
    if suites.is_empty() {
        bail!(
            "{} holds no .star file; put suites into it, or into folders `train`, `test_suite` and `test_process` of it",
            dir.display()
        );
    }
    for (n, suite) in suites.iter().enumerate() {
        if suites[..n].iter().any(|other| other.suite.name == suite.suite.name) {
            bail!("{} holds two suites called `{}`; rename one of them", dir.display(), suite.suite.name);
        }
    }
    Ok(suites)
}

/// The `.star` files of a folder in name order.
fn star_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read the folder {}", dir.display()))?;
    let mut files = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "star"));
    files.sort();
    Ok(files)
}

/// A suite for a split. Its modules are looked for below its folder, then below `root`.
fn from_file(file: &Path, split: Split, root: Option<&Path>) -> Result<ParsedSuite> {
    let size = std::fs::metadata(file).with_context(|| {
        format!(
            "cannot read {}: no such file, and no library suite has this name (`terrarium suite list`)",
            file.display()
        )
    })?;
    if size.len() > SOURCE_BYTES_MAX {
        bail!("{} has {} bytes; a suite may have {SOURCE_BYTES_MAX}", file.display(), size.len());
    }
    let source = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let folders: Vec<&Path> = [Some(file.parent().unwrap_or(Path::new("."))), root].into_iter().flatten().collect();
    parse(&file.display().to_string(), &source, split, &folders)
}

/// The text of a module below one of the folders, or else of the library.
fn module(folders: &[&Path], path: &str) -> Option<String> {
    let below = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let file = folders
        .iter()
        .map(|folder| folder.join(path))
        .find(|file| below && std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.len() <= SOURCE_BYTES_MAX));
    match file {
        Some(file) => std::fs::read_to_string(file).ok(),
        None => library::module(path),
    }
}

fn parse(name: &str, source: &str, split: Split, folders: &[&Path]) -> Result<ParsedSuite> {
    library::parse(name, source, split, &|path| module(folders, path)).map_err(|error| match error {
        terrarium_synth::Error::Suite { source: terrarium_tools::Error::Suite(diagnostics), .. } => {
            let count = diagnostics.len();
            let list = diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            anyhow::anyhow!("{name} has {count} error{}:\n{list}", if count == 1 { "" } else { "s" })
        }
        other => other.into(),
    })
}
