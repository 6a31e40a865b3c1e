//! When to try again.

use std::time::Duration;

/// `least`, and at random up to a fifth more: programs that fail together do not try again together.
pub(super) fn jittered(least: Duration) -> Duration {
    least.mul_f64(1.0 + fastrand::f64() / 5.0)
}

/// Delays that double, from the first to the longest.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer than this, but for jitter of up to a fifth, or what a server asks for.
    pub longest: Duration,
}

impl Backoff {
    /// How long to wait after that many failures in a row, at least what the server asks for.
    pub fn delay(self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = 1_u32 << failures.saturating_sub(1).min(16);
        let delay = self.first.saturating_mul(doubled).min(self.longest);
        jittered(delay.max(retry_after.unwrap_or_default()))
    }
}

/// Failures in a row of one who asks, and how long it waits after each.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
}

impl Retry {
    /// The longest wait is how late we may notice that the API server is back.
    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(5),
    };

    /// The wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Retry::BACKOFF.delay(self.failures, None)
    }

    /// It worked: the next failure is the first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_are_no_shorter_than_the_server_asks() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(5),
        };
        let rows = [
            (1, None, 100),
            (2, None, 200),
            (4, None, 800),
            (7, None, 5_000),
            (u32::MAX, None, 5_000),
            (1, Some(Duration::from_secs(7)), 7_000),
            (1, Some(Duration::from_millis(1)), 100),
        ];
        for (failures, asked, expected) in rows {
            let delay = backoff.delay(failures, asked).as_millis();
            assert!(
                (expected..=expected + expected / 5).contains(&delay),
                "{failures} failures: {delay} ms"
            );
        }
    }

    #[test]
    fn waits_begin_anew_after_success() {
        let mut retry = Retry::default();
        let bounds =
            |least: u64| Duration::from_millis(least)..=Duration::from_millis(least * 6 / 5);
        assert!(bounds(100).contains(&retry.after_failure()));
        assert!(bounds(200).contains(&retry.after_failure()));
        retry.reset();
        assert!(bounds(100).contains(&retry.after_failure()));
    }

    #[test]
    fn jitter_differs() {
        let second = Duration::from_secs(1);
        let first = jittered(second);
        assert!((0..100).any(|_| jittered(second) != first));
    }
}
