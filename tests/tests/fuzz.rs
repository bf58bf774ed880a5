//! A thousandth of `make soak`, the same on every run: the bodies of `terrarium_tests::lab` on a few fixed seeds.

use std::path::PathBuf;
use std::sync::OnceLock;
use terrarium_tests::foreign;
use terrarium_tests::lab::{Kind, Lab, Seen};
use terrarium_tests::support::Random;

fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(Lab::new)
}

/// Runs the first items of a kind.
fn run(kind: Kind, items: u64) -> Seen {
    let mut seen = Seen::default();
    for index in 0..items {
        let seed = kind.seed(1, index);
        match lab().run(kind, &mut Random::new(seed)) {
            Ok(found) => seen.add(&found),
            Err(finding) => panic!("soak --only {} {seed}\n{finding}", kind.name()),
        }
    }
    seen
}

#[test]
fn generated_programs_compiled_and_interpreted_agree() {
    let seen = run(Kind::Program, 30);
    assert!(seen.programs >= 28 && seen.rejected <= 2, "{seen:?}");
    assert!(seen.calls.compared > 1_000 && seen.calls.succeeded * 5 > seen.calls.compared, "{:?}", seen.calls);
    assert!(seen.calls.refused > 0, "{:?}", seen.calls);
}

#[test]
fn library_worlds_compiled_and_interpreted_agree() {
    let seen = run(Kind::Library, 2);
    assert!(seen.library_calls > 1_200 && seen.calls.succeeded > 100, "{:?}", seen.calls);
}

#[test]
fn the_checker_answers_every_source() {
    let seen = run(Kind::Source, 60);
    assert!(seen.sources.sources == 60 && seen.sources.compiled > 0, "{:?}", seen.sources);
}

#[test]
fn arguments_are_judged_in_words() {
    let seen = run(Kind::Arguments, 10);
    assert!(seen.arguments.taken > 100 && seen.arguments.refused > 100, "{:?}", seen.arguments);
}

#[test]
fn foreign_components_keep_their_limits() {
    let seen = run(Kind::Component, 60);
    assert!(seen.components.called * 2 >= seen.components.components, "{:?}", seen.components);
    assert!(seen.components.both > 0, "{:?}", seen.components);
}

/// The first components of `soak --keep`, which were made by `wasm-smith`; it is no part of the workspace.
#[test]
fn components_by_wasm_smith_keep_their_limits() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guests/smith");
    let files = std::fs::read_dir(&folder).expect("the folder of components").map(|file| file.expect("a file").path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "wasm")).collect();
    files.sort();
    let mut seen = foreign::Seen::default();
    for (index, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).expect("a component");
        match lab().judge(&bytes, &mut Random::new(index as u64)) {
            Ok(found) => seen.add(&found),
            Err(finding) => panic!("{}: {finding}", file.display()),
        }
    }
    assert!(seen.components >= 50 && seen.called * 2 >= seen.components, "{seen:?}");
}

#[test]
fn a_seed_gives_the_same_again() {
    // Those of wasm-smith need its program.
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Smith) {
        let run = |seed: u64| lab().run(kind, &mut Random::new(kind.seed(2, seed))).expect("no finding");
        assert_eq!(run(0), run(0), "{}", kind.name());
    }
}
