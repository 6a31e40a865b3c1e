//! Routes as one side of the session holds them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp::adj_in::ReceivedAttributes;
use bgp::peer::PeerStatus;
use bgp::{Family, RouteAttributes, RouteSet};
use ipnet::IpNet;

use super::event::Held;

/// A whole RIB, by prefix.
pub(super) type Rib = BTreeMap<IpNet, Held>;

/// LOCAL_PREF where none is set (RFC 4271 §5.1.5 leaves the value to us).
const DEFAULT_LOCAL_PREF: u32 = 100;

/// A route of an Adj-RIB-In.
pub(super) fn received(prefix: IpNet, attributes: &ReceivedAttributes) -> Held {
    Held {
        prefix,
        next_hop: attributes.next_hop,
        as_path: attributes.as_path.clone(),
        communities: attributes.communities.clone(),
        large_communities: attributes.large_communities.clone(),
        med: attributes.med,
        local_pref: attributes.local_pref,
    }
}

/// What the peer has been sent of `routes`, as the rules of the session change it. `None` while
/// UPDATEs are still to be written; empty where no session is Established.
pub(super) fn adj_rib_out(routes: &RouteSet, status: &PeerStatus) -> Option<Rib> {
    let Some(negotiated) = &status.negotiated else {
        return Some(Rib::new());
    };
    let is_sent = |prefix: &IpNet| {
        let family = family(prefix);
        !status.unsent.iter().any(|unsent| unsent.family == family)
    };
    let sent: Vec<_> = routes
        .iter()
        .filter(|(prefix, _)| is_sent(prefix))
        .collect();
    // The peer may not have come to this set of routes yet.
    if status.pending || sent.len() != status.advertised.iter().sum::<usize>() {
        return None;
    }
    let local = status
        .connection
        .map(|connection| connection.local.ip().to_canonical());
    let own_as = negotiated.is_ebgp().then_some(negotiated.local_as);
    let held = |prefix: IpNet, wanted: &RouteAttributes| Held {
        prefix,
        next_hop: wanted
            .next_hop
            .or(local.filter(|local| same_family(*local, prefix))),
        as_path: own_as
            .into_iter()
            .chain(wanted.as_path.iter().copied())
            .collect(),
        communities: wanted.communities.clone(),
        large_communities: wanted.large_communities.clone(),
        med: wanted.med,
        // RFC 4271 §5.1.5: internal peers only.
        local_pref: match negotiated.is_ebgp() {
            true => None,
            false => Some(wanted.local_pref.unwrap_or(DEFAULT_LOCAL_PREF)),
        },
    };
    Some(
        sent.into_iter()
            .map(|(prefix, wanted)| (prefix, held(prefix, wanted)))
            .collect(),
    )
}

fn family(prefix: &IpNet) -> Family {
    match prefix {
        IpNet::V4(_) => Family::Ipv4Unicast,
        IpNet::V6(_) => Family::Ipv6Unicast,
    }
}

fn same_family(address: IpAddr, prefix: IpNet) -> bool {
    address.is_ipv4() == prefix.addr().is_ipv4()
}
