//! What is printed: data on stdout, errors on stderr, one JSON object under `--json`.

use crate::args::Global;
use anyhow::Result;
use serde_json::Value;
use std::io::{self, ErrorKind, Write};

/// Prints an error and its causes, each once.
pub fn error_chain(error: &anyhow::Error) {
    let mut text = format!("error: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !last.contains(&cause) {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        last = cause;
    }
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints to stdout; a reader that went away (`| head`) ends the command quietly.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written =
        out.write_all(text.as_bytes()).and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints the summary of a command: the JSON object under `--json`, else the text.
pub fn summary(global: &Global, json: &Value, text: &str) -> Result<()> {
    if global.json { print(&serde_json::to_string(json)?) } else { print(text) }
}

/// A settled line about a stage, on stderr.
pub fn note(global: &Global, text: &str) {
    if !global.quiet {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// A table with a header, columns padded, numbers to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|i| rows.iter().map(|r| r[i].chars().count()).chain([header[i].chars().count()]).max().unwrap_or(0))
        .collect();
    let numeric: Vec<bool> = (0..header.len())
        .map(|i| {
            !rows.is_empty()
                && rows.iter().all(|r| r[i].is_empty() || r[i].starts_with(|c: char| c.is_ascii_digit() || c == '-'))
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[i] - cell.chars().count());
            let gap = if i == 0 { "" } else { "  " };
            if numeric[i] {
                text.push_str(&format!("{gap}{pad}{cell}"));
            } else {
                text.push_str(&format!("{gap}{cell}{pad}"));
            }
        }
        text.trim_end().to_owned()
    };
    let mut text = line(header.to_vec());
    for row in rows {
        text.push('\n');
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_numbers_right_and_words_left() {
        let rows = vec![vec!["expert".into(), "5000".into()], vec!["dsa".into(), "24".into()]];
        assert_eq!(table(&["policy", "episodes"], &rows), "policy  episodes\nexpert      5000\ndsa           24");
    }
}
