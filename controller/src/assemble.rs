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

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::World;
use plan::world::{IpFamily, Liveness};

use crate::names::Names;
use crate::object::{Draft, Kind, Object, ObjectKey, Origin};
use crate::problem::{Finding, Problem, Severity};
use crate::record::Assignments;

/// Objects as last read.
#[derive(Debug, Default)]
pub struct Store {
    /// Boxed: the map's nodes have room to spare, and objects are many.
    entries: BTreeMap<ObjectKey, Box<Entry>>,
    /// The drafts that were last found to go together with the others: only of kinds for which that
    /// is a question.
    accepted: BTreeMap<ObjectKey, Draft>,
    /// There may be objects that cannot be read.
    incomplete: bool,
    names: Names,
}

#[derive(Debug)]
struct Entry {
    namespace: Arc<str>,
    origin: Origin,
    /// The current draft, or where the current text gave none, the last one there was.
    draft: Option<Draft>,
    /// `draft` is not of the current text.
    stale: bool,
    findings: Box<[Finding]>,
}

impl Store {
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
        let last = self.entries.remove(&key).and_then(|entry| entry.draft);
        let stale = draft.is_none();
        let entry = Box::new(Entry {
            namespace,
            origin,
            draft: draft.or(last),
            stale,
            findings: findings.into_boxed_slice(),
        });
        self.entries.insert(key, entry);
    }

    /// Forgets the object.
    pub fn remove(&mut self, key: &ObjectKey) {
        self.entries.remove(key);
        self.accepted.remove(key);
    }

    /// Whether there may be objects that could not be read. A Service that has an assignment and is
    /// not in the store then keeps it.
    pub fn set_incomplete(&mut self, incomplete: bool) {
        self.incomplete = incomplete;
    }

    /// Where the object came from, if it is known.
    pub fn origin(&self, key: &ObjectKey) -> Option<&Origin> {
        self.entries.get(key).map(|entry| &entry.origin)
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
    pub fn assemble(&mut self, assignments: &Assignments) -> (World, Vec<Problem>) {
        let mut problems = self.own_problems();
        let problems_ref = &mut problems;
        let nodes = self.leaves(Kind::Node, |_, draft| {
            let Draft::Node(node) = draft else {
                return None;
            };
            Some((Arc::clone(&node.name), Arc::clone(node)))
        });
        let aliases = communities::aliases(self, problems_ref);
        let pools = pools::pools(self, problems_ref);
        let peers = peers::peers(self, &nodes, problems_ref);
        let advertisements = advertisements::Context {
            aliases,
            pools,
            peers,
            nodes,
        };
        let bgp_advertisements = advertisements.bgp(self, problems_ref);
        let l2_advertisements = advertisements.l2(self, problems_ref);
        let advertisements::Context {
            pools,
            peers,
            nodes,
            ..
        } = advertisements;
        let services = services::services(self, &pools, assignments, problems_ref);
        let namespaces = self.leaves(Kind::Namespace, |key, draft| {
            let Draft::Namespace(labels) = draft else {
                return None;
            };
            Some((Arc::clone(&key.name), Arc::clone(labels)))
        });
        let endpoint_slices = self.leaves(Kind::EndpointSlice, |_, draft| {
            let Draft::EndpointSlice(slice) = draft else {
                return None;
            };
            Some((
                (slice.service.clone(), Arc::clone(&slice.name)),
                Arc::clone(slice),
            ))
        });
        let world = World {
            services: Arc::new(services),
            endpoint_slices: Arc::new(endpoint_slices),
            nodes: Arc::new(nodes),
            namespaces: Arc::new(namespaces),
            pools: Arc::new(pools),
            peers: Arc::new(peers),
            bgp_advertisements: Arc::new(bgp_advertisements),
            l2_advertisements: Arc::new(l2_advertisements),
            liveness: Liveness::Off,
        };
        advertisements::unannounced(self, &world, problems_ref);
        (world, problems)
    }

    /// What is wrong with each object, seen alone.
    fn own_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, entry) in &self.entries {
            for finding in &entry.findings {
                let mut problem =
                    Problem::of_object(key, &entry.namespace, &entry.origin, finding.clone());
                problem.last_valid_in_use =
                    entry.stale && entry.draft.is_some() && problem.is_error();
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

    fn of_kind_mut(&mut self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &mut Entry)> {
        self.entries
            .range_mut(first_key(kind)..)
            .take_while(move |(key, _)| key.kind == kind)
            .map(|(key, entry)| (key, entry.as_mut()))
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
                let mut problem =
                    Problem::of_object(&key, &entry.namespace, &entry.origin, finding);
                problem.last_valid_in_use = kept && problem.severity == Severity::Error;
                problems.push(problem);
            }
        }
    }
}

impl Entry {
    /// Where the object is, for texts about another one: `pools.yaml:12`.
    fn place(&self) -> String {
        match (&self.origin.file, self.origin.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.to_string(),
            (None, _) => "the cluster".into(),
        }
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
