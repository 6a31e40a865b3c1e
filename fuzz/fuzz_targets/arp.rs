//! cargo-fuzz target: see `fuzz::arp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::arp(input));
