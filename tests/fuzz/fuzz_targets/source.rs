#![no_main]

use std::sync::LazyLock;
use terrarium_tests::lab::{Kind, Lab};
use terrarium_tests::support::Random;

static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(finding) = LAB.run(Kind::Source, &mut Random::of_bytes(bytes)) {
        panic!("{finding}");
    }
});
