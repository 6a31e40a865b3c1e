//! The time that rounds of allocation are told, and that tasks tell the pure crates.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Begins at the wall clock's time and then runs with the monotonic clock: whoever puts the wall
/// clock right does not end a grace period early.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock {
            wall: Timestamp::now(),
            started: Instant::now(),
        }
    }

    /// The time now. It never goes back.
    pub fn now(&self) -> Timestamp {
        let now = self.wall.checked_add(self.started.elapsed());
        now.unwrap_or(Timestamp::MAX)
    }

    /// How long it is until then; 0 if it is past.
    pub fn until(&self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.now())).unwrap_or_default()
    }
}

/// Tokio's clock, which tests can stop.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until then; for ever where there is no such moment. Cancel-safe.
pub async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_past_is_waited_for_no_longer() {
        let clock = Clock::start();
        assert_eq!(clock.until(Timestamp::UNIX_EPOCH), Duration::ZERO);
        let later = clock.now().checked_add(Duration::from_secs(100));
        let left = clock.until(later.expect("before the end of time"));
        assert!(left <= Duration::from_secs(100) && left > Duration::ZERO);
    }
}
