//! The `metallb.io` kinds as Rust types.
