//! How long to wait before the next try.

use std::time::Duration;

/// The first wait, about.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait, about: how late we may notice that the API server is back.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double, each by chance half as long or half as long again, so that many clients that
/// lost one server do not come back together.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
}

impl Retry {
    /// The wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(0.5 + fastrand::f64())
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
    fn waits_grow_up_to_a_bound_and_begin_anew_after_success() {
        let mut retry = Retry::default();
        let first = retry.after_failure();
        assert!(first >= FIRST / 2 && first < FIRST * 2);
        let waits: Vec<_> = (0..40).map(|_| retry.after_failure()).collect();
        assert!(waits.iter().all(|wait| *wait < LONGEST * 2));
        assert!(waits.iter().skip(10).all(|wait| *wait >= LONGEST / 2));
        retry.reset();
        assert!(retry.after_failure() < FIRST * 2);
    }
}
