//! Events that wait until what they tell is written.

use std::collections::{BTreeMap, VecDeque};

use controller::kube::events::Event;
use controller::kube::service_status::{Finished, Outcome};
use plan::world::ObjectName;

/// Events of one Service that wait, at most; then the oldest is not told.
const OF_ONE_SERVICE: usize = 4;

/// Events by Service, each with the round it is of. A write that overtakes
/// another says what that would have said, and more: so what the earlier one did is told with it.
#[derive(Debug, Default)]
pub struct Untold(BTreeMap<ObjectName, VecDeque<(u64, Event)>>);

impl Untold {
    /// Takes an Event of a round, to be told when what that round asked for is written.
    pub fn put(&mut self, name: ObjectName, round: u64, event: Event) {
        let events = self.0.entry(name).or_default();
        if events.len() >= OF_ONE_SERVICE {
            events.pop_front();
        }
        events.push_back((round, event));
    }

    /// What is to be told, now that this has become of a Service's change.
    pub fn take(&mut self, name: &ObjectName, finished: &Finished) -> Vec<Event> {
        let Some(events) = self.0.get_mut(name) else {
            return Vec::new();
        };
        let later = events.iter().position(|(round, _)| *round > finished.round);
        let done = events.drain(..later.unwrap_or(events.len()));
        // What was there already was told when it was written.
        let written = matches!(finished.outcome, Outcome::Written { .. });
        let ours = |event: &Event| event.about.uid.as_ref() == Some(&finished.uid);
        let told = done.map(|(_, event)| event);
        let told = told.filter(|event| written && ours(event)).collect();
        if events.is_empty() {
            self.0.remove(name);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use controller::kube::events::{About, Severity};

    use super::*;

    fn name() -> ObjectName {
        ObjectName {
            namespace: "default".into(),
            name: "web".into(),
        }
    }

    fn event(uid: &str, note: &str) -> Event {
        Event {
            about: About::service(&name(), uid.into()),
            severity: Severity::Normal,
            reason: "IPAllocated".into(),
            action: "AssignAddress",
            note: note.into(),
            shared: false,
        }
    }

    fn finished(uid: &str, round: u64, outcome: Outcome) -> Finished {
        Finished {
            uid: uid.into(),
            since: tokio::time::Instant::now(),
            round,
            outcome,
        }
    }

    fn written() -> Outcome {
        Outcome::Written {
            resource_version: "1".into(),
        }
    }

    fn notes(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| &*event.note).collect()
    }

    #[test]
    fn a_write_that_overtakes_another_tells_the_events_of_both() {
        let mut untold = Untold::default();
        untold.put(name(), 1, event("1", "cleared"));
        untold.put(name(), 2, event("1", "pending"));
        untold.put(name(), 3, event("1", "given"));
        let told = untold.take(&name(), &finished("1", 2, written()));
        assert_eq!(notes(&told), ["cleared", "pending"]);
        let told = untold.take(&name(), &finished("1", 3, written()));
        assert_eq!(notes(&told), ["given"]);
        assert!(untold.0.is_empty());
    }

    #[test]
    fn what_was_not_written_is_not_told() {
        for outcome in [Outcome::Unchanged, Outcome::Conflict, Outcome::Fenced] {
            let mut untold = Untold::default();
            untold.put(name(), 1, event("1", "first"));
            untold.put(name(), 2, event("1", "second"));
            let told = untold.take(&name(), &finished("1", 1, outcome));
            assert!(told.is_empty());
            let told = untold.take(&name(), &finished("1", 2, written()));
            assert_eq!(notes(&told), ["second"]);
        }
    }

    #[test]
    fn another_service_of_the_name_is_not_told_what_became_of_the_first() {
        let mut untold = Untold::default();
        untold.put(name(), 1, event("1", "of the first"));
        untold.put(name(), 2, event("2", "of the second"));
        let told = untold.take(&name(), &finished("2", 2, written()));
        assert_eq!(notes(&told), ["of the second"]);
    }

    #[test]
    fn no_service_has_more_events_waiting_than_the_bound() {
        let mut untold = Untold::default();
        for round in 0..10 {
            untold.put(name(), round, event("1", "again"));
        }
        let told = untold.take(&name(), &finished("1", 10, written()));
        assert_eq!(told.len(), OF_ONE_SERVICE);
    }
}
