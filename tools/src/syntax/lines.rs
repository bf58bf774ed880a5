//! Byte offsets of a source text as lines and columns, and the list of faults found so far.

use crate::error::Diagnostic;
use crate::types::Span;

/// Most diagnostics reported for one file; the rest are dropped.
pub const DIAGNOSTICS_MAX: usize = 100;

/// Where lines start.
#[derive(Clone, Debug)]
pub struct Lines<'s> {
    source: &'s str,
    /// Byte offset of each line's start, and whether its columns are bytes.
    starts: Vec<(usize, bool)>,
}

impl<'s> Lines<'s> {
    /// Index of a text.
    pub fn new(source: &'s str) -> Self {
        let mut at = 0;
        let lines = source.split('\n').map(|line| {
            let start = at;
            at += line.len() + 1;
            (start, line.is_ascii())
        });
        Lines { source, starts: lines.collect() }
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
        Span { file: 0, line: line as u32 + 1, column: column as u32 + 1 }
    }
}

/// Proof that a diagnostic has been reported, so that callers need not report again.
#[derive(Clone, Copy, Debug)]
pub struct Reported;

/// Diagnostics of one file, in the order found.
#[derive(Debug)]
pub struct Diagnostics {
    file: String,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// None yet.
    pub fn new(file: &str) -> Self {
        Diagnostics { file: file.to_owned(), list: Vec::new() }
    }

    /// Report a fault with a hint (empty: none).
    pub fn report(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Reported {
        let hint = Some(hint.into()).filter(|h| !h.is_empty());
        let message = message.into();
        let diagnostic =
            Diagnostic { file: self.file.clone(), line: span.line.max(1), column: span.column.max(1), message, hint };
        if self.list.len() < DIAGNOSTICS_MAX && !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
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

    /// Whether some fault lies on this line.
    pub fn on_line(&self, line: u32) -> bool {
        self.list.iter().any(|d| d.line == line)
    }

    /// All, by place.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|d| (d.line, d.column));
        self.list
    }
}
