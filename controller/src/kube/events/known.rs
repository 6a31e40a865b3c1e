//! An Event as it is known so far, and what is sent of it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::Reporter;
use super::event::{Event, Severity};

/// The longest note, in octets (Kubernetes: 1 kB).
const LONGEST_NOTE: usize = 1_000;
/// The longest start of an Event's name, in octets: that of its object.
const LONGEST_NAME: usize = 200;
/// How long the same of several tellers is one Event, in seconds.
const SHARED_FOR: i64 = 600;

/// An Event as it is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub event: Event,
    /// Its name in the API server.
    pub name: String,
    /// When it was heard of first, and last.
    pub first: Timestamp,
    pub last: Timestamp,
    /// How often.
    pub count: u32,
    /// Whether the API server has it.
    pub is_written: bool,
}

impl Known {
    pub(super) fn new(event: Event, now: Timestamp) -> Known {
        Known {
            name: new_name(&event, now),
            event,
            first: now,
            last: now,
            count: 1,
            is_written: false,
        }
    }

    /// What makes it.
    pub(super) fn creation(&self, reporter: &Reporter) -> Value {
        let Event {
            about,
            severity,
            reason,
            action,
            note,
            shared: _,
        } = &self.event;
        let instance: String = reporter.instance.chars().take(128).collect();
        let mut event = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": about.event_namespace()},
            "eventTime": MicroTime(self.first),
            "type": match severity { Severity::Normal => "Normal", Severity::Warning => "Warning" },
            "reason": reason,
            "action": action,
            "note": shortened(note),
            "reportingController": reporter.controller,
            "reportingInstance": instance,
            "regarding": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
        });
        if self.count > 1 {
            event["series"] = self.series()["series"].take();
        }
        event
    }

    /// The count so far.
    pub(super) fn series(&self) -> Value {
        json!({"series": {"count": self.count, "lastObservedTime": MicroTime(self.last)}})
    }
}

/// An Event's name: its object's, and a number: a random one, or where others tell the same, that of
/// what is told and of the time.
fn new_name(event: &Event, now: Timestamp) -> String {
    let about = &event.about;
    let number = match event.shared {
        true => {
            let mut hasher = DefaultHasher::new();
            let period = now.as_second() / SHARED_FOR;
            (about, &event.reason, &event.note, period).hash(&mut hasher);
            hasher.finish()
        }
        false => fastrand::u64(..),
    };
    let mut end = about.name.len().min(LONGEST_NAME);
    while !about.name.is_char_boundary(end) {
        end -= 1;
    }
    let start = about.name[..end].trim_end_matches(['.', '-']);
    format!("{start}.{number:016x}")
}

fn shortened(note: &str) -> &str {
    let mut end = note.len().min(LONGEST_NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
}

#[cfg(test)]
mod tests {
    use super::super::event::About;
    use super::*;

    #[test]
    fn what_several_tell_has_one_name_for_ten_minutes() {
        let event = Event {
            about: About {
                api_version: "metallb.io/v1beta2".into(),
                kind: "BGPPeer".into(),
                namespace: "herald-system".into(),
                name: "tor".into(),
                uid: None,
            },
            severity: Severity::Warning,
            reason: "InvalidConfiguration".into(),
            action: "ReadConfiguration",
            note: "spec.peerASN: it is 0".into(),
            shared: true,
        };
        let at = |second| Timestamp::from_second(second).expect("a time");
        let names = [600, 1_199, 1_200].map(|second| new_name(&event, at(second)));
        assert_eq!(names[0], names[1]);
        assert_ne!(names[1], names[2]);
        let mut other = event.clone();
        other.note.push('!');
        assert_ne!(new_name(&other, at(600)), names[0]);
        let alone = Event {
            shared: false,
            ..event
        };
        assert_ne!(new_name(&alone, at(600)), new_name(&alone, at(600)));
    }
}
