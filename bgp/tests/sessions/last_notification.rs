//! What is remembered of why a session ended, while a router closes every new connection unheard.

use bgp::fsm::StateName;
use bgp::peer::DownReason;
use bgp::{Message, Notification};

use crate::common::config;
use crate::common::router::{Router, open};

#[test]
fn the_notification_is_remembered_while_a_router_that_removed_us_closes_what_we_open() {
    let (mut router, conn) = Router::established(config(65001, 65002, 1), &open(65002, vec![]));
    let removed = Notification::PEER_DECONFIGURED;
    router.say(conn, &Message::Notification(removed.clone()));
    for _ in 0..3 {
        let conn = router.accept();
        router.close(conn);
        router.refuse();
        let status = router.peer.status(router.now);
        let last = status.last_error.map(|(_, reason)| reason);
        assert!(matches!(last, Some(DownReason::Tcp(_))), "{last:?}");
        let before = Some(DownReason::Received(removed.clone()));
        assert_eq!(status.last_notification, before);
    }
}

#[test]
fn a_session_that_is_lost_without_a_notification_has_nothing_to_do_with_an_older_one() {
    let (mut router, conn) = Router::established(config(65001, 65002, 1), &open(65002, vec![]));
    router.say(conn, &Message::Notification(Notification::CEASE));
    let conn = router.accept();
    router.establish(conn, &open(65002, vec![]));
    assert_eq!(router.state(), StateName::Established);
    let remembered = router.peer.status(router.now).last_notification;
    assert_eq!(
        remembered,
        Some(DownReason::Received(Notification::CEASE)),
        "it tells why the session before this one ended"
    );
    router.close(conn);
    assert_eq!(router.peer.status(router.now).last_notification, None);
}
