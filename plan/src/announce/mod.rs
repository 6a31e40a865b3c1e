//! What one node announces to which BGP peer, with the reason for each Service it does not.
//!
//! Every node computes this of itself out of the same [`World`]. A Service is announced from a node
//! when an advertisement selects its pool, its labels and the node, when it has usable endpoints
//! (with policy Local: on the node), and when the node is of the best health class that there is.

mod attributes;
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
use crate::pools::PoolIndex;
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

/// A pool's advertisements that select this node.
struct PoolView<'a> {
    advertisements: Vec<&'a Arc<BgpAdvertisement>>,
    /// A better node than this one is selected by one of them.
    better_node: bool,
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
        // Where every node is out, those that are out serve.
        let better: Vec<&Labels> = match health.class {
            Class::Out => world
                .nodes
                .values()
                .filter(|node| health::judge(&node.name, world, options).class < Class::Out)
                .map(|node| &node.labels)
                .collect(),
            Class::InService | Class::Leaving | Class::Excluded => Vec::new(),
        };
        let view = |pool: &'a Arc<Pool>| {
            let of_pool = world
                .bgp_advertisements
                .values()
                .filter(|ad| ad.pools.selects(pool));
            let advertisements: Vec<_> = of_pool
                .filter(|ad| any_or_all(&ad.node_selectors, labels))
                .collect();
            let better_node = advertisements.iter().any(|ad| {
                better
                    .iter()
                    .any(|labels| any_or_all(&ad.node_selectors, labels))
            });
            (
                pool.name.as_ref(),
                PoolView {
                    advertisements,
                    better_node,
                },
            )
        };
        View {
            health,
            index: PoolIndex::new(world),
            pools: world.pools.values().map(view).collect(),
            tables: Tables::new(peers_of(me, world), health.class == Class::Leaving),
        }
    }

    /// The verdict on a Service; where it is announced, its routes are added to the tables.
    fn judge(&mut self, service: &'a Service, usable: Usable) -> Verdict {
        match self.advertisements(service, usable) {
            Ok(selected) => match self.tables.add(&selected) {
                Ok(peers) => Verdict::Announced { peers },
                Err(reason) => Verdict::NotAnnounced(reason),
            },
            Err(reason) => Verdict::NotAnnounced(reason),
        }
    }

    /// For each address of the Service, the advertisements that announce it from this node.
    fn advertisements(
        &self,
        service: &'a Service,
        usable: Usable,
    ) -> Result<Vec<routes::Selected<'a>>, NotAnnounced> {
        if !service.wants_address {
            return Err(NotAnnounced::NotLoadBalancer);
        }
        if service.assigned.is_empty() {
            return Err(NotAnnounced::NoIpAllocated);
        }
        let mut selected = Vec::with_capacity(service.assigned.len());
        let mut better_node = false;
        let mut of_node = false;
        for address in &service.assigned {
            let pool = self
                .index
                .pool_of(*address)
                .ok_or(NotAnnounced::IpNotAllowed)?;
            let Some(view) = self.pools.get(pool.name.as_ref()) else {
                continue;
            };
            of_node |= !view.advertisements.is_empty();
            better_node |= view.better_node;
            let matching = |ad: &&&'a Arc<BgpAdvertisement>| {
                any_or_all(&ad.service_selectors, &service.labels)
            };
            let advertisements: Vec<_> = view
                .advertisements
                .iter()
                .filter(matching)
                .copied()
                .collect();
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
            (true, false) => self.gate(service, usable, better_node).map(|()| selected),
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
        match (usable.anywhere, local && !usable.here) {
            (false, _) => Err(NotAnnounced::NoEndpoints),
            (true, true) => Err(NotAnnounced::NoLocalEndpoints),
            (true, false) => Ok(()),
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
    static NONE: Labels = Labels::new();
    world.nodes.get(me).map_or(&NONE, |node| &node.labels)
}

/// The length that an advertisement gives to an address of this family.
pub(crate) fn aggregation(advertisement: &BgpAdvertisement, family: IpFamily) -> u8 {
    match family {
        IpFamily::IPv4 => advertisement.aggregation_length,
        IpFamily::IPv6 => advertisement.aggregation_length_v6,
    }
}
