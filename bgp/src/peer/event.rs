//! What goes into a [`super::Peer`] besides octets and time, and what comes out.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::LocalAddresses;
use crate::{Family, Negotiated, Notification};

/// Names one TCP connection of a peer, never used twice. [`super::Peer`] names outgoing ones, from
/// [`ConnId::OUTGOING`] up; the user names incoming ones, below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The first id of an outgoing connection.
    pub const OUTGOING: ConnId = ConnId(1 << 32);
}

/// Who opened a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// We did ([`Action::Connect`]).
    Outgoing,
    /// The peer did.
    Incoming,
}

/// What happens to a peer, besides octets and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Begin, or begin again after [`Event::Stop`].
    Start,
    /// End the session and stay down until [`Event::Start`].
    Stop(StopReason),
    /// A TCP connection stands.
    Connected {
        /// Its name from now on. For an outgoing one, the id in [`Action::Connect`].
        conn: ConnId,
        /// Who opened it.
        direction: Direction,
        /// Our end: the next hop of "next-hop self".
        local: SocketAddr,
        /// The peer's end.
        remote: SocketAddr,
        /// Other addresses of the interface, for next hops of the other family.
        interface: LocalAddresses,
    },
    /// The connection asked for by [`Action::Connect`] could not be made: why, for people.
    ConnectFailed {
        /// The id in [`Action::Connect`].
        conn: ConnId,
        /// The operating system's words.
        reason: String,
    },
    /// A TCP connection ended, by the peer or by an error: why, for people.
    Closed {
        /// The connection.
        conn: ConnId,
        /// The operating system's words, or "closed by peer".
        reason: String,
    },
    /// BFD says the path is down (RFC 9384): end with Cease/10, retry as after any error.
    BfdDown,
    /// The user asks for the peer's routes again (ROUTE-REFRESH), where negotiated.
    RequestRefresh(Family),
}

/// Why a session is ended on purpose: the subcode of its Cease (RFC 4486, RFC 9003).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// 6/2, with a text of at most 255 octets of UTF-8.
    AdministrativeShutdown(String),
    /// 6/3: the peer is no longer configured.
    PeerDeconfigured,
    /// 6/4, with a text; the session starts again by itself.
    AdministrativeReset(String),
    /// 6/6: a new configuration needs a new session; it starts again by itself.
    OtherConfigurationChange,
    /// Close without a NOTIFICATION: a restart that graceful restart should bridge (RFC 4724).
    Restart,
}

impl StopReason {
    /// The Cease to send; `None` for a silent close.
    pub fn notification(&self) -> Option<Notification> {
        match self {
            StopReason::AdministrativeShutdown(text) => {
                Some(Notification::administrative_shutdown(text))
            }
            StopReason::PeerDeconfigured => Some(Notification::PEER_DECONFIGURED),
            StopReason::AdministrativeReset(text) => Some(Notification::administrative_reset(text)),
            StopReason::OtherConfigurationChange => Some(Notification::OTHER_CONFIGURATION_CHANGE),
            StopReason::Restart => None,
        }
    }

    /// Whether the session starts again by itself.
    pub fn restarts(&self) -> bool {
        match self {
            StopReason::AdministrativeReset(_) | StopReason::OtherConfigurationChange => true,
            StopReason::AdministrativeShutdown(_)
            | StopReason::PeerDeconfigured
            | StopReason::Restart => false,
        }
    }
}

/// What the daemon has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a TCP connection to the peer and report it under this id.
    Connect(ConnId),
    /// Send what [`super::Peer::poll_transmit`] still gives for it, without waiting, then close.
    Close(ConnId),
    /// Give up a connection attempt that is still under way.
    CancelConnect(ConnId),
    /// The session is Established.
    Up(Box<Negotiated>),
    /// The session has left Established, or an attempt at it has failed.
    Down(DownReason),
}

/// Why a session is not, or no longer, Established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// We sent this.
    Sent(Notification),
    /// The peer sent this.
    Received(Notification),
    /// TCP: could not connect, or lost; the operating system's words.
    Tcp(String),
    /// [`Event::Stop`].
    Stopped(StopReason),
}
