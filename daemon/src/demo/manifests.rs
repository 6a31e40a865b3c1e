//! The sample manifests, and what the demonstration changes of them.

use std::net::SocketAddr;
use std::sync::Arc;

use controller::record::Assignments;
use controller::{Options, Problem, file};
use plan::World;
use plan::world::{AddressRange, ObjectName, PeerAsn};

/// `deploy/demo`, as it was when this was built.
const FILES: [(&str, &str); 4] = [
    ("bgp.yaml", include_str!("../../../deploy/demo/bgp.yaml")),
    ("node.yaml", include_str!("../../../deploy/demo/node.yaml")),
    (
        "pools.yaml",
        include_str!("../../../deploy/demo/pools.yaml"),
    ),
    (
        "services.yaml",
        include_str!("../../../deploy/demo/services.yaml"),
    ),
];

/// The node that the demonstration is.
pub(super) const NODE: &str = "demo-node";
/// The BGPPeer there is.
pub(super) const PEER: &str = "router";

/// The Service that fails over: policy Local, one endpoint.
pub(super) fn failing_service() -> ObjectName {
    ObjectName {
        namespace: Arc::from("demo"),
        name: Arc::from("shop"),
    }
}

/// The World of the manifests. The error is what is wrong with them.
pub(super) fn world() -> Result<World, Vec<Problem>> {
    let snapshot = file::from_texts(&FILES, &Options::default(), &Assignments::new());
    match snapshot.problems.iter().any(Problem::is_error) {
        true => Err(snapshot.problems),
        false => Ok(snapshot.world),
    }
}

/// The same, with the router at this address, in this AS where one is given.
pub(super) fn with_router(mut world: World, router: SocketAddr, asn: Option<u32>) -> World {
    if let Some(peer) = Arc::make_mut(&mut world.peers).get_mut(PEER) {
        let peer = Arc::make_mut(peer);
        peer.address = router.ip();
        peer.port = router.port();
        if let Some(asn) = asn {
            peer.peer_asn = PeerAsn::Exactly(asn);
        }
    }
    world
}

/// The same, without any endpoint of this Service.
pub(super) fn without_endpoints(mut world: World, service: &ObjectName) -> World {
    let slices = world.endpoint_slices.into_iter();
    world.endpoint_slices = slices.filter(|((owner, _), _)| owner != service).collect();
    world
}

/// A range as people write it: as a prefix where it is one.
pub(super) fn range(range: &AddressRange) -> String {
    let AddressRange { first, last } = range;
    let mut prefix = ipnet::IpNet::from(*first);
    while prefix.broadcast() < *last {
        match prefix.supernet() {
            Some(wider) => prefix = wider,
            None => break,
        }
    }
    match prefix.network() == *first && prefix.broadcast() == *last {
        true => prefix.to_string(),
        false => format!("{first}-{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_are_right_and_have_what_the_demonstration_needs() {
        let world = world().expect("right");
        assert!(world.peers.contains_key(PEER));
        assert!(world.nodes.contains_key(NODE));
        assert!(world.services.contains_key(&failing_service()));
        let left = without_endpoints(world.clone(), &failing_service());
        assert_eq!(left.endpoint_slices.len(), world.endpoint_slices.len() - 1);
    }

    #[test]
    fn a_range_is_shown_as_a_prefix_where_it_is_one() {
        let cases = [
            ("203.0.113.0", "203.0.113.15", "203.0.113.0/28"),
            ("203.0.113.64", "203.0.113.94", "203.0.113.64-203.0.113.94"),
            ("203.0.113.1", "203.0.113.1", "203.0.113.1/32"),
            ("2001:db8::", "2001:db8::ffff", "2001:db8::/112"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
        ];
        for (first, last, expected) in cases {
            let parse = |text: &str| text.parse().expect("an address");
            let range_of = AddressRange {
                first: parse(first),
                last: parse(last),
            };
            assert_eq!(range(&range_of), expected);
        }
    }
}
