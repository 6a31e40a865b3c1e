//! What is still to be written, by object.
//!
//! Of each object only the newest intent is kept, so the size is bounded by the number of objects;
//! of one object only one request is on its way. Objects wait for each other only for a place among
//! those on their way. How many those are adapts to the server: each refusal halves it, each success
//! adds one. While nothing succeeds, what failed waits, and only what was never tried goes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{Backoff, jittered};
use super::call::Failure;

/// After an attempt that failed for now.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(10),
};

/// After an attempt that was refused for good: somebody may have changed what is allowed.
const REFUSED: Duration = Duration::from_secs(60);

/// Intents by object.
#[derive(Debug)]
pub struct Queue<K, W> {
    entries: BTreeMap<K, Entry<W>>,
    /// Those in [`Place::Ready`] by their turn: first come, first served.
    ready: BTreeMap<Turn, K>,
    next_ticket: u64,
    /// Those in [`Place::Delayed`].
    delayed: BTreeSet<(Instant, K)>,
    in_flight: usize,
    pace: Pace,
}

#[derive(Debug)]
struct Entry<W> {
    /// The newest intent that is not on its way.
    next: Option<W>,
    urgency: Urgency,
    /// What is on its way is not wanted any more; so it is not repeated.
    forgotten: bool,
    /// How often in a row it failed.
    failures: u32,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ready(Turn),
    Delayed(Instant),
    InFlight,
}

/// What can wait comes after what is urgent.
type Turn = (Urgency, u64);

/// How urgent an intent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody waits for it.
    Urgent,
    /// Only when nothing is urgent.
    CanWait,
}

/// How many requests at once.
#[derive(Debug)]
struct Pace {
    limit: usize,
    most: usize,
    /// Failures since the last success.
    failures: u32,
    /// Until then, what failed is not tried again.
    pause: Option<Instant>,
}

impl Pace {
    fn succeeded(&mut self) {
        self.limit = (self.limit + 1).min(self.most);
        self.failures = 0;
        self.pause = None;
    }

    fn failed(&mut self, now: Instant, retry_after: Option<Duration>) {
        self.limit = (self.limit / 2).max(1);
        self.failures = self.failures.saturating_add(1);
        if self.limit == 1 {
            self.pause = Some(now + BACKOFF.delay(self.failures, retry_after));
        }
    }
}

impl<K: Ord + Clone, W> Queue<K, W> {
    /// An empty one with at most `most` requests on their way.
    pub fn new(most: usize) -> Queue<K, W> {
        let most = most.max(1);
        Queue {
            entries: BTreeMap::new(),
            ready: BTreeMap::new(),
            next_ticket: 0,
            delayed: BTreeSet::new(),
            in_flight: 0,
            pace: Pace {
                limit: most,
                most,
                failures: 0,
                pause: None,
            },
        }
    }

    /// Objects that are waiting or on their way.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is waiting or on its way.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether something of this object is waiting or on its way.
    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// How often in a row the object's intent has failed.
    pub fn failures(&self, key: &K) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.failures)
    }

    /// Requests on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A new intent; it takes the place of one that is not on its way, and is due at once.
    pub fn put(&mut self, key: K, want: W, urgency: Urgency) {
        let place = self.entries.get(&key).map(|entry| entry.place);
        if let Some(Place::InFlight) = place
            && let Some(entry) = self.entries.get_mut(&key)
        {
            entry.next = Some(want);
            entry.urgency = urgency;
            entry.forgotten = false;
            return;
        }
        // One that waits already keeps its turn, unless it is more urgent now.
        let turn = match place {
            Some(Place::Ready(turn)) if turn.0 <= urgency => turn,
            Some(Place::Ready(_) | Place::Delayed(_) | Place::InFlight) | None => {
                self.next_turn(urgency)
            }
        };
        self.unqueue(&key, place);
        let entry = Entry {
            next: Some(want),
            urgency,
            forgotten: false,
            failures: 0,
            place: Place::Ready(turn),
        };
        self.ready.insert(turn, key.clone());
        self.entries.insert(key, entry);
    }

    /// As [`Queue::put`], but not due before that time. On its way is at once what is on its way.
    pub fn put_later(&mut self, key: K, want: W, urgency: Urgency, at: Instant) {
        self.put(key.clone(), want, urgency);
        let place = self.entries.get(&key).map(|entry| entry.place);
        if let Some(Place::Ready(_)) = place
            && let Some(entry) = self.entries.get_mut(&key)
        {
            entry.place = Place::Delayed(at);
            self.unqueue(&key, place);
            self.delayed.insert((at, key));
        }
    }

    fn next_turn(&mut self, urgency: Urgency) -> Turn {
        self.next_ticket += 1;
        (urgency, self.next_ticket)
    }

    /// Changes what waits for an object, if something does; what is on its way goes on.
    pub fn amend(&mut self, key: &K, change: impl FnOnce(&mut W)) {
        if let Some(want) = self.entries.get_mut(key).and_then(|e| e.next.as_mut()) {
            change(want);
        }
    }

    /// Nothing is wanted of this object any more; what is on its way goes on.
    pub fn forget(&mut self, key: &K) {
        let place = self.entries.get(key).map(|entry| entry.place);
        if let Some(Place::InFlight) = place
            && let Some(entry) = self.entries.get_mut(key)
        {
            entry.next = None;
            entry.forgotten = true;
            return;
        }
        self.unqueue(key, place);
        self.entries.remove(key);
    }

    fn unqueue(&mut self, key: &K, place: Option<Place>) {
        match place {
            Some(Place::Ready(turn)) => drop(self.ready.remove(&turn)),
            Some(Place::Delayed(at)) => drop(self.delayed.remove(&(at, key.clone()))),
            Some(Place::InFlight) | None => {}
        }
    }

    /// Takes all that waits; what is on its way goes on.
    pub fn take_waiting(&mut self) -> Vec<(K, W)> {
        self.ready.clear();
        self.delayed.clear();
        let mut taken = Vec::new();
        self.entries.retain(|key, entry| {
            if let Some(want) = entry.next.take() {
                taken.push((key.clone(), want));
            }
            entry.place == Place::InFlight
        });
        taken
    }

    /// The next one to send, which then is on its way.
    pub fn next(&mut self, now: Instant) -> Option<(K, W)> {
        if self.in_flight >= self.pace.limit {
            return None;
        }
        self.wake(now);
        while let Some((_, key)) = self.ready.pop_first() {
            let entry = self.entries.get_mut(&key);
            if let Some(entry) = entry
                && let Some(want) = entry.next.take()
            {
                entry.place = Place::InFlight;
                self.in_flight += 1;
                return Some((key, want));
            }
        }
        None
    }

    /// When [`Queue::next`] may have more without anything else happening.
    pub fn wakes_at(&self) -> Option<Instant> {
        if self.in_flight >= self.pace.limit {
            return None;
        }
        let (at, _) = self.delayed.first()?;
        Some(self.pace.pause.map_or(*at, |pause| pause.max(*at)))
    }

    /// What was on its way has succeeded, or failed in a way that says nothing about the server.
    pub fn done(&mut self, key: &K) {
        self.pace.succeeded();
        self.land(key);
    }

    /// What was on its way is given up; the server could not.
    pub fn give_up(&mut self, key: &K, now: Instant, failure: &Failure) {
        self.pace.failed(now, failure.retry_after());
        self.land(key);
    }

    /// What was on its way will not be said to have failed or succeeded: it was not sent.
    pub fn unsent(&mut self, key: &K) {
        self.land(key);
    }

    /// What was on its way failed for now: it is tried again later, unless there is a newer intent.
    /// How often it has failed in a row.
    pub fn retry(&mut self, key: K, want: W, now: Instant, failure: &Failure) -> u32 {
        self.pace.failed(now, failure.retry_after());
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(entry) = self.entries.get_mut(&key) else {
            return 0;
        };
        if entry.forgotten {
            self.entries.remove(&key);
            return 0;
        }
        entry.next.get_or_insert(want);
        entry.failures = entry.failures.saturating_add(1);
        let at = now + BACKOFF.delay(entry.failures, failure.retry_after());
        entry.place = Place::Delayed(at);
        self.delayed.insert((at, key));
        entry.failures
    }

    /// What was on its way will not be granted as things are: it is tried again after a long while,
    /// unless there is a newer intent.
    pub fn refused(&mut self, key: K, want: W, now: Instant) {
        self.pace.succeeded();
        self.in_flight = self.in_flight.saturating_sub(1);
        match self.entries.remove(&key) {
            Some(Entry {
                next: Some(newer),
                urgency,
                ..
            }) => self.put(key, newer, urgency),
            Some(Entry {
                forgotten: false,
                urgency,
                ..
            }) => self.put_later(key, want, urgency, now + jittered(REFUSED)),
            Some(_) | None => {}
        }
    }

    fn land(&mut self, key: &K) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let entry = self.entries.remove(key);
        if let Some(Entry {
            next: Some(want),
            urgency,
            ..
        }) = entry
        {
            self.put(key.clone(), want, urgency);
        }
    }

    /// Makes ready what has waited long enough.
    fn wake(&mut self, now: Instant) {
        if self.pace.pause.is_some_and(|pause| now < pause) {
            return;
        }
        while let Some((at, _)) = self.delayed.first()
            && *at <= now
        {
            let Some((_, key)) = self.delayed.pop_first() else {
                return;
            };
            let Some(urgency) = self.entries.get(&key).map(|entry| entry.urgency) else {
                continue;
            };
            let turn = self.next_turn(urgency);
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.place = Place::Ready(turn);
                self.ready.insert(turn, key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::Urgency::{CanWait, Urgent};
    use super::*;

    fn busy(retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure::Busy(StatusCode::TOO_MANY_REQUESTS, retry_after, String::new())
    }

    fn all<W>(queue: &mut Queue<u32, W>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| queue.next(now).map(|(key, _)| key)).collect()
    }

    #[test]
    fn a_newer_intent_takes_the_place_of_one_that_is_not_sent() {
        let now = Instant::now();
        let mut queue = Queue::new(8);
        for want in ["old", "new"] {
            queue.put(1, want, Urgent);
        }
        assert_eq!(queue.next(now), Some((1, "new")));
        assert_eq!(queue.next(now), None);
    }

    #[test]
    fn what_is_urgent_overtakes_what_can_wait() {
        let now = Instant::now();
        let mut queue = Queue::new(8);
        for (key, urgency) in [(1, CanWait), (2, Urgent), (3, CanWait), (4, Urgent)] {
            queue.put(key, "first", urgency);
        }
        queue.put(3, "second", Urgent);
        queue.put(2, "second", CanWait);
        assert_eq!(all(&mut queue, now), [2, 4, 3, 1]);
    }

    #[test]
    fn of_one_object_one_request_is_on_its_way() {
        let now = Instant::now();
        let mut queue = Queue::new(8);
        queue.put(1, "first", Urgent);
        assert_eq!(queue.next(now), Some((1, "first")));
        queue.put(1, "second", Urgent);
        queue.put(1, "third", Urgent);
        assert_eq!(queue.next(now), None);
        queue.done(&1);
        assert_eq!(queue.next(now), Some((1, "third")));
        queue.done(&1);
        assert!(queue.is_empty());
    }

    #[test]
    fn one_that_fails_waits_and_delays_no_other() {
        let now = Instant::now();
        let mut queue = Queue::new(4);
        (1..=3).for_each(|key| queue.put(key, (), Urgent));
        assert_eq!(all(&mut queue, now), [1, 2, 3]);
        queue.retry(1, (), now, &busy(Some(2)));
        queue.done(&2);
        queue.put(4, (), Urgent);
        assert_eq!(all(&mut queue, now), [4]);
        queue.done(&4);
        let second = Duration::from_secs(1);
        assert!(all(&mut queue, now + second).is_empty());
        assert_eq!(all(&mut queue, now + 3 * second), [1]);
    }

    #[test]
    fn a_newer_intent_does_not_wait_for_what_failed() {
        let now = Instant::now();
        let mut queue = Queue::new(4);
        queue.put(1, "old", Urgent);
        queue.next(now);
        queue.retry(1, "old", now, &busy(Some(60)));
        queue.put(1, "new", Urgent);
        assert_eq!(queue.next(now), Some((1, "new")));
        queue.retry(1, "new", now, &busy(None));
        assert_eq!(queue.len(), 1);
        assert!(queue.wakes_at().is_some_and(|at| at > now));
    }

    #[test]
    fn a_newer_intent_is_what_a_retry_sends() {
        let now = Instant::now();
        let mut queue = Queue::new(4);
        queue.put(1, "old", Urgent);
        queue.next(now);
        queue.put(1, "new", Urgent);
        queue.retry(1, "old", now, &busy(None));
        let later = now + Duration::from_secs(1);
        assert_eq!(queue.next(later), Some((1, "new")));
    }

    #[test]
    fn a_server_that_refuses_gets_less_at_once_and_more_when_it_does_not() {
        let now = Instant::now();
        let mut queue = Queue::new(64);
        (0..1_000).for_each(|key| queue.put(key, (), Urgent));
        assert_eq!(all(&mut queue, now).len(), 64);
        for key in 0..64 {
            queue.retry(key, (), now, &busy(None));
        }
        assert_eq!(all(&mut queue, now), [64]);
        queue.done(&64);
        assert_eq!(all(&mut queue, now), [65, 66]);
        queue.done(&65);
        queue.done(&66);
        assert_eq!(all(&mut queue, now).len(), 4);
    }

    #[test]
    fn while_nothing_succeeds_what_failed_waits_for_what_was_never_tried() {
        let now = Instant::now();
        let mut queue = Queue::new(1);
        queue.put(1, (), Urgent);
        for _ in 0..20 {
            let (key, ()) = queue.next(now + Duration::from_secs(600)).expect("one");
            queue.retry(key, (), now + Duration::from_secs(600), &busy(None));
            queue.put(1, (), Urgent);
        }
        queue.next(now + Duration::from_secs(600)).expect("it");
        queue.retry(1, (), now + Duration::from_secs(600), &busy(None));
        queue.put(2, (), Urgent);
        assert_eq!(all(&mut queue, now + Duration::from_secs(601)), [2]);
    }

    #[test]
    fn what_is_forgotten_is_not_sent() {
        let now = Instant::now();
        let mut queue = Queue::new(2);
        (1..=4).for_each(|key| queue.put(key, (), Urgent));
        queue.next(now);
        queue.next(now);
        (1..=4).for_each(|key| queue.forget(&key));
        assert_eq!(queue.len(), 2);
        queue.done(&1);
        queue.retry(2, (), now, &busy(None));
        queue.forget(&2);
        assert!(queue.is_empty() && queue.wakes_at().is_none());
        assert!(all(&mut queue, now).is_empty());
    }

    #[test]
    fn all_that_waits_can_be_taken_back() {
        let now = Instant::now();
        let mut queue = Queue::new(1);
        queue.put(1, "sent", Urgent);
        queue.next(now);
        queue.put(1, "next", Urgent);
        queue.put(2, "other", Urgent);
        assert_eq!(queue.take_waiting(), [(1, "next"), (2, "other")]);
        queue.done(&1);
        assert!(queue.is_empty());
    }
}
