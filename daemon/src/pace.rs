//! How often rounds may be.
//!
//! A round takes the time of what changed, some microseconds, and then this never makes it wait. But
//! Services that lack something, and shared addresses, are looked at in each round: with 10,000 that
//! wait for an address it takes 10 ms, and each change in a burst would pay for that.

use std::time::Duration;

use tokio::time::Instant;

/// In the long run, this many times as long as a round took belongs to others: so rounds take at
/// most a twentieth of a core's time, however many changes come and however large the World is,
/// unless one takes longer than the longest rest allows for.
const REST: u32 = 19;
/// How far rounds may run ahead of that: a few in a row, such as those that one new Service brings,
/// do not wait for each other.
const AHEAD: Duration = Duration::from_millis(400);
/// The longest rest.
const LONGEST: Duration = Duration::from_millis(200);

/// When the next round may begin. What changes until then is part of it.
#[derive(Debug)]
pub struct Pace {
    /// When the rounds so far have had no more than their share, if that is yet to come.
    even: Instant,
    next: Instant,
}

impl Pace {
    /// The first round may begin at once.
    pub fn new() -> Pace {
        let now = Instant::now();
        Pace {
            even: now,
            next: now,
        }
    }

    /// Does a round, and notes what it took.
    pub fn round<T>(&mut self, round: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = round();
        self.took(began, Instant::now());
        done
    }

    fn took(&mut self, began: Instant, ended: Instant) {
        let took = ended.duration_since(began);
        let share = took.saturating_mul(REST + 1);
        // So that the rest is not longer than the longest, now and later.
        let latest = ended + AHEAD + LONGEST;
        let even = self.even.max(began).checked_add(share);
        self.even = even.map_or(latest, |even| even.min(latest));
        self.next = self.even.checked_sub(AHEAD).unwrap_or(ended).max(ended);
    }

    /// When the next round may begin.
    pub fn next(&self) -> Instant {
        self.next
    }
}

/// Waits until then, and after that for the event.
pub async fn after<T>(then: Instant, event: impl Future<Output = T>) -> T {
    tokio::time::sleep_until(then).await;
    event.await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    #[test]
    fn a_few_rounds_in_a_row_do_not_wait() {
        let mut pace = Pace::new();
        let start = pace.next();
        for number in 0..6 {
            let began = start + ms(3) * number;
            pace.took(began, began + ms(3));
            assert!(pace.next() <= began + ms(3), "round {number}");
        }
    }

    #[test]
    fn in_the_long_run_rounds_take_a_twentieth_of_the_time() {
        for took in [ms(1), ms(3), ms(10)] {
            let mut pace = Pace::new();
            let start = pace.next();
            let mut rounds = 0;
            while pace.next() < start + ms(10_000) {
                let began = pace.next();
                pace.took(began, began + took);
                rounds += 1;
            }
            let ahead = AHEAD / 20;
            let busy = took * rounds;
            assert!(busy <= ms(500) + ahead + took, "{took:?}: {busy:?}");
            assert!(busy >= ms(450), "{took:?}: {busy:?}");
        }
    }

    #[test]
    fn no_rest_is_longer_than_the_longest() {
        let mut pace = Pace::new();
        let start = pace.next();
        for took in [ms(0), ms(10_000), Duration::MAX / 4] {
            // A clock has an end.
            let ended = start.checked_add(took).unwrap_or(start + ms(1 << 40));
            pace.took(start, ended);
            assert!(pace.next() <= ended + LONGEST);
        }
    }
}
