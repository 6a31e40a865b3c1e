//! Drafts to a [`World`]: what can only be judged among objects.
//!
//! A [`Store`] holds one draft an object: the current one, or, where the current text is invalid,
//! the last valid one. Objects that exclude each other (overlapping pools, duplicate peers) are
//! taken in this order: first those that are as they were when last accepted, by name, then the
//! changed ones, by name. So it is the edit that is refused, not what it collides with, and the
//! object's last accepted version stays.

mod advertisements;
mod communities;
mod peers;
mod pools;
mod selection;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plan::World;
use plan::world::{IpFamily, ObjectName};

use crate::names::Names;
use crate::object::{Draft, Kind, Object, ObjectKey, Origin};
use crate::problem::{Finding, Problem, Severity};
use crate::record::Assignments;

/// Objects as last read, and the World that they last made.
#[derive(Debug, Default)]
pub struct Store {
    /// Boxed: the map's nodes have room to spare, and objects are many.
    entries: BTreeMap<ObjectKey, Box<Entry>>,
    /// The drafts that were last found to go together with the others: only of kinds for which that
    /// is a question.
    accepted: BTreeMap<ObjectKey, Draft>,
    /// There may be objects that cannot be read.
    incomplete: bool,
    without_passwords: bool,
    names: Names,
    /// The one that was made last.
    text: Option<Arc<Text>>,
    /// Objects with something wrong, seen alone.
    faulty: BTreeSet<ObjectKey>,
    world: World,
    /// What is wrong among objects other than Services.
    problems: Vec<Problem>,
    /// What is wrong with what Services ask for.
    requests: BTreeMap<ObjectKey, Vec<Problem>>,
    /// The assignments that are in `world`.
    assignments: Arc<Assignments>,
    changed: Changed,
}

/// What `world` does not know of yet. EndpointSlices are put into it as they come.
#[derive(Debug)]
struct Changed {
    /// Objects of the other kinds.
    configuration: bool,
    /// Every Service has to be looked at again.
    every_service: bool,
    /// These have.
    services: BTreeSet<ObjectName>,
    /// An EndpointSlice, or what is wrong with some object.
    other: bool,
}

impl Default for Changed {
    fn default() -> Changed {
        Changed {
            configuration: true,
            every_service: true,
            services: BTreeSet::new(),
            other: false,
        }
    }
}

impl Changed {
    fn nothing() -> Changed {
        Changed {
            configuration: false,
            every_service: false,
            services: BTreeSet::new(),
            other: false,
        }
    }

    fn object(&mut self, key: &ObjectKey) {
        match key.kind {
            Kind::Service => {
                self.services.insert(service_name(key));
            }
            Kind::EndpointSlice => self.other = true,
            Kind::IpAddressPool
            | Kind::BgpPeer
            | Kind::BgpAdvertisement
            | Kind::L2Advertisement
            | Kind::Community
            | Kind::BfdProfile
            | Kind::Node
            | Kind::Namespace
            | Kind::Secret => self.configuration = true,
        }
    }
}

#[derive(Debug)]
struct Entry {
    /// The current draft, or where the current text gave none, the last one there was.
    draft: Option<Draft>,
    text: Arc<Text>,
}

/// What else is known of an object's current text. Of objects of a cluster with which nothing is
/// wrong, all of a namespace have one in common.
#[derive(Debug, PartialEq)]
struct Text {
    namespace: Arc<str>,
    origin: Origin,
    /// The draft is not of this text.
    stale: bool,
    findings: Box<[Finding]>,
}

impl Store {
    /// Makes the names those that the objects have, where they are equal.
    pub(crate) fn share(&mut self, name: &mut ObjectName) {
        self.names.object_name(name);
    }

    /// Takes the object as it is now. If it is invalid, its last valid version stays in use.
    pub fn apply(&mut self, mut object: Object) {
        self.names.share(&mut object);
        let Object {
            key,
            namespace,
            origin,
            draft,
            findings,
        } = object;
        let last = self.entries.remove(&key);
        let findings_before = last.as_ref().map_or(&[][..], |last| &last.text.findings);
        self.changed.other |= *findings_before != *findings;
        match findings.is_empty() {
            true => self.faulty.remove(&key),
            false => self.faulty.insert(key.clone()),
        };
        let stale = draft.is_none();
        let same = last.as_ref().is_some_and(|last| {
            let as_it_was = last.draft.as_ref().zip(draft.as_ref());
            last.text.origin == origin
                && as_it_was.is_some_and(|(last, draft)| says_the_same(last, draft))
        });
        let last = last.and_then(|entry| entry.draft);
        if !same {
            self.changed.object(&key);
            if !stale {
                self.forget_slice(last.as_ref());
            }
            if let Some(Draft::EndpointSlice(slice)) = &draft {
                let name = (slice.service.clone(), Arc::clone(&slice.name));
                self.world.endpoint_slices.insert(name, Arc::clone(slice));
            }
        }
        let text = self.shared(Text {
            namespace,
            origin,
            stale,
            findings: findings.into_boxed_slice(),
        });
        // Where nothing changed the last one stays, for others hold it too.
        let draft = if same || stale { last } else { draft };
        self.entries.insert(key, Box::new(Entry { draft, text }));
    }

    fn shared(&mut self, text: Text) -> Arc<Text> {
        match &self.text {
            Some(last) if **last == text => Arc::clone(last),
            Some(_) | None => Arc::clone(self.text.insert(Arc::new(text))),
        }
    }

    /// Forgets the object.
    pub fn remove(&mut self, key: &ObjectKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.changed.object(key);
            self.forget_slice(entry.draft.as_ref());
        }
        self.accepted.remove(key);
        self.faulty.remove(key);
    }

    fn forget_slice(&mut self, draft: Option<&Draft>) {
        if let Some(Draft::EndpointSlice(slice)) = draft {
            let name = (slice.service.clone(), Arc::clone(&slice.name));
            self.world.endpoint_slices.remove(&name);
        }
    }

    /// Whether there may be objects that could not be read. A Service that has an assignment and is
    /// not in the store then keeps it.
    pub fn set_incomplete(&mut self, incomplete: bool) {
        self.changed.every_service |= self.incomplete != incomplete;
        self.incomplete = incomplete;
    }

    /// Passwords are not looked up: peers are taken as they are. For those who hold no session.
    pub fn without_passwords(&mut self) {
        self.without_passwords = true;
    }

    /// Whether [`Store::assemble`] would now say something else than it last did, as far as the
    /// objects are concerned.
    pub fn has_changed(&self) -> bool {
        let Changed {
            configuration,
            every_service,
            services,
            other,
        } = &self.changed;
        *configuration || *every_service || *other || !services.is_empty()
    }

    /// The objects of a kind.
    pub fn keys(&self, kind: Kind) -> impl Iterator<Item = &ObjectKey> {
        self.of_kind(kind).map(|(key, _)| key)
    }

    /// Namespace and name of the Secrets that BGPPeers name.
    pub fn secrets_wanted(&self) -> BTreeSet<(Arc<str>, Arc<str>)> {
        let peers = self.of_kind(Kind::BgpPeer);
        peers
            .filter_map(|(_, entry)| match &entry.draft {
                Some(Draft::BgpPeer(peer)) => peer.password_secret.clone(),
                Some(_) | None => None,
            })
            .collect()
    }

    /// Where the object came from, if it is known.
    pub fn origin(&self, key: &ObjectKey) -> Option<&Origin> {
        self.entries.get(key).map(|entry| &entry.text.origin)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The World that the objects make, with what `assignments` says of each Service, and all that
    /// is wrong. An assignment there wins over a manifest's own `status`.
    ///
    /// Takes time for what changed since the last call: for Services and EndpointSlices, that is
    /// each object that did; a change of anything else, or of `assignments`, costs as much as there
    /// is.
    pub fn assemble(&mut self, assignments: &Arc<Assignments>) -> (World, Vec<Problem>) {
        let mut changed = std::mem::replace(&mut self.changed, Changed::nothing());
        if !Arc::ptr_eq(&self.assignments, assignments) {
            changed.every_service |= self.assignments != *assignments;
            self.assignments = Arc::clone(assignments);
        }
        if changed.configuration {
            changed.every_service |= self.configure();
        }
        match changed.every_service {
            true => services::all(self),
            false => services::some(self, &changed.services),
        }
        let mut problems = self.own_problems();
        problems.extend(self.problems.iter().cloned());
        problems.extend(self.requests.values().flatten().cloned());
        (self.world.clone(), problems)
    }

    /// Puts everything but Services and EndpointSlices together. Whether pools changed, on which
    /// Services depend.
    fn configure(&mut self) -> bool {
        let mut problems = Vec::new();
        let nodes = self.leaves(Kind::Node, |_, draft| {
            let Draft::Node(node) = draft else {
                return None;
            };
            Some((Arc::clone(&node.name), Arc::clone(node)))
        });
        let aliases = communities::aliases(self, &mut problems);
        let pools = pools::pools(self, &mut problems);
        let peers = peers::peers(self, &nodes, &mut problems);
        let context = advertisements::Context {
            aliases,
            pools,
            peers,
            nodes,
        };
        let bgp_advertisements = context.bgp(self, &mut problems);
        let l2_advertisements = context.l2(self, &mut problems);
        let namespaces = self.leaves(Kind::Namespace, |key, draft| {
            let Draft::Namespace(labels) = draft else {
                return None;
            };
            Some((Arc::clone(&key.name), Arc::clone(labels)))
        });
        let world = &mut self.world;
        let pools_changed = renew(&mut world.pools, context.pools);
        renew(&mut world.peers, context.peers);
        renew(&mut world.nodes, context.nodes);
        renew(&mut world.namespaces, namespaces);
        renew(&mut world.bgp_advertisements, bgp_advertisements);
        renew(&mut world.l2_advertisements, l2_advertisements);
        advertisements::unannounced(self, &self.world, &mut problems);
        self.problems = problems;
        pools_changed
    }

    /// What is wrong with each object, seen alone.
    fn own_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let faulty = self.faulty.iter();
        for (key, entry) in faulty.filter_map(|key| Some((key, self.entries.get(key)?))) {
            for finding in &entry.text.findings {
                let mut problem = entry.text.problem(key, finding.clone());
                problem.last_valid_in_use =
                    entry.text.stale && entry.draft.is_some() && problem.is_error();
                problems.push(problem);
            }
        }
        problems
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &Entry)> {
        self.entries
            .range(first_key(kind)..)
            .take_while(move |(key, _)| key.kind == kind)
            .map(|(key, entry)| (key, entry.as_ref()))
    }

    /// The drafts of a kind that are judged alone, as a map.
    fn leaves<K: Ord, V>(
        &self,
        kind: Kind,
        pick: impl Fn(&ObjectKey, &Draft) -> Option<(K, V)>,
    ) -> BTreeMap<K, V> {
        self.of_kind(kind)
            .filter_map(|(key, entry)| pick(key, entry.draft.as_ref()?))
            .collect()
    }

    /// Offers the drafts of a kind to `accept`, in the order that the module's text gives. Where it
    /// refuses one, its errors become problems, and the last accepted version is offered instead.
    fn accept(
        &mut self,
        kind: Kind,
        problems: &mut Vec<Problem>,
        mut accept: impl FnMut(&Draft, &Entry) -> Result<(), Vec<Finding>>,
    ) {
        let mut keys: Vec<(bool, ObjectKey)> = self
            .of_kind(kind)
            .map(|(key, entry)| (entry.draft.as_ref() != self.accepted.get(key), key.clone()))
            .collect();
        keys.sort();
        for (_, key) in keys {
            let Some(entry) = self.entries.get(&key) else {
                continue;
            };
            let Some(draft) = entry.draft.clone() else {
                continue;
            };
            let Err(findings) = accept(&draft, entry) else {
                self.accepted.insert(key, draft);
                continue;
            };
            let last = self.accepted.get(&key).filter(|last| **last != draft);
            let kept = last.is_some_and(|last| accept(last, entry).is_ok());
            for finding in findings {
                let mut problem = entry.text.problem(&key, finding);
                problem.last_valid_in_use = kept && problem.severity == Severity::Error;
                problems.push(problem);
            }
        }
    }
}

impl Text {
    fn problem(&self, key: &ObjectKey, finding: Finding) -> Problem {
        Problem::of_object(key, &self.namespace, &self.origin, finding)
    }
}

impl Entry {
    /// Where the object is, for texts about another one: `pools.yaml:12`.
    fn place(&self) -> String {
        let origin = &self.text.origin;
        match (&origin.file, origin.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.to_string(),
            (None, _) => "the cluster".into(),
        }
    }
}

/// Whether a draft says what the last one said. What assembling wrote into that does not count.
fn says_the_same(last: &Draft, draft: &Draft) -> bool {
    match (last, draft) {
        (Draft::Service(last), Draft::Service(draft)) => last.says_the_same(draft),
        (last, draft) => last == draft,
    }
}

/// Puts the new map in place of the old one, unless they are equal. Whether they were not.
fn renew<K: Ord, V: PartialEq>(old: &mut Arc<BTreeMap<K, V>>, new: BTreeMap<K, V>) -> bool {
    let changed = **old != new;
    if changed {
        *old = Arc::new(new);
    }
    changed
}

/// The Service that a key of its kind names.
pub(crate) fn service_name(key: &ObjectKey) -> ObjectName {
    ObjectName {
        namespace: Arc::clone(&key.namespace),
        name: Arc::clone(&key.name),
    }
}

fn first_key(kind: Kind) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: Arc::from(""),
        name: Arc::from(""),
    }
}

/// The families that some of `pools` have, IPv4 first.
fn families<'a>(pools: impl Iterator<Item = &'a plan::world::Pool>) -> Vec<IpFamily> {
    let mut families: Vec<IpFamily> = pools
        .flat_map(|pool| &pool.ranges)
        .map(|range| crate::translate::address::family(range.first))
        .collect();
    families.sort();
    families.dedup();
    families
}
