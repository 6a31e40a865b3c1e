//! How often rounds may be.

use std::time::Duration;

use tokio::time::Instant;

/// After a round, this many times as long as it took belongs to others: so rounds take at most a
/// tenth of a core's time, however many changes come and however large the World is.
const REST: u32 = 9;
/// After so long without a round, a burst is over and its memory goes back.
const QUIET: Duration = Duration::from_secs(1);
/// The longest rest.
const LONGEST: Duration = Duration::from_millis(200);

/// When the next round may begin. What changes until then is part of it.
#[derive(Debug)]
pub struct Pace {
    next: Instant,
    /// When the burst is over, unless there is another round.
    quiet: Option<Instant>,
}

impl Pace {
    /// The first round may begin at once.
    pub fn new() -> Pace {
        Pace {
            next: Instant::now(),
            quiet: None,
        }
    }

    /// Does a round, and notes what it took.
    pub fn round<T>(&mut self, round: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = round();
        let now = Instant::now();
        let took = now.duration_since(began);
        self.next = now + took.saturating_mul(REST).min(LONGEST);
        self.quiet = Some(now + QUIET);
        done
    }

    /// When the next round may begin.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// When a burst of rounds is over, if there was one since [`Pace::rested`].
    pub fn quiet(&self) -> Option<Instant> {
        self.quiet
    }

    /// The burst is over, and what it left behind is cleared away.
    pub fn rested(&mut self) {
        self.quiet = None;
    }
}

/// Waits until then, and after that for the event.
pub async fn after<T>(then: Instant, event: impl Future<Output = T>) -> T {
    tokio::time::sleep_until(then).await;
    event.await
}
