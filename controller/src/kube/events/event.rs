//! An Event, and what is sent of it.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use plan::alloc::Outcome;
use plan::world::ObjectName;
use serde_json::{Value, json};

use super::Reporter;
use super::memory::Known;
use crate::object::Kind;
use crate::problem::Problem;
use crate::record::Assignment;
use crate::snapshot::Versions;

/// The longest note, in octets (Kubernetes: 1 kB).
const LONGEST_NOTE: usize = 1_000;
/// The longest start of an Event's name, in octets: that of its object.
const LONGEST_NAME: usize = 200;
/// How long the same of several tellers is one Event, in seconds.
const SHARED_FOR: i64 = 600;

/// Whether something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Normal,
    /// Somebody should look at it.
    Warning,
}

/// Which object an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct About {
    /// Such as `v1` or `metallb.io/v1beta1`.
    pub api_version: Cow<'static, str>,
    /// Such as `Service`.
    pub kind: Cow<'static, str>,
    /// Empty for a kind without.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// `metadata.uid`: `kubectl describe` finds the Event by it.
    pub uid: Option<Arc<str>>,
}

impl About {
    /// A Service.
    pub fn service(name: &ObjectName, uid: Arc<str>) -> About {
        About {
            api_version: "v1".into(),
            kind: "Service".into(),
            namespace: Arc::clone(&name.namespace),
            name: Arc::clone(&name.name),
            uid: Some(uid),
        }
    }

    /// Where the Event is: with its object; about one without a namespace, in `default`.
    pub(super) fn event_namespace(&self) -> &str {
        match &*self.namespace {
            "" => "default",
            namespace => namespace,
        }
    }
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The object.
    pub about: About,
    /// Whether something is wrong.
    pub severity: Severity,
    /// Why it was done, in a word.
    pub reason: Cow<'static, str>,
    /// What was done, in a word.
    pub action: &'static str,
    /// Both in a sentence.
    pub note: String,
    /// The controller and every speaker tell the same: the first of them makes the Event.
    pub shared: bool,
}

impl Event {
    /// What a round did with a Service, by MetalLB's reasons; `None` where nothing happened.
    pub fn of_round(about: About, outcome: &Outcome, now: Option<&Assignment>) -> Option<Event> {
        let reason = outcome.event_reason()?;
        let severity = match reason {
            "AllocationFailed" | "LoadBalancerFailed" | "SharingMismatch" => Severity::Warning,
            _ => Severity::Normal,
        };
        let addresses = || {
            let addresses = now.iter().flat_map(|now| &now.addresses);
            let addresses: Vec<String> = addresses.map(|one| format!("{one:?}")).collect();
            addresses.join(" ")
        };
        let note = if let Outcome::Assigned = outcome {
            format!("Assigned IP [{}]", addresses())
        } else if let Outcome::Reassigned(lost) = outcome {
            format!("Assigned IP [{}]: {lost}", addresses())
        } else {
            outcome.to_string()
        };
        Some(Event {
            about,
            severity,
            reason: reason.into(),
            action: "AssignAddress",
            note,
            shared: false,
        })
    }

    /// An object cannot be used as it is, which every daemon finds that reads it; `None` where
    /// nothing is wrong, or it is not known which object that is.
    pub fn of_problem(problem: &Problem, versions: &Versions) -> Option<Event> {
        let reference = problem.reference.as_ref().filter(|_| problem.is_error())?;
        let name = ObjectName {
            namespace: Arc::clone(&reference.namespace),
            name: Arc::clone(&reference.name),
        };
        let uid = match reference.kind == Kind::Service {
            true => versions.get(&name).map(|version| Arc::clone(&version.uid)),
            false => reference.uid.clone(),
        };
        let version = reference.kind.api_versions().first()?;
        Some(Event {
            about: About {
                api_version: (*version).into(),
                kind: reference.kind.name().into(),
                namespace: name.namespace,
                name: name.name,
                uid,
            },
            severity: Severity::Warning,
            reason: "InvalidConfiguration".into(),
            action: "ReadConfiguration",
            note: problem.text().to_string(),
            shared: true,
        })
    }

    /// A node begins to announce a Service: by `bgp`, or by `layer2`.
    pub fn node_assigned(about: About, node: &str, protocol: &str) -> Event {
        Event {
            about,
            severity: Severity::Normal,
            reason: "nodeAssigned".into(),
            action: "Announce",
            note: format!("announcing from node \"{node}\" with protocol \"{protocol}\""),
            shared: false,
        }
    }

    /// A node should announce a Service, and cannot.
    pub fn announce_failed(about: About, node: &str, why: &str) -> Event {
        Event {
            about,
            severity: Severity::Warning,
            reason: "announceFailed".into(),
            action: "Announce",
            note: format!("node \"{node}\": {why}"),
            shared: false,
        }
    }
}

/// An Event's name: its object's, and a number: a random one, or where others tell the same, that of
/// what is told and of the time.
pub(super) fn new_name(event: &Event, now: Timestamp) -> String {
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

pub(super) fn creation(known: &Known, reporter: &Reporter) -> Value {
    let Event {
        about,
        severity,
        reason,
        action,
        note,
        shared: _,
    } = &known.event;
    let instance: String = reporter.instance.chars().take(128).collect();
    let mut event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": known.name, "namespace": about.event_namespace()},
        "eventTime": MicroTime(known.first),
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
    if known.count > 1 {
        event["series"] = series(known)["series"].take();
    }
    event
}

/// The count so far.
pub(super) fn series(known: &Known) -> Value {
    json!({"series": {"count": known.count, "lastObservedTime": MicroTime(known.last)}})
}

fn shortened(note: &str) -> &str {
    let mut end = note.len().min(LONGEST_NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{ObjectKey, Origin};
    use crate::problem::{Finding, Severity as Bad};

    fn event(severity: Bad, origin: &Origin) -> Option<Event> {
        let key = ObjectKey {
            kind: Kind::BgpPeer,
            namespace: "".into(),
            name: "tor".into(),
        };
        let finding = Finding {
            severity,
            ..Finding::error("spec.peerASN", "it is 0", "write the router's AS")
        };
        let problem = Problem::of_object(&key, "herald-system", origin, finding);
        Event::of_problem(&problem, &Versions::new())
    }

    fn in_cluster() -> Origin {
        Origin {
            uid: Some("its-uid".into()),
            ..Origin::default()
        }
    }

    #[test]
    fn an_error_in_an_object_of_the_cluster_is_an_event_about_it_with_field_and_remedy() {
        let event = event(Bad::Error, &in_cluster()).expect("an Event");
        let expected = About {
            api_version: "metallb.io/v1beta2".into(),
            kind: "BGPPeer".into(),
            namespace: "herald-system".into(),
            name: "tor".into(),
            uid: Some("its-uid".into()),
        };
        assert_eq!(event.about, expected);
        let note = "spec.peerASN: it is 0; write the router's AS";
        assert_eq!(
            (&*event.reason, &*event.note),
            ("InvalidConfiguration", note)
        );
    }

    #[test]
    fn warnings_and_problems_of_files_are_no_events() {
        assert_eq!(event(Bad::Warning, &in_cluster()), None);
        let file = Origin {
            file: Some("peers.yaml".into()),
            ..Origin::default()
        };
        assert_eq!(event(Bad::Error, &file), None);
    }

    #[test]
    fn what_several_tell_has_one_name_for_ten_minutes() {
        let event = event(Bad::Error, &in_cluster()).expect("an Event");
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
