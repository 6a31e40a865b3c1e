//! A cluster as a source of the World, and what is written back to it.
//!
//! [`source`] watches and makes snapshots, as [`file`](crate::file) does of a directory. The leader
//! of an [election](lease) writes; what it may still write is behind a [`fence`].

pub mod call;
pub mod client;
pub mod configuration_state;
pub mod events;
pub mod fence;
pub mod leadership;
pub mod lease;
pub mod pool_status;
pub mod queue;
pub mod service_bgp_status;
pub mod service_l2_status;
pub mod service_status;
pub mod source;
pub mod speakers;
pub mod speakers_secret;

mod backoff;
mod keeper;
mod lean;
mod object;
mod rate_limit;
mod secrets;
mod watch;

pub use source::{Hearing, Hearings, Role, Source};
