//! Why a session is down, for people: what to look at first.

use bgp::peer::{DownReason, Heard, PeerAs, PeerStatus, StopReason};
use bgp::{Notification, PeerConfig};

/// The last error of a peer in words. A connection that failed without a NOTIFICATION tells less
/// than the NOTIFICATION before it, so both are named.
pub fn of_last_error(status: &PeerStatus, config: &PeerConfig) -> Option<String> {
    let (_, last) = status.last_error.as_ref()?;
    let told = text(last, config, status.heard);
    match (last, &status.last_notification) {
        (DownReason::Tcp(_), Some(before)) => {
            let before = text(before, config, status.heard);
            Some(format!("{told}; before that: {before}"))
        }
        (_, _) => Some(told),
    }
}

/// A reason in words. `heard` is who the peer said it is, if it ever did.
pub fn text(reason: &DownReason, config: &PeerConfig, heard: Option<Heard>) -> String {
    match reason {
        DownReason::Sent(notification) => match sent(notification, config, heard) {
            Some(meaning) => format!("{meaning}; sent NOTIFICATION {notification}"),
            None => format!("sent NOTIFICATION {notification}"),
        },
        DownReason::Received(notification) => match received(notification, config) {
            Some(meaning) => format!("{meaning}; received NOTIFICATION {notification}"),
            None => format!("received NOTIFICATION {notification}"),
        },
        DownReason::Tcp(reason) => reason.clone(),
        DownReason::Stopped(reason) => stopped(reason),
    }
}

fn sent(notification: &Notification, config: &PeerConfig, heard: Option<Heard>) -> Option<String> {
    let heard = heard?;
    if notification.is_same_error(&Notification::BAD_PEER_AS) {
        let configured = match config.peer_as {
            PeerAs::Exactly(asn) => asn.to_string(),
            PeerAs::Internal => format!("{} (internal)", config.local_as),
            PeerAs::External => format!("any but {} (external)", config.local_as),
        };
        return Some(format!("peer is AS {}, configured {configured}", heard.asn));
    }
    if notification.is_same_error(&Notification::BAD_BGP_IDENTIFIER) {
        return Some(format!(
            "peer has our BGP Identifier {}: set routerID",
            heard.identifier
        ));
    }
    None
}

fn received(notification: &Notification, config: &PeerConfig) -> Option<String> {
    if notification.is_same_error(&Notification::BAD_PEER_AS) {
        return Some(format!(
            "peer does not expect us to be AS {} (myASN)",
            config.local_as
        ));
    }
    if notification.is_same_error(&Notification::BAD_BGP_IDENTIFIER) {
        return Some(format!(
            "peer does not accept our BGP Identifier {}: set routerID",
            config.identifier
        ));
    }
    if notification.is_same_error(&Notification::CONNECTION_REJECTED) {
        return Some("peer rejects the connection: is this host its neighbour?".to_owned());
    }
    None
}

fn stopped(reason: &StopReason) -> String {
    match reason {
        StopReason::AdministrativeShutdown(text) => format!("shut down here: {text}"),
        StopReason::PeerDeconfigured => "no longer configured here".to_owned(),
        StopReason::AdministrativeReset(text) => format!("reset here: {text}"),
        StopReason::OtherConfigurationChange => {
            "a new configuration needs a new session".to_owned()
        }
        StopReason::Restart => "herald restarts".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bgp::{Asn, BgpIdentifier, Peer};

    use super::*;

    #[test]
    fn a_wrong_as_names_both() {
        let cases = [
            (PeerAs::Exactly(asn(65001)), "configured 65001"),
            (PeerAs::Internal, "configured 64512 (internal)"),
            (PeerAs::External, "configured any but 64512 (external)"),
        ];
        for (peer_as, words) in cases {
            let reason = DownReason::Sent(Notification::BAD_PEER_AS);
            let text = text(&reason, &config(peer_as), Some(heard()));
            assert!(text.starts_with("peer is AS 65002, "), "{text}");
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn what_the_peer_sent_is_told_with_its_meaning() {
        let cases = [
            (Notification::BAD_PEER_AS, "AS 64512 (myASN)"),
            (
                Notification::CONNECTION_REJECTED,
                "is this host its neighbour",
            ),
            (
                Notification::administrative_shutdown("upgrade at 9"),
                "upgrade at 9",
            ),
            (Notification::HOLD_TIMER_EXPIRED, "Hold Timer Expired (4/0)"),
        ];
        for (notification, words) in cases {
            let reason = DownReason::Received(notification);
            let text = text(&reason, &config(PeerAs::External), None);
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_connection_that_was_just_closed_is_told_with_the_notification_before_it() {
        let config = config(PeerAs::External);
        let peer = Peer::new(config.clone(), 1, Instant::now());
        let status = |last, before| {
            let mut status = peer.status(Instant::now());
            status.last_error = Some((Instant::now(), last));
            status.last_notification = before;
            of_last_error(&status, &config).expect("an error")
        };
        let closed = || DownReason::Tcp("closed by peer".to_owned());
        let removed = || DownReason::Received(Notification::PEER_DECONFIGURED);
        let told = "received NOTIFICATION Cease: Peer De-configured (6/3)";
        for (last, before, text) in [
            (closed(), None, "closed by peer".to_owned()),
            (
                closed(),
                Some(removed()),
                format!("closed by peer; before that: {told}"),
            ),
            (removed(), Some(removed()), told.to_owned()),
        ] {
            assert_eq!(status(last, before), text);
        }
    }

    fn config(peer_as: PeerAs) -> PeerConfig {
        PeerConfig::new(asn(64512), peer_as, identifier())
    }

    fn heard() -> Heard {
        Heard {
            asn: asn(65002),
            identifier: identifier(),
        }
    }

    fn asn(number: u32) -> Asn {
        Asn::new(number).expect("not 0")
    }

    fn identifier() -> BgpIdentifier {
        BgpIdentifier::new([10, 0, 0, 1].into()).expect("not 0")
    }
}
