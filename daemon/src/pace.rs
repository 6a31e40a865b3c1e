//! How often rounds may be.

use std::time::Duration;

use tokio::time::Instant;

/// After a round, this many times as long as it took belongs to others: so rounds take at most a
/// quarter of a core's time, however many changes come and however large the World is.
const REST: u32 = 3;
/// The longest rest.
const LONGEST: Duration = Duration::from_millis(200);

/// When the next round may begin. What changes until then is part of it.
#[derive(Debug)]
pub struct Pace {
    next: Instant,
}

impl Pace {
    /// The first round may begin at once.
    pub fn new() -> Pace {
        Pace {
            next: Instant::now(),
        }
    }

    /// Does a round, and notes what it took.
    pub fn round<T>(&mut self, round: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = round();
        let took = began.elapsed();
        self.next = Instant::now() + took.saturating_mul(REST).min(LONGEST);
        done
    }

    /// Returns when the next round may begin.
    pub async fn ready(&self) {
        tokio::time::sleep_until(self.next).await;
    }
}
