//! The suites that come with Terrarium, embedded in the binary and parsed once.
//!
//! They are the files of `suites/train`, `suites/test_suite` and `suites/test_process`; the folder is the split of a suite's
//! environments. Modules they share are in `suites/processes` and are loaded as `processes/NAME.star`.

use crate::error::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use terrarium_envs::environment::Split;
use terrarium_tools::{Suite, parse_suite_with};

/// A suite of the library as text.
#[derive(Clone, Copy, Debug)]
pub struct LibrarySuite {
    /// Its slug.
    pub slug: &'static str,
    /// Its source.
    pub source: &'static str,
    /// The split of its environments: `Train` also gives validation worlds.
    pub split: Split,
}

include!(concat!(env!("OUT_DIR"), "/library_index.rs"));

/// A suite ready for use.
#[derive(Clone, Debug)]
pub struct ParsedSuite {
    /// The suite.
    pub suite: Suite,
    /// First 16 hex digits of the blake3 hash of its source and of the modules it loads.
    pub digest: String,
    /// Paths of the modules it loads, in name order.
    pub modules: Vec<String>,
    /// The split of its environments.
    pub split: Split,
}

/// The library, in a fixed order.
pub fn suites() -> &'static [LibrarySuite] {
    LIBRARY
}

/// The text of a process module of the library, by the path that `load` names.
pub fn module(path: &str) -> Option<String> {
    MODULES.iter().find(|(known, _)| *known == path).map(|(_, text)| (*text).to_owned())
}

/// The library parsed; the first call does the work.
///
/// # Errors
/// [`Error::Suite`] when one does not check, which tests rule out.
pub fn parsed() -> Result<&'static [ParsedSuite]> {
    static PARSED: OnceLock<Vec<ParsedSuite>> = OnceLock::new();
    if let Some(parsed) = PARSED.get() {
        return Ok(parsed);
    }
    let parse = |s: &LibrarySuite| parse(&format!("{}.star", s.slug), s.source, s.split, &module);
    let parsed = LIBRARY.iter().map(parse).collect::<Result<Vec<_>>>()?;
    Ok(PARSED.get_or_init(|| parsed))
}

/// Parses a suite. `file` is only used in messages; `modules` finds the text of a module by the path that `load` names.
///
/// # Errors
/// [`Error::Suite`] with every diagnostic.
pub fn parse(file: &str, source: &str, split: Split, modules: &dyn Fn(&str) -> Option<String>) -> Result<ParsedSuite> {
    let loaded = RefCell::new(BTreeMap::new());
    let find = |path: &str| {
        let text = modules(path)?;
        loaded.borrow_mut().insert(path.to_owned(), blake3::hash(text.as_bytes()));
        Some(text)
    };
    let suite = parse_suite_with(file, source, &find).map_err(|diagnostics| Error::Suite {
        suite: file.to_owned(),
        source: terrarium_tools::Error::Suite(diagnostics),
    })?;
    let loaded = loaded.into_inner();
    let mut hasher = blake3::Hasher::new();
    hasher.update(source.as_bytes());
    for (path, hash) in &loaded {
        hasher.update(b"\0").update(path.as_bytes()).update(hash.as_bytes());
    }
    let digest = hasher.finalize().to_hex().as_str()[..16].to_owned();
    Ok(ParsedSuite { suite, digest, modules: loaded.into_keys().collect(), split })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_parses_and_its_slugs_are_right() {
        for (text, parsed) in suites().iter().zip(parsed().expect("the library checks")) {
            assert_eq!(text.slug, parsed.suite.name);
            assert!(parsed.suite.tools.len() >= 8, "{} has {} tools", text.slug, parsed.suite.tools.len());
            assert!(parsed.suite.tables.len() >= 4, "{} has {} tables", text.slug, parsed.suite.tables.len());
        }
    }

    #[test]
    fn a_module_is_part_of_the_digest() {
        let suite = "load(\"m.star\", \"twice\")\nsuite(\"s\", title = \"S\", domain = \"d\", policy = \"p\")\n\
            thing = table(\"thing\", key(\"T\", 2), rows(3, 5), called = \"{name}\", name = city(unique = True))\n\
            def count() -> int:\n    \"\"\"Count things twice.\"\"\"\n    return twice(len(thing))\ntool(count)\n";
        let digest = |factor: &str| {
            let module = format!("def twice(n: int) -> int:\n    return n * {factor}\n");
            let parsed = parse("s.star", suite, Split::Train, &|path| (path == "m.star").then(|| module.clone()))
                .unwrap_or_else(|e| panic!("{e:?}"));
            assert_eq!(parsed.modules, ["m.star"]);
            parsed.digest
        };
        assert_eq!(digest("2"), digest("2"));
        assert_ne!(digest("2"), digest("3"));
    }

    #[test]
    fn suites_of_the_second_test_split_share_no_module_with_others() {
        let parsed = parsed().expect("the library checks");
        let of = |unseen: bool| {
            parsed.iter().filter(move |s| (s.split == Split::TestProcess) == unseen).flat_map(|s| &s.modules)
        };
        for module in of(true) {
            assert!(of(false).all(|other| other != module), "{module} is also loaded outside of test_process");
        }
    }
}
