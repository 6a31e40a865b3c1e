//! Capabilities (RFC 5492): one table of the IANA registry.

mod wire;

use crate::Asn;
use crate::family::AfiSafi;

pub(crate) use wire::{describe, parse_all, write_all};

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

impl Capability {
    /// The Capability Code.
    pub const fn code(&self) -> u8 {
        match self {
            Capability::Multiprotocol(_) => code::MULTIPROTOCOL,
            Capability::RouteRefresh => code::ROUTE_REFRESH,
            Capability::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Capability::ExtendedMessage => code::EXTENDED_MESSAGE,
            Capability::Role(_) => code::ROLE,
            Capability::GracefulRestart(_) => code::GRACEFUL_RESTART,
            Capability::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Capability::AddPath(_) => code::ADD_PATH,
            Capability::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Capability::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Capability::Fqdn(..) => code::FQDN,
            Capability::SoftwareVersion(_) => code::SOFTWARE_VERSION,
            Capability::Unknown { code, .. } => *code,
        }
    }

    /// The capability's short name, as the IANA registry has it.
    pub fn name(&self) -> &'static str {
        name(self.code())
    }
}

/// The codes that have a type here (IANA registry "Capability Codes").
pub(crate) mod code {
    pub(crate) const MULTIPROTOCOL: u8 = 1;
    pub(crate) const ROUTE_REFRESH: u8 = 2;
    pub(crate) const EXTENDED_NEXT_HOP: u8 = 5;
    pub(crate) const EXTENDED_MESSAGE: u8 = 6;
    pub(crate) const ROLE: u8 = 9;
    pub(crate) const GRACEFUL_RESTART: u8 = 64;
    pub(crate) const FOUR_OCTET_AS: u8 = 65;
    pub(crate) const ADD_PATH: u8 = 69;
    pub(crate) const ENHANCED_ROUTE_REFRESH: u8 = 70;
    pub(crate) const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
    pub(crate) const FQDN: u8 = 73;
    pub(crate) const SOFTWARE_VERSION: u8 = 75;
}

/// Name of a Capability Code.
pub fn name(code: u8) -> &'static str {
    match code {
        code::MULTIPROTOCOL => "multiprotocol",
        code::ROUTE_REFRESH => "route-refresh",
        3 => "outbound-route-filtering",
        code::EXTENDED_NEXT_HOP => "extended-next-hop",
        code::EXTENDED_MESSAGE => "extended-message",
        7 => "bgpsec",
        8 => "multiple-labels",
        code::ROLE => "role",
        code::GRACEFUL_RESTART => "graceful-restart",
        code::FOUR_OCTET_AS => "four-octet-as",
        67 => "dynamic-capability",
        68 => "multisession",
        code::ADD_PATH => "add-path",
        code::ENHANCED_ROUTE_REFRESH => "enhanced-route-refresh",
        code::LONG_LIVED_GRACEFUL_RESTART => "long-lived-graceful-restart",
        72 => "routing-policy-distribution",
        code::FQDN => "fqdn",
        74 => "bfd-strict-mode",
        code::SOFTWARE_VERSION => "software-version",
        76 => "paths-limit",
        128 => "route-refresh-cisco",
        _ => "unknown",
    }
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

/// Name of a role (RFC 9234 §4.1).
pub(crate) fn role_name(role: u8) -> &'static str {
    match role {
        0 => "provider",
        1 => "route-server",
        2 => "route-server-client",
        3 => "customer",
        4 => "peer",
        _ => "unknown",
    }
}
