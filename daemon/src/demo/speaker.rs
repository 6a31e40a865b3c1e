//! The speaker's side: rounds of the plan, and the session that they feed.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bgp::community::{Community, LargeCommunity};
use bgp::peer::PeerAs;
use bgp::{Asn, BgpIdentifier, Family, HoldTime, PeerConfig, RouteAttributes, RouteSet};
use ipnet::IpNet;
use plan::World;
use plan::announce::{Attributes, announce};
use plan::world::{self, BgpPeer, IpFamily, PeerAsn};

use super::manifests::{NODE, PEER};
use crate::net::tcp::{Hops, Transport};
use crate::peer_io::PeerSpec;

/// Where the manifest has no `routerID`.
const IDENTIFIER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// A person waits for this.
const CONNECT_RETRY: Duration = Duration::from_secs(2);

/// Whose address is the NEXT_HOP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextHop {
    /// Our end of the session.
    Session,
    /// The Node of the manifests: on loopback our end is no address that a router can send to, and
    /// it refuses such a NEXT_HOP (RFC 4271 §6.3).
    Node,
}

/// Routes that the node announces to the router in this World, which holds its assignments.
pub(super) fn routes(world: &World, next_hop: NextHop) -> RouteSet {
    let announcements = announce(NODE, world, plan::health::Options::default());
    let (Some(routes), Some(peer)) = (announcements.peers.get(PEER), world.peers.get(PEER)) else {
        return RouteSet::default();
    };
    let own = Asn::new(peer.my_asn);
    let node = world.nodes.get(NODE).filter(|_| next_hop == NextHop::Node);
    let next_hop = |prefix: &IpNet| {
        let addresses = node.into_iter().flat_map(|node| &node.internal_ips);
        addresses
            .copied()
            .find(|address| address.is_ipv4() == prefix.addr().is_ipv4())
    };
    let wanted = routes.iter().map(|route| {
        let attributes = RouteAttributes {
            next_hop: next_hop(&route.prefix),
            ..wanted(&route.attributes, own)
        };
        (route.prefix, Arc::new(attributes))
    });
    wanted.collect()
}

fn wanted(attributes: &Attributes, own: Option<Asn>) -> RouteAttributes {
    let mut wanted = RouteAttributes {
        med: attributes.med,
        local_pref: attributes.local_pref,
        as_path: own
            .into_iter()
            .cycle()
            .take(attributes.as_path_prepend.into())
            .collect(),
        ..RouteAttributes::default()
    };
    for community in &attributes.communities {
        match *community {
            world::Community::Standard(value) => wanted.communities.push(Community(value)),
            world::Community::Large(global_administrator, local_data_1, local_data_2) => {
                wanted.large_communities.push(LargeCommunity {
                    global_administrator,
                    local_data_1,
                    local_data_2,
                });
            }
        }
    }
    wanted
}

/// The Services behind a prefix.
pub(super) fn services_of(prefix: &IpNet, world: &World) -> Vec<String> {
    let services = world.services.values();
    let behind = services.filter(|service| {
        service
            .assigned
            .iter()
            .any(|address| prefix.contains(address))
    });
    behind.map(|service| service.name.to_string()).collect()
}

/// The session that a BGPPeer asks for. `None` for an AS number or a hold time that its own
/// checks do not let through.
pub(super) fn session(peer: &BgpPeer) -> Option<PeerSpec> {
    let local_as = Asn::new(peer.my_asn)?;
    let peer_as = match peer.peer_asn {
        PeerAsn::Exactly(asn) => PeerAs::Exactly(Asn::new(asn)?),
        PeerAsn::Internal => PeerAs::Internal,
        PeerAsn::External => PeerAs::External,
    };
    let identifier = BgpIdentifier::new(peer.router_id.unwrap_or(IDENTIFIER))?;
    let families = peer.families.iter().map(|family| match family {
        IpFamily::IPv4 => Family::Ipv4Unicast,
        IpFamily::IPv6 => Family::Ipv6Unicast,
    });
    let config = PeerConfig {
        hold_time: peer
            .hold_time
            .map_or(Some(HoldTime::DEFAULT), HoldTime::new)?,
        connect_retry_time: CONNECT_RETRY,
        families: families.collect(),
        ..PeerConfig::new(local_as, peer_as, identifier)
    };
    let transport = Transport {
        hops: Hops::Any,
        ..Transport::to(peer.address, peer.port)
    };
    Some(PeerSpec {
        name: Arc::clone(&peer.name),
        config,
        transport,
    })
}
