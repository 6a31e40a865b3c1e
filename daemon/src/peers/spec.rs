//! A BGPPeer as a session's configuration.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bgp::peer::PeerAs;
use bgp::{Asn, BgpIdentifier, Family, HoldTime, PeerConfig};
use plan::World;
use plan::world::{BgpPeer, IpFamily, PeerAsn};

use super::routes::is_external;
use crate::net::tcp::{Hops, Transport};
use crate::peer_io::PeerSpec;

/// Longest wait between two attempts where `connectTime` is not set: a router that comes back is
/// to be found soon.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Who this node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The node's name.
    pub node: Arc<str>,
    /// An IPv4 address of the host, for the BGP Identifier where nothing better is known.
    pub host: Option<Ipv4Addr>,
}

/// The session that a BGPPeer asks for. Every field has its place here: a new one does not
/// compile until it has.
///
/// # Errors
/// A number that BGP does not have; the reader of manifests lets none through.
pub fn spec(peer: &BgpPeer, world: &World, identity: &Identity) -> Result<PeerSpec, String> {
    let BgpPeer {
        name,
        my_asn,
        peer_asn,
        address,
        zone,
        port,
        source_address,
        hold_time,
        keepalive_time,
        connect_time,
        router_id,
        // plan::announce has chosen the nodes.
        node_selectors: _,
        password,
        ebgp_multihop,
        ttl_security,
        passive,
        families,
        graceful_restart,
        graceful_restart_time,
        long_lived_stale_time,
    } = peer;
    let asn = |number: u32| Asn::new(number).ok_or_else(|| "AS 0 does not exist".to_owned());
    let seconds = |time: &u16| Duration::from_secs(u64::from(*time));
    let hold_time = match hold_time {
        None => HoldTime::DEFAULT,
        Some(time) => HoldTime::new(*time).ok_or("a hold time of 1 or 2 s does not exist")?,
    };
    let config = PeerConfig {
        hold_time,
        keepalive_time: keepalive_time.as_ref().map(seconds),
        connect_retry_time: connect_time.as_ref().map_or(CONNECT_TIME, seconds),
        passive: *passive,
        families: families
            .iter()
            .copied()
            .map(family)
            .collect::<BTreeSet<_>>(),
        graceful_restart_time: graceful_restart.then_some(*graceful_restart_time),
        long_lived_stale_time: (*graceful_restart && *long_lived_stale_time > 0)
            .then_some(*long_lived_stale_time),
        fqdn: Some((identity.node.to_string(), String::new())),
        software_version: Some(concat!("herald/", env!("CARGO_PKG_VERSION")).to_owned()),
        ..PeerConfig::new(
            asn(*my_asn)?,
            match peer_asn {
                PeerAsn::Exactly(number) => PeerAs::Exactly(asn(*number)?),
                PeerAsn::Internal => PeerAs::Internal,
                PeerAsn::External => PeerAs::External,
            },
            identifier(*router_id, *source_address, world, identity),
        )
    };
    let hops = match (ttl_security, is_external(&config) && !ebgp_multihop) {
        (Some(hops), _) => Hops::Secured(*hops),
        (None, true) => Hops::One,
        (None, false) => Hops::Any,
    };
    Ok(PeerSpec {
        name: Arc::clone(name),
        transport: Transport {
            address: *address,
            zone: zone.clone(),
            port: *port,
            source: *source_address,
            password: password.clone(),
            hops,
        },
        config,
    })
}

fn family(family: IpFamily) -> Family {
    match family {
        IpFamily::IPv4 => Family::Ipv4Unicast,
        IpFamily::IPv6 => Family::Ipv6Unicast,
    }
}

/// `routerID`; else an IPv4 address of the session, the Node or the host; else a number made of
/// the node's name (RFC 6286 §2.1: any but 0 that is unique in the AS).
fn identifier(
    router_id: Option<Ipv4Addr>,
    source: Option<IpAddr>,
    world: &World,
    identity: &Identity,
) -> BgpIdentifier {
    let node = world.nodes.get(&identity.node);
    let internal = node.into_iter().flat_map(|node| node.internal_ips.clone());
    let ipv4 = |address: IpAddr| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    let known = router_id
        .into_iter()
        .chain(internal.filter_map(ipv4))
        .chain(source.and_then(ipv4))
        .chain(identity.host)
        .find_map(BgpIdentifier::new);
    known.unwrap_or_else(|| {
        // FNV-1a; the low bit keeps it from 0.
        let hash = identity.node.bytes().fold(0x811c_9dc5_u32, |hash, octet| {
            (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
        });
        let address = Ipv4Addr::from_bits(hash | 1);
        BgpIdentifier::new(address).unwrap_or(LAST_RESORT)
    })
}

/// For the compiler: a number with its low bit set is not 0.
const LAST_RESORT: BgpIdentifier = match BgpIdentifier::new(Ipv4Addr::new(0, 0, 0, 1)) {
    Some(identifier) => identifier,
    None => unreachable!(),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_peer_is_one_hop_away_unless_it_says_otherwise() {
        type Change = fn(&mut BgpPeer);
        let table: [(Change, Hops); 5] = [
            (|_| {}, Hops::One),
            (|peer| peer.ebgp_multihop = true, Hops::Any),
            (|peer| peer.ttl_security = Some(3), Hops::Secured(3)),
            (|peer| peer.peer_asn = PeerAsn::Exactly(64512), Hops::Any),
            (|peer| peer.peer_asn = PeerAsn::Internal, Hops::Any),
        ];
        for (change, hops) in table {
            let mut peer = peer();
            change(&mut peer);
            let spec = spec(&peer, &World::default(), &identity()).expect("a session");
            assert_eq!(spec.transport.hops, hops);
        }
    }

    #[test]
    fn the_identifier_is_the_configured_one_or_an_address() {
        let mut peer = peer();
        let of = |peer: &BgpPeer, identity: &Identity| {
            let spec = spec(peer, &World::default(), identity).expect("a session");
            spec.config.identifier.to_string()
        };
        assert_eq!(of(&peer, &identity()), "10.0.0.9");
        peer.source_address = Some([10, 0, 0, 8].into());
        assert_eq!(of(&peer, &identity()), "10.0.0.8");
        peer.router_id = Some([10, 0, 0, 7].into());
        assert_eq!(of(&peer, &identity()), "10.0.0.7");
    }

    #[test]
    fn a_host_without_ipv4_has_an_identifier_made_of_its_name() {
        let of = |name: &str| {
            let identity = Identity {
                node: name.into(),
                host: None,
            };
            let spec = spec(&peer(), &World::default(), &identity).expect("a session");
            spec.config.identifier
        };
        assert_eq!(of("node-1"), of("node-1"));
        assert_ne!(of("node-1"), of("node-2"));
    }

    fn identity() -> Identity {
        Identity {
            node: "node-1".into(),
            host: Some([10, 0, 0, 9].into()),
        }
    }

    fn peer() -> BgpPeer {
        BgpPeer {
            name: "router".into(),
            my_asn: 64512,
            peer_asn: PeerAsn::Exactly(64513),
            address: [10, 0, 0, 254].into(),
            zone: None,
            port: 179,
            source_address: None,
            hold_time: None,
            keepalive_time: None,
            connect_time: None,
            router_id: None,
            node_selectors: Vec::new(),
            password: None,
            ebgp_multihop: false,
            ttl_security: None,
            passive: false,
            families: BTreeSet::from([IpFamily::IPv4]),
            graceful_restart: false,
            graceful_restart_time: 120,
            long_lived_stale_time: 0,
        }
    }
}
