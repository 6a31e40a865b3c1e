//! The speaker's side: rounds of the plan, and the session that they feed.

use std::sync::Arc;

use bgp::{RouteAttributes, RouteSet};
use ipnet::IpNet;
use plan::World;
use plan::announce::announce;

use super::manifests::{NODE, PEER};
use crate::peers::{DesiredPeer, Identity, Neighbours};

/// Whose address is the NEXT_HOP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextHop {
    /// Our end of the session.
    Session,
    /// The Node of the manifests: on loopback our end is no address that a router can send to, and
    /// it refuses such a NEXT_HOP (RFC 4271 §6.3).
    Node,
}

/// The session with the router and the routes for it, by a round of the plan on this World, which
/// holds its assignments. `None` where the BGPPeer is not there or cannot be used.
pub(super) fn desired(world: &World, next_hop: NextHop) -> Option<DesiredPeer> {
    let announcements = announce(NODE, world, plan::health::Options::default());
    let identity = Identity {
        node: Arc::from(NODE),
        host: None,
    };
    let mut neighbours = Neighbours::new(identity);
    let mut desired = neighbours.desired(world, &announcements).remove(PEER)?;
    if next_hop == NextHop::Node {
        desired.routes = Arc::new(by_node(&desired.routes, world));
    }
    Some(desired)
}

/// The same routes, with the Node's addresses as next hops.
fn by_node(routes: &RouteSet, world: &World) -> RouteSet {
    let node = world.nodes.get(NODE);
    let next_hop = |prefix: &IpNet| {
        let addresses = node.into_iter().flat_map(|node| &node.internal_ips);
        let mut addresses = addresses.copied();
        addresses.find(|address| address.is_ipv4() == prefix.addr().is_ipv4())
    };
    let routes = routes.iter().map(|(prefix, attributes)| {
        let attributes = RouteAttributes {
            next_hop: next_hop(&prefix),
            ..RouteAttributes::clone(attributes)
        };
        (prefix, Arc::new(attributes))
    });
    routes.collect()
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
