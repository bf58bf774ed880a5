#![no_main]

use std::sync::LazyLock;
use terrarium_tests::lab::Lab;
use terrarium_tests::support::Random;

static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

// The first half of the input decides the interface and the calls, the second half the module.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (choices, entropy) = bytes.split_at(bytes.len() / 2);
    let make = |exports: &[u8]| terrarium_smith::module(exports, entropy);
    if let Err(finding) = LAB.made(make, &mut Random::of_bytes(choices)) {
        panic!("{finding}");
    }
});
