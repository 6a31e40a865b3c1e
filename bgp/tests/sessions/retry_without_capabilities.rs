//! A router that cannot read optional parameters, and says so (RFC 5492 §3).

use std::collections::BTreeSet;
use std::sync::Arc;

use bgp::fsm::StateName;
use bgp::peer::DownReason;
use bgp::{ConnId, Family, Message, Notification, PeerConfig};

use crate::common::router::{Router, open};
use crate::common::{config, routes};

#[test]
fn a_router_that_refuses_optional_parameters_is_asked_again_without() {
    let mut router = Router::new(config(65001, 65002, 1));
    let first = router.accept();
    assert!(!router.open(first).capabilities.is_empty());
    refuse(&mut router, first);
    let second = router.accept();
    let bare = router.open(second);
    assert_eq!(
        bare,
        bgp::message::open::Open {
            capabilities: vec![],
            ..bare.clone()
        }
    );
    assert_eq!((bare.my_as, bare.hold_time.seconds()), (65001, 90));
    router.establish(second, &open(65002, vec![]));
    assert_eq!(router.state(), StateName::Established);
}

#[test]
fn a_session_without_capabilities_carries_ipv4_in_two_octet_terms() {
    let mut router = without_capabilities();
    let conn = router.peer.connections().next().expect("a session");
    let negotiated = router
        .peer
        .status(router.now)
        .negotiated
        .expect("a session");
    assert_eq!(negotiated.families, [Family::Ipv4Unicast]);
    assert!(!negotiated.four_octet_as && !negotiated.send_extended && !negotiated.route_refresh);
    let set = routes(&[("10.1.0.0/24", 1), ("2001:db8::/64", 2)]);
    router.peer.set_routes(router.now, Arc::new(set));
    router.pump();
    let messages = router.messages(conn, &Default::default());
    let Some(Message::Update(update)) = messages.first() else {
        panic!("{messages:?}");
    };
    let routes: Vec<String> = update.nlri.prefixes().map(|p| p.to_string()).collect();
    assert_eq!(routes, ["10.1.0.0/24"]);
    assert_eq!(
        router.peer.status(router.now).unsent.len(),
        1,
        "the IPv6 one"
    );
}

#[test]
fn the_session_after_one_without_capabilities_is_asked_for_with_them() {
    let mut router = without_capabilities();
    let conn = router.peer.connections().next().expect("a session");
    router.close(conn);
    let conn = router.accept();
    assert!(!router.open(conn).capabilities.is_empty());
}

#[test]
fn a_router_that_refuses_the_bare_open_too_is_asked_in_turns() {
    let mut router = Router::new(config(65001, 65002, 1));
    for bare in [false, true, false, true, false] {
        let conn = router.accept();
        assert_eq!(router.open(conn).capabilities.is_empty(), bare);
        refuse(&mut router, conn);
    }
}

#[test]
fn a_connection_that_cannot_be_made_in_between_changes_nothing() {
    let mut router = Router::new(config(65001, 65002, 1));
    let conn = router.accept();
    refuse(&mut router, conn);
    router.refuse();
    router.refuse();
    let conn = router.accept();
    assert!(router.open(conn).capabilities.is_empty());
}

#[test]
fn a_router_that_refuses_on_both_connections_is_asked_without_next() {
    let mut router = Router::new(config(65001, 65002, 1));
    let outgoing = router.accept();
    let incoming = router.connect();
    for conn in [outgoing, incoming] {
        assert!(!router.open(conn).capabilities.is_empty());
    }
    refuse(&mut router, outgoing);
    refuse(&mut router, incoming);
    let conn = router.accept();
    assert!(router.open(conn).capabilities.is_empty());
}

#[test]
fn a_refusal_after_the_routers_own_open_counts_too() {
    let mut router = Router::new(config(65001, 65002, 1));
    let conn = router.accept();
    router.say(conn, &Message::Open(open(65002, vec![])));
    assert_eq!(router.state(), StateName::OpenConfirm);
    refuse(&mut router, conn);
    let conn = router.accept();
    assert!(router.open(conn).capabilities.is_empty());
}

#[test]
fn there_is_no_retry_without_capabilities_where_nothing_could_come_of_it() {
    let ipv6_only = PeerConfig {
        families: BTreeSet::from([Family::Ipv6Unicast]),
        ..config(65001, 65002, 1)
    };
    for config in [ipv6_only, config(4_200_000_000, 65002, 1)] {
        let mut router = Router::new(config);
        for _ in 0..4 {
            let conn = router.accept();
            assert!(!router.open(conn).capabilities.is_empty());
            refuse(&mut router, conn);
        }
    }
}

#[test]
fn another_refusal_is_no_reason_to_leave_capabilities_out() {
    let others = [
        Notification::OPEN_MESSAGE_ERROR,
        Notification::UNSUPPORTED_CAPABILITY,
        Notification::ROLE_MISMATCH,
        Notification::CEASE,
    ];
    for other in others {
        let mut router = Router::new(config(65001, 65002, 1));
        let conn = router.accept();
        router.say(conn, &Message::Notification(other));
        let conn = router.accept();
        assert!(!router.open(conn).capabilities.is_empty());
    }
}

/// The router's NOTIFICATION 2/4, which is not answered (RFC 4271 §6.4).
fn refuse(router: &mut Router, conn: ConnId) {
    router.octets(conn);
    let refusal = Notification::UNSUPPORTED_OPTIONAL_PARAMETER;
    router.say(conn, &Message::Notification(refusal.clone()));
    assert!(router.octets(conn).is_empty());
    let status = router.peer.status(router.now);
    let last = status.last_error.map(|(_, reason)| reason);
    assert_eq!(last, Some(DownReason::Received(refusal)));
}

/// A session that came up after a refusal.
fn without_capabilities() -> Router {
    let mut router = Router::new(config(65001, 65002, 1));
    let conn = router.accept();
    refuse(&mut router, conn);
    let conn = router.accept();
    router.establish(conn, &open(65002, vec![]));
    assert_eq!(router.state(), StateName::Established);
    router.octets(conn);
    router
}
