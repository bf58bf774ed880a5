//! Limits on a suite file, checked on tokens before anything recursive reads it: every later pass may recurse over the
//! tree, because the tree cannot be deeper than these numbers allow.

use super::lines::{Diagnostics, Lines};
use super::tokens::{Kind, Token};

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 512 * 1024;
/// Deepest expression: open brackets plus operators, dots and calls before the place, within one statement.
pub const EXPRESSION_DEPTH_MAX: usize = 120;
/// Deepest nesting of blocks.
pub const BLOCK_DEPTH_MAX: usize = 24;
/// Longest `if`/`elif` chain.
pub const ELIF_MAX: usize = 64;

/// Report everything that is over a limit.
pub fn check(source: &str, tokens: &[Token<'_>], lines: &Lines, diagnostics: &mut Diagnostics) {
    expressions(tokens, lines, diagnostics);
    blocks(source, tokens, lines, diagnostics);
}

fn expressions(tokens: &[Token<'_>], lines: &Lines, diagnostics: &mut Diagnostics) {
    // One counter a bracket, (what a comma leaves, all): the sum of all is a bound on the depth of the tree here.
    let mut open: Vec<(usize, usize)> = vec![(0, 0)];
    let mut sum = 0usize;
    let mut reported = false;
    for token in tokens {
        let last = open.len() - 1;
        match (token.kind, token.text) {
            (Kind::Newline, _) => {
                open = vec![(0, 0)];
                sum = 0;
                reported = false;
            }
            (Kind::Op | Kind::Hole, "(" | "[" | "{") => {
                open.push((1, 1));
                sum += 1;
            }
            (Kind::Op | Kind::Hole, ")" | "]" | "}") => {
                if last > 0 {
                    sum -= open.pop().map_or(0, |(_, all)| all);
                }
                // `f()()()`: each pair of brackets deepens the tree of what stands before it.
                let last = open.len() - 1;
                open[last].1 += 1;
                sum += 1;
            }
            (Kind::Op, "," | "=" | ";") => {
                sum -= open[last].1 - open[last].0;
                open[last].1 = open[last].0;
            }
            (Kind::Op, ":") => {}
            (Kind::Name, "lambda") => {
                open[last] = (open[last].0 + 1, open[last].1 + 1);
                sum += 1;
            }
            (Kind::Op, _) | (Kind::Name, "not" | "and" | "or" | "if" | "else" | "in" | "for") => {
                open[last].1 += 1;
                sum += 1;
            }
            _ => {}
        }
        if sum > EXPRESSION_DEPTH_MAX && !reported {
            reported = true;
            diagnostics.report(
                lines.span(token.start),
                format!("this expression is nested deeper than {EXPRESSION_DEPTH_MAX}"),
                "split it over several variables",
            );
        }
    }
}

fn blocks(source: &str, tokens: &[Token<'_>], lines: &Lines, diagnostics: &mut Diagnostics) {
    let mut indents: Vec<usize> = vec![0];
    let mut elifs: Vec<usize> = vec![0];
    let mut at_start = true;
    for token in tokens {
        if token.kind == Kind::Newline {
            at_start = true;
            continue;
        }
        if !at_start {
            continue;
        }
        at_start = false;
        let line_start = source[..token.start].rfind('\n').map_or(0, |n| n + 1);
        let indent = token.start - line_start;
        while indents.last().is_some_and(|last| *last > indent) {
            indents.pop();
            elifs.pop();
        }
        if indents.last().is_none_or(|last| *last < indent) {
            indents.push(indent);
            elifs.push(0);
        }
        if indents.len() == BLOCK_DEPTH_MAX + 2 {
            diagnostics.report(
                lines.span(token.start),
                format!("blocks are nested deeper than {BLOCK_DEPTH_MAX}"),
                "move the inner blocks into a helper function",
            );
        }
        if let Some(count) = elifs.last_mut() {
            *count = if token.is_name("elif") { *count + 1 } else { 0 };
            if *count == ELIF_MAX + 1 {
                diagnostics.report(
                    lines.span(token.start),
                    format!("more than {ELIF_MAX} `elif` in one chain"),
                    "put the cases in a table",
                );
            }
        }
    }
}
