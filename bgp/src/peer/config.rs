//! What a session needs to know of a neighbour before it begins.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::open::Expectations;
use crate::{Asn, BgpIdentifier, Family, HoldTime};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// ConnectRetryTime (RFC 4271 §8): the longest wait between two attempts to connect, and
    /// after an error. The first waits are short and jittered, and double up to this.
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
    /// This process took over from one that ended with [`super::StopReason::Restart`]: the first
    /// OPENs have the R bit (RFC 4724 §4.1), until a session is Established.
    pub restarting: bool,
    /// The role we announce (RFC 9234), and whether the peer must announce one (strict mode).
    pub role: Option<(Role, bool)>,
    /// Most prefixes the peer may send, all families together; above it Cease/1 (RFC 4486 §4).
    pub max_prefixes: Option<u32>,
    /// Keep the routes the peer sends, with their attributes, for [`super::Peer::adj_in`].
    /// Otherwise prefixes are only counted.
    pub keep_routes: bool,
    /// Host and domain name for the FQDN capability.
    pub fqdn: Option<(String, String)>,
    /// Text of the software version capability, at most 64 octets.
    pub software_version: Option<String>,
}

impl PeerConfig {
    /// A neighbour with the suggested timers of RFC 4271 §10, both families, and no options.
    pub fn new(local_as: Asn, peer_as: PeerAs, identifier: BgpIdentifier) -> PeerConfig {
        PeerConfig {
            local_as,
            peer_as,
            identifier,
            hold_time: HoldTime::DEFAULT,
            keepalive_time: None,
            connect_retry_time: Duration::from_secs(120),
            passive: false,
            families: BTreeSet::from(Family::ALL),
            send_hold_time: None,
            graceful_restart_time: None,
            long_lived_stale_time: None,
            restarting: false,
            role: None,
            max_prefixes: None,
            keep_routes: false,
            fqdn: None,
            software_version: None,
        }
    }

    /// What the peer's OPEN is held against.
    pub(crate) fn expectations(&self) -> Expectations {
        Expectations {
            local_as: self.local_as,
            identifier: self.identifier,
            peer_as: self.peer_as,
            role: self.role,
        }
    }
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

impl Role {
    /// The value in the capability (RFC 9234 §4.1).
    pub const fn code(self) -> u8 {
        match self {
            Role::Provider => 0,
            Role::RouteServer => 1,
            Role::RouteServerClient => 2,
            Role::Customer => 3,
            Role::Peer => 4,
        }
    }
}

/// Addresses of the interface a connection runs over: the next hops of "next-hop self" for the
/// family that the connection itself does not use. All `None` is fine where routes and session
/// are of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAddresses {
    /// For IPv4 routes over an IPv6 session.
    pub ipv4: Option<Ipv4Addr>,
    /// A global address, for IPv6 routes over an IPv4 or link-local session.
    pub ipv6: Option<Ipv6Addr>,
    /// Only where the peer is on the same link: sent behind the global address (RFC 2545 §3).
    pub link_local: Option<Ipv6Addr>,
}

impl LocalAddresses {
    /// The same, completed by our end of the connection.
    pub fn with_session(mut self, local: IpAddr) -> LocalAddresses {
        match local.to_canonical() {
            IpAddr::V4(address) => self.ipv4 = Some(address),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                self.link_local = Some(address);
            }
            IpAddr::V6(address) => self.ipv6 = Some(address),
        }
        self
    }
}
