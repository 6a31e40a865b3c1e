//! Sockets whose readiness the runtime watches.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::unix::AsyncFd;

/// What owns one file descriptor all its life, and shows no other.
pub(super) trait Owner: AsRawFd {}
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
pub(super) fn watched<T: Owner>(socket: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: each `Owner` is the owner of one open descriptor, which it shows and closes only when
    // it is dropped. The modules here never replace the object in an `AsyncFd`.
    let watched = unsafe { AsyncFd::register(socket) };
    Ok(watched?)
}
