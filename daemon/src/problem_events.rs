//! Events about objects of a cluster that cannot be used as they are.

use std::collections::BTreeSet;

use controller::Problem;
use controller::kube::events::Event;

use crate::view::View;

/// Tells of each error once, when it comes.
#[derive(Debug, Default)]
pub struct ProblemEvents {
    /// The errors there were.
    told: BTreeSet<Problem>,
}

impl ProblemEvents {
    /// An Event for each error that was not there the last time.
    pub fn news(&mut self, view: &View) -> Vec<Event> {
        let errors = view.problems.iter().filter(|problem| problem.is_error());
        let now: BTreeSet<Problem> = errors.cloned().collect();
        let new = now.difference(&self.told);
        let events = new.filter_map(|problem| Event::of_problem(problem, &view.versions));
        let events = events.collect();
        self.told = now;
        events
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use controller::object::Kind;
    use controller::snapshot::{Version, Versions};
    use controller::{ObjectReference, Severity};
    use plan::world::ObjectName;

    use super::*;

    fn problem(severity: Severity, kind: Kind, name: &str) -> Problem {
        let uid = match kind == Kind::Service {
            true => None,
            false => Some("its-uid".into()),
        };
        let reference = ObjectReference {
            kind,
            namespace: "web".into(),
            name: name.into(),
            uid,
        };
        Problem {
            field: "spec.addresses[0]".to_owned(),
            reference: Some(reference),
            ..Problem::of_directory(severity, "it is no prefix", "write 192.0.2.0/24")
        }
    }

    /// Reason, kind, name and note of each.
    fn told(events: &mut ProblemEvents, problems: &[Problem]) -> Vec<String> {
        let name = ObjectName {
            namespace: "web".into(),
            name: "shop".into(),
        };
        let version = Version {
            uid: "the-service".into(),
            resource_version: 1,
            condition: None,
        };
        let view = View {
            problems: problems.to_vec(),
            versions: Versions::unit(name, version),
            ..View::empty(Arc::from("node-1"))
        };
        let text = |event: Event| {
            let (about, uid) = (&event.about, event.about.uid.as_deref().unwrap_or("-"));
            let (kind, name) = (&about.kind, &about.name);
            format!("{} {kind} {name} {uid}: {}", event.reason, event.note)
        };
        events.news(&view).into_iter().map(text).collect()
    }

    #[test]
    fn an_error_is_told_when_it_comes_and_when_it_comes_again() {
        let mut events = ProblemEvents::default();
        let pool = problem(Severity::Error, Kind::IpAddressPool, "pool");
        let service = problem(Severity::Error, Kind::Service, "shop");
        let warning = problem(Severity::Warning, Kind::BgpPeer, "tor");
        let note = "spec.addresses[0]: it is no prefix; write 192.0.2.0/24";
        let of_pool = format!("InvalidConfiguration IPAddressPool pool its-uid: {note}");
        let of_service = format!("InvalidConfiguration Service shop the-service: {note}");
        let first = told(&mut events, &[pool.clone(), warning.clone()]);
        assert_eq!(first, std::slice::from_ref(&of_pool));
        let second = told(&mut events, &[pool.clone(), warning, service]);
        assert_eq!(second, [of_service]);
        assert_eq!(told(&mut events, &[]), [""; 0]);
        assert_eq!(told(&mut events, &[pool]), [of_pool]);
    }
}
