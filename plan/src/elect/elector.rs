//! The owners of all addresses, from World to World.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::electorate::{Hash, first};
use super::heirs::Heirs;
use super::{Election, Electorate, Interfaces};
use crate::changes;
use crate::health;
use crate::world::{Addresses, ObjectName, Service, World};

/// Who answers for each address of a pool in L2 mode. A copy shares what did not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Elections {
    /// By address.
    pub by_address: OrdMap<IpAddr, Arc<Elected>>,
    /// Those of them that this node answers for.
    pub here: OrdSet<IpAddr>,
}

/// The outcome for an address, as one node needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Elected {
    /// The node that answers; `None` is nobody.
    pub owner: Option<Arc<str>>,
    /// How this node answers; `None` where it is not the owner.
    pub here: Option<Here>,
    /// The Services that hold it, in order.
    pub holders: Vec<ObjectName>,
}

/// How the owner answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// Where.
    pub interfaces: Interfaces,
    /// No Service has asked for this very address: another one would do.
    pub is_replaceable: bool,
}

/// Knows the owners in one World, and comes from there to the next: where nothing but Services and
/// EndpointSlices differ, it takes the time of the difference. Where nodes come and go, most
/// addresses take a look at who came: of the rest, those that have lost their owner are elected for.
/// The nodes with the least hashes of an address are kept, so that this takes no hashes.
///
/// Services that share an address have one owner, for all addresses that they hold.
#[derive(Debug)]
pub struct Elector {
    me: Arc<str>,
    options: health::Options,
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    world: World,
    /// The Services that hold an address of a pool in L2 mode.
    holders: OrdMap<IpAddr, BTreeSet<ObjectName>>,
    /// Addresses that have one owner, by the first of them.
    groups: BTreeMap<IpAddr, Group>,
    /// All nodes, in order.
    nodes: Vec<Arc<str>>,
    /// The best candidates of pools, where they alone decide about a group.
    best: BTreeMap<usize, Best>,
    elections: Elections,
}

/// The best candidates of a pool.
#[derive(Debug)]
struct Best {
    names: BTreeSet<Arc<str>>,
    /// Whether each of all nodes is one.
    is: Vec<bool>,
}

/// Services that have one owner.
#[derive(Debug)]
struct Group {
    /// All of their addresses.
    held: Addresses,
    owner: Option<Arc<str>>,
    /// `None` where it takes more than a pool to say who that is.
    by_pool: Option<ByPool>,
}

/// A pool and the hash say who the owner is.
#[derive(Debug)]
struct ByPool {
    /// The pool whose best candidates are compared.
    pool: usize,
    /// What is hashed.
    key: IpAddr,
    /// `None`: there are other nodes than when they were last needed.
    heirs: Option<Heirs>,
    /// Where the owner is among all nodes; `None` without one.
    owner: Option<u32>,
}

/// Which of all nodes are the best candidates of a pool now, and were not before.
struct Came {
    is: Vec<bool>,
    names: Vec<Arc<str>>,
}

impl Best {
    fn of(electorate: &Electorate<'_>, pool: usize, nodes: &[Arc<str>]) -> Best {
        let best = electorate.best(pool).unwrap_or_default();
        let names: BTreeSet<Arc<str>> = best.iter().cloned().collect();
        Best {
            is: nodes.iter().map(|node| names.contains(node)).collect(),
            names,
        }
    }
}

impl ByPool {
    /// Whether the owner, elected among those before, is elected among the best now. Of equals the
    /// one with the least hash is: one that goes concerns only what it owned, and one that comes has
    /// to be compared with owners only.
    fn keeps(&self, best: &Best, came: &Came, nodes: &[Arc<str>]) -> bool {
        let Some(owner) = self.owner else {
            return best.names.is_empty();
        };
        if !has(&best.is, owner) || came.names.is_empty() {
            return has(&best.is, owner);
        }
        let is_one = |at| at == owner || has(&came.is, at);
        let first = self.heirs.as_ref().and_then(|all| all.first_of(is_one));
        first.map_or_else(|| self.outdoes(owner, came, nodes), |at| at == owner)
    }

    /// The same where no heirs say it.
    fn outdoes(&self, owner: u32, came: &Came, nodes: &[Arc<str>]) -> bool {
        let hash = Hash::of(self.key);
        let of_owner = nodes.get(owner as usize).map(|owner| hash.with(owner));
        let mut came = came.names.iter();
        came.all(|name| Some(hash.with(name)) > of_owner)
    }
}

fn has(all: &[bool], at: u32) -> bool {
    all.get(at as usize).copied().unwrap_or_default()
}

impl Elector {
    /// One for the node of this name that has seen no World yet.
    pub fn new(me: &str, options: health::Options) -> Elector {
        Elector {
            me: me.into(),
            options,
            known: None,
        }
    }

    /// Who answers for what in this World.
    pub fn next(&mut self, world: &World) -> Elections {
        if world.l2_advertisements.is_empty() {
            self.known = None;
            return Elections::default();
        }
        let known = self.known.take();
        let known = known.filter(|known| is_configured_alike(&known.world, world));
        let mut known = known.unwrap_or_else(|| Known {
            world: World::default(),
            holders: OrdMap::new(),
            groups: BTreeMap::new(),
            nodes: Vec::new(),
            best: BTreeMap::new(),
            elections: Elections::default(),
        });
        known.follow(world, &self.me, self.options);
        let elections = known.elections.clone();
        self.known = Some(known);
        elections
    }
}

/// Whether two Worlds have the same pools and L2Advertisements, by memory.
fn is_configured_alike(one: &World, other: &World) -> bool {
    Arc::ptr_eq(&one.pools, &other.pools)
        && Arc::ptr_eq(&one.l2_advertisements, &other.l2_advertisements)
}

/// Whether two Worlds have the same candidates.
fn has_same_candidates(one: &World, other: &World) -> bool {
    let World {
        services: _,
        endpoint_slices: _,
        nodes,
        // No matter to elections.
        namespaces: _,
        // As [`is_configured_alike`] says.
        pools: _,
        l2_advertisements: _,
        peers: _,
        bgp_advertisements: _,
        liveness,
        links,
        conflicts: _,
    } = one;
    Arc::ptr_eq(nodes, &other.nodes)
        && *liveness == other.liveness
        && (Arc::ptr_eq(links, &other.links) || links == &other.links)
}

impl Known {
    fn follow(&mut self, world: &World, me: &str, options: health::Options) {
        let before = std::mem::replace(&mut self.world, world.clone());
        let changed = changes::services(&before, world);
        let has_same_candidates = has_same_candidates(&before, world);
        if changed.is_empty() && has_same_candidates {
            return;
        }
        let electorate = Electorate::new(world, Some(me), options);
        if !Arc::ptr_eq(&before.nodes, &world.nodes) {
            self.list(world, me);
        }
        let mut touched = BTreeSet::new();
        for name in &changed {
            let held = before.services.get(*name).into_iter();
            let held = held.flat_map(|service| service.assigned.iter().copied());
            // While the old holders are still known: who leaves may have joined others.
            for address in held.filter(|address| self.holders.contains_key(address)) {
                component(address, &self.holders, &before, &mut touched);
            }
        }
        for name in &changed {
            self.hold(name, &before, world, &electorate);
        }
        for name in &changed {
            let holds = world.services.get(*name).into_iter();
            touched.extend(holds.flat_map(|service| service.assigned.iter().copied()));
        }
        if !has_same_candidates {
            self.shift(&before, world, me, &electorate, &mut touched);
        }
        self.elect(touched, world, me, &electorate);
    }

    /// Brings the list of nodes up to date.
    fn list(&mut self, world: &World, me: &str) {
        let is_listed = world.nodes.contains_key(me);
        let own = (!is_listed).then(|| Arc::from(me));
        let mut nodes: Vec<Arc<str>> = world.nodes.keys().cloned().chain(own).collect();
        nodes.sort_unstable();
        if nodes == self.nodes {
            return;
        }
        self.nodes = nodes;
        for best in self.best.values_mut() {
            let is = |node| best.names.contains(node);
            best.is = self.nodes.iter().map(is).collect();
        }
        for group in self.groups.values_mut() {
            let owner = group.owner.as_ref();
            let owner = owner.map(|owner| position(&self.nodes, owner));
            // One that is no node any more has to be replaced.
            group.by_pool = group.by_pool.take().filter(|_| owner != Some(None));
            if let Some(by_pool) = &mut group.by_pool {
                by_pool.heirs = None;
                by_pool.owner = owner.flatten();
            }
        }
    }

    /// Brings the holders in line with what one Service held, and holds.
    fn hold(&mut self, name: &ObjectName, before: &World, world: &World, of: &Electorate<'_>) {
        let held = before.services.get(name).into_iter();
        for address in held.flat_map(|service| &service.assigned) {
            if let Some(holders) = self.holders.get_mut(address) {
                holders.remove(name);
                if holders.is_empty() {
                    self.holders.remove(address);
                }
            }
        }
        let service = world.services.get(name);
        let service = service.filter(|service| service.wants_address);
        let holds = service.into_iter().flat_map(|service| &service.assigned);
        for address in holds.filter(|address| of.is_l2(**address)) {
            let holders = self.holders.entry(*address).or_default();
            holders.insert(name.clone());
        }
    }

    /// The candidates are other ones: adds the groups that may have another owner, or whose owner
    /// may answer in another way.
    fn shift(
        &mut self,
        before: &World,
        world: &World,
        me: &str,
        electorate: &Electorate<'_>,
        touched: &mut BTreeSet<IpAddr>,
    ) {
        let mut came: BTreeMap<usize, Came> = BTreeMap::new();
        for (pool, known) in &mut self.best {
            let best = Best::of(electorate, *pool, &self.nodes);
            let names = best.names.difference(&known.names);
            let names: Vec<Arc<str>> = names.cloned().collect();
            let is = best.is.iter().zip(&known.is);
            let is = is.map(|(now, before)| *now && !before).collect();
            came.insert(*pool, Came { is, names });
            *known = best;
        }
        let is_other_here = before.nodes.get(me) != world.nodes.get(me);
        let stays = |group: &Group| {
            let owner = group.owner.as_ref();
            let is_mine = owner.is_some_and(|owner| **owner == *me);
            let mut held = group.held.iter();
            if is_mine && is_other_here || held.any(|address| electorate.is_own(*address)) {
                return false;
            }
            let by_pool = group.by_pool.as_ref();
            by_pool.is_some_and(|by| {
                let pool = self.best.get(&by.pool).zip(came.get(&by.pool));
                pool.is_some_and(|(best, came)| by.keeps(best, came, &self.nodes))
            })
        };
        let moved = self.groups.values().filter(|group| !stays(group));
        touched.extend(moved.flat_map(|group| group.held.iter().copied()));
    }

    /// Elects anew for these addresses and all that go with them.
    fn elect(
        &mut self,
        mut touched: BTreeSet<IpAddr>,
        world: &World,
        me: &str,
        electorate: &Electorate<'_>,
    ) {
        while let Some(address) = touched.pop_first() {
            let before = self.groups.remove(&address);
            if !self.holders.contains_key(&address) {
                self.elections.by_address.remove(&address);
                self.elections.here.remove(&address);
                continue;
            }
            let mut together = BTreeSet::new();
            let services = component(address, &self.holders, world, &mut together);
            let services = found(&services, world);
            let before = before.and_then(|group| group.by_pool);
            let group = self.group(&together, &services, electorate, before);
            for address in &together {
                touched.remove(address);
                self.groups.remove(address);
                let elected = self.elected(*address, group.owner.as_ref(), world, me, electorate);
                let known = self.elections.by_address.get(address);
                if known.is_none_or(|known| **known != elected) {
                    match elected.here.is_some() {
                        true => self.elections.here.insert(*address),
                        false => self.elections.here.remove(address),
                    };
                    let elected = Arc::new(elected);
                    self.elections.by_address.insert(*address, elected);
                }
            }
            if let Some(first) = together.pop_first() {
                self.groups.insert(first, group);
            }
        }
    }

    /// Elects for Services that have one owner. `before`: as it was decided for one of them.
    fn group(
        &mut self,
        together: &BTreeSet<IpAddr>,
        services: &[&Service],
        electorate: &Electorate<'_>,
        before: Option<ByPool>,
    ) -> Group {
        let key = key(together, services);
        let pool = key.and_then(|key| electorate.pool_alone_decides(key, services));
        let by_pool = key.zip(pool).map(|(key, pool)| {
            let before = before.filter(|before| before.key == key);
            let heirs = before.and_then(|before| before.heirs);
            self.by_pool(pool, key, electorate, heirs)
        });
        let owner = match (&by_pool, key) {
            (Some(by_pool), _) => {
                let owner = by_pool.owner.and_then(|at| self.nodes.get(at as usize));
                owner.cloned()
            }
            (None, Some(key)) => electorate.owner(key, services),
            (None, None) => None,
        };
        let held = services.iter().flat_map(|service| &service.assigned);
        Group {
            held: held.copied().collect(),
            owner,
            by_pool,
        }
    }

    fn by_pool(
        &mut self,
        pool: usize,
        key: IpAddr,
        electorate: &Electorate<'_>,
        heirs: Option<Heirs>,
    ) -> ByPool {
        let best = self.best.entry(pool);
        let best = best.or_insert_with(|| Best::of(electorate, pool, &self.nodes));
        let heirs = heirs.unwrap_or_else(|| Heirs::of(key, &self.nodes));
        let owner = heirs.first_of(|at| has(&best.is, at)).or_else(|| {
            let owner = first(key, &best.names)?;
            position(&self.nodes, owner)
        });
        ByPool {
            pool,
            key,
            heirs: Some(heirs),
            owner,
        }
    }

    fn elected(
        &self,
        address: IpAddr,
        owner: Option<&Arc<str>>,
        world: &World,
        me: &str,
        electorate: &Electorate<'_>,
    ) -> Elected {
        let holders = self.holders.get(&address).into_iter().flatten();
        let holders: Vec<ObjectName> = holders.cloned().collect();
        let services = found(&holders, world);
        let mine = owner.is_some_and(|owner| **owner == *me);
        let interfaces = mine.then(|| electorate.interfaces(me, address, &services));
        let is_replaceable = services.iter().all(|s| s.requested_addresses.is_empty());
        let here = interfaces.flatten().map(|interfaces| Here {
            interfaces,
            is_replaceable,
        });
        Elected {
            owner: owner.cloned(),
            here,
            holders,
        }
    }
}

/// Where a node is in a list in order.
fn position(nodes: &[Arc<str>], node: &Arc<str>) -> Option<u32> {
    let at = nodes.binary_search(node).ok()?;
    u32::try_from(at).ok()
}

/// The Services of these names.
fn found<'a>(names: impl IntoIterator<Item = &'a ObjectName>, world: &World) -> Vec<&Service> {
    let found = names
        .into_iter()
        .filter_map(|name| world.services.get(name));
    found.map(Arc::as_ref).collect()
}

/// Finds all addresses that have the same owner as this one, because a Service holds both of two,
/// or two Services share one. Returns the Services.
fn component(
    address: IpAddr,
    holders: &OrdMap<IpAddr, BTreeSet<ObjectName>>,
    world: &World,
    addresses: &mut BTreeSet<IpAddr>,
) -> BTreeSet<ObjectName> {
    let mut services = BTreeSet::new();
    let mut open = vec![address];
    while let Some(address) = open.pop() {
        if !addresses.insert(address) {
            continue;
        }
        for name in holders.get(&address).into_iter().flatten() {
            if services.insert(name.clone()) {
                let service = world.services.get(name).into_iter();
                let held = service.flat_map(|service| service.assigned.iter().copied());
                open.extend(held.filter(|held| holders.contains_key(held)));
            }
        }
    }
    services
}

/// What is hashed in the election for addresses that go together: the first address of the first
/// Service, as in MetalLB, or where Services that share have different first ones, the least of
/// those.
fn key(together: &BTreeSet<IpAddr>, services: &[&Service]) -> Option<IpAddr> {
    let of_service = |service: &&Service| {
        let mut held = service.assigned.iter();
        held.find(|address| together.contains(*address)).copied()
    };
    services.iter().filter_map(of_service).min()
}

/// The election for a Service, with why each other node is not elected; `None` where none of its
/// addresses is in a pool in L2 mode.
pub fn election_of(
    world: &World,
    name: &ObjectName,
    me: Option<&str>,
    options: health::Options,
) -> Option<Election> {
    let electorate = Electorate::new(world, me, options);
    let mut holders: OrdMap<IpAddr, BTreeSet<ObjectName>> = OrdMap::new();
    for (holder, service) in world.services.iter().filter(|(_, s)| s.wants_address) {
        for address in service.assigned.iter().filter(|a| electorate.is_l2(**a)) {
            let all = holders.entry(*address).or_default();
            all.insert(holder.clone());
        }
    }
    let service = world.services.get(name)?;
    let mut held = service.assigned.iter();
    let first = held.find(|address| holders.contains_key(*address))?;
    let mut together = BTreeSet::new();
    let services = component(*first, &holders, world, &mut together);
    let services = found(&services, world);
    Some(electorate.elect(key(&together, &services)?, &services))
}
