//! What is to be done when, by foca or by us, and what becomes of that when this process has been
//! asleep.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use foca::{Member, Notification, Runtime, Timer};

use super::identity::Id;

/// What foca wants, until it has been done.
#[derive(Debug, Default)]
pub struct Effects {
    /// Messages, and to whom.
    pub send: Vec<(Id, Vec<u8>)>,
    /// Timers to set.
    pub timers: Vec<(Timer<Id>, Duration)>,
}

impl Runtime<Id> for Effects {
    /// The state of all members is read after each step instead.
    fn notify(&mut self, _: Notification<'_, Id>) {}

    fn send_to(&mut self, to: Id, data: &[u8]) {
        self.send.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Id>, after: Duration) {
        self.timers.push((event, after));
    }
}

/// What is to be done at some moment.
#[derive(Debug)]
pub enum Due {
    /// A timer of foca's.
    Foca(Timer<Id>),
    /// This member is dead, if it is still as suspect as this.
    Verdict(Member<Id>),
}

/// Timers that are set. foca sets a handful, one for each suspicion, and one for each death of the
/// last ten minutes.
#[derive(Debug, Default)]
pub struct Timers {
    due: BTreeMap<(Instant, u64), Due>,
    set: u64,
}

impl Timers {
    /// Sets one.
    pub fn set(&mut self, at: Instant, due: Due) {
        self.set += 1;
        self.due.insert((at, self.set), due);
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes one that is due, those set first first.
    pub fn take(&mut self, now: Instant) -> Option<Due> {
        let first = self
            .due
            .first_entry()
            .filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// Puts all of them off. Whoever has slept has not heard answers meanwhile, and must not hold
    /// that against others.
    pub fn put_off(&mut self, by: Duration) {
        let due = std::mem::take(&mut self.due);
        self.due = due
            .into_iter()
            .map(|((at, n), due)| ((at + by, n), due))
            .collect();
    }
}
