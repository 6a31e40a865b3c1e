//! Benchmarks, each beside a peer on the same input where there is one: `cargo xtask bench`.
