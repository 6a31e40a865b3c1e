//! Waits that grow, with jitter (RFC 4271 §8.1.1 DampPeerOscillations, §10 jitter).

use std::time::{Duration, Instant};

/// The first wait of a row, before jitter.
const FIRST: Duration = Duration::from_millis(250);
/// Doublings after which a wait grows no more: 250 ms × 2^20 is over any limit in use.
const MAX_DOUBLINGS: u32 = 20;
/// A session must have stood this long for the peer to count as calm again.
const CALM_AFTER: Duration = Duration::from_secs(60);

/// A stream of numbers from a seed, for jitter only (SplitMix64).
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A stream that depends on nothing but `seed`.
    pub fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// Between 75 % and 100 % of `time` (RFC 4271 §10).
    pub fn apply(&mut self, time: Duration) -> Duration {
        let share = 768 + u32::try_from(self.next() % 257).unwrap_or(0);
        time.saturating_mul(share) / 1024
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How long to wait before the next attempt. Two rows that grow apart: connections that cannot
/// be made, and sessions that end in an error.
#[derive(Clone, Debug)]
pub struct Retry {
    limit: Duration,
    connects_failed: u32,
    sessions_failed: u32,
    jitter: Jitter,
}

impl Retry {
    /// Waits of at most `limit`, at least one second of which is used.
    pub fn new(limit: Duration, seed: u64) -> Retry {
        Retry {
            limit: limit.max(Duration::from_secs(1)),
            connects_failed: 0,
            sessions_failed: 0,
            jitter: Jitter::new(seed),
        }
    }

    /// How long one connection attempt may take before it is made anew: ConnectRetryTime.
    pub fn attempt_time(&mut self) -> Duration {
        self.jitter.apply(self.limit)
    }

    /// The wait after a connection that could not be made, or ended before an OPEN.
    pub fn after_failed_connect(&mut self) -> Duration {
        self.connects_failed = self.connects_failed.saturating_add(1);
        self.wait(self.connects_failed)
    }

    /// The wait in Idle after an error: IdleHoldTime (RFC 4271 §8.1.1). `up_since` is when the
    /// session became Established, if it did. Only one that stood for 60 seconds lets the row begin
    /// again, so a peer that answers OPEN with NOTIFICATION is asked ever more rarely.
    pub fn after_error(&mut self, now: Instant, up_since: Option<Instant>) -> Duration {
        if up_since.is_some_and(|since| now.saturating_duration_since(since) >= CALM_AFTER) {
            self.sessions_failed = 0;
        }
        self.sessions_failed = self.sessions_failed.saturating_add(1);
        self.wait(self.sessions_failed)
    }

    /// A session is Established: connecting works.
    pub fn established(&mut self) {
        self.connects_failed = 0;
    }

    /// The user asked for a start: forget what was.
    pub fn reset(&mut self) {
        self.connects_failed = 0;
        self.sessions_failed = 0;
    }

    /// Errors since the peer was last calm: ConnectRetryCounter (RFC 4271 §8).
    pub fn failures(&self) -> u32 {
        self.connects_failed.saturating_add(self.sessions_failed)
    }

    /// A KeepaliveTimer's next run.
    pub fn keepalive(&mut self, time: Duration) -> Duration {
        self.jitter.apply(time)
    }

    fn wait(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
        let wait = FIRST.saturating_mul(1 << doublings).min(self.limit);
        self.jitter.apply(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_are_jittered() {
        let mut retry = Retry::new(Duration::from_secs(30), 7);
        for expected in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let wait = retry.after_failed_connect().as_millis();
            assert!(wait <= expected, "{wait} > {expected}");
            assert!(wait * 4 >= expected * 3, "{wait} < 75 % of {expected}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    fn only_a_session_that_stood_a_while_calms_the_peer() {
        let now = Instant::now();
        let mut retry = Retry::new(Duration::from_secs(120), 7);
        for _ in 0..5 {
            retry.after_error(now, None);
        }
        let short = now + Duration::from_secs(59);
        assert!(retry.after_error(short, Some(now)) > Duration::from_secs(5));
        let long = now + Duration::from_secs(60);
        assert!(retry.after_error(long, Some(now)) <= FIRST);
    }

    #[test]
    fn two_seeds_give_two_rows() {
        let wait = |seed| Retry::new(Duration::from_secs(30), seed).attempt_time();
        assert_ne!(wait(1), wait(2));
        assert_eq!(wait(1), wait(1));
    }
}
