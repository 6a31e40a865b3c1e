//! So many at once, and so many a second.

use std::time::Duration;

use tokio::time::Instant;

/// So many at once, and so many a second from then on (a token bucket).
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Between two of them, in the long run.
    every: Duration,
    /// How far the bucket may run ahead.
    burst: Duration,
    /// When the bucket is full again.
    full_at: Option<Instant>,
}

impl RateLimit {
    /// `per_second` and `burst` of 0 count as 1.
    pub fn new(per_second: u32, burst: u32) -> RateLimit {
        RateLimit::every(Duration::from_secs(1) / per_second.max(1), burst)
    }

    /// One each `every`, and `burst` at once.
    pub fn every(every: Duration, burst: u32) -> RateLimit {
        RateLimit {
            every,
            burst: every * burst.max(1),
            full_at: None,
        }
    }

    /// The earliest time for the next, which may have passed.
    pub fn next(&self) -> Option<Instant> {
        let full_at = self.full_at?;
        // A burst is at least one, so that nothing is subtracted that was not added.
        full_at.checked_sub(self.burst.saturating_sub(self.every))
    }

    /// Takes one if it is time.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.next().is_some_and(|next| now < next) {
            return false;
        }
        self.full_at = Some(self.full_at.map_or(now, |full| full.max(now)) + self.every);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_one_at_a_time() {
        let start = Instant::now();
        let mut limit = RateLimit::new(20, 100);
        let taken = (0..1_000).filter(|_| limit.take(start)).count();
        assert_eq!(taken, 100);
        let mut taken = 0;
        for millis in 1..=1_000 {
            taken += usize::from(limit.take(start + Duration::from_millis(millis)));
        }
        assert_eq!(taken, 20);
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..1_000).filter(|_| limit.take(later)).count(), 100);
    }

    #[test]
    fn a_bucket_says_when_the_next_is_due() {
        let start = Instant::now();
        let mut limit = RateLimit::new(10, 1);
        assert!(limit.take(start));
        assert_eq!(limit.next(), Some(start + Duration::from_millis(100)));
    }
}
