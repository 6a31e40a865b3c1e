//! What one node announces to which BGP peer, with the reason for each Service it does not.
//!
//! Every node computes this of itself out of the same [`World`]. A Service is announced from a node
//! when an advertisement selects its pool, its labels and the node, when it has usable endpoints
//! (with policy Local: on the node), and when the node is of the best health class that there is.
//!
//! [`announce`] computes it from nothing; an [`Announcer`] comes to the same out of the World before,
//! and looks only at the Services of which something differs.

mod announcer;
mod attributes;
mod better;
mod reason;
mod routes;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use ipnet::IpNet;

pub use announcer::Announcer;
pub use attributes::{Attributes, GRACEFUL_SHUTDOWN};
pub use reason::{NotAnnounced, PeerNames, Verdict};

use crate::health::{self, Health};
use crate::labels::{Labels, any_or_all};
use crate::world::{BgpAdvertisement, BgpPeer, IpFamily, ObjectName, Pool, Service, World};

/// Routes by prefix, truncated, and what to say of each, which is shared among routes of which the
/// same is said. Persistent: what is made of a copy shares all that is not changed.
pub type Routes = OrdMap<IpNet, Arc<Attributes>>;

/// Verdicts on Services by name; persistent, too.
pub type Verdicts = OrdMap<ObjectName, Verdict>;

/// What one node announces.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcements {
    /// The verdict on the node.
    pub health: Health,
    /// For each BGPPeer whose session this node holds, its routes. Peers with the same routes share
    /// them.
    pub peers: BTreeMap<Arc<str>, Routes>,
    /// A verdict on every Service of the World.
    pub verdicts: Verdicts,
}

impl Announcements {
    /// The verdict on each Service of the World that this was made of.
    pub fn services<'a>(
        &'a self,
        world: &'a World,
    ) -> impl Iterator<Item = (&'a Arc<Service>, &'a Verdict)> {
        world.services.values().zip(self.verdicts.values())
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
    Announcer::new(me, options).next(world)
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
