//! cargo-fuzz target: see `fuzz::peer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::peer(input));
