//! cargo-fuzz target: see `fuzz::decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::decode(input));
