//! One round of the leader: a snapshot becomes what has to be written into Services.
//!
//! What is written comes back as an ordinary change. Until it does, it counts as held: so nothing
//! is given twice, however late the watch is. Where something else comes back, because somebody wrote
//! over it, that is what counts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use controller::snapshot::{Snapshot, Version};
use plan::alloc::{self, Allocator, Outcome, Timestamp};
use plan::world::{Addresses, ObjectName};
use plan::{Allocation, World};

/// What a Service is to hold, and how it came to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Which Service: not another one of its name.
    pub version: Version,
    /// Its addresses; empty is none.
    pub addresses: Addresses,
    /// The pool of the first one.
    pub pool: Option<Arc<str>>,
    /// How it came to that.
    pub outcome: Outcome,
    /// The round that asked for it first.
    pub round: u64,
}

/// What has been asked for and is not yet in a snapshot.
#[derive(Debug)]
struct Unconfirmed {
    write: Write,
    /// The Service's `metadata.resourceVersion` that it was written as, once that is known.
    written: Option<u64>,
    /// The newest one in a snapshot.
    seen: u64,
}

/// What a round found.
#[derive(Debug)]
pub struct Round {
    /// The World, with what is assigned, written or not.
    pub world: World,
    /// Who has what, and why.
    pub allocation: Allocation,
    /// What has not been asked for before.
    pub writes: BTreeMap<ObjectName, Write>,
}

/// What goes from round to round of one leadership.
#[derive(Debug, Default)]
pub struct Rounds {
    allocator: Allocator,
    conflicts: Arc<BTreeMap<IpAddr, Arc<str>>>,
    unconfirmed: BTreeMap<ObjectName, Unconfirmed>,
    /// What was last told of Services that something happened to, or that lack something.
    told: BTreeMap<ObjectName, Write>,
    /// Services whose condition may complain of what is not so any more; `None` before the first
    /// round, which does not know what earlier leaders wrote.
    suspects: Option<BTreeSet<ObjectName>>,
}

impl Rounds {
    /// The rounds of a new leadership: nothing has been asked for.
    pub fn new(options: alloc::Options) -> Rounds {
        Rounds {
            allocator: Allocator::new(options),
            ..Rounds::default()
        }
    }

    /// From now on strangers have these addresses.
    pub fn set_conflicts(&mut self, conflicts: Arc<BTreeMap<IpAddr, Arc<str>>>) {
        self.conflicts = conflicts;
    }

    /// The next round, of this number, at this time.
    pub fn next(&mut self, snapshot: &Snapshot, now: Timestamp, round: u64) -> Round {
        let mut world = self.with_unconfirmed(snapshot);
        world.conflicts = Arc::clone(&self.conflicts);
        let allocation = self.allocator.next(&world, now);
        let mut writes = BTreeMap::new();
        let mut told = BTreeMap::new();
        for (name, assignment) in &allocation.notable {
            // One that is not there any more is not written to.
            let Some(version) = snapshot.versions.get(name) else {
                continue;
            };
            let mut write = Write {
                version: version.clone(),
                addresses: assignment.addresses.clone(),
                pool: assignment.pool.clone(),
                outcome: assignment.outcome.clone(),
                round,
            };
            let service = world.services.get(name);
            let held = service.is_some_and(|service| {
                service.assigned == write.addresses && service.assigned_pool == write.pool
            });
            let known = self.told.get(name);
            match known.filter(|known| known.says_the_same(&write)) {
                Some(known) => write.round = known.round,
                None => {
                    writes.insert(name.clone(), write.clone());
                }
            }
            if !held {
                let unconfirmed = Unconfirmed {
                    seen: write.version.resource_version,
                    written: None,
                    write: write.clone(),
                };
                self.unconfirmed.insert(name.clone(), unconfirmed);
            }
            told.insert(name.clone(), write);
        }
        let before = std::mem::replace(&mut self.told, told);
        writes.extend(self.recovered(&before, snapshot, &world, round));
        Round {
            world: world.with(&allocation),
            allocation,
            writes,
        }
    }

    /// What that round asked for was not written, and will not be: the next one decides anew. What
    /// a later round asked for is on its way and stays so.
    pub fn forget(&mut self, name: &ObjectName, round: u64) {
        let asked = self.unconfirmed.get(name).map(|asked| asked.write.round);
        let told = self.told.get(name).map(|told| told.round);
        if asked.max(told).is_some_and(|latest| latest > round) {
            return;
        }
        self.unconfirmed.remove(name);
        self.told.remove(name);
        if let Some(suspects) = &mut self.suspects {
            suspects.insert(name.clone());
        }
    }

    /// What that round asked for is written, in this version of the Service. Whether it is known that
    /// somebody wrote something else over it.
    pub fn written(&mut self, name: &ObjectName, round: u64, version: u64) -> bool {
        let asked = self.unconfirmed.get_mut(name);
        let Some(asked) = asked.filter(|asked| asked.write.round == round) else {
            return false;
        };
        asked.written = Some(version);
        asked.seen >= version
    }

    /// How many writes are not yet in a snapshot.
    #[cfg(test)]
    fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    /// Services that lacked something when they were last told of, and simply keep what they hold
    /// now: their condition still says the former.
    fn recovered(
        &mut self,
        before: &BTreeMap<ObjectName, Write>,
        snapshot: &Snapshot,
        world: &World,
        round: u64,
    ) -> BTreeMap<ObjectName, Write> {
        let suspects = self.suspects.replace(BTreeSet::new());
        let mut suspects = suspects.unwrap_or_else(|| complaining(snapshot));
        let lacking = before.iter().filter(|(_, write)| !write.outcome.is_well());
        suspects.extend(lacking.map(|(name, _)| name.clone()));
        let recovered = suspects.into_iter().filter_map(|name| {
            if self.told.contains_key(&name) {
                return None;
            }
            let version = snapshot.versions.get(&name)?;
            let service = world.services.get(&name)?;
            let write = Write {
                version: version.clone(),
                addresses: service.assigned.clone(),
                pool: service.assigned_pool.clone(),
                outcome: match service.assigned.is_empty() {
                    true => Outcome::NotWanted,
                    false => Outcome::Kept,
                },
                round,
            };
            Some((name, write))
        });
        recovered.collect()
    }

    /// The World in which what was asked for is held. What has come back is no longer remembered.
    fn with_unconfirmed(&mut self, snapshot: &Snapshot) -> World {
        let mut world = snapshot.world.clone();
        self.unconfirmed.retain(|name, asked| {
            let write = &asked.write;
            let version = snapshot.versions.get(name);
            let version = version.filter(|version| version.uid == write.version.uid);
            let Some((service, version)) = world.services.get(name).zip(version) else {
                return false;
            };
            if service.assigned == write.addresses && service.assigned_pool == write.pool {
                return false;
            }
            asked.seen = version.resource_version;
            if asked.written.is_some_and(|written| asked.seen >= written) {
                self.told.remove(name);
                return false;
            }
            let mut service = Arc::clone(service);
            let held = Arc::make_mut(&mut service);
            held.assigned.clone_from(&write.addresses);
            held.assigned_pool.clone_from(&write.pool);
            world.services.insert(name.clone(), service);
            true
        });
        world
    }
}

impl Write {
    /// Whether it says the same of the same Service, however often that has changed since.
    fn says_the_same(&self, other: &Write) -> bool {
        self.version.uid == other.version.uid
            && self.addresses == other.addresses
            && self.pool == other.pool
            && self.outcome == other.outcome
    }
}

/// Services whose condition complains of something.
fn complaining(snapshot: &Snapshot) -> BTreeSet<ObjectName> {
    let versions = snapshot.versions.iter();
    let complaining = versions.filter(|(_, version)| {
        let condition = version.condition.as_deref();
        condition.is_some_and(|condition| !condition.is_well())
    });
    complaining.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use controller::kube::service_status::Condition;
    use controller::record::Assignments;
    use controller::{Options, file};

    use super::*;

    const POOL: &str = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
        metadata: {name: default}\nspec: {addresses: [203.0.113.0/31]}\n---\n";

    #[test]
    fn what_is_written_once_is_held_until_it_comes_back() {
        let mut rounds = rounds();
        let before = snapshot(&[("a", "1", None)]);
        let round = next(&mut rounds, &before, 1);
        assert_eq!(written(&round), ["default/a: 203.0.113.0"]);
        let round = next(&mut rounds, &before, 1);
        assert!(round.writes.is_empty(), "it is on its way");
        let round = next(
            &mut rounds,
            &snapshot(&[("a", "1", None), ("b", "2", None)]),
            1,
        );
        assert_eq!(written(&round), ["default/b: 203.0.113.1"], "not a's");
        let back = [
            ("a", "1", Some("203.0.113.0")),
            ("b", "2", Some("203.0.113.1")),
        ];
        let round = next(&mut rounds, &snapshot(&back), 1);
        assert!(round.writes.is_empty());
        assert_eq!(rounds.unconfirmed(), 0);
    }

    #[test]
    fn a_write_that_failed_is_decided_anew() {
        let mut rounds = rounds();
        let world = snapshot(&[("a", "1", None)]);
        next(&mut rounds, &world, 1);
        rounds.forget(&name("a"), 1);
        let round = next(&mut rounds, &world, 1);
        assert_eq!(written(&round), ["default/a: 203.0.113.0"]);
    }

    #[test]
    fn a_write_that_fails_does_not_take_back_what_a_later_round_asked_for() {
        let mut rounds = rounds();
        next(&mut rounds, &snapshot(&[("a", "1", None)]), 1);
        rounds.forget(&name("a"), 0);
        let both = snapshot(&[("a", "1", None), ("b", "2", None)]);
        let round = next(&mut rounds, &both, 2);
        assert_eq!(written(&round), ["default/b: 203.0.113.1"]);
    }

    #[test]
    fn a_new_leader_takes_back_complaints_of_what_is_well_by_now() {
        let mut rounds = rounds();
        let mut repaired = snapshot(&[("a", "1", Some("203.0.113.0")), ("b", "2", None)]);
        for service in ["a", "b"] {
            let version = repaired.versions.get_mut(&name(service)).expect("one");
            version.condition = Some(Arc::new(Condition {
                is_true: false,
                reason: "Exhausted".into(),
                message: String::new(),
                since: None,
            }));
        }
        let round = next(&mut rounds, &repaired, 1);
        let outcome = |service| round.writes[&name(service)].outcome.clone();
        assert_eq!(outcome("a"), Outcome::Kept);
        assert_eq!(outcome("b"), Outcome::Assigned);
        assert!(next(&mut rounds, &repaired, 2).writes.is_empty());
    }

    #[test]
    fn what_somebody_writes_over_an_address_does_not_leave_the_service_without_one() {
        for is_seen_first in [false, true] {
            let mut rounds = rounds();
            let mut world = snapshot(&[("a", "1", None)]);
            next(&mut rounds, &world, 1);
            let version = world.versions.get_mut(&name("a")).expect("one");
            version.resource_version = 8;
            if is_seen_first {
                let round = next(&mut rounds, &world, 2);
                assert!(round.writes.is_empty(), "it may still be on its way");
            }
            assert_eq!(rounds.written(&name("a"), 1, 7), is_seen_first);
            if is_seen_first {
                rounds.forget(&name("a"), 1);
            }
            let round = next(&mut rounds, &world, 3);
            assert_eq!(written(&round), ["default/a: 203.0.113.0"]);
        }
    }

    #[test]
    fn another_service_of_the_name_does_not_get_what_was_meant_for_the_first() {
        let mut rounds = rounds();
        next(&mut rounds, &snapshot(&[("a", "1", None)]), 1);
        let anew = snapshot(&[("a", "2", None)]);
        let round = next(&mut rounds, &anew, 1);
        let write = &round.writes[&name("a")];
        assert_eq!(&*write.version.uid, "2");
        assert_eq!(written(&round), ["default/a: 203.0.113.0"]);
    }

    #[test]
    fn who_waits_for_an_address_is_told_once_and_gets_one_that_is_freed() {
        let mut rounds = rounds();
        let held = [
            ("a", "1", Some("203.0.113.0")),
            ("b", "2", Some("203.0.113.1")),
        ];
        next(&mut rounds, &snapshot(&held), 1);
        let all = [held[0], held[1], ("c", "3", None)];
        let round = next(&mut rounds, &snapshot(&all), 1);
        assert_eq!(written(&round), ["default/c: "]);
        assert!(next(&mut rounds, &snapshot(&all), 1).writes.is_empty());
        let round = next(&mut rounds, &snapshot(&[held[0], ("c", "3", None)]), 1);
        assert_eq!(written(&round), ["default/c: 203.0.113.1"]);
    }

    #[test]
    fn who_lacks_nothing_any_more_is_told_so_once() {
        let mut rounds = rounds();
        let mut lacking = snapshot(&[("a", "1", Some("203.0.113.0"))]);
        let service = lacking
            .world
            .services
            .get_mut(&name("a"))
            .expect("a Service");
        Arc::make_mut(service).request_error = Some("it cannot be read".into());
        let round = next(&mut rounds, &lacking, 1);
        let outcome = |round: &Round| round.writes.get(&name("a")).map(|w| w.outcome.clone());
        assert!(matches!(outcome(&round), Some(Outcome::KeptDespite(_))));
        let repaired = snapshot(&[("a", "1", Some("203.0.113.0"))]);
        let round = next(&mut rounds, &repaired, 1);
        assert_eq!(outcome(&round), Some(Outcome::Kept));
        assert!(next(&mut rounds, &repaired, 1).writes.is_empty());
    }

    fn rounds() -> Rounds {
        Rounds::new(alloc::Options::default())
    }

    fn next(rounds: &mut Rounds, snapshot: &Snapshot, round: u64) -> Round {
        rounds.next(snapshot, Timestamp::UNIX_EPOCH, round)
    }

    fn name(name: &str) -> ObjectName {
        ObjectName {
            namespace: "default".into(),
            name: name.into(),
        }
    }

    fn written(round: &Round) -> Vec<String> {
        let writes = round.writes.iter();
        writes
            .map(|(name, write)| {
                let addresses: Vec<_> = write.addresses.iter().map(ToString::to_string).collect();
                format!("{name}: {}", addresses.join(" "))
            })
            .collect()
    }

    /// Services with their uid and the address they hold.
    fn snapshot(services: &[(&str, &str, Option<&str>)]) -> Snapshot {
        let mut text = POOL.to_owned();
        for (name, _, address) in services {
            let held = address.map_or(String::new(), |address| {
                format!("status: {{loadBalancer: {{ingress: [{{ip: {address}}}]}}}}\n")
            });
            let pool = address.map_or(
                "",
                |_| ", annotations: {metallb.io/ip-allocated-from-pool: default}",
            );
            text.push_str(&format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}{pool}}}\n\
                 spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n{held}---\n"
            ));
        }
        let files = [("all.yaml", text.as_str())];
        let mut snapshot = file::from_texts(&files, &Options::default(), &Assignments::new());
        for (service, uid, _) in services {
            let version = Version {
                uid: (*uid).into(),
                resource_version: 1,
                condition: None,
            };
            snapshot.versions.insert(name(service), version);
        }
        snapshot
    }
}
