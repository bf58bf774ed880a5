//! Libraries that tests compile for themselves.

use std::path::PathBuf;
use std::process::Command;

/// Lets a compiler write the file that is then found at `path`, whole or not at all.
///
/// # Errors
/// What the compiler said.
pub fn made(mut compiler: Command, path: PathBuf) -> Result<PathBuf, String> {
    let unfinished = path.with_extension(format!("{}.part", std::process::id()));
    let done = compiler.arg("-o").arg(&unfinished).output().map_err(|error| format!("c++ does not start: {error}"))?;
    if !done.status.success() {
        return Err(format!("c++ refuses it:\n{}", String::from_utf8_lossy(&done.stderr)));
    }
    std::fs::rename(&unfinished, &path).map_err(|error| error.to_string())?;
    Ok(path)
}
