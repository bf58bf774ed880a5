//! Suites from files, folders and the library.

use anyhow::{Context, Result, bail};
use std::path::{Component, Path};
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
        return Ok(parse(&format!("{name}.star"), entry.source, Path::new("."))?.suite);
    }
    Ok(from_file(named)?.suite)
}

/// Every `.star` file of a folder, in name order, ready for synthesis. Modules they load stand in folders below it.
pub fn parsed_folder(dir: &Path) -> Result<Vec<ParsedSuite>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read the folder {}", dir.display()))?;
    let mut files = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "star"));
    files.sort();
    if files.is_empty() {
        bail!("{} holds no .star file", dir.display());
    }
    files.iter().map(|file| from_file(file)).collect()
}

fn from_file(file: &Path) -> Result<ParsedSuite> {
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
    parse(&file.display().to_string(), &source, file.parent().unwrap_or(Path::new(".")))
}

/// The text of a module beside a suite, or else of the library. Modules stay below the suite's folder.
fn module(folder: &Path, path: &str) -> Option<String> {
    let below = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let file = folder.join(path);
    let small = std::fs::metadata(&file).is_ok_and(|m| m.is_file() && m.len() <= SOURCE_BYTES_MAX);
    if below && small { std::fs::read_to_string(file).ok() } else { library::module(path) }
}

fn parse(name: &str, source: &str, folder: &Path) -> Result<ParsedSuite> {
    library::parse(name, source, Split::Train, &|path| module(folder, path)).map_err(|error| match error {
        terrarium_synth::Error::Suite { source: terrarium_tools::Error::Suite(diagnostics), .. } => {
            let count = diagnostics.len();
            let list = diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            anyhow::anyhow!("{name} has {count} error{}:\n{list}", if count == 1 { "" } else { "s" })
        }
        other => other.into(),
    })
}
