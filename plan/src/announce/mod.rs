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
use std::sync::Arc;

use ipnet::IpNet;

pub use attributes::{Attributes, GRACEFUL_SHUTDOWN};
pub use reason::{NotAnnounced, Verdict};

use crate::endpoints::{self, Usable};
use crate::health::{self, Class, Health};
use crate::labels::{Labels, any_or_all};
use crate::pools::{PoolIndex, family_of};
use crate::world::{
    BgpAdvertisement, BgpPeer, ExternalTrafficPolicy, IpFamily, ObjectName, Pool, Service, World,
};
use routes::Tables;

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
    /// A verdict on every Service, by name.
    pub services: Vec<(ObjectName, Verdict)>,
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
    let mut services = Vec::with_capacity(world.services.len());
    for (name, service) in world.services.iter() {
        let usable = walk.usable(name, me);
        services.push((name.clone(), node.judge(service, usable)));
    }
    Announcements {
        health: node.health,
        peers: node.tables.finish(),
        services,
    }
}

/// A pool's advertisements, as this node needs them.
struct PoolView<'a> {
    /// Those that select this node.
    here: Vec<&'a Arc<BgpAdvertisement>>,
    /// Those by which a node of a better class has a peer to announce the family to. Looked for
    /// only from a node that is out.
    by_better: Vec<(&'a Arc<BgpAdvertisement>, IpFamily)>,
}

/// The World as one node sees it.
struct View<'a> {
    health: Health,
    index: PoolIndex<'a>,
    pools: BTreeMap<&'a str, PoolView<'a>>,
    tables: Tables<'a>,
}

impl<'a> View<'a> {
    fn new(me: &str, world: &'a World, options: health::Options) -> View<'a> {
        let health = health::judge(me, world, options);
        let labels = labels_of(me, world);
        let here = |ad: &&'a Arc<BgpAdvertisement>| any_or_all(&ad.node_selectors, labels);
        let by_better = better::advertisements(health.class, world, options);
        let view = |pool: &'a Arc<Pool>| {
            let all = world.bgp_advertisements.values();
            let view = PoolView {
                here: all
                    .filter(|ad| ad.pools.selects(pool))
                    .filter(here)
                    .collect(),
                by_better: by_better
                    .iter()
                    .filter(|(ad, _)| ad.pools.selects(pool))
                    .copied()
                    .collect(),
            };
            (pool.name.as_ref(), view)
        };
        View {
            health,
            index: PoolIndex::new(world),
            pools: world.pools.values().map(view).collect(),
            tables: Tables::new(peers_of(me, world), health.class == Class::Leaving),
        }
    }

    /// The verdict on a Service; where it is announced, its routes are added to the tables. The
    /// reasons come in MetalLB's order.
    fn judge(&mut self, service: &'a Service, usable: Usable) -> Verdict {
        match self.announced_to(service, usable) {
            Ok(peers) => Verdict::Announced { peers },
            Err(reason) => Verdict::NotAnnounced(reason),
        }
    }

    fn announced_to(
        &mut self,
        service: &'a Service,
        usable: Usable,
    ) -> Result<Arc<[Arc<str>]>, NotAnnounced> {
        let (selected, better_node) = self.advertisements(service)?;
        let resolved = self.tables.resolve(&selected)?;
        self.gate(service, usable, better_node)?;
        self.tables.add(resolved)
    }

    /// For each address of the Service, the advertisements that announce it from this node; and
    /// whether a better node announces one of them.
    fn advertisements(
        &self,
        service: &'a Service,
    ) -> Result<(Vec<routes::Selected<'a>>, bool), NotAnnounced> {
        if !service.wants_address {
            return Err(NotAnnounced::NotLoadBalancer);
        }
        if service.assigned.is_empty() {
            return Err(NotAnnounced::NoIpAllocated);
        }
        let mut selected = Vec::with_capacity(service.assigned.len());
        let mut better_node = false;
        let mut of_node = false;
        let of_service = |ad: &BgpAdvertisement| any_or_all(&ad.service_selectors, &service.labels);
        for address in &service.assigned {
            let pool = self.index.pool_of(*address);
            let pool = pool.ok_or(NotAnnounced::IpNotAllowed)?;
            let Some(view) = self.pools.get(pool.name.as_ref()) else {
                continue;
            };
            of_node |= !view.here.is_empty();
            let family = family_of(*address);
            better_node |= view
                .by_better
                .iter()
                .any(|(ad, of)| *of == family && of_service(ad));
            let here = view.here.iter().copied();
            let advertisements: Vec<_> = here.filter(|ad| of_service(ad)).collect();
            if !advertisements.is_empty() {
                selected.push(routes::Selected {
                    address: *address,
                    advertisements,
                });
            }
        }
        match (of_node, selected.is_empty()) {
            (false, _) => Err(NotAnnounced::NotOwner),
            (true, true) => Err(NotAnnounced::NoMatchingAdvertisement),
            (true, false) => Ok((selected, better_node)),
        }
    }

    /// The node's health and the Service's endpoints.
    fn gate(
        &self,
        service: &Service,
        usable: Usable,
        better_node: bool,
    ) -> Result<(), NotAnnounced> {
        let local = service.external_traffic_policy == ExternalTrafficPolicy::Local;
        match self.health.class {
            Class::Excluded => return Err(NotAnnounced::Node(self.health.why)),
            // Traffic for a Local Service would end on this very node.
            Class::Out if local || better_node => return Err(NotAnnounced::Node(self.health.why)),
            Class::InService | Class::Leaving | Class::Out => {}
        }
        match (local && !usable.here, usable.anywhere) {
            (true, _) => Err(NotAnnounced::NoLocalEndpoints),
            (false, false) => Err(NotAnnounced::NoEndpoints),
            (false, true) => Ok(()),
        }
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
