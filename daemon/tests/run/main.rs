//! `herald run` as a user meets it, on loopback.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

mod commands;
mod exposition;
mod herald;
mod pair;
mod probes;
mod recording;
mod sessions;
mod signals;
mod state_file;
