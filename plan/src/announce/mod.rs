//! What one node announces to which BGP peer, with the reason for each Service it does not.
//!
//! Every node computes this of itself out of the same [`World`]. A Service is announced from a node
//! when an advertisement selects its pool, its labels and the node, when it has usable endpoints
//! (with policy Local: on the node), and when the node is of the best health class that there is.

mod attributes;
mod better;
mod reason;
mod routes;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

pub use attributes::{Attributes, GRACEFUL_SHUTDOWN};
pub use reason::{NotAnnounced, Verdict};

use crate::endpoints::{self, Usable};
use crate::health::{self, Class, Health};
use crate::labels::{Labels, any_or_all};
use crate::pools::{RangeIndex, family_of};
use crate::world::{
    BgpAdvertisement, BgpPeer, ExternalTrafficPolicy, IpFamily, Pool, Service, World,
};
use routes::{Saying, Tables};

/// A prefix and what to say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The prefix, truncated.
    pub prefix: IpNet,
    /// Shared among routes that say the same.
    pub attributes: Arc<Attributes>,
}

/// What one node announces.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcements {
    /// The verdict on the node.
    pub health: Health,
    /// For each BGPPeer whose session this node holds, its routes by prefix. Peers with the same
    /// routes share them.
    pub peers: BTreeMap<Arc<str>, Arc<Vec<Route>>>,
    /// A verdict on every Service, in the order of [`World::services`].
    pub verdicts: Vec<Verdict>,
}

impl Announcements {
    /// The verdict on each Service of the World that this was made of.
    pub fn services<'a>(
        &'a self,
        world: &'a World,
    ) -> impl Iterator<Item = (&'a Arc<Service>, &'a Verdict)> {
        world.services.values().zip(&self.verdicts)
    }
}

/// The BGPPeers whose session the node of this name holds.
pub fn peers_of<'a>(me: &str, world: &'a World) -> Vec<&'a Arc<BgpPeer>> {
    let labels = labels_of(me, world);
    let peers = world.peers.values();
    peers
        .filter(|peer| any_or_all(&peer.node_selectors, labels))
        .collect()
}

/// What the node of this name announces.
pub fn announce(me: &str, world: &World, options: health::Options) -> Announcements {
    let mut node = View::new(me, world, options);
    let mut walk = endpoints::walk(world);
    let mut verdicts = Vec::with_capacity(world.services.len());
    for service in world.services.values() {
        let usable = |local: bool| walk.usable(&service.name, local.then_some(me));
        verdicts.push(node.judge(service, usable));
    }
    Announcements {
        health: node.health,
        peers: node.tables.finish(),
        verdicts,
    }
}

/// A pool's advertisements, as this node needs them.
struct PoolView<'a> {
    /// Those that select this node.
    here: Vec<&'a Arc<BgpAdvertisement>>,
    /// What they say of an address of each family, where they are for every Service: then it need
    /// not be asked again for each.
    of_every_service: Option<BTreeMap<IpFamily, Result<Saying, NotAnnounced>>>,
    /// Those by which a node of a better class has a peer to announce the family to. Looked for
    /// only from a node that is out.
    by_better: Vec<(&'a Arc<BgpAdvertisement>, IpFamily)>,
}

/// The World as one node sees it.
struct View<'a> {
    health: Health,
    /// Leads to the position in `pools`.
    index: RangeIndex<usize>,
    pools: Vec<PoolView<'a>>,
    tables: Tables<'a>,
    /// Room for the addresses of the Service at hand.
    selected: Vec<(IpAddr, Result<Saying, NotAnnounced>)>,
}

impl<'a> View<'a> {
    fn new(me: &str, world: &'a World, options: health::Options) -> View<'a> {
        let health = health::judge(me, world, options);
        let by_better = better::advertisements(health.class, world, options);
        let mut tables = Tables::new(peers_of(me, world), health.class == Class::Leaving);
        let labels = labels_of(me, world);
        let pools = world.pools.values();
        let pools: Vec<_> = pools
            .map(|pool| PoolView::new(pool, labels, world, &by_better, &mut tables))
            .collect();
        let positions = world.pools.values().map(Arc::as_ref).zip(0..);
        View {
            health,
            index: RangeIndex::new(positions),
            pools,
            tables,
            selected: Vec::new(),
        }
    }

    /// The verdict on a Service; where it is announced, its routes are added to the tables. The
    /// reasons come in MetalLB's order. `usable` says which endpoints are usable, and where policy
    /// Local makes it matter, whether one of them is here.
    fn judge(&mut self, service: &Service, usable: impl FnOnce(bool) -> Usable) -> Verdict {
        let mut selected = std::mem::take(&mut self.selected);
        selected.clear();
        let verdict = match self.announced_to(service, usable, &mut selected) {
            Ok(peers) => Verdict::Announced { peers },
            Err(reason) => Verdict::NotAnnounced(reason),
        };
        self.selected = selected;
        verdict
    }

    fn announced_to(
        &mut self,
        service: &Service,
        usable: impl FnOnce(bool) -> Usable,
        selected: &mut Vec<(IpAddr, Result<Saying, NotAnnounced>)>,
    ) -> Result<Arc<[Arc<str>]>, NotAnnounced> {
        let better_node = self.advertisements(service, selected)?;
        if let Some(conflict) = selected.iter().find_map(|(_, saying)| saying.err()) {
            return Err(conflict);
        }
        self.gate(service, usable, better_node)?;
        let said = selected.iter();
        self.tables
            .add(said.filter_map(|(address, saying)| Some((*address, saying.ok()?))))
    }

    /// For each address of the Service, what the advertisements say that announce it from this
    /// node; and whether a better node announces one of them.
    fn advertisements(
        &mut self,
        service: &Service,
        selected: &mut Vec<(IpAddr, Result<Saying, NotAnnounced>)>,
    ) -> Result<bool, NotAnnounced> {
        if !service.wants_address {
            return Err(NotAnnounced::NotLoadBalancer);
        }
        if service.assigned.is_empty() {
            return Err(NotAnnounced::NoIpAllocated);
        }
        let mut better_node = false;
        let mut of_node = false;
        for address in &service.assigned {
            let pool = self.index.find(*address);
            let pool = pool.and_then(|position| self.pools.get(position));
            let pool = pool.ok_or(NotAnnounced::IpNotAllowed)?;
            of_node |= !pool.here.is_empty();
            let family = family_of(*address);
            better_node |= pool.better_node(family, service);
            let saying = match &pool.of_every_service {
                Some(known) => known.get(&family).copied(),
                None => {
                    let of_service = pool.here.iter().filter(|ad| ad.is_for(service));
                    let of_service: Vec<_> = of_service.copied().collect();
                    let any = !of_service.is_empty();
                    any.then(|| self.tables.saying(family, &of_service))
                }
            };
            selected.extend(saying.map(|saying| (*address, saying)));
        }
        match (of_node, selected.is_empty()) {
            (false, _) => Err(NotAnnounced::NotOwner),
            (true, true) => Err(NotAnnounced::NoMatchingAdvertisement),
            (true, false) => Ok(better_node),
        }
    }

    /// The node's health and the Service's endpoints.
    fn gate(
        &self,
        service: &Service,
        usable: impl FnOnce(bool) -> Usable,
        better_node: bool,
    ) -> Result<(), NotAnnounced> {
        let local = service.external_traffic_policy == ExternalTrafficPolicy::Local;
        match self.health.class {
            Class::Excluded => return Err(NotAnnounced::Node(self.health.why)),
            // Traffic for a Local Service would end on this very node.
            Class::Out if local || better_node => return Err(NotAnnounced::Node(self.health.why)),
            Class::InService | Class::Leaving | Class::Out => {}
        }
        let usable = usable(local);
        match (local && !usable.here, usable.anywhere) {
            (true, _) => Err(NotAnnounced::NoLocalEndpoints),
            (false, false) => Err(NotAnnounced::NoEndpoints),
            (false, true) => Ok(()),
        }
    }
}

impl<'a> PoolView<'a> {
    fn new(
        pool: &Pool,
        labels: &Labels,
        world: &'a World,
        by_better: &[(&'a Arc<BgpAdvertisement>, IpFamily)],
        tables: &mut Tables<'a>,
    ) -> PoolView<'a> {
        let here = |ad: &&'a Arc<BgpAdvertisement>| {
            ad.pools.selects(pool) && any_or_all(&ad.node_selectors, labels)
        };
        let here: Vec<_> = world.bgp_advertisements.values().filter(here).collect();
        let mut known = BTreeMap::new();
        if !here.is_empty() {
            for family in [IpFamily::IPv4, IpFamily::IPv6] {
                known.insert(family, tables.saying(family, &here));
            }
        }
        let of_every_service = here.iter().all(|ad| ad.service_selectors.is_empty());
        let by_better = by_better.iter().filter(|(ad, _)| ad.pools.selects(pool));
        PoolView {
            by_better: by_better.copied().collect(),
            of_every_service: of_every_service.then_some(known),
            here,
        }
    }

    fn better_node(&self, family: IpFamily, service: &Service) -> bool {
        let mut by_better = self.by_better.iter();
        by_better.any(|(ad, of)| *of == family && ad.is_for(service))
    }
}

impl BgpAdvertisement {
    /// Whether `serviceSelectors` select the Service.
    fn is_for(&self, service: &Service) -> bool {
        any_or_all(&self.service_selectors, &service.labels)
    }
}

impl crate::world::PoolSelection {
    /// Whether the pool is selected: by name or by label; nothing given is every pool.
    pub fn selects(&self, pool: &Pool) -> bool {
        let everything = self.names.is_empty() && self.selectors.is_empty();
        everything
            || self.names.contains(&pool.name)
            || self
                .selectors
                .iter()
                .any(|selector| selector.matches(&pool.labels))
    }
}

/// The node's labels; none where no Node object bears the name, so that only selectors that ask
/// for nothing match.
fn labels_of<'a>(me: &str, world: &'a World) -> &'a Labels {
    world
        .nodes
        .get(me)
        .map_or(&Labels::NONE, |node| &node.labels)
}

/// The length that an advertisement gives to an address of this family.
pub(crate) fn aggregation(advertisement: &BgpAdvertisement, family: IpFamily) -> u8 {
    match family {
        IpFamily::IPv4 => advertisement.aggregation_length,
        IpFamily::IPv6 => advertisement.aggregation_length_v6,
    }
}
