//! UPDATEs that are wrong (RFC 7606): what becomes of the session and of the routes.

use std::collections::BTreeSet;

use bgp::capability::Capability;
use bgp::fsm::StateName;
use bgp::peer::DownReason;
use bgp::{ConnId, Family, Notification, PeerConfig};

use crate::common::router::{Router, open, update};
use crate::common::{asn, config};

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea];
const EMPTY_AS_PATH: &[u8] = &[0x40, 2, 0];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 10, 0, 0, 2];
const LOCAL_PREF: &[u8] = &[0x40, 5, 4, 0, 0, 0, 100];
/// 10.2.0.0/24.
const PREFIX: &[u8] = &[24, 10, 2, 0];
/// 2001:db8::/32 by way of 2001:db8::2.
const IPV6: &[u8] = &[
    0x80, 14, 26, 0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 32, 0x20,
    1, 0xd, 0xb8,
];

#[rustfmt::skip]
const MALFORMED: [&[&[u8]]; 9] = [
    // ORIGIN 3; ORIGIN of two octets; wrong flags.
    &[&[0x40, 1, 1, 3], AS_PATH, NEXT_HOP],
    &[&[0x40, 1, 2, 0, 0], AS_PATH, NEXT_HOP],
    &[&[0xc0, 1, 1, 0], AS_PATH, NEXT_HOP],
    // A path segment longer than the attribute; NEXT_HOP of three octets and 127.0.0.1.
    &[ORIGIN, &[0x40, 2, 6, 2, 2, 0, 0, 0xfd, 0xea], NEXT_HOP],
    &[ORIGIN, AS_PATH, &[0x40, 3, 3, 10, 0, 0]],
    &[ORIGIN, AS_PATH, &[0x40, 3, 4, 127, 0, 0, 1]],
    // COMMUNITIES of three octets; no ORIGIN; octets left over.
    &[ORIGIN, AS_PATH, NEXT_HOP, &[0xc0, 8, 3, 0, 0, 0]],
    &[AS_PATH, NEXT_HOP],
    &[ORIGIN, AS_PATH, NEXT_HOP, &[0x40]],
];

#[test]
fn a_malformed_attribute_withdraws_the_routes_and_the_session_stays() {
    for attributes in MALFORMED {
        let (mut router, conn) = holding_a_route();
        router.write(conn, &update(attributes, PREFIX));
        assert_eq!(router.state(), StateName::Established, "{attributes:x?}");
        assert_eq!(router.received(), (0, 0), "{attributes:x?}");
        assert_eq!(errors(&router), (1, 0), "{attributes:x?}");
        assert!(router.octets(conn).is_empty());
        // The next correct one is taken as ever.
        router.write(conn, &update(&[ORIGIN, AS_PATH, NEXT_HOP], PREFIX));
        assert_eq!(router.received(), (1, 0));
    }
}

#[test]
fn treat_as_withdraw_is_for_every_route_of_the_update_whatever_its_family() {
    let (mut router, conn) = holding_a_route();
    router.write(conn, &update(&[IPV6, ORIGIN, AS_PATH], &[]));
    assert_eq!(router.received(), (1, 1));
    router.write(
        conn,
        &update(&[IPV6, &[0x40, 1, 1, 9], AS_PATH, NEXT_HOP], PREFIX),
    );
    assert_eq!(router.received(), (0, 0));
    assert_eq!(errors(&router), (1, 0));
}

#[test]
fn an_attribute_that_is_discarded_leaves_the_route() {
    let wrong: [&[u8]; 7] = [
        // From an external router: LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST.
        LOCAL_PREF,
        &[0x80, 9, 4, 10, 0, 0, 9],
        &[0x80, 10, 4, 10, 0, 0, 9],
        // ATOMIC_AGGREGATE and AGGREGATOR of a wrong length; AIGP without a TLV; MED again.
        &[0x40, 6, 1, 0],
        &[0xc0, 7, 6, 0xfd, 0xea, 10, 0, 0, 9],
        &[0xc0, 26, 1, 1],
        &[0x80, 4, 4, 0, 0, 0, 8],
    ];
    const MED: &[u8] = &[0x80, 4, 4, 0, 0, 0, 7];
    for attribute in wrong {
        let (mut router, conn) = established(config(65001, 65002, 1), &Family::ALL);
        let attributes = [ORIGIN, AS_PATH, NEXT_HOP, MED, attribute];
        router.write(conn, &update(&attributes, PREFIX));
        assert_eq!(router.state(), StateName::Established);
        assert_eq!(errors(&router), (0, 1), "{attribute:x?}");
        let adj_in = router.peer.adj_in().expect("a session");
        let route = adj_in.routes().values().next().expect("it is held");
        assert_eq!((route.local_pref, route.med), (None, Some(7)));
    }
}

#[test]
fn the_strongest_of_several_errors_counts() {
    let (mut router, conn) = holding_a_route();
    let attributes = [&[0x40, 1, 1, 9], AS_PATH, NEXT_HOP, LOCAL_PREF];
    router.write(conn, &update(&attributes, PREFIX));
    assert_eq!(router.received(), (0, 0));
    assert_eq!(errors(&router), (1, 1));
    let twice = update(&[IPV6, IPV6, &[0x40, 1, 1, 9], AS_PATH], &[]);
    router.write(conn, &twice);
    ended(&mut router, conn, &Notification::MALFORMED_ATTRIBUTE_LIST);
}

#[test]
fn an_internal_router_has_to_send_local_pref() {
    let (mut router, conn) = established(config(65002, 65002, 1), &Family::ALL);
    router.write(
        conn,
        &update(&[ORIGIN, EMPTY_AS_PATH, NEXT_HOP, LOCAL_PREF], PREFIX),
    );
    assert_eq!((router.received(), errors(&router)), ((1, 0), (0, 0)));
    router.write(conn, &update(&[ORIGIN, EMPTY_AS_PATH, NEXT_HOP], PREFIX));
    assert_eq!((router.received(), errors(&router)), ((0, 0), (1, 0)));
}

#[test]
fn a_malformed_mp_reach_nlri_resets_with_the_attribute_as_data() {
    let rows = [
        ("wrong flags", reach(0xc0, &IPV6[3..])),
        ("four octets", reach(0x80, &IPV6[3..7])),
        (
            "a next hop past the end",
            reach(0x80, &[0, 2, 1, 16, 1, 2, 3]),
        ),
        (
            "a next hop of 4 octets",
            reach(0x80, &[0, 2, 1, 4, 10, 0, 0, 2, 0, 0]),
        ),
        (
            "a prefix of 129 bits",
            reach(0x80, &[&IPV6[3..24], &[129], &[0; 17]].concat()),
        ),
        ("half a prefix", reach(0x80, &IPV6[3..27])),
    ];
    for (what, attribute) in rows {
        let (mut router, conn) = holding_a_route();
        router.write(conn, &update(&[&attribute, ORIGIN, AS_PATH], &[]));
        let expected = Notification::OPTIONAL_ATTRIBUTE_ERROR.with_data(attribute);
        println!("{what}");
        ended(&mut router, conn, &expected);
    }
}

#[test]
fn an_update_that_cannot_be_taken_apart_resets() {
    let mut cut = update(&[ORIGIN, AS_PATH, NEXT_HOP], PREFIX);
    cut[22] = 200; // Total Path Attribute Length, past the message
    let rows = [
        (cut, Notification::MALFORMED_ATTRIBUTE_LIST),
        (
            update(&[ORIGIN, AS_PATH, NEXT_HOP], &[33, 10, 2, 0, 0, 0]),
            Notification::INVALID_NETWORK_FIELD,
        ),
        (
            update(&[&[0x40, 99, 1, 7]], PREFIX),
            Notification::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE.with_data([0x40, 99, 1, 7]),
        ),
        // RFC 7606 §5.2: an error, and nothing that could be withdrawn for it.
        (
            update(&[&[0x40, 1, 1, 9], AS_PATH], &[]),
            Notification::INVALID_ORIGIN_ATTRIBUTE.with_data([0x40, 1, 1, 9]),
        ),
    ];
    for (octets, expected) in rows {
        let (mut router, conn) = holding_a_route();
        router.write(conn, &octets);
        ended(&mut router, conn, &expected);
    }
}

#[test]
fn routes_of_a_family_that_was_not_negotiated_are_ignored() {
    let ipv4 = &[Family::Ipv4Unicast][..];
    let ipv6 = &[Family::Ipv6Unicast][..];
    // The same as IPV6, with a prefix of 129 bits: nobody looks.
    let mut malformed = IPV6.to_vec();
    malformed[24] = 129;
    let unknown: &[u8] = &[0x80, 14, 9, 0, 25, 70, 0, 0, 1, 2, 3, 4];
    let rows = [
        (ipv4, update(&[IPV6, ORIGIN, AS_PATH], &[])),
        (ipv4, update(&[&malformed, ORIGIN, AS_PATH], &[])),
        (ipv4, update(&[unknown, ORIGIN, AS_PATH], &[])),
        (ipv6, update(&[ORIGIN, AS_PATH, NEXT_HOP], PREFIX)),
        (ipv6, update(&[], &[])),
    ];
    for (families, octets) in rows {
        let (mut router, conn) = established(config(65001, 65002, 1), families);
        router.write(conn, &octets);
        assert_eq!(router.state(), StateName::Established);
        assert_eq!((router.received(), errors(&router)), ((0, 0), (0, 0)));
        let adj_in = router.peer.adj_in().expect("a session");
        assert!(adj_in.routes().is_empty() && adj_in.end_of_rib().is_empty());
        assert_eq!(router.counters().received.update, 1);
    }
}

#[test]
fn routes_that_are_ignored_do_not_count_against_the_prefix_limit() {
    let config = PeerConfig {
        families: BTreeSet::from([Family::Ipv6Unicast]),
        max_prefixes: Some(1),
        ..config(65001, 65002, 1)
    };
    let (mut router, conn) = established(config, &Family::ALL);
    let nlri = [24, 10, 2, 0, 24, 10, 2, 1];
    router.write(conn, &update(&[ORIGIN, AS_PATH, NEXT_HOP], &nlri));
    router.write(conn, &update(&[IPV6, ORIGIN, AS_PATH], &[]));
    assert_eq!(router.state(), StateName::Established);
    assert_eq!(router.received(), (0, 1));
}

#[test]
fn what_was_counted_outlives_the_session() {
    let (mut router, conn) = holding_a_route();
    router.write(
        conn,
        &update(&[&[0x40, 1, 1, 9], AS_PATH, NEXT_HOP], PREFIX),
    );
    router.close(conn);
    assert_ne!(router.state(), StateName::Established);
    assert_eq!(errors(&router), (1, 0));
}

/// An MP_REACH_NLRI.
fn reach(flags: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("short");
    [&[flags, 14, length], value].concat()
}

/// A session with a router in AS 65002 that announces these families and four-octet AS numbers.
fn established(config: PeerConfig, families: &[Family]) -> (Router, ConnId) {
    let families = families.iter().map(|family| family.afi_safi());
    let capabilities = families
        .map(Capability::Multiprotocol)
        .chain([Capability::FourOctetAs(asn(65002))]);
    Router::established(config, &open(65002, capabilities.collect()))
}

/// An external session on which the router has announced 10.2.0.0/24.
fn holding_a_route() -> (Router, ConnId) {
    let (mut router, conn) = established(config(65001, 65002, 1), &Family::ALL);
    router.write(conn, &update(&[ORIGIN, AS_PATH, NEXT_HOP], PREFIX));
    assert_eq!(router.received(), (1, 0));
    (router, conn)
}

/// UPDATEs treated as withdrawn, attributes discarded.
fn errors(router: &Router) -> (u64, u64) {
    let counters = router.counters();
    (counters.treated_as_withdraw, counters.attributes_discarded)
}

/// The session has ended with this NOTIFICATION, on the wire and in the status.
#[track_caller]
fn ended(router: &mut Router, conn: ConnId, expected: &Notification) {
    assert_eq!(router.notification(conn).as_ref(), Some(expected));
    assert_eq!(router.peer.connections().count(), 0);
    let status = router.peer.status(router.now);
    assert_eq!(status.state, StateName::Idle);
    let last = status.last_error.map(|(_, reason)| reason);
    assert_eq!(last, Some(DownReason::Sent(expected.clone())));
    assert_eq!((status.received, status.counters.dropped), (None, 1));
}
