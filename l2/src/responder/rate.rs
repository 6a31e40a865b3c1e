//! A bound on how often something is done.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// A token bucket that holds a tenth of a second's worth, and is full at first.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    /// Between two tokens.
    interval: Duration,
    /// How far ahead of the time the bucket may be drawn upon.
    depth: Duration,
    /// When the bucket is full again.
    full_at: Instant,
}

impl Rate {
    /// `per_second` is counted as one billion where it is more.
    pub(super) fn new(per_second: NonZeroU32, now: Instant) -> Rate {
        let interval = Duration::from_secs(1) / per_second.get();
        let interval = interval.max(Duration::from_nanos(1));
        Rate {
            interval,
            // Never less than two tokens: a gratuitous ARP has two forms.
            depth: (interval * 2).max(Duration::from_millis(100)),
            full_at: now,
        }
    }

    /// Takes `count` tokens, two at most, if they are there.
    pub(super) fn take(&mut self, now: Instant, count: u32) -> bool {
        let some = self.available(count) <= now;
        if some {
            self.full_at = self.full_at.max(now) + self.interval * count;
        }
        some
    }

    /// When `count` tokens are there.
    pub(super) fn available(&self, count: u32) -> Instant {
        let ahead = self.depth.saturating_sub(self.interval * count);
        self.full_at.checked_sub(ahead).unwrap_or(self.full_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    fn in_a_second_no_more_than_the_rate_and_a_tenth_is_given() {
        let start = Instant::now();
        for per_second in [1, 10, 1_000, 20_000, u32::MAX] {
            let number = NonZeroU32::new(per_second).expect("not zero");
            let mut rate = Rate::new(number, start);
            let asked = (0..40_000).map(|step| start + Duration::from_micros(25 * step));
            let given = asked.filter(|now| rate.take(*now, 1)).count() as u64;
            let most = (u64::from(per_second) * 11 / 10 + 3).min(40_000);
            let least = u64::from(per_second).min(40_000);
            assert!((least..=most).contains(&given), "{per_second}: {given}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    fn an_empty_bucket_says_when_it_has_tokens_again() {
        let mut now = Instant::now();
        let mut rate = Rate::new(NonZeroU32::new(10).expect("not zero"), now);
        assert!(rate.take(now, 2));
        assert!(!rate.take(now, 2));
        now = rate.available(2);
        assert!(!rate.take(now - Duration::from_millis(1), 2));
        assert!(rate.take(now, 2));
    }
}
