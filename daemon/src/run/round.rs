//! One round: a snapshot becomes assignments, on disk before anybody hears of them, and
//! announcements.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use controller::Problem;
use controller::file::Snapshot;
use controller::record::{Assignment, Assignments, Record, RecordError};
use plan::world::World;
use plan::{Allocation, Announcements, allocate, announce};
use tracing::{info, warn};

/// All that a round found, for peers and for people.
#[derive(Clone, Debug)]
pub struct View {
    /// This node.
    pub node: Arc<str>,
    /// The World, with what is assigned.
    pub world: World,
    /// What is wrong with the configuration.
    pub problems: Vec<Problem>,
    /// Who has what, and why.
    pub allocation: Allocation,
    /// What this node announces, and why not more.
    pub announcements: Announcements,
    /// Rounds so far; 0 is before the first.
    pub rounds: u64,
    /// Why the latest assignments could not be kept.
    pub state_error: Option<String>,
}

impl View {
    /// Before the first round.
    pub fn empty(node: Arc<str>) -> View {
        let world = World::default();
        View {
            announcements: announce(&node, &world, plan::health::Options::default()),
            allocation: Allocation::default(),
            problems: Vec::new(),
            rounds: 0,
            state_error: None,
            world,
            node,
        }
    }
}

/// What goes from round to round: the record, and what has been logged.
#[derive(Debug)]
pub struct Rounds {
    node: Arc<str>,
    record: Record,
    options: plan::health::Options,
    logged: BTreeSet<String>,
    done: u64,
}

impl Rounds {
    /// Rounds for this node, over this record.
    pub fn new(node: Arc<str>, record: Record, options: plan::health::Options) -> Rounds {
        Rounds {
            node,
            record,
            options,
            logged: BTreeSet::new(),
            done: 0,
        }
    }

    /// What is assigned.
    pub fn assignments(&self) -> Arc<Assignments> {
        self.record.assignments()
    }

    /// The next round. What it returns may be announced: it is on disk.
    ///
    /// # Errors
    /// The record could not be written. Nothing has changed.
    pub fn next(&mut self, snapshot: &Snapshot) -> Result<View, RecordError> {
        self.log(&snapshot.problems);
        let world = self.record.merge(&snapshot.world);
        let allocation = allocate(&world);
        let world = world.with(&allocation);
        let kept = self.kept(&world, snapshot);
        self.record.store(kept)?;
        let announcements = announce(&self.node, &world, self.options);
        self.done += 1;
        Ok(View {
            node: Arc::clone(&self.node),
            problems: snapshot.problems.clone(),
            rounds: self.done,
            state_error: None,
            world,
            allocation,
            announcements,
        })
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

    /// Each problem once, when it comes and when it goes.
    fn log(&mut self, problems: &[Problem]) {
        let now: BTreeSet<String> = problems.iter().map(Problem::to_string).collect();
        for problem in now.difference(&self.logged) {
            warn!("{problem}");
        }
        for problem in self.logged.difference(&now) {
            info!("repaired: {problem}");
        }
        self.logged = now;
    }
}

#[cfg(test)]
mod tests {
    use controller::{Options, file};

    use super::*;

    const POOL: &str = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
        metadata: {name: default}\nspec: {addresses: [203.0.113.0/24]}\n";
    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
        spec: {type: LoadBalancer, ports: [{port: 80}]}\n";

    #[test]
    fn a_round_assigns_and_the_next_one_changes_nothing() {
        let mut rounds = rounds();
        let first = rounds.next(&snapshot(SERVICE)).expect("kept in memory");
        assert_eq!(rounds.assignments().len(), 1);
        let second = rounds.next(&snapshot(SERVICE)).expect("kept in memory");
        assert_eq!(first.world, second.world);
        assert_eq!((first.rounds, second.rounds), (1, 2));
    }

    #[test]
    fn an_assignment_outlives_a_manifest_that_cannot_be_read_but_not_a_deleted_one() {
        let mut rounds = rounds();
        rounds.next(&snapshot(SERVICE)).expect("kept in memory");
        rounds.next(&snapshot("kind: [")).expect("kept in memory");
        assert_eq!(rounds.assignments().len(), 1);
        rounds.next(&snapshot("")).expect("kept in memory");
        assert_eq!(rounds.assignments().len(), 0);
    }

    fn rounds() -> Rounds {
        let options = plan::health::Options::default();
        Rounds::new("node-1".into(), Record::in_memory(), options)
    }

    fn snapshot(service: &str) -> Snapshot {
        let files = [("pool.yaml", POOL), ("service.yaml", service)];
        file::from_texts(&files, &Options::default(), &Assignments::new())
    }
}
