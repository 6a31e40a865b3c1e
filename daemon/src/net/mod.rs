//! What the operating system must be told about sockets, and asked about interfaces.
//!
//! The only place of unsafe code: socket options that no library wraps.

pub mod interface;
pub mod memory;
pub mod sockopt;
pub mod tcp;
