//! Capabilities (RFC 5492): one table of the IANA registry.

use crate::Asn;
use crate::family::AfiSafi;

/// One capability of an OPEN message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// 1: multiprotocol (RFC 4760 §8).
    Multiprotocol(AfiSafi),
    /// 2: route refresh (RFC 2918).
    RouteRefresh,
    /// 5: extended next hop encoding (RFC 8950): NLRI family and next-hop AFI, each.
    ExtendedNextHop(Vec<(AfiSafi, u16)>),
    /// 6: extended message (RFC 8654).
    ExtendedMessage,
    /// 9: BGP role (RFC 9234 §4.1).
    Role(u8),
    /// 64: graceful restart (RFC 4724 §3, N bit of RFC 8538 §2).
    GracefulRestart(GracefulRestart),
    /// 65: four-octet AS number (RFC 6793 §3).
    FourOctetAs(Asn),
    /// 69: ADD-PATH (RFC 7911 §4): family and Send/Receive (1, 2 or 3).
    AddPath(Vec<(AfiSafi, u8)>),
    /// 70: enhanced route refresh (RFC 7313).
    EnhancedRouteRefresh,
    /// 71: long-lived graceful restart (RFC 9494 §3.1).
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// 73: FQDN (draft-walton-bgp-hostname-capability): host name, domain name.
    Fqdn(String, String),
    /// 75: software version (draft-abraitis-bgp-version-capability).
    SoftwareVersion(String),
    /// Any other code: kept as it came, and shown.
    Unknown {
        /// Capability Code.
        code: u8,
        /// Capability Value, at most 255 octets.
        value: Vec<u8>,
    },
}

/// The value of the graceful restart capability (RFC 4724 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// R bit: the sender has restarted.
    pub restart_state: bool,
    /// N bit: NOTIFICATIONs keep routes too (RFC 8538 §2).
    pub notification: bool,
    /// Restart Time, seconds, 12 bits.
    pub restart_time: u16,
    /// Families, each with its F bit: forwarding state preserved.
    pub families: Vec<(AfiSafi, bool)>,
}

/// One family of the long-lived graceful restart capability (RFC 9494 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLivedFamily {
    /// The family.
    pub family: AfiSafi,
    /// F bit: forwarding state preserved.
    pub forwarding: bool,
    /// Long-Lived Stale Time, seconds, 24 bits.
    pub stale_time: u32,
}
