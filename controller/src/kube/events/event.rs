//! An Event: which object it is about, and what it says.

use std::borrow::Cow;
use std::sync::Arc;

use plan::alloc::Outcome;
use plan::world::ObjectName;

use crate::object::Kind;
use crate::problem::Problem;
use crate::record::Assignment;
use crate::snapshot::Versions;

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
}
