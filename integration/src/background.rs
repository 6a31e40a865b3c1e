//! Work that a test has done beside it, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Asks whether the work is over.
pub type IsOver<'a> = dyn Fn() -> bool + Sync + 'a;

/// Goes on until dropped; then its end is waited for.
#[derive(Debug)]
pub struct Background {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Begins. The work is to ask often whether it is over, and to return then.
    pub fn start(work: impl FnOnce(&IsOver<'_>) + Send + 'static) -> Background {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || work(&|| stopped.load(Ordering::Relaxed)));
        Background {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("work in the background has panicked");
        }
    }
}
