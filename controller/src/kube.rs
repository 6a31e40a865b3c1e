//! A cluster as a source of the World, and what is written back to it.
//!
//! [`source`] watches and makes snapshots, as [`file`](crate::file) does of a directory.

pub mod client;
pub mod source;

mod object;
mod retry;
mod secrets;
mod watch;

pub use source::{Hearing, Hearings, Role, Source};
