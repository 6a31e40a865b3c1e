//! A neighbour: its configuration, at most two connections, retry, and the API the daemon drives.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Asn, BgpIdentifier, Family, HoldTime, Negotiated, Notification};

/// Which AS the peer must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerAs {
    /// This one.
    Exactly(Asn),
    /// Our own ("internal").
    Internal,
    /// Any but our own ("external").
    External,
}

/// Everything a session needs to know of a neighbour. Sockets and addresses are the daemon's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// Our AS on this session.
    pub local_as: Asn,
    /// The AS the peer must announce.
    pub peer_as: PeerAs,
    /// Our BGP Identifier.
    pub identifier: BgpIdentifier,
    /// Proposed hold time.
    pub hold_time: HoldTime,
    /// Time between KEEPALIVEs; `None` is a third of the negotiated hold time.
    pub keepalive_time: Option<Duration>,
    /// ConnectRetryTime (RFC 4271 §8): base of the jittered, growing retry.
    pub connect_retry_time: Duration,
    /// Only listen: never open a connection (PassiveTcpEstablishment).
    pub passive: bool,
    /// Families to announce; never empty.
    pub families: BTreeSet<Family>,
    /// Send hold time (RFC 9687); `None` is max(8 min, 2 × hold time).
    pub send_hold_time: Option<Duration>,
    /// Ask peers to keep routes over our restart (RFC 4724): Restart Time in seconds, 12 bits.
    pub graceful_restart_time: Option<u16>,
    /// Long-Lived Stale Time in seconds, 24 bits (RFC 9494); needs `graceful_restart_time`.
    pub long_lived_stale_time: Option<u32>,
    /// The role we announce (RFC 9234), and whether the peer must announce one (strict mode).
    pub role: Option<(Role, bool)>,
    /// Most prefixes the peer may send, all families together; above it Cease/1 (RFC 4486 §4).
    pub max_prefixes: Option<u32>,
    /// Host and domain name for the FQDN capability.
    pub fqdn: Option<(String, String)>,
    /// Text of the software version capability, at most 64 octets.
    pub software_version: Option<String>,
}

/// BGP Role (RFC 9234 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// 0.
    Provider,
    /// 1.
    RouteServer,
    /// 2.
    RouteServerClient,
    /// 3.
    Customer,
    /// 4.
    Peer,
}

/// Names one TCP connection of a peer. Given by the user of [`Peer`], never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Who opened a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We did ([`Action::Connect`]).
    Outgoing,
    /// The peer did.
    Incoming,
}

/// What happens to a peer, besides octets and time.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What the daemon has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a TCP connection to the peer and report it under this id.
    Connect(ConnId),
    /// Send what [`Peer::poll_transmit`] still gives for it, without waiting, then close.
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
