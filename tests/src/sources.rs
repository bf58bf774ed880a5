//! Suite sources that nobody wrote: the library's, mutated, and plain heaps of tokens. The checker must answer each, soon, without a panic;
//! what it takes must compile to a valid component.

use crate::support::{self, Random};
use std::time::{Duration, Instant};
use terrarium_tools::compile::compile;
use terrarium_tools::{Error, Surface, parse_suite};

/// Longer than any answer takes, even on a machine that does much else; a hang is longer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// One compile of so many sources that the checker takes: compiling says nothing about most mutations.
const COMPILED_ONE_IN: usize = 4;

const TOKENS: [&str; 64] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ".",
    "=",
    "==",
    "!=",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "+=",
    "->",
    "if ",
    "elif ",
    "else:",
    "for ",
    " in ",
    "not ",
    " and ",
    " or ",
    "def f():",
    "return ",
    "lambda x: ",
    "pass",
    "break",
    "continue",
    "None",
    "True",
    "0",
    "1.5",
    "99999999999999999999",
    "1e999",
    "\"",
    "'",
    "\"\"\"",
    "f\"{",
    "}\"",
    "\\",
    "\n",
    "\n    ",
    "\n        ",
    "\t",
    "#",
    "table(",
    "key(",
    "rows(",
    "tool(",
    "suite(",
    "money_of(\"1.00\")",
    "date_of(\"2024-02-30\")",
    "option[",
    "list[",
    "\u{0}",
    "ß",
    "\u{feff}",
    "\u{2028}",
];

/// What became of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Sources read.
    pub sources: u64,
    /// Those that the checker took.
    pub accepted: u64,
    /// Those that were compiled.
    pub compiled: u64,
}

impl Seen {
    /// Adds up.
    pub fn add(&mut self, other: Seen) {
        self.sources += other.sources;
        self.accepted += other.accepted;
        self.compiled += other.compiled;
    }
}

/// Reads one source.
///
/// # Errors
/// A broken promise, in words, with the source.
pub fn check(library: &[String], random: &mut Random) -> Result<Seen, String> {
    let source = if random.one_in(8) { heap(random) } else { mutated(library, random) };
    let started = Instant::now();
    let parsed = parse_suite("fuzz.star", &source);
    if started.elapsed() > ANSWER_MAX {
        return Err(format!("the checker took {:?} for:\n{source}", started.elapsed()));
    }
    let mut seen = Seen { sources: 1, ..Seen::default() };
    match parsed {
        Ok(suite) => {
            seen.accepted = 1;
            if random.one_in(COMPILED_ONE_IN) {
                let world = support::world(&suite, 3, random);
                match compile(&suite, &Surface::plain(&suite), &world) {
                    Ok(compiled) => {
                        wasmparser::Validator::new()
                            .validate_all(&compiled.component)
                            .map_err(|e| format!("the component is not valid: {e}\n{source}"))?;
                        seen.compiled = 1;
                    }
                    Err(Error::Limit { .. }) => {}
                    Err(error) => return Err(format!("what the checker takes does not compile: {error}\n{source}")),
                }
            }
        }
        Err(faults) => {
            let lines = source.lines().count() as u32 + 1;
            let bad = |d: &terrarium_tools::Diagnostic| {
                d.message.is_empty() || d.line == 0 || d.line > lines || d.column == 0
            };
            if faults.is_empty() || faults.iter().any(bad) {
                return Err(format!("faults without place or words: {faults:?}\n{source}"));
            }
        }
    }
    Ok(seen)
}

fn heap(random: &mut Random) -> String {
    (0..random.below(200)).map(|_| random.pick(&TOKENS)).collect()
}

/// A text of the library after a few changes. Cuts keep to characters.
fn mutated(library: &[String], random: &mut Random) -> String {
    let mut text = random.pick(library);
    for _ in 0..=random.below(6) {
        let lines: Vec<&str> = text.split('\n').collect();
        let line = random.below(lines.len());
        text = match random.below(12) {
            0 => without(&lines, line),
            1 => [&lines[..line], &[lines[line]], &lines[line..]].concat().join("\n"),
            2 => {
                // A line of another place, or another suite.
                let other = random.pick(library);
                let others: Vec<&str> = other.split('\n').collect();
                let inserted = others[random.below(others.len())].to_owned();
                [&lines[..line], &[inserted.as_str()], &lines[line..]].concat().join("\n")
            }
            3 => {
                let shifted =
                    if random.one_in(2) { format!("    {}", lines[line]) } else { lines[line].trim_start().to_owned() };
                [&lines[..line], &[shifted.as_str()], &lines[line + 1..]].concat().join("\n")
            }
            4 => {
                let deep = random.pick(&["(", "[", "not ", "-", "f(", "if x:\n"]).repeat(random.pick(&[10, 100, 5000]));
                let (before, after) = split(&text, random);
                format!("{before}{deep}{after}")
            }
            5 => {
                let (before, after) = split(&text, random);
                let rest: String = after.chars().skip(random.below(20)).collect();
                format!("{before}{rest}")
            }
            6 => split(&text, random).0.to_owned(),
            7 => swap_words(&lines, line, random),
            _ => {
                let (before, after) = split(&text, random);
                format!("{before}{}{after}", random.pick(&TOKENS))
            }
        };
    }
    text
}

fn without(lines: &[&str], line: usize) -> String {
    [&lines[..line], &lines[line + 1..]].concat().join("\n")
}

fn split<'t>(text: &'t str, random: &mut Random) -> (&'t str, &'t str) {
    let mut at = random.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.split_at(at)
}

/// Replaces a word of a line by a word of the file.
fn swap_words(lines: &[&str], line: usize, random: &mut Random) -> String {
    let words = |text: &'_ str| -> Vec<String> {
        let word = |c: char| !(c.is_alphanumeric() || c == '_');
        text.split(word).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let (here, there) = (words(lines[line]), words(lines[random.below(lines.len())]));
    if here.is_empty() || there.is_empty() {
        return lines.join("\n");
    }
    let swapped = lines[line].replacen(&random.pick(&here), &random.pick(&there), 1);
    [&lines[..line], &[swapped.as_str()], &lines[line + 1..]].concat().join("\n")
}
