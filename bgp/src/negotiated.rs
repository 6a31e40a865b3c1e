//! What two OPEN messages agree on: the only place that gives capabilities a meaning.

use std::time::Duration;

use crate::capability::Capability;
use crate::family::AfiSafi;
use crate::{Asn, BgpIdentifier, Family, HoldTime};

/// What a session may do, from the OPEN sent and the OPEN received.
///
/// Codec and Adj-RIB-Out read this and never a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Our AS on this session.
    pub local_as: Asn,
    /// The peer's AS.
    pub peer_as: Asn,
    /// The peer's BGP Identifier.
    pub peer_identifier: BgpIdentifier,
    /// The smaller of both hold times (RFC 4271 §4.2).
    pub hold_time: HoldTime,
    /// Time between KEEPALIVEs: the configured one, at most a third of the hold time; `None` when
    /// the hold time is 0.
    pub keepalive_time: Option<Duration>,
    /// Both families announced by both sides (RFC 4760 §8); IPv4 unicast where the peer sent no
    /// multiprotocol capability at all.
    pub families: Vec<Family>,
    /// Both sides speak four-octet AS numbers (RFC 6793 §4.1).
    pub four_octet_as: bool,
    /// We may send messages over 4,096 octets (RFC 8654 §4).
    pub send_extended: bool,
    /// The peer may send messages over 4,096 octets.
    pub receive_extended: bool,
    /// Route refresh (RFC 2918).
    pub route_refresh: bool,
    /// Enhanced route refresh (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// IPv4 NLRI may have an IPv6 next hop, both ways (RFC 8950 §4).
    pub extended_next_hop: bool,
    /// Families in which the peer sends Path Identifiers to us (RFC 7911 §4).
    pub receive_add_path: Vec<Family>,
    /// Families in which the peer keeps our routes over a restart of ours (RFC 4724), F bit each.
    pub peer_graceful_restart: Option<crate::capability::GracefulRestart>,
    /// What the peer announced, as it came, for people.
    pub peer_capabilities: Vec<Capability>,
    /// Families the peer announced and we do not route; their MP_REACH_NLRI is ignored.
    pub ignored_families: Vec<AfiSafi>,
}

impl Negotiated {
    /// Whether the peer is in another AS.
    pub fn is_ebgp(&self) -> bool {
        self.local_as != self.peer_as
    }
}
