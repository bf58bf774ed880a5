//! Messages of the checker: golden files in `tests/check/`, each a list of cases
//!
//! ```text
//! ## name
//! code, appended to base.star
//! ---
//! line:column: message      (lines counted from the code's first; `ok` when the suite checks)
//!   hint: ...
//! ```
//!
//! `BLESS=1 cargo test` rewrites what is expected; read the diff.

use std::fmt::Write;
use std::path::Path;
use terrarium_tools::parse_suite;

const BASE: &str = include_str!("check/base.star");

fn messages(code: &str) -> String {
    let before = BASE.lines().count() as u32;
    match parse_suite("case.star", &format!("{BASE}{code}")) {
        Ok(_) => "ok\n".to_owned(),
        Err(faults) => faults.iter().fold(String::new(), |mut out, fault| {
            // A fault in the shared part shows as such.
            let line = i64::from(fault.line) - i64::from(before);
            let _ = writeln!(out, "{line}:{}: {}", fault.column, fault.message);
            if let Some(hint) = &fault.hint {
                let _ = writeln!(out, "  hint: {hint}");
            }
            out
        }),
    }
}

fn golden(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(name);
    let text = std::fs::read_to_string(&path).expect("the golden file is in the repository");
    let mut written = String::new();
    let mut wrong = String::new();
    let mut cases = 0;
    for case in text.split("## ").skip(1) {
        let (title, rest) = case.split_once('\n').expect("a case has a title");
        let (code, expected) = rest.split_once("\n---\n").expect("a case has an expectation");
        let code = format!("{code}\n");
        let found = messages(&code);
        if found.trim_end() != expected.trim_end() {
            let _ = writeln!(wrong, "{name}: {title}\nexpected\n{expected}found\n{found}");
        }
        let _ = write!(written, "## {title}\n{code}---\n{found}\n");
        cases += 1;
    }
    assert!(cases > 10, "{name} has {cases} cases");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, written.trim_end().to_owned() + "\n").expect("the golden file can be written");
    } else {
        assert!(wrong.is_empty(), "{wrong}");
    }
}

#[test]
fn habits() {
    golden("habits.txt");
}

#[test]
fn bodies() {
    golden("bodies.txt");
}

#[test]
fn dicts() {
    golden("dicts.txt");
}

#[test]
fn tools_and_tables() {
    golden("tools_and_tables.txt");
}

/// Each broken copy of a good file gives faults or a suite, never a panic, and never an overflow of the stack.
#[test]
fn broken_files_are_read() {
    let source = include_str!("suites/library.star");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let scraps = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\n",
        "    ",
        ":",
        "=",
        "None",
        "lambda x: ",
        "f\"{",
        ".",
        "-",
        "é",
        "\"\"\"",
        "\t",
        "in ",
        "0",
    ];
    let mut good = 0;
    for _ in 0..400 {
        let mut text: Vec<char> = source.chars().collect();
        for _ in 0..=next(2) {
            let at = next(text.len());
            match next(3) {
                0 => {
                    let end = (at + 1 + next(30)).min(text.len());
                    text.drain(at..end);
                }
                1 => {
                    let scrap = scraps[next(scraps.len())];
                    text.splice(at..at, scrap.chars());
                }
                _ => {
                    let end = (at + 1 + next(60)).min(text.len());
                    let copy: Vec<char> = text[at..end].to_vec();
                    let to = next(text.len());
                    text.splice(to..to, copy);
                }
            }
        }
        let text: String = text.into_iter().collect();
        match parse_suite("broken.star", &text) {
            Ok(_) => good += 1,
            Err(faults) => {
                assert!(!faults.is_empty(), "{text}");
                assert!(faults.iter().all(|f| f.line >= 1 && f.column >= 1 && !f.message.is_empty()));
            }
        }
    }
    assert!(good < 400);
}

#[test]
fn large_files_are_refused() {
    let text = "# x\n".repeat(200_000);
    let faults = parse_suite("large.star", &text).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "large.star:1:1: the file has 800000 bytes, more than 524288\n  hint: split the suite"
    );
    // Within the limit, long and flat is fine.
    let text = format!("{BASE}WORDS = [{}]\n", "\"word\", ".repeat(20_000));
    assert!(parse_suite("flat.star", &text).is_ok());
}

/// Files at the limits of depth are read on an ordinary stack, whatever the nesting is made of.
#[test]
fn deep_files_are_read() {
    let depth = 110;
    let nests = [
        ("max(1, ", "1", ")"),
        ("-", "1", ""),
        ("1 + (", "1", ")"),
        ("[", "1", "][0]"),
        ("len([", "\"a\"", "])"),
        ("[x for x in [", "1", "]][0]"),
        ("0 if limit > 1 else ", "1", ""),
        ("f(", "1", ")"),
    ];
    for (open, inner, close) in nests {
        for depth in [depth / 4, depth / 2, depth] {
            let expression = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            let mut code = format!("{BASE}def g(n: int) -> int:\n");
            for level in 1..20 {
                code += &format!("{}if limit > {level}:\n", "    ".repeat(level));
            }
            code += &format!("{}return {expression}\n    return 1\n", "    ".repeat(20));
            match parse_suite("deep.star", &code) {
                Ok(suite) => assert_eq!(suite.functions.len(), 2, "{open}"),
                Err(faults) => assert!(!faults.is_empty(), "{open}"),
            }
        }
    }
}
