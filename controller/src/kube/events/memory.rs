//! What was told lately: so that the same is counted, and no object has too many.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::event::{About, Event, Severity};
use super::known::Known;
use crate::kube::rate_limit::RateLimit;

/// How long the same is the same Event.
const SERIES: Duration = Duration::from_secs(600);
/// How often the count of a series is written.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// Events and objects remembered, each, at most; then the oldest are forgotten: if they happen again
/// they are new. As many as may wait to be written; each takes a kilobyte, in every daemon.
const REMEMBERED: usize = 1_024;
/// Events about one object at once. As client-go has it.
const BURST_PER_OBJECT: u32 = 25;
/// Between two of them from then on.
const EVERY_PER_OBJECT: Duration = Duration::from_secs(300);

/// What makes two Events the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    about: About,
    severity: Severity,
    reason: Cow<'static, str>,
    note: String,
}

impl Key {
    fn of(event: &Event) -> Key {
        Key {
            about: event.about.clone(),
            severity: event.severity,
            reason: event.reason.clone(),
            note: event.note.clone(),
        }
    }
}

/// What is to be done about an Event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is new: to be made.
    New(Key),
    /// It is known, and its count is to be written.
    Again(Key),
    /// It is known and counted.
    Counted,
    /// There are too many about that object.
    TooMany,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    events: BTreeMap<Key, Entry>,
    /// Those by the time they were heard of first.
    events_by_age: BTreeSet<(Instant, Key)>,
    objects: BTreeMap<About, (Instant, RateLimit)>,
    objects_by_age: BTreeSet<(Instant, About)>,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    since: Instant,
    sent: Option<Instant>,
}

impl Memory {
    /// An Event is told.
    pub(super) fn hear(&mut self, now: Instant, event: Event) -> Heard {
        self.forget_old(now);
        let key = Key::of(&event);
        if let Some(entry) = self.events.get_mut(&key) {
            entry.known.count = entry.known.count.saturating_add(1);
            entry.known.last = Timestamp::now();
            let due = |sent: Instant| now >= sent + COUNT_EVERY;
            return match entry.sent.is_some_and(due) && entry.known.is_written {
                true => Heard::Again(key),
                false => Heard::Counted,
            };
        }
        if !self.is_allowed(now, &event.about) {
            return Heard::TooMany;
        }
        if self.events.len() >= REMEMBERED
            && let Some((_, oldest)) = self.events_by_age.pop_first()
        {
            self.events.remove(&oldest);
        }
        let entry = Entry {
            known: Known::new(event, Timestamp::now()),
            since: now,
            sent: None,
        };
        self.events.insert(key.clone(), entry);
        self.events_by_age.insert((now, key.clone()));
        Heard::New(key)
    }

    /// It is sent now, as it is known.
    pub(super) fn sent(&mut self, key: &Key, now: Instant) -> Option<&Known> {
        let entry = self.events.get_mut(key)?;
        entry.sent = Some(now);
        Some(&entry.known)
    }

    /// The API server has it.
    pub(super) fn written(&mut self, key: &Key) {
        if let Some(entry) = self.events.get_mut(key) {
            entry.known.is_written = true;
        }
    }

    /// If it happens again, it is new.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.events.remove(key) {
            self.events_by_age.remove(&(entry.since, key.clone()));
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((since, _)) = self.events_by_age.first()
            && now >= *since + SERIES
            && let Some((_, key)) = self.events_by_age.pop_first()
        {
            self.events.remove(&key);
        }
    }

    fn is_allowed(&mut self, now: Instant, about: &About) -> bool {
        let (since, mut limit) = self.objects.remove(about).unwrap_or_else(|| {
            let limit = RateLimit::every(EVERY_PER_OBJECT, BURST_PER_OBJECT);
            (now, limit)
        });
        self.objects_by_age.remove(&(since, about.clone()));
        if self.objects.len() >= REMEMBERED
            && let Some((_, oldest)) = self.objects_by_age.pop_first()
        {
            self.objects.remove(&oldest);
        }
        let allowed = limit.take(now);
        self.objects.insert(about.clone(), (now, limit));
        self.objects_by_age.insert((now, about.clone()));
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: &str, note: &str) -> Event {
        let name = plan::world::ObjectName {
            namespace: "default".into(),
            name: object.into(),
        };
        Event {
            about: About::service(&name, "uid".into()),
            severity: Severity::Normal,
            reason: "IPAllocated".into(),
            action: "AssignAddress",
            note: note.to_owned(),
            shared: false,
        }
    }

    fn is_new(heard: &Heard) -> bool {
        matches!(heard, Heard::New(_))
    }

    #[test]
    fn the_same_is_counted_for_ten_minutes_and_written_once_a_minute() {
        let start = Instant::now();
        let mut memory = Memory::default();
        let Heard::New(key) = memory.hear(start, event("web", "a")) else {
            panic!("it is new")
        };
        memory.sent(&key, start);
        memory.written(&key);
        let second = Duration::from_secs(1);
        let mut counts = 0;
        for number in 1..600 {
            let now = start + number * second;
            if let Heard::Again(key) = memory.hear(now, event("web", "a")) {
                memory.sent(&key, now);
                counts += 1;
            }
        }
        assert_eq!(counts, 9);
        assert_eq!(memory.sent(&key, start).map(|known| known.count), Some(600));
        assert!(is_new(&memory.hear(start + SERIES, event("web", "a"))));
    }

    #[test]
    fn other_words_or_another_object_are_another_event() {
        let now = Instant::now();
        let mut memory = Memory::default();
        for (object, note) in [("web", "a"), ("web", "b"), ("api", "a")] {
            assert!(is_new(&memory.hear(now, event(object, note))));
        }
    }

    #[test]
    fn one_object_cannot_have_more_than_its_share() {
        let now = Instant::now();
        let mut memory = Memory::default();
        let told = (0..100).map(|number| memory.hear(now, event("web", &number.to_string())));
        assert_eq!(told.filter(is_new).count(), 25);
        assert!(is_new(&memory.hear(now, event("api", "a"))));
        assert!(is_new(
            &memory.hear(now + EVERY_PER_OBJECT, event("web", "x"))
        ));
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut memory = Memory::default();
        for number in 0..2 * REMEMBERED {
            memory.hear(now, event(&format!("web-{number}"), "a"));
        }
        let sizes = [
            memory.events.len(),
            memory.events_by_age.len(),
            memory.objects.len(),
            memory.objects_by_age.len(),
        ];
        assert_eq!(sizes, [REMEMBERED; 4]);
    }
}
