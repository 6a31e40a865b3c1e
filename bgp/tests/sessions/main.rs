//! Whole sessions with neighbours that are old, strict or wrong.

#[path = "../common/mod.rs"]
mod common;

mod last_notification;
mod memory;
mod retry_without_capabilities;
mod roles;
mod two_connections;
mod two_octet_as;
mod update_errors;
