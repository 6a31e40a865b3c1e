//! cargo-fuzz target: see `fuzz::ndp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::ndp(input));
