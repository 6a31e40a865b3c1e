//! Sessions with a router that has only two-octet AS numbers (RFC 6793).

use std::sync::Arc;

use bgp::asn::AS_TRANS;
use bgp::attribute::PathAttributes;
use bgp::capability::Capability;
use bgp::codec::Rules;
use bgp::{Message, RouteAttributes, RouteSet};

use crate::common::router::{Router, open, update};
use crate::common::{Pair, asn, config};

const WIDE: u32 = 4_200_000_000;
/// ORIGIN IGP and NEXT_HOP 10.0.0.2.
const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 10, 0, 0, 2];
/// 10.2.0.0/24.
const PREFIX: &[u8] = &[24, 10, 2, 0];

/// Our AS, the router's, what stands behind ours; AS_PATH, AS4_PATH.
type Sent = (u32, u16, &'static [u32], &'static str, Option<&'static str>);

#[rustfmt::skip]
const SENT: &[Sent] = &[
    (WIDE, 65002, &[], "23456", Some("4200000000")),
    (WIDE, 65002, &[WIDE, WIDE], "23456 23456 23456", Some("4200000000 4200000000 4200000000")),
    (WIDE, 65002, &[64500, 70_000], "23456 64500 23456", Some("4200000000 64500 70000")),
    (65001, 65002, &[70_000], "65001 23456", Some("65001 70000")),
    // RFC 6793 §4.2.2: no AS4_PATH where every number fits.
    (65001, 65002, &[], "65001", None),
    (65001, 65002, &[65001], "65001 65001", None),
    (65001, 65001, &[], "", None),
    (65001, 65001, &[WIDE, 64500], "23456 64500", Some("4200000000 64500")),
];

#[test]
fn a_wide_as_is_as_trans_in_the_open_and_itself_in_the_capability() {
    for (number, field) in [(WIDE, AS_TRANS), (65_536, AS_TRANS), (65_535, 65_535)] {
        let mut router = Router::new(config(number, 65002, 1));
        let conn = router.accept();
        let sent = router.open(conn);
        assert_eq!(sent.my_as, field);
        let capability = Capability::FourOctetAs(asn(number));
        assert!(sent.capabilities.contains(&capability));
    }
}

#[test]
fn as_numbers_that_do_not_fit_are_as_trans_and_as4_path_has_them() {
    for (ours, theirs, behind, as_path, as4_path) in SENT {
        let attributes = sent_to(*ours, *theirs, behind);
        let got = attributes.as_path.expect("mandatory").to_string();
        let got4 = attributes.as4_path.map(|path| path.0.to_string());
        assert_eq!((got.as_str(), got4.as_deref()), (*as_path, *as4_path));
        let internal = u32::from(*theirs) == *ours;
        assert_eq!(attributes.local_pref.is_some(), internal);
    }
}

#[test]
fn the_octets_are_those_of_rfc_6793() {
    let (mut router, conn) = two_octet(WIDE, 65002);
    advertise(&mut router, &[]);
    let octets = router.octets(conn);
    // AS_PATH: one AS_SEQUENCE of AS 23456. AS4_PATH: one of AS 4200000000.
    for expected in [
        &[0x40, 2, 4, 2, 1, 0x5b, 0xa0][..],
        &[0xc0, 17, 6, 2, 1, 0xfa, 0x56, 0xea, 0],
    ] {
        let found = octets.windows(expected.len()).any(|part| part == expected);
        assert!(found, "{expected:x?} in {octets:x?}");
    }
}

#[test]
fn a_router_with_four_octet_as_numbers_gets_no_as4_path() {
    let mut pair = Pair::new([config(WIDE, 65002, 1), config(65002, WIDE, 2)]);
    pair.set_routes(0, route(&[WIDE]));
    pair.run_secs(1);
    pair.assert_established();
    let path = &pair.received_by(1)["10.1.0.0/24"].as_path;
    assert_eq!(path, &[asn(WIDE), asn(WIDE)]);
    let as4_path = [0xc0, 17];
    assert!(!pair.sides[0].sent.windows(2).any(|part| part == as4_path));
}

/// AS_PATH and AS4_PATH as received; the path as it is held.
#[rustfmt::skip]
const RECEIVED: [(&[u8], &[u8], &[u32]); 4] = [
    (&[0x5b, 0xa0], &[0xfa, 0x56, 0xea, 0], &[WIDE]),
    // RFC 6793 §4.2.3: what only AS_PATH has goes in front.
    (&[0xfd, 0xea, 0x5b, 0xa0], &[0xfa, 0x56, 0xea, 0], &[65002, WIDE]),
    // A longer AS4_PATH is not believed.
    (&[0x5b, 0xa0], &[0xfa, 0x56, 0xea, 0, 0, 1, 0x11, 0x70], &[23456]),
    (&[0xfd, 0xea], &[], &[65002]),
];

#[test]
fn as4_path_of_a_two_octet_router_puts_the_true_numbers_back() {
    for (as_path, as4_path, expected) in RECEIVED {
        let (mut router, conn) = two_octet(65001, 65002);
        let path = attribute(0x40, 2, as_path, 2);
        let path4 = attribute(0xc0, 17, as4_path, 4);
        let attributes = [ORIGIN, &path, NEXT_HOP, &path4];
        router.write(conn, &update(&attributes, PREFIX));
        assert_eq!(held(&router), expected);
        assert_eq!(router.counters().attributes_discarded, 0);
    }
}

#[test]
fn as4_path_of_a_router_with_four_octet_as_numbers_is_discarded() {
    let capabilities = vec![Capability::FourOctetAs(asn(65002))];
    let (mut router, conn) =
        Router::established(config(65001, 65002, 1), &open(65002, capabilities));
    let path = attribute(0x40, 2, &[0, 0, 0xfd, 0xea], 4);
    let path4 = attribute(0xc0, 17, &[0xfa, 0x56, 0xea, 0], 4);
    let attributes = [ORIGIN, &path, NEXT_HOP, &path4];
    router.write(conn, &update(&attributes, PREFIX));
    assert_eq!(held(&router), [65002]);
    assert_eq!(router.counters().attributes_discarded, 1);
}

/// A session with a router that knows no four-octet AS numbers.
fn two_octet(ours: u32, theirs: u16) -> (Router, bgp::ConnId) {
    let config = config(ours, u32::from(theirs), 1);
    Router::established(config, &open(theirs, Vec::new()))
}

/// The attributes of the one route that the router gets.
fn sent_to(ours: u32, theirs: u16, behind: &[u32]) -> PathAttributes<'static> {
    let (mut router, conn) = two_octet(ours, theirs);
    advertise(&mut router, behind);
    let rules = Rules {
        internal: u32::from(theirs) == ours,
        ..Rules::default()
    };
    for message in router.messages(conn, &rules) {
        if let Message::Update(update) = message
            && !update.nlri.is_empty()
        {
            assert_eq!(update.errors, []);
            return update.attributes;
        }
    }
    panic!("no route");
}

fn advertise(router: &mut Router, behind: &[u32]) {
    router.peer.set_routes(router.now, Arc::new(route(behind)));
    router.pump();
}

/// 10.1.0.0/24 with these ASes behind ours.
fn route(behind: &[u32]) -> RouteSet {
    let attributes = RouteAttributes {
        as_path: behind.iter().map(|number| asn(*number)).collect(),
        ..RouteAttributes::default()
    };
    let prefix = "10.1.0.0/24".parse().expect("a prefix");
    [(prefix, Arc::new(attributes))].into_iter().collect()
}

/// A path of one AS_SEQUENCE whose numbers have `width` octets; nothing for none.
fn attribute(flags: u8, code: u8, numbers: &[u8], width: usize) -> Vec<u8> {
    let (Ok(length), Ok(count)) = (
        u8::try_from(numbers.len() + 2),
        u8::try_from(numbers.len() / width),
    ) else {
        panic!("a short path");
    };
    match count {
        0 => Vec::new(),
        _ => [&[flags, code, length, 2, count], numbers].concat(),
    }
}

/// The AS numbers of the one route that the peer holds.
fn held(router: &Router) -> Vec<u32> {
    let adj_in = router.peer.adj_in().expect("a session");
    let route = adj_in.routes().values().next().expect("a route");
    route.as_path.iter().map(|asn| asn.get()).collect()
}
