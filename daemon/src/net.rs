//! What the operating system must be told about sockets, and asked about interfaces.
//!
//! The only place of unsafe code: options and messages of sockets that no library wraps.

pub mod filter;
pub mod interface;
pub mod memory;
pub mod netlink;
pub mod packet;
pub mod sockopt;
pub mod tcp;
mod watched;
