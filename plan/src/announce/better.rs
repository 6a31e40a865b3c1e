//! Whether a node that is out may leave the announcing to better ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::health::{self, Class};
use crate::labels::any_or_all;
use crate::world::{BgpAdvertisement, BgpPeer, IpFamily, Node, World};

/// The advertisements by which some node of a class better than `class` has a peer to announce a
/// family to. Nothing is looked for unless `class` is [`Class::Out`]: the others announce, or not,
/// whoever else does. A better node without a session must not silence one that has it: where
/// every node with a session is out, those announce.
pub fn advertisements(
    class: Class,
    world: &World,
    options: health::Options,
) -> Vec<(&Arc<BgpAdvertisement>, IpFamily)> {
    if class != Class::Out {
        return Vec::new();
    }
    let nodes = world.nodes.values();
    let better: Vec<&Arc<Node>> = nodes
        .filter(|node| health::judge(&node.name, world, options).class < Class::Out)
        .collect();
    let mut found = Vec::new();
    for ad in world.bgp_advertisements.values() {
        let mut families = BTreeSet::new();
        for peer in world.peers.values().filter(|peer| ad.names(peer)) {
            let mut better = better.iter();
            if better.any(|node| announces(node, ad, peer)) {
                families.extend(&peer.families);
            }
        }
        found.extend(families.into_iter().map(|family| (ad, family)));
    }
    found
}

fn announces(node: &Node, ad: &BgpAdvertisement, peer: &BgpPeer) -> bool {
    any_or_all(&ad.node_selectors, &node.labels) && any_or_all(&peer.node_selectors, &node.labels)
}

impl BgpAdvertisement {
    /// Whether it is for this peer: `peers` names it, or nobody.
    pub fn names(&self, peer: &BgpPeer) -> bool {
        self.peers.is_empty() || self.peers.contains(&peer.name)
    }
}
