//! One election.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use super::{Election, Interfaces, NotElected};
use crate::health::{self, Class, Health};
use crate::labels::{Labels, any_or_all};
use crate::pools::RangeIndex;
use crate::world::{
    Endpoint, ExternalTrafficPolicy, Failback, L2Advertisement, Node, ObjectName, Pool, Service,
    World,
};

/// What elections of many addresses have in common.
pub struct Electorate<'a> {
    world: &'a World,
    /// Leads to the position in `advertisements`.
    pools: RangeIndex<usize>,
    /// The L2Advertisements of each pool.
    advertisements: Vec<Vec<&'a L2Advertisement>>,
    /// As [`Electorate::best`] says of each pool.
    best: Vec<OnceCell<Option<Vec<Arc<str>>>>>,
    nodes: Vec<Candidate<'a>>,
    /// Who has an address as its own.
    own: BTreeMap<IpAddr, &'a Arc<str>>,
}

/// What is known of a node, for every address.
struct Candidate<'a> {
    name: Arc<str>,
    labels: &'a Labels,
    health: Health,
    /// `None`: not known.
    interfaces: Option<&'a BTreeSet<Arc<str>>>,
    /// It has come back a short while ago.
    returned: bool,
    /// It has come back this very moment.
    arriving: bool,
    /// Its speaker does not answer. Where any does, such a node is no candidate: it would not answer
    /// for the address either.
    is_silent: bool,
}

/// L2Advertisements; hardly ever more than a few.
type Some4<'a> = SmallVec<[&'a L2Advertisement; 4]>;

/// How good a candidate is: the least is elected, and of equals the one with the least hash. Its
/// class, how many of the Services that hold the address it can serve (all, unless they are being
/// changed), whether it has to leave the address to another one for now, its preference.
type Rank = (Class, Reverse<usize>, Waits, Reverse<u32>);

/// Whether a candidate leaves the address to others that are as good: because another one has it
/// ([`Failback::Never`]); because it has just come.
type Waits = (bool, bool);

impl<'a> Electorate<'a> {
    /// All nodes of the World. `me` is a node to count even where no Node object describes it.
    pub fn new(world: &'a World, me: Option<&str>, options: health::Options) -> Electorate<'a> {
        let known = world.nodes.values();
        let known = known.map(|node: &Arc<Node>| (Arc::clone(&node.name), &node.labels));
        let me = me.filter(|me| !world.nodes.contains_key(*me));
        let named = known.chain(me.map(|me| (Arc::from(me), &Labels::NONE)));
        let known_live = |name: &str| health::is_live(name, &world.liveness);
        let mut names = world.nodes.keys().map(Arc::as_ref).chain(me);
        let any_is_live = names.any(known_live);
        let judged = named.map(|(name, labels)| Candidate {
            labels,
            is_silent: any_is_live && !known_live(&name),
            health: health::judge(&name, world, options),
            interfaces: world.links.interfaces.get(&name),
            returned: world.links.returned.contains(&name),
            arriving: world.links.arriving.contains(&name),
            name,
        });
        let of_pool = |pool: &Arc<Pool>| -> Vec<&'a L2Advertisement> {
            let all = world.l2_advertisements.values().map(Arc::as_ref);
            all.filter(|ad| ad.pools.selects(pool)).collect()
        };
        let own = world.nodes.values().flat_map(|node| {
            let addresses = node.internal_ips.iter();
            addresses.map(|address| (*address, &node.name))
        });
        Electorate {
            own: own.collect(),
            world,
            pools: RangeIndex::new(world.pools.values().map(Arc::as_ref).zip(0..)),
            advertisements: world.pools.values().map(of_pool).collect(),
            best: vec![OnceCell::new(); world.pools.len()],
            nodes: judged.collect(),
        }
    }

    /// Who answers for the address, and why each other node does not. `key` is what is hashed: the
    /// first address of the Service, so that both of one Service have one owner. `holders` are all
    /// Services that hold it; where they disagree, a node that can serve all of them is better than
    /// one that cannot.
    pub fn elect(&self, key: IpAddr, holders: &[&Service]) -> Election {
        let hash = Hash::of(key);
        let mut others = BTreeMap::new();
        let mut candidates: Vec<(Rank, [u8; 32], &Candidate<'a>)> = Vec::new();
        self.judge(key, holders, |node, judged| match judged {
            Ok(rank) => candidates.push((rank, hash.with(&node.name), node)),
            Err(reason) => {
                others.insert(Arc::clone(&node.name), reason);
            }
        });
        candidates.sort_by_key(|(rank, hash, _)| (*rank, *hash));
        let mut candidates = candidates.into_iter();
        let Some(((best, ..), _, owner)) = candidates.next() else {
            let owner = None;
            return Election { owner, others };
        };
        let owner = &owner.name;
        others.extend(candidates.map(|((class, ..), _, node)| {
            let reason = match class == best {
                true => NotElected::OtherNode(Arc::clone(owner)),
                false => NotElected::Node(node.health.why),
            };
            (Arc::clone(&node.name), reason)
        }));
        let owner = Some(Arc::clone(owner));
        Election { owner, others }
    }

    /// Who answers for the address, as [`Electorate::elect`] says, for less work.
    pub(super) fn owner(&self, key: IpAddr, holders: &[&Service]) -> Option<Arc<str>> {
        let mut best: Option<Rank> = None;
        let mut equals: Vec<&Candidate<'a>> = Vec::new();
        self.judge(key, holders, |node, judged| {
            let Ok(rank) = judged else { return };
            if best.is_none_or(|best| rank < best) {
                best = Some(rank);
                equals.clear();
            }
            if best == Some(rank) {
                equals.push(node);
            }
        });
        first(key, equals.iter().map(|node| &node.name)).cloned()
    }

    /// The pool, if who answers follows from it and the hash: the Services can be served by any
    /// node, L2Advertisements say the same of all, and no node has one of the addresses as its own.
    pub(super) fn pool_alone_decides(&self, key: IpAddr, holders: &[&Service]) -> Option<usize> {
        let pool = self.pools.find(key)?;
        let is_served_anywhere = |service: &&Service| {
            service.external_traffic_policy == ExternalTrafficPolicy::Cluster
                && !self.usable(&service.name).is_empty()
        };
        let held = holders.iter().flat_map(|service| &service.assigned);
        let decides = holders.iter().all(is_served_anywhere)
            && self.best(pool).is_some()
            && !held.chain([&key]).any(|at| self.is_own(*at));
        decides.then_some(pool)
    }

    /// Whether a node has the address as its own.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        self.own.contains_key(&address)
    }

    /// The best candidates for a Service that any node can serve with an address of the pool;
    /// `None` where that depends on the Service or the address.
    pub(super) fn best(&self, pool: usize) -> Option<&[Arc<str>]> {
        let best = self.best.get(pool)?;
        let best = best.get_or_init(|| {
            let advertisements = self.advertisements.get(pool)?;
            let is_for_all = |ad: &&L2Advertisement| {
                ad.service_selectors.is_empty() && ad.failback != Failback::Never
            };
            let is_for_all = advertisements.iter().all(is_for_all);
            is_for_all.then(|| self.best_of_all(advertisements))
        });
        best.as_deref()
    }

    fn best_of_all(&self, advertisements: &[&L2Advertisement]) -> Vec<Arc<str>> {
        let failback = advertisements.iter().map(|ad| ad.failback);
        let failback = failback.max().unwrap_or_default();
        let heard = self.nodes.iter().filter(|node| !node.is_silent);
        let ranked = heard.filter_map(|node| {
            let (_, reached) = of_node(node, advertisements);
            let is_candidate = node.health.class != Class::Excluded && !reached.is_empty();
            let waits = waits(node, failback, None);
            let score = preference(node, reached.iter().copied());
            let rank = (node.health.class, waits, Reverse(score));
            is_candidate.then_some((rank, &node.name))
        });
        let ranked: Vec<_> = ranked.collect();
        let best = ranked.iter().map(|(rank, _)| *rank).min();
        let equals = ranked.iter().filter(|(rank, _)| Some(*rank) == best);
        equals.map(|(_, name)| Arc::clone(name)).collect()
    }

    /// Says of every node how good a candidate it is, or why it is none.
    fn judge<'s>(
        &'s self,
        key: IpAddr,
        holders: &[&Service],
        mut take: impl FnMut(&'s Candidate<'a>, Result<Rank, NotElected>),
    ) {
        let advertisements = self.advertisements_of(key);
        let failback = advertisements.into_iter().flatten();
        let failback = failback.map(|ad| ad.failback).max().unwrap_or_default();
        let owner = self.world.links.owners.get(&key).map(Arc::as_ref);
        let endpoints: Vec<Vec<&Endpoint>> = holders.iter().map(|s| self.usable(&s.name)).collect();
        let held = holders.iter().flat_map(|service| &service.assigned);
        let held = held.chain([&key]);
        let own: BTreeSet<&Arc<str>> = held.filter_map(|at| self.own.get(at).copied()).collect();
        for node in &self.nodes {
            let other = own.iter().find(|other| ***other != node.name);
            let candidate = match (advertisements, other) {
                (Some(_), Some(other)) => Err(NotElected::NodeAddress(Arc::clone(other))),
                (Some(all), None) => candidate(node, all, holders, &endpoints),
                (None, _) => Err(NotElected::IpNotAllowed),
            };
            let candidate = candidate.and_then(|candidate| match node.is_silent {
                true => Err(NotElected::Node(node.health.why)),
                false => Ok(candidate),
            });
            let rank = candidate.map(|(served, score)| {
                let waits = waits(node, failback, owner);
                (node.health.class, Reverse(served), waits, Reverse(score))
            });
            take(node, rank);
        }
    }

    /// Whether the address is in a pool in L2 mode.
    pub fn is_l2(&self, address: IpAddr) -> bool {
        let advertisements = self.advertisements_of(address);
        advertisements.is_some_and(|all| !all.is_empty())
    }

    /// The interfaces on which a node answers for an address of these Services, if it is elected;
    /// `None` where no L2Advertisement of the address lets it.
    pub fn interfaces(
        &self,
        node: &str,
        address: IpAddr,
        holders: &[&Service],
    ) -> Option<Interfaces> {
        let labels = self.world.nodes.get(node);
        let labels = labels.map_or(&Labels::NONE, |node| &node.labels);
        let all = self.advertisements_of(address)?.iter().copied();
        let here = all.filter(|ad| any_or_all(&ad.node_selectors, labels));
        let here = here.filter(|ad| holders.iter().any(|service| ad.is_for(service)));
        let named: Vec<&BTreeSet<Arc<str>>> = here.map(|ad| &ad.interfaces).collect();
        match (named.is_empty(), named.iter().any(|names| names.is_empty())) {
            (true, _) => None,
            (false, true) => Some(Interfaces::All),
            (false, false) => {
                let names = named.into_iter().flatten().cloned();
                Some(Interfaces::Named(Arc::new(names.collect())))
            }
        }
    }

    fn advertisements_of(&self, address: IpAddr) -> Option<&Vec<&'a L2Advertisement>> {
        self.advertisements.get(self.pools.find(address)?)
    }

    fn usable(&self, service: &ObjectName) -> Vec<&'a Endpoint> {
        let first = (service.clone(), Arc::from(""));
        let slices = self.world.endpoint_slices.range(first..);
        let own = slices.take_while(|((name, _), _)| name == service);
        let endpoints = own.flat_map(|(_, slice)| &slice.endpoints);
        endpoints.filter(|endpoint| endpoint.is_usable()).collect()
    }
}

fn waits(node: &Candidate<'_>, failback: Failback, owner: Option<&str>) -> Waits {
    let has_other = owner.is_some_and(|owner| owner != &*node.name);
    match failback {
        Failback::Immediate => (false, node.arriving),
        Failback::Delayed => (false, node.returned),
        Failback::Never => (has_other, node.returned),
    }
}

/// How many of the holders the node can serve, and how much it is preferred; or why it is no
/// candidate: what keeps it from serving the first of them.
fn candidate(
    node: &Candidate<'_>,
    advertisements: &[&L2Advertisement],
    holders: &[&Service],
    endpoints: &[Vec<&Endpoint>],
) -> Result<(usize, u32), NotElected> {
    let (here, reached) = of_node(node, advertisements);
    if here.is_empty() {
        return Err(NotElected::NotOwner);
    }
    let (mut served, mut best, mut refused) = (0, None, None);
    for (service, usable) in holders.iter().zip(endpoints) {
        match serves(node, (&here, &reached), service, usable) {
            Ok(score) => {
                served += 1;
                best = best.max(Some(score));
            }
            Err(reason) => {
                refused.get_or_insert(reason);
            }
        }
    }
    match (best, refused) {
        (Some(score), _) => Ok((served, score)),
        (None, refused) => Err(refused.unwrap_or(NotElected::NoEndpoints)),
    }
}

/// The advertisements that select a node, and those of them by whose interfaces it can answer.
fn of_node<'a>(
    node: &Candidate<'_>,
    advertisements: &[&'a L2Advertisement],
) -> (Some4<'a>, Some4<'a>) {
    let here = advertisements.iter().copied();
    let here = here.filter(|ad| any_or_all(&ad.node_selectors, node.labels));
    let here: Some4<'a> = here.collect();
    let reached = here.iter().copied();
    let reached = reached.filter(|ad| is_reached(ad, node.interfaces));
    let reached = reached.collect();
    (here, reached)
}

/// How much the node is preferred by these.
fn preference<'a>(
    node: &Candidate<'_>,
    advertisements: impl Iterator<Item = &'a L2Advertisement>,
) -> u32 {
    let preferred = advertisements.flat_map(|ad| &ad.preferred_nodes);
    let preferred = preferred.filter(|entry| entry.preference.matches(node.labels));
    preferred.map(|entry| u32::from(entry.weight)).sum()
}

impl L2Advertisement {
    fn is_for(&self, service: &Service) -> bool {
        any_or_all(&self.service_selectors, &service.labels)
    }

    /// Those who share an address could have different owners, if each was selected by its labels.
    fn may_share(&self, service: &Service) -> bool {
        service.sharing_key.is_none() || self.service_selectors.is_empty()
    }
}

/// Whether a node that has these interfaces can answer by this advertisement.
fn is_reached(ad: &L2Advertisement, interfaces: Option<&BTreeSet<Arc<str>>>) -> bool {
    match interfaces {
        None => true,
        Some(interfaces) if ad.interfaces.is_empty() => !interfaces.is_empty(),
        Some(interfaces) => !interfaces.is_disjoint(&ad.interfaces),
    }
}

/// How much the node is preferred for the Service, or why it cannot serve it. The reasons come in
/// MetalLB's order.
fn serves(
    node: &Candidate<'_>,
    (here, reached): (&[&L2Advertisement], &[&L2Advertisement]),
    service: &Service,
    usable: &[&Endpoint],
) -> Result<u32, NotElected> {
    let mut for_it = here.iter();
    let mut for_it = for_it.by_ref().filter(|ad| ad.is_for(service)).peekable();
    if for_it.peek().is_none() {
        return Err(NotElected::NoMatchingAdvertisement);
    }
    if for_it.any(|ad| !ad.may_share(service)) {
        return Err(NotElected::SharedIpWithServiceSelector);
    }
    if node.health.class == Class::Excluded {
        return Err(NotElected::Node(node.health.why));
    }
    let reached = reached.iter().copied().filter(|ad| ad.is_for(service));
    if reached.clone().next().is_none() {
        return Err(NotElected::NoInterface);
    }
    let score = preference(node, reached);
    let local = service.external_traffic_policy == ExternalTrafficPolicy::Local;
    let mut nodes = usable.iter().map(|endpoint| endpoint.node.as_deref());
    match (
        usable.is_empty(),
        local && !nodes.any(|at| at == Some(&*node.name)),
    ) {
        (true, _) => Err(NotElected::NoEndpoints),
        (false, true) => Err(NotElected::NoLocalEndpoints),
        (false, false) => Ok(score),
    }
}

/// Whose hash is the least.
pub(super) fn first<'n>(
    key: IpAddr,
    names: impl IntoIterator<Item = &'n Arc<str>>,
) -> Option<&'n Arc<str>> {
    let hash = Hash::of(key);
    names.into_iter().min_by_key(|name| hash.with(name))
}

/// MetalLB's: of a node's name, `#` and the address. The smallest octets win.
#[derive(Debug)]
pub(super) struct Hash(String);

impl Hash {
    pub(super) fn of(address: IpAddr) -> Hash {
        Hash(format!("#{address}"))
    }

    pub(super) fn with(&self, node: &str) -> [u8; 32] {
        let hash = Sha256::new().chain_update(node).chain_update(&self.0);
        hash.finalize().into()
    }
}
