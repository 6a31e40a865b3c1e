//! The asynchronous runtime, sized for a machine that has other things to do.

use std::io;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::answer;
use crate::logging::{self, LogArgs};
use crate::net::memory;

/// Threads that run tasks: one peer's large table must not hold up another peer's KEEPALIVE.
const WORKERS: usize = 2;
/// Threads for what blocks (files, the kernel's address list), and how long an idle one stays.
const BLOCKING: usize = 4;
const BLOCKING_STAYS: std::time::Duration = std::time::Duration::from_secs(2);
/// Stack of each, octets. Tasks live on the heap; only depth of calls needs it.
const STACK: usize = 512 * 1024;

/// The daemon's runtime.
///
/// # Errors
/// The system has no thread or no file descriptor left.
fn daemon() -> io::Result<Runtime> {
    memory::limit_arenas();
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(BLOCKING_STAYS)
        .thread_stack_size(STACK)
        .thread_name("herald")
        .enable_all()
        .build()
}

/// Runs a daemon to its end, with its log and on its runtime.
pub fn run(log: &LogArgs, daemon: impl Future<Output = Result<(), String>>) -> ExitCode {
    let ready = logging::start(log).map_err(|error| (2, error));
    let done = ready.and_then(|()| {
        let runtime =
            self::daemon().map_err(|error| (1, format!("cannot start the runtime: {error}")))?;
        runtime.spawn(memory::keep_small());
        runtime.block_on(daemon).map_err(|error| (1, error))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            answer::fail(error);
            ExitCode::from(code)
        }
    }
}

/// The runtime of a command that asks something and ends.
///
/// # Errors
/// The system has no file descriptor left.
pub fn client() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
