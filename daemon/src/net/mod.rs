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

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::unix::AsyncFd;

/// What owns one file descriptor all its life, and shows no other.
trait Owner: AsRawFd {}
impl Owner for OwnedFd {}
impl Owner for socket2::Socket {}

/// A socket whose readiness the runtime watches.
///
/// # Errors
/// The system cannot watch more.
///
/// # Panics
/// Outside of a tokio runtime.
#[allow(unsafe_code, reason = "AsyncFd cannot know what its object shows")]
fn watched<T: Owner>(socket: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: each `Owner` is the owner of one open descriptor, which it shows and closes only when
    // it is dropped. The modules here never replace the object in an `AsyncFd`.
    let watched = unsafe { AsyncFd::register(socket) };
    Ok(watched?)
}
