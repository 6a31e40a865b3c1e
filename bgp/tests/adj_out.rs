//! The UPDATEs that an Adj-RIB-Out makes, read back with the crate's own codec.

mod common;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bgp::adj_out::{AdjOut, Unsendable};
use bgp::attribute::{MpReach, MpUnreach};
use bgp::capability::Capability;
use bgp::codec::{self, Rules};
use bgp::message::open::Open;
use bgp::message::refresh::Subtype;
use bgp::peer::{LocalAddresses, Role};
use bgp::{BgpIdentifier, Family, HoldTime, Message, Negotiated, RouteAttributes, RouteSet};
use bytes::BytesMut;
use common::{asn, many, routes};

#[test]
fn routes_with_equal_attributes_share_a_message_and_withdrawals_go_first() {
    let mut out = AdjOut::new(&negotiated(65002, &[]), ipv4(), None);
    out.set_routes(&Arc::new(routes(&[
        ("10.0.0.1/32", 1),
        ("10.0.0.2/32", 2),
        ("10.0.0.3/32", 1),
    ])));
    assert_eq!(
        summaries(&mut out, 65002, &[]),
        [
            "+10.0.0.1/32 10.0.0.3/32",
            "+10.0.0.2/32",
            "eor ipv4",
            "eor ipv6"
        ]
    );
    out.set_routes(&Arc::new(routes(&[("10.0.0.2/32", 3), ("10.0.0.9/32", 3)])));
    assert_eq!(
        summaries(&mut out, 65002, &[]),
        ["-10.0.0.1/32 10.0.0.3/32", "+10.0.0.2/32 10.0.0.9/32"]
    );
}

#[test]
fn a_withdrawal_cancels_a_pending_announcement_and_the_other_way_round() {
    let mut out = converged(&[("10.0.0.1/32", 1)]);
    out.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 1), ("10.0.0.2/32", 1)])));
    out.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 1)])));
    assert!(!out.is_pending());
    out.set_routes(&Arc::new(RouteSet::default()));
    out.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 1)])));
    assert!(!out.is_pending());
    out.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 2)])));
    out.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 1)])));
    assert!(!out.is_pending(), "there and back again is no change");
}

#[test]
fn a_change_that_the_peer_cannot_see_is_not_sent() {
    let set = |local_pref| -> RouteSet {
        let attributes = RouteAttributes {
            local_pref,
            ..RouteAttributes::default()
        };
        [(
            "10.0.0.1/32".parse().expect("a prefix"),
            Arc::new(attributes),
        )]
        .into_iter()
        .collect()
    };
    let mut out = AdjOut::new(&negotiated(65002, &[]), ipv4(), None);
    out.set_routes(&Arc::new(set(Some(200))));
    summaries(&mut out, 65002, &[]);
    out.set_routes(&Arc::new(set(Some(300))));
    assert!(!out.is_pending(), "LOCAL_PREF does not go to another AS");
}

#[test]
fn messages_are_as_full_as_they_can_be() {
    for (extended, expected) in [(false, 13), (true, 1)] {
        let extra: &[Capability] = if extended {
            &[Capability::ExtendedMessage]
        } else {
            &[]
        };
        let mut out = AdjOut::new(&negotiated(65002, extra), ipv4(), None);
        out.set_routes(&Arc::new(many(10_000)));
        let lengths = lengths(&mut out, 65002, extra);
        let announcements = &lengths[..lengths.len() - 2];
        assert_eq!(announcements.len(), expected);
        let limit = if extended { 65_535 } else { 4096 };
        assert!(lengths.iter().all(|length| *length <= limit));
        out.set_routes(&Arc::new(RouteSet::default()));
        let withdrawals = self::lengths(&mut out, 65002, extra).len();
        assert_eq!(withdrawals, expected);
    }
}

#[test]
fn a_set_that_comes_while_sending_replaces_what_is_unsent() {
    let mut out = AdjOut::new(&negotiated(65002, &[]), ipv4(), None);
    out.set_routes(&Arc::new(many(10_000)));
    let mut octets = BytesMut::new();
    out.write(&mut octets, 1);
    let mut held = BTreeMap::new();
    apply(&octets, 65002, &[], &mut held);
    let sent = held.len();
    assert!(sent > 700 && sent < 10_000);
    out.set_routes(&Arc::new(many(100)));
    let mut rest = BytesMut::new();
    out.write(&mut rest, usize::MAX);
    let withdrawn = apply(&rest, 65002, &[], &mut held);
    assert_eq!((held.len(), withdrawn), (100, sent - 100));
}

#[test]
fn a_refresh_is_framed_by_its_markers_and_touches_one_family() {
    let extra = [Capability::EnhancedRouteRefresh];
    let mut out = AdjOut::new(&negotiated(65002, &extra), dual_stack(), None);
    out.set_routes(&Arc::new(routes(&[
        ("10.0.0.1/32", 1),
        ("2001:db8::1/128", 1),
    ])));
    summaries(&mut out, 65002, &extra);
    out.refresh(Family::Ipv6Unicast);
    assert_eq!(
        summaries(&mut out, 65002, &extra),
        ["refresh Begin", "+2001:db8::1/128", "refresh End"]
    );
}

#[test]
fn a_refresh_does_not_lose_a_pending_withdrawal() {
    let mut out = converged(&[("10.0.0.1/32", 1), ("10.0.0.2/32", 1)]);
    out.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 1)])));
    out.refresh(Family::Ipv4Unicast);
    assert_eq!(
        summaries(&mut out, 65002, &[]),
        ["-10.0.0.2/32", "+10.0.0.1/32"]
    );
    out.refresh(Family::Ipv4Unicast);
    out.set_routes(&Arc::new(RouteSet::default()));
    assert_eq!(summaries(&mut out, 65002, &[]), ["-10.0.0.1/32"]);
}

#[test]
fn a_route_without_a_next_hop_is_reported_and_not_sent() {
    let mut out = AdjOut::new(&negotiated(65002, &[]), ipv4(), None);
    out.set_routes(&Arc::new(routes(&[
        ("10.0.0.1/32", 1),
        ("2001:db8::1/128", 1),
    ])));
    assert_eq!(
        summaries(&mut out, 65002, &[]),
        ["+10.0.0.1/32", "eor ipv4", "eor ipv6"]
    );
    let unsent = out.unsent();
    assert_eq!(
        (unsent[0].reason, unsent[0].routes),
        (Unsendable::NoNextHop, 1)
    );
}

#[test]
fn ipv4_routes_have_an_ipv6_next_hop_where_the_session_has_no_other() {
    let extended = [Capability::ExtendedNextHop(vec![(
        Family::Ipv4Unicast.afi_safi(),
        2,
    )])];
    let link_local: Ipv6Addr = "fe80::1".parse().expect("an address");
    let local = LocalAddresses::default().with_session(IpAddr::V6(link_local));
    let mut out = AdjOut::new(&negotiated(65002, &extended), local, None);
    out.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 1)])));
    let hops = next_hops(&mut out, 65002, &extended);
    assert_eq!(hops, ["fe80::1+fe80::1"]);
    let mut without = AdjOut::new(&negotiated(65002, &[]), local, None);
    without.set_routes(&Arc::new(routes(&[("10.0.0.1/32", 1)])));
    assert_eq!(without.unsent()[0].reason, Unsendable::NoNextHop);
}

#[test]
fn an_ipv6_next_hop_has_the_link_local_address_of_a_shared_link_behind_it() {
    let mut out = AdjOut::new(&negotiated(65002, &[]), dual_stack(), None);
    out.set_routes(&Arc::new(routes(&[("2001:db8::1/128", 1)])));
    assert_eq!(next_hops(&mut out, 65002, &[]), ["2001:db8::a+fe80::a"]);
}

#[test]
fn towards_customers_routes_are_marked_for_customers_only() {
    let rows = [
        (Some(Role::Provider), true),
        (Some(Role::Customer), false),
        (None, false),
    ];
    for (role, marked) in rows {
        let mut out = AdjOut::new(&negotiated(65002, &[]), ipv4(), role);
        out.set_routes(&Arc::new(many(1)));
        let mut octets = BytesMut::new();
        out.write(&mut octets, 1);
        let rules = negotiated(65002, &[]).rules();
        let Ok(Some((Message::Update(update), _))) = codec::decode(&octets, &rules) else {
            panic!("no UPDATE");
        };
        assert_eq!(
            update.attributes.only_to_customer.is_some(),
            marked,
            "{role:?}"
        );
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a limit that only a hang or a blow-up goes past"
)]
fn a_hundred_thousand_routes_take_no_noticeable_time() {
    let set = Arc::new(many(100_000));
    let begun = std::time::Instant::now();
    let mut out = AdjOut::new(&negotiated(65002, &[]), ipv4(), None);
    out.set_routes(&set);
    let mut octets = BytesMut::new();
    out.write(&mut octets, usize::MAX);
    assert_eq!(out.advertised(Family::Ipv4Unicast), 100_000);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "a debug build on a busy machine"
    );
}

fn converged(list: &[(&str, u32)]) -> AdjOut {
    let mut out = AdjOut::new(&negotiated(65002, &[]), ipv4(), None);
    out.set_routes(&Arc::new(routes(list)));
    summaries(&mut out, 65002, &[]);
    out
}

fn ipv4() -> LocalAddresses {
    LocalAddresses::default().with_session([10, 9, 9, 9].into())
}

fn dual_stack() -> LocalAddresses {
    LocalAddresses {
        ipv6: "2001:db8::a".parse().ok(),
        link_local: "fe80::a".parse().ok(),
        ..ipv4()
    }
}

/// A session of AS 65001 with both families, four-octet AS numbers, and `extra`.
fn negotiated(peer_as: u32, extra: &[Capability]) -> Negotiated {
    let open = |number: u32, last| Open {
        my_as: asn(number).as_two_octets(),
        hold_time: HoldTime::DEFAULT,
        identifier: BgpIdentifier::new([10, 0, 0, last].into()).expect("not zero"),
        capabilities: [
            Capability::Multiprotocol(Family::Ipv4Unicast.afi_safi()),
            Capability::Multiprotocol(Family::Ipv6Unicast.afi_safi()),
            Capability::FourOctetAs(asn(number)),
        ]
        .into_iter()
        .chain(extra.iter().cloned())
        .collect(),
    };
    Negotiated::new(&open(65001, 1), &open(peer_as, 2), None).expect("they agree")
}

fn written(out: &mut AdjOut) -> BytesMut {
    let mut octets = BytesMut::new();
    out.write(&mut octets, usize::MAX);
    assert!(!out.is_pending());
    octets
}

fn each(octets: &[u8], rules: &Rules, mut f: impl FnMut(Message<'_>, usize)) {
    let mut rest = octets;
    while !rest.is_empty() {
        let decoded = codec::decode(rest, rules).expect("a valid message");
        let (message, length) = decoded.expect("a whole message");
        f(message, length);
        rest = &rest[length..];
    }
}

fn lengths(out: &mut AdjOut, peer_as: u32, extra: &[Capability]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let rules = negotiated(peer_as, extra).rules();
    each(&written(out), &rules, |_, length| lengths.push(length));
    lengths
}

/// One line a message: `+` announced, `-` withdrawn.
fn summaries(out: &mut AdjOut, peer_as: u32, extra: &[Capability]) -> Vec<String> {
    let mut lines = Vec::new();
    let rules = negotiated(peer_as, extra).rules();
    each(&written(out), &rules, |message, _| {
        lines.push(summary(&message))
    });
    lines
}

fn summary(message: &Message<'_>) -> String {
    let update = match message {
        Message::Update(update) => update,
        Message::RouteRefresh(refresh) => {
            assert_ne!(refresh.subtype, Subtype::Request);
            return format!("refresh {:?}", refresh.subtype);
        }
        Message::Open(_) | Message::Notification(_) | Message::Keepalive => panic!("{message:?}"),
    };
    assert!(update.errors.is_empty(), "{:?}", update.errors);
    match update.end_of_rib() {
        Some(Family::Ipv4Unicast) => return "eor ipv4".to_owned(),
        Some(Family::Ipv6Unicast) => return "eor ipv6".to_owned(),
        None => {}
    }
    let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
    announced.extend(update.nlri.prefixes());
    withdrawn.extend(update.withdrawn.prefixes());
    if let Some(MpReach::Routed { nlri, .. }) = &update.attributes.mp_reach {
        announced.extend(nlri.prefixes());
    }
    if let Some(MpUnreach::Routed(nlri)) = &update.attributes.mp_unreach {
        withdrawn.extend(nlri.prefixes());
    }
    let text = |nets: &[ipnet::IpNet]| {
        nets.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    match withdrawn.is_empty() {
        true => format!("+{}", text(&announced)),
        false => format!("-{}", text(&withdrawn)),
    }
}

/// Next hops of every MP_REACH_NLRI.
fn next_hops(out: &mut AdjOut, peer_as: u32, extra: &[Capability]) -> Vec<String> {
    let mut hops = Vec::new();
    let rules = negotiated(peer_as, extra).rules();
    each(&written(out), &rules, |message, _| {
        if let Message::Update(update) = message
            && let Some(MpReach::Routed { next_hop, .. }) = update.attributes.mp_reach
        {
            hops.push(match next_hop {
                bgp::attribute::MpNextHop::V4(address) => address.to_string(),
                bgp::attribute::MpNextHop::V6 { global, link_local } => match link_local {
                    Some(link_local) => format!("{global}+{link_local}"),
                    None => global.to_string(),
                },
            });
        }
    });
    hops
}

/// Plays UPDATEs into a table of IPv4 routes; returns how many withdrawals hit.
fn apply(
    octets: &[u8],
    peer_as: u32,
    extra: &[Capability],
    held: &mut BTreeMap<ipnet::IpNet, ()>,
) -> usize {
    let mut withdrawn = 0;
    let rules = negotiated(peer_as, extra).rules();
    each(octets, &rules, |message, _| {
        if let Message::Update(update) = message {
            for prefix in update.withdrawn.prefixes() {
                withdrawn += usize::from(held.remove(&prefix).is_some());
            }
            held.extend(update.nlri.prefixes().map(|prefix| (prefix, ())));
        }
    });
    withdrawn
}
