//! An Event, and what is sent of it.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use plan::alloc::Outcome;
use plan::world::ObjectName;
use serde_json::{Value, json};

use super::Reporter;
use super::memory::Known;
use crate::record::Assignment;

/// The longest note, in octets (Kubernetes: 1 kB).
const LONGEST_NOTE: usize = 1_000;
/// The longest start of an Event's name, in octets: that of its object.
const LONGEST_NAME: usize = 200;

/// Whether something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Normal,
    /// Somebody should look at it.
    Warning,
}

/// Which object an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        })
    }

    /// A node begins to announce a Service by BGP.
    pub fn node_assigned(about: About, node: &str) -> Event {
        Event {
            about,
            severity: Severity::Normal,
            reason: "nodeAssigned".into(),
            action: "Announce",
            note: format!("announcing from node \"{node}\" with protocol \"bgp\""),
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
        }
    }
}

/// An Event's name: its object's, and something random.
pub(super) fn new_name(about: &About) -> String {
    let mut end = about.name.len().min(LONGEST_NAME);
    while !about.name.is_char_boundary(end) {
        end -= 1;
    }
    let start = about.name[..end].trim_end_matches(['.', '-']);
    format!("{start}.{:016x}", fastrand::u64(..))
}

pub(super) fn creation(known: &Known, reporter: &Reporter) -> Value {
    let Event {
        about,
        severity,
        reason,
        action,
        note,
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
            name: new_name(&event.about),
            event,
            first: now,
            last: now,
            count: 1,
            is_written: false,
        }
    }
}
