//! Benchmarks, each beside a peer on the same input where there is one: `cargo xtask bench`. Here is what
//! several of them share.

pub mod figures;
pub mod rounds;
