//! Waiting for what must come true.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// A limit for things that take a moment. Generous: it tells dead from alive, not fast from slow.
pub const SOON: Duration = Duration::from_secs(30);

/// A limit for things that wait for a protocol timer first.
pub const LATER: Duration = Duration::from_secs(60);

/// Looks until `look` gives a value.
///
/// # Panics
///
/// If that takes longer than `limit`; the message has what was seen last.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if started.elapsed() > limit => {
                panic!(
                    "after {} s, still not: {what}\nseen last: {seen}",
                    limit.as_secs()
                )
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Looks until `look` gives `expected`.
///
/// # Panics
///
/// As [`eventually`].
pub fn eventually_equal<T: PartialEq + Debug>(
    what: &str,
    limit: Duration,
    expected: &T,
    mut look: impl FnMut() -> T,
) {
    eventually(what, limit, || match look() {
        value if value == *expected => Ok(()),
        value => Err(format!("{value:#?}\nexpected: {expected:#?}")),
    });
}

/// Looks again and again for a time: the condition must hold each time.
///
/// # Panics
///
/// If it does not.
pub fn always(what: &str, time: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let started = Instant::now();
    while started.elapsed() < time {
        if let Err(seen) = look() {
            panic!("no longer: {what}\nseen: {seen}");
        }
        std::thread::sleep(PAUSE);
    }
}
