//! `herald run` as a user meets it, on loopback.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

mod commands;
mod herald;
mod pair;
mod recording;
mod sessions;
