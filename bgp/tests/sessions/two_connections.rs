//! A router that opens a connection of its own and leaves ours without an answer.

use std::sync::Arc;
use std::time::Duration;

use bgp::capability::Capability;
use bgp::codec::Rules;
use bgp::fsm::{LARGE_HOLD_TIME, StateName};
use bgp::message::open::Open;
use bgp::peer::StopReason;
use bgp::{ConnId, Event, Family, HoldTime, Message, Notification};

use crate::common::router::{Router, open};
use crate::common::{config, routes};

#[test]
fn a_session_beside_a_silent_connection_is_a_whole_one() {
    let (mut router, silent, conn) = beside_a_silent_connection();
    let status = router.peer.status(router.now);
    assert_eq!(
        status.connection.map(|connection| connection.conn),
        Some(conn)
    );
    let set = Arc::new(routes(&[("10.1.0.0/24", 1)]));
    router.peer.set_routes(router.now, set);
    router.pump();
    router.event(Event::RequestRefresh(Family::Ipv4Unicast));
    let sent = router.messages(conn, &Rules::default());
    let names: Vec<&str> = sent.iter().map(Message::type_name).collect();
    assert_eq!(names, ["UPDATE", "UPDATE", "ROUTE-REFRESH"]);
    assert!(router.octets(silent).is_empty());
}

#[test]
fn the_silent_connection_ends_after_the_large_hold_time_and_the_session_stays() {
    let (mut router, silent, conn) = beside_a_silent_connection();
    router.run(LARGE_HOLD_TIME - Duration::from_secs(1));
    assert_eq!(router.peer.connections().count(), 2);
    router.run(Duration::from_secs(2));
    let expired = Some(Notification::HOLD_TIMER_EXPIRED);
    assert_eq!(router.notification(silent), expired);
    assert_eq!(router.peer.connections().collect::<Vec<_>>(), [conn]);
    assert_eq!(router.state(), StateName::Established);
    assert_eq!(router.downs, []);
}

#[test]
fn a_stop_ends_both() {
    let (mut router, silent, conn) = beside_a_silent_connection();
    router.event(Event::Stop(StopReason::PeerDeconfigured));
    for conn in [silent, conn] {
        let cease = Some(Notification::PEER_DECONFIGURED);
        assert_eq!(router.notification(conn), cease);
    }
    assert_eq!(router.peer.connections().count(), 0);
    assert_eq!(router.state(), StateName::Idle);
}

#[test]
fn bfd_ends_both() {
    let (mut router, silent, conn) = beside_a_silent_connection();
    router.event(Event::BfdDown);
    for conn in [silent, conn] {
        assert_eq!(router.notification(conn), Some(Notification::BFD_DOWN));
    }
    assert_eq!(router.peer.connections().count(), 0);
}

/// The connection without an answer, and the one with the session. The session has no timers.
fn beside_a_silent_connection() -> (Router, ConnId, ConnId) {
    let mut router = Router::new(config(65001, 65002, 1));
    let silent = router.accept();
    let conn = router.connect();
    let open = Open {
        hold_time: HoldTime::DISABLED,
        ..open(65002, vec![Capability::RouteRefresh])
    };
    router.establish(conn, &open);
    assert_eq!(router.state(), StateName::Established);
    router.octets(silent);
    router.octets(conn);
    (router, silent, conn)
}
