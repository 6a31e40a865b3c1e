//! One round: a snapshot becomes assignments, on disk before anybody hears of them, and
//! announcements.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use controller::Problem;
use controller::file::Snapshot;
use controller::record::{Assignment, Assignments, Record, RecordError};
use plan::Allocation;
use plan::alloc::{self, Allocator, Outcome, Reason, Timestamp};
use plan::announce::Announcer;
use plan::world::{ObjectName, Service, World};
use tracing::{error, info};

use crate::links::LinksView;
use crate::view::{ProblemLog, View};

/// What goes from round to round: the record, and what has been logged.
#[derive(Debug)]
pub struct Rounds {
    node: Arc<str>,
    record: Record,
    allocator: Allocator,
    announcer: Announcer,
    problems: ProblemLog,
    /// Why the record cannot be written, as logged.
    state_error: Option<String>,
    done: u64,
}

impl Rounds {
    /// Rounds for this node, over this record.
    pub fn new(
        node: Arc<str>,
        record: Record,
        options: plan::health::Options,
        allocation: alloc::Options,
    ) -> Rounds {
        Rounds {
            allocator: Allocator::new(allocation),
            announcer: Announcer::new(&node, options),
            node,
            record,
            problems: ProblemLog::default(),
            state_error: None,
            done: 0,
        }
    }

    /// What is assigned.
    pub fn assignments(&self) -> Arc<Assignments> {
        self.record.assignments()
    }

    /// The round at this time, which is not before that of the round before. What it returns may be
    /// announced: it is on disk. Strangers have the addresses of `conflicts`. Where it could not be written, each Service has what the record
    /// says, and the error is in the view. `elect` adds to the World what speakers know of each other,
    /// before it is announced.
    pub fn next(
        &mut self,
        snapshot: &Snapshot,
        now: Timestamp,
        conflicts: Arc<BTreeMap<IpAddr, Arc<str>>>,
        elect: impl FnOnce(&mut World) -> LinksView,
    ) -> View {
        self.problems.log(&snapshot.problems);
        let mut world = self.record.merge(&snapshot.world);
        world.conflicts = conflicts;
        let mut allocation = self.allocator.next(&world, now);
        let mut world = world.with(&allocation);
        let kept = self.kept(&world, snapshot);
        let stored = self.record.store(kept);
        if let Err(error) = &stored {
            self.hold_back(&mut world, &mut allocation, error);
        }
        self.log_stored(stored.as_ref().err());
        self.done += 1;
        let links = elect(&mut world);
        View {
            links,
            node: Arc::clone(&self.node),
            problems: snapshot.problems.clone(),
            versions: snapshot.versions.clone(),
            rounds: self.done,
            state_error: stored.err().map(|error| error.to_string()),
            announcements: Some(self.announcer.next(&world)),
            world,
            allocation,
        }
    }

    /// Undoes what the round gave and the record does not know. What it took away stays so: nobody
    /// else has that while nothing can be recorded.
    fn hold_back(&self, world: &mut World, allocation: &mut Allocation, error: &RecordError) {
        let recorded = self.record.assignments();
        let unrecorded = |(name, service): (&ObjectName, &Arc<Service>)| {
            let held = recorded.get(name).cloned().unwrap_or_default();
            let same = service.assigned == held.addresses && service.assigned_pool == held.pool;
            (!same && !service.assigned.is_empty()).then(|| (name.clone(), held))
        };
        let unrecorded: Vec<_> = world.services.iter().filter_map(unrecorded).collect();
        for (name, Assignment { addresses, pool }) in unrecorded {
            let Some(service) = world.services.get_mut(&name) else {
                continue;
            };
            let service = Arc::make_mut(service);
            service.assigned.clone_from(&addresses);
            service.assigned_pool.clone_from(&pool);
            let reason = Reason::NotRecorded(error.to_string());
            let outcome = match addresses.is_empty() {
                true => Outcome::Pending(reason),
                false => Outcome::KeptDespite(reason),
            };
            let held = plan::alloc::Assignment {
                addresses,
                pool,
                outcome,
            };
            allocation.notable.insert(name, held);
        }
    }

    /// What is to be remembered: all that is assigned, and, while a manifest cannot be read, what
    /// Services had that are missing from the World: they may be in that file.
    fn kept(&self, world: &World, snapshot: &Snapshot) -> Assignments {
        let services = world.services.iter();
        let assigned = services.filter(|(_, service)| !service.assigned.is_empty());
        let mut kept: Assignments = assigned
            .map(|(name, service)| {
                let held = Assignment {
                    addresses: service.assigned.clone(),
                    pool: service.assigned_pool.clone(),
                };
                (name.clone(), held)
            })
            .collect();
        if snapshot.problems.iter().any(Problem::is_error) {
            let taken: BTreeSet<IpAddr> = kept
                .values()
                .flat_map(|assignment| assignment.addresses.iter().copied())
                .collect();
            for (name, old) in self.record.assignments().iter() {
                let missing = !snapshot.world.services.contains_key(name);
                if missing && !old.addresses.iter().any(|address| taken.contains(address)) {
                    kept.insert(name.clone(), old.clone());
                }
            }
        }
        kept
    }

    /// That the record cannot be written, and that it can again: each once.
    fn log_stored(&mut self, error: Option<&RecordError>) {
        let now = error.map(RecordError::to_string);
        match (&now, &self.state_error) {
            (Some(error), before) if before.as_ref() != Some(error) => {
                error!(
                    error,
                    "new addresses are neither given nor announced; what is recorded stays"
                );
            }
            (None, Some(_)) => info!("the state file is written again"),
            (_, _) => {}
        }
        self.state_error = now;
    }
}

#[cfg(test)]
mod tests {
    use controller::{Options, file};

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const POOL: &str = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
        metadata: {name: default}\nspec: {addresses: [203.0.113.0/24]}\n";
    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
        spec: {type: LoadBalancer, ports: [{port: 80}]}\n";

    #[test]
    fn a_round_assigns_and_the_next_one_changes_nothing() {
        let mut rounds = rounds();
        let first = rounds.next(&snapshot(SERVICE), NOW, Arc::default(), alone);
        assert_eq!(rounds.assignments().len(), 1);
        let second = rounds.next(&snapshot(SERVICE), NOW, Arc::default(), alone);
        assert_eq!(first.world, second.world);
        assert_eq!((first.rounds, second.rounds), (1, 2));
    }

    #[test]
    fn an_assignment_outlives_a_manifest_that_cannot_be_read_but_not_a_deleted_one() {
        let mut rounds = rounds();
        rounds.next(&snapshot(SERVICE), NOW, Arc::default(), alone);
        rounds.next(&snapshot("kind: ["), NOW, Arc::default(), alone);
        assert_eq!(rounds.assignments().len(), 1);
        rounds.next(&snapshot(""), NOW, Arc::default(), alone);
        assert_eq!(rounds.assignments().len(), 0);
    }

    #[test]
    fn sharers_that_disagree_are_remembered_from_round_to_round() {
        let mut rounds = rounds();
        let shared = |web: &str, mail: &str| {
            let service = |name: &str, port: u16, policy: &str| {
                format!(
                    "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations: \
                     {{metallb.io/allow-shared-ip: key}}\nspec: {{type: LoadBalancer, ports: \
                     [{{port: {port}}}], externalTrafficPolicy: {policy}}}\n"
                )
            };
            snapshot(&(service("web", 80, web) + &service("mail", 25, mail)))
        };
        let held = |view: &View| {
            view.world
                .services
                .values()
                .map(|s| s.assigned.clone())
                .collect()
        };
        let before: Vec<_> =
            held(&rounds.next(&shared("Cluster", "Cluster"), NOW, Arc::default(), alone));
        assert_eq!(before[0], before[1]);
        let tolerated = rounds.next(&shared("Cluster", "Local"), NOW, Arc::default(), alone);
        assert_eq!(held(&tolerated), before);
        let deadline = tolerated.allocation.deadline.expect("a deadline");
        let after: Vec<_> =
            held(&rounds.next(&shared("Cluster", "Local"), deadline, Arc::default(), alone));
        assert_ne!(after[0], before[0], "mail was edited, and moves");
        assert_eq!(after[1], before[1]);
    }

    fn alone(_: &mut World) -> LinksView {
        LinksView::default()
    }

    fn rounds() -> Rounds {
        let options = plan::health::Options::default();
        Rounds::new(
            "node-1".into(),
            Record::in_memory(),
            options,
            alloc::Options::default(),
        )
    }

    fn snapshot(service: &str) -> Snapshot {
        let files = [("pool.yaml", POOL), ("service.yaml", service)];
        file::from_texts(&files, &Options::default(), &Assignments::new())
    }
}
