//! BGP roles (RFC 9234): who may be whose neighbour, and the mark on what goes downwards.

use bgp::capability::Capability;
use bgp::fsm::StateName;
use bgp::peer::{DownReason, Role};
use bgp::{Notification, PeerConfig};

use crate::common::router::{Router, open};
use crate::common::{Pair, asn, config, external, internal, routes};

const ROLES: [Role; 5] = [
    Role::Provider,
    Role::RouteServer,
    Role::RouteServerClient,
    Role::Customer,
    Role::Peer,
];

#[test]
fn roles_that_match_come_up_and_no_others() {
    for ours in ROLES {
        for theirs in ROLES {
            let mut pair = Pair::new(with_roles(Some(ours), Some(theirs)));
            pair.run_secs(5);
            let up = pair.sides.iter().all(|side| side.ups.len() == 1);
            assert_eq!(up, counterpart(ours) == theirs, "{ours:?} {theirs:?}");
        }
    }
}

#[test]
fn both_sides_of_a_mismatch_learn_why() {
    let mut pair = Pair::new(with_roles(Some(Role::Customer), Some(Role::Customer)));
    pair.run_secs(60);
    for side in &pair.sides {
        assert_eq!(side.ups, []);
        let (Some(DownReason::Sent(first) | DownReason::Received(first)), 2..30) =
            (side.downs.first(), side.downs.len())
        else {
            panic!("{:?}", side.downs);
        };
        assert_eq!(*first, Notification::ROLE_MISMATCH);
    }
}

#[test]
fn a_role_that_does_not_match_is_answered_with_2_11() {
    for ours in ROLES {
        for theirs in ROLES.into_iter().filter(|role| *role != counterpart(ours)) {
            let mut router = Router::new(with_role(ours, false));
            let conn = router.accept();
            router.establish(conn, &open(65002, vec![Capability::Role(theirs.code())]));
            let sent = router.notification(conn);
            assert_eq!(
                sent,
                Some(Notification::ROLE_MISMATCH),
                "{ours:?} {theirs:?}"
            );
        }
    }
}

#[test]
fn only_strict_mode_insists_on_the_neighbours_role() {
    // RFC 9234 §4.2: several roles must agree. 0 is Provider, 4 is Peer, 5 is not assigned.
    let rows: [(bool, &[u8], bool); 7] = [
        (false, &[], true),
        (true, &[], false),
        (false, &[0], true),
        (true, &[0], true),
        (false, &[5], false),
        (true, &[0, 0], true),
        (false, &[0, 4], false),
    ];
    for (strict, roles, up) in rows {
        let capabilities: Vec<_> = roles.iter().map(|role| Capability::Role(*role)).collect();
        let mut router = Router::new(with_role(Role::Customer, strict));
        let conn = router.accept();
        router.establish(conn, &open(65002, capabilities));
        let expected = (!up).then_some(Notification::ROLE_MISMATCH);
        assert_eq!(router.notification(conn), expected, "{strict} {roles:?}");
        assert_eq!(router.state() == StateName::Established, up);
    }
}

#[test]
fn a_strict_neighbour_without_our_role_says_2_11_and_the_status_shows_it() {
    let mut configs = with_roles(None, Some(Role::Peer));
    configs[1].role = Some((Role::Peer, true));
    let mut pair = Pair::new(configs);
    pair.run_secs(5);
    let status = pair.sides[0].peer.status(pair.now);
    let expected = DownReason::Received(Notification::ROLE_MISMATCH);
    assert_eq!(status.last_error.map(|(_, reason)| reason), Some(expected));
    assert_eq!(pair.sides[0].ups, []);
}

#[test]
fn inside_one_as_roles_are_neither_sent_nor_asked_for() {
    let mut configs = internal();
    configs[0].role = Some((Role::Customer, true));
    configs[1].role = Some((Role::Customer, true));
    let mut pair = Pair::new(configs);
    pair.set_routes(0, routes(&[("10.1.0.0/24", 1)]));
    pair.run_secs(1);
    pair.assert_established();
    let announced = &pair.sides[1].ups[0].peer_capabilities;
    assert!(
        !announced
            .iter()
            .any(|one| matches!(one, Capability::Role(_)))
    );
    assert_eq!(marks(&pair), [None]);
}

#[test]
fn what_goes_to_customers_peers_and_clients_of_a_route_server_is_marked() {
    for role in ROLES {
        // RFC 9234 §5: the AS is that of the sender.
        let mark = match role {
            Role::Provider | Role::RouteServer | Role::Peer => Some(asn(65001)),
            Role::RouteServerClient | Role::Customer => None,
        };
        // The configured role counts, announced by the neighbour or not.
        for theirs in [Some(counterpart(role)), None] {
            let mut pair = Pair::new(with_roles(Some(role), theirs));
            pair.sides[0].interface.ipv6 = "2001:db8::1".parse().ok();
            pair.set_routes(0, routes(&[("10.1.0.0/24", 1), ("2001:db8:1::/64", 1)]));
            pair.run_secs(1);
            pair.assert_established();
            assert_eq!(marks(&pair), [mark, mark], "{role:?} {theirs:?}");
        }
    }
}

#[test]
fn without_a_role_nothing_is_marked() {
    let mut pair = Pair::new(external());
    pair.set_routes(0, routes(&[("10.1.0.0/24", 1)]));
    pair.run_secs(1);
    assert_eq!(marks(&pair), [None]);
}

/// Table 2 of RFC 9234 §4.2.
fn counterpart(role: Role) -> Role {
    match role {
        Role::Provider => Role::Customer,
        Role::Customer => Role::Provider,
        Role::RouteServer => Role::RouteServerClient,
        Role::RouteServerClient => Role::RouteServer,
        Role::Peer => Role::Peer,
    }
}

fn with_role(role: Role, strict: bool) -> PeerConfig {
    PeerConfig {
        role: Some((role, strict)),
        ..config(65001, 65002, 1)
    }
}

fn with_roles(ours: Option<Role>, theirs: Option<Role>) -> [PeerConfig; 2] {
    let mut configs = external();
    configs[0].role = ours.map(|role| (role, false));
    configs[1].role = theirs.map(|role| (role, false));
    configs
}

/// Only to Customer of each route that side 1 holds.
fn marks(pair: &Pair) -> Vec<Option<bgp::Asn>> {
    let adj_in = pair.sides[1].peer.adj_in().expect("a session");
    let routes = adj_in.routes().values();
    routes.map(|route| route.only_to_customer).collect()
}
