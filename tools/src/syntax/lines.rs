//! Byte offsets of a source text as lines and columns, and the list of faults found so far.

use crate::error::Diagnostic;
use crate::types::Span;

/// Most diagnostics reported for one file; the rest are dropped.
pub const DIAGNOSTICS_MAX: usize = 100;

/// Where lines start.
#[derive(Clone, Debug)]
pub struct Lines {
    file: u32,
    source: String,
    /// Byte offset of each line's start, and whether its columns are bytes.
    starts: Vec<(usize, bool)>,
}

impl Lines {
    /// Index of a text; `file` is its number in [`crate::Suite::files`].
    pub fn new(file: u32, source: &str) -> Self {
        let mut at = 0;
        let lines = source.split('\n').map(|line| {
            let start = at;
            at += line.len() + 1;
            (start, line.is_ascii())
        });
        Lines { file, source: source.to_owned(), starts: lines.collect() }
    }

    /// Place of a byte offset (clamped to the text, and to the start of a character).
    pub fn span(&self, offset: usize) -> Span {
        let mut offset = offset.min(self.source.len());
        while !self.source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|(start, _)| *start <= offset).max(1) - 1;
        let (start, ascii) = self.starts[line];
        let column = if ascii { offset - start } else { self.source[start..offset].chars().count() };
        Span { file: self.file, line: line as u32 + 1, column: column as u32 + 1 }
    }
}

/// Proof that a diagnostic has been reported, so that callers need not report again.
#[derive(Clone, Copy, Debug)]
pub struct Reported;

/// Diagnostics of a suite's files, in the order found.
#[derive(Debug, Default)]
pub struct Diagnostics {
    files: Vec<String>,
    /// Each with the number of its file.
    list: Vec<(u32, Diagnostic)>,
}

impl Diagnostics {
    /// One more file, in the order of [`crate::Suite::files`].
    pub fn add_file(&mut self, name: &str) {
        self.files.push(name.to_owned());
    }

    /// Report a fault with a hint (empty: none).
    pub fn report(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Reported {
        let hint = Some(hint.into()).filter(|h| !h.is_empty());
        let message = message.into();
        let file = self.files.get(span.file as usize).cloned().unwrap_or_default();
        let diagnostic = Diagnostic { file, line: span.line.max(1), column: span.column.max(1), message, hint };
        let placed = (span.file, diagnostic);
        if self.list.len() < DIAGNOSTICS_MAX && !self.list.contains(&placed) {
            self.list.push(placed);
        }
        Reported
    }

    /// Number reported so far; with [`Diagnostics::truncate`] a way to try something.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forget all after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.list.truncate(len);
    }

    /// Whether some fault lies on the line of this place.
    pub fn on_line(&self, place: Span) -> bool {
        self.list.iter().any(|(file, d)| *file == place.file && d.line == place.line)
    }

    /// All, by place.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|(file, d)| (*file, d.line, d.column));
        self.list.into_iter().map(|(_, diagnostic)| diagnostic).collect()
    }
}
