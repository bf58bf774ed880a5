//! From text to Starlark's syntax tree. The tree is `starlark_syntax`'s; this module adds what a suite author needs when
//! a file does not parse: limits, habits, and one message a top-level statement instead of the first only.

mod habits;
pub mod limits;
mod lines;
mod tokens;

pub use lines::{Diagnostics, Lines, Reported};

use starlark_syntax::syntax::ast::{AstStmt, StmtP};
use starlark_syntax::syntax::module::AstModuleFields;
use starlark_syntax::syntax::{AstModule, Dialect, DialectTypes};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokens::{Kind, Token};

/// What suites may use of Starlark.
const DIALECT: Dialect = Dialect {
    enable_def: true,
    enable_lambda: true,
    enable_load: true,
    enable_keyword_only_arguments: true,
    enable_positional_only_arguments: true,
    enable_types: DialectTypes::ParseOnly,
    enable_load_reexport: false,
    enable_top_level_stmt: true,
    enable_f_strings: true,
    _non_exhaustive: (),
};

/// A file as read.
#[derive(Default)]
pub struct Parsed {
    /// Top-level statements.
    pub statements: Vec<AstStmt>,
    /// Format specifications of f-strings: where the `:` stands, and the text after it; ascending.
    pub formats: Vec<(usize, String)>,
}

/// Parse a file. `None`: faults were reported.
pub fn parse(file: &str, source: &str, lines: &Lines, diagnostics: &mut Diagnostics) -> Option<Parsed> {
    if source.len() > limits::FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, more than {}", source.len(), limits::FILE_BYTES_MAX);
        diagnostics.report(lines.span(0), message, "split the suite");
        return None;
    }
    let tokens = tokens::tokenize(source);
    let faults = diagnostics.len();
    limits::check(source, &tokens, lines, diagnostics);
    if diagnostics.len() > faults {
        return None;
    }
    let text = rewrite(source, &tokens);
    match parse_text(file, &text) {
        Ok(statement) => {
            let formats = tokens.iter().filter(|t| t.kind == Kind::FormatSpec);
            let formats = formats.map(|t| (t.start, t.text[1..].to_owned())).collect();
            Some(Parsed { statements: flatten(statement), formats })
        }
        Err(failure) => {
            habits::check(&tokens, lines, diagnostics);
            let mut failures = parse_pieces(file, &text, &tokens);
            if failures.is_empty() {
                failures.push(failure);
            }
            for failure in failures {
                let span = lines.span(failure.offset);
                if !diagnostics.on_line(span) {
                    diagnostics.report(span, failure.message, failure.hint);
                }
            }
            None
        }
    }
}

fn flatten(statement: AstStmt) -> Vec<AstStmt> {
    match statement.node {
        StmtP::Statements(statements) => statements.into_iter().flat_map(flatten).collect(),
        _ => vec![statement],
    }
}

/// A syntax error.
struct Failure {
    offset: usize,
    message: String,
    hint: String,
}

fn parse_text(file: &str, text: &str) -> Result<AstStmt, Failure> {
    // The parser is foreign code that meets hostile text: a panic in it becomes a diagnostic.
    let parsed = catch_unwind(AssertUnwindSafe(|| AstModule::parse(file, text.to_owned(), &DIALECT)));
    match parsed {
        Ok(Ok(module)) => Ok(module.into_parts().1),
        Ok(Err(error)) => {
            let offset = error.span().map_or(0, |s| s.span.begin().get() as usize);
            let message = error.without_diagnostic().to_string();
            let (message, hint) = reword(&message);
            Err(Failure { offset, message, hint })
        }
        Err(_) => Err(Failure { offset: 0, message: "the parser cannot read this file".into(), hint: String::new() }),
    }
}

/// Parse each top-level statement alone, so that a file gets one message for each that fails.
fn parse_pieces(file: &str, text: &str, tokens: &[Token<'_>]) -> Vec<Failure> {
    let mut starts: Vec<usize> = Vec::new();
    let mut fresh = true;
    for token in tokens {
        if token.kind == Kind::Newline {
            fresh = true;
        } else if std::mem::take(&mut fresh)
            && (token.start == 0 || text[..token.start].ends_with('\n'))
            && !matches!(token.text, "elif" | "else" | "except" | "finally")
        {
            starts.push(token.start);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut failures = Vec::new();
    for (start, end) in starts.iter().zip(ends) {
        if let Err(mut failure) = parse_text(file, &text[*start..end]) {
            failure.offset += start;
            failures.push(failure);
        }
    }
    failures
}

/// Rewrite, byte for byte, what the parser refuses and the language has: `key_of(t)` and `option(t)` get square brackets,
/// `is None` becomes `== None`, and format specifications of f-strings become blanks (they are read from the tokens).
fn rewrite(source: &str, tokens: &[Token<'_>]) -> String {
    let mut bytes = source.as_bytes().to_vec();
    let mut open: Vec<bool> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let next = |n: usize| tokens.get(i + n);
        if token.kind == Kind::FormatSpec && token.text.bytes().all(|b| b.is_ascii_graphic() && !b"{}".contains(&b)) {
            bytes[token.start..token.start + token.text.len()].fill(b' ');
        }
        if token.is_name("is") && next(1).is_some_and(|t| t.is_name("None")) {
            bytes[token.start..token.start + 2].copy_from_slice(b"==");
        }
        if let (true, Some(not), Some(none)) = (token.is_name("is"), next(1), next(2))
            && not.is_name("not")
            && none.is_name("None")
        {
            bytes[token.start..token.start + 2].copy_from_slice(b"!=");
            bytes[not.start..not.start + 3].fill(b' ');
        }
        if token.kind != Kind::Op {
            continue;
        }
        match token.text {
            "(" | "[" | "{" => {
                let before = i.checked_sub(1).map(|p| tokens[p]);
                let dotted = i >= 2 && tokens[i - 2].is_op(".");
                let rewrite =
                    token.text == "(" && !dotted && before.is_some_and(|b| b.is_name("key_of") || b.is_name("option"));
                if rewrite {
                    bytes[token.start] = b'[';
                }
                open.push(rewrite);
            }
            ")" if open.pop() == Some(true) => bytes[token.start] = b']',
            "]" | "}" => {
                open.pop();
            }
            _ => {}
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| source.to_owned())
}

/// The parser's message without its label, with a hint for the common cases.
fn reword(message: &str) -> (String, String) {
    let message = message.lines().next().unwrap_or(message);
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message = message.strip_prefix("Parse error: ").unwrap_or(message);
    const HINTS: [(&str, &str); 19] = [
        ("new line, expected symbol ':'", "end the line with `:`"),
        (
            "string literal expression is not allowed in type",
            "write the name without quotes; names declared later are known",
        ),
        ("call expression is not allowed in type", "write types with square brackets: `list[T]`, `option[T]`"),
        ("incorrect indentation", "indent a block with four spaces, and return to an outer block's exact column"),
        ("tabs are not allowed", "indent with spaces"),
        ("unfinished string", "close the quotes; a text of several lines stands in triple quotes"),
        ("f-string expression is missing", "write `{name}`; a literal brace is `{{` or `}}`"),
        ("invalid string escape", "write `\\\\` for a backslash"),
        ("leading 0", "write the number without leading zeros"),
        ("comparisons are not associative", "join two comparisons with `and`"),
        (
            "expression is not allowed in type",
            "types are int, float, bool, str, money, date, an enum, `table.column`, key_of[table], option[T], list[T], a record or a table",
        ),
        ("unexpected new line", "close the open bracket, or put the block on the next line after `:`"),
        ("unexpected symbol '='", "compare with `==`; name an argument with `name = value`"),
        ("left-hand-side of assignment", "assign to a name or to `row.column`"),
        ("unexpected keyword 'for'", "write a list comprehension in square brackets"),
        ("duplicated parameter name", "rename one of the parameters"),
        ("positional argument after non positional", "put arguments without a name first"),
        ("unexpected end of file", "close the open bracket or write the missing block"),
        ("unexpected indentation", "this line is indented more than the block it stands in"),
    ];
    let hint = HINTS
        .iter()
        .find(|(part, _)| message.to_lowercase().contains(&part.to_lowercase()))
        .map_or("", |(_, hint)| hint);
    let mut chars = message.chars();
    let lowered = chars.next().map(|c| c.to_lowercase().chain(chars).collect::<String>()).unwrap_or_default();
    (lowered, hint.to_owned())
}
