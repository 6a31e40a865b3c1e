//! What two OPEN messages agree on: the only place that gives capabilities a meaning.

use std::time::Duration;

use bytes::BytesMut;

use crate::capability::{self, Capability, GracefulRestart};
use crate::codec::Rules;
use crate::family::{AfiSafi, FamilySet};
use crate::message::open::Open;
use crate::{Asn, BgpIdentifier, Family, HoldTime, Notification};

/// ADD-PATH Send/Receive (RFC 7911 §4): the sender can receive paths, or can send them.
const ADD_PATH_RECEIVE: u8 = 1;
const ADD_PATH_SEND: u8 = 2;
/// AFI of IPv6, as a next hop of RFC 8950.
const AFI_IPV6: u16 = 2;

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
    /// Families announced by both sides (RFC 4760 §8), in wire order; IPv4 unicast where a side
    /// sent no multiprotocol capability at all. Never empty.
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
    /// Graceful restart as the peer announced it (RFC 4724), where both sides did.
    pub peer_graceful_restart: Option<GracefulRestart>,
    /// What the peer announced, as it came, for people.
    pub peer_capabilities: Vec<Capability>,
    /// Families the peer announced and we do not route; their MP_REACH_NLRI is ignored.
    pub ignored_families: Vec<AfiSafi>,
}

impl Negotiated {
    /// Negotiates the OPEN `sent` with the OPEN `received`; the latter has passed
    /// [`Open::check`]. `keepalive` is the configured time between KEEPALIVEs.
    ///
    /// The error is the NOTIFICATION to send: 2/7 when no family is common (RFC 5492 §3), with
    /// the multiprotocol capabilities that we insist on.
    pub fn new(
        sent: &Open,
        received: &Open,
        keepalive: Option<Duration>,
    ) -> Result<Negotiated, Notification> {
        let (Some(local_as), Some(peer_as)) = (sent.asn(), received.asn()) else {
            return Err(Notification::BAD_PEER_AS);
        };
        let hold_time = sent.hold_time.min(received.hold_time);
        let families: Vec<Family> = families(sent)
            .into_iter()
            .filter(|family| families_of(received).contains(&family.afi_safi()))
            .collect();
        if families.is_empty() {
            return Err(no_common_family(sent));
        }
        let both = |capability: Capability| sent.has(&capability) && received.has(&capability);
        Ok(Negotiated {
            local_as,
            peer_as,
            peer_identifier: received.identifier,
            hold_time,
            keepalive_time: keepalive_time(hold_time, keepalive),
            receive_add_path: receive_add_path(sent, received, &families),
            four_octet_as: sent.four_octet_as().is_some() && received.four_octet_as().is_some(),
            // RFC 8654 §4: the capability says what its sender can receive.
            send_extended: both(Capability::ExtendedMessage),
            receive_extended: sent.has(&Capability::ExtendedMessage),
            route_refresh: both(Capability::RouteRefresh),
            enhanced_route_refresh: both(Capability::EnhancedRouteRefresh),
            extended_next_hop: extended_next_hop(sent) && extended_next_hop(received),
            peer_graceful_restart: graceful_restart(sent).and(graceful_restart(received)),
            peer_capabilities: received.capabilities.clone(),
            ignored_families: families_of(received)
                .into_iter()
                .filter(|pair| !families.iter().any(|family| family.afi_safi() == *pair))
                .collect(),
            families,
        })
    }

    /// Whether the peer is in another AS.
    pub fn is_ebgp(&self) -> bool {
        self.local_as != self.peer_as
    }

    /// What the codec has to know of the session from now on.
    pub fn rules(&self) -> Rules {
        Rules {
            four_octet_as: self.four_octet_as,
            internal: !self.is_ebgp(),
            receive_extended: self.receive_extended,
            send_extended: self.send_extended,
            receive_add_path: self.receive_add_path.iter().copied().collect(),
            enhanced_route_refresh: self.enhanced_route_refresh,
            extended_next_hop: self.extended_next_hop,
            families: self.families.iter().copied().collect::<FamilySet>(),
        }
    }
}

/// RFC 4760 §8: the families announced. No multiprotocol capability at all means IPv4 unicast.
fn families_of(open: &Open) -> Vec<AfiSafi> {
    let mut pairs: Vec<AfiSafi> = open
        .capabilities
        .iter()
        .filter_map(|capability| {
            if let Capability::Multiprotocol(pair) = capability {
                Some(*pair)
            } else {
                None
            }
        })
        .collect();
    if pairs.is_empty() {
        pairs.push(Family::Ipv4Unicast.afi_safi());
    }
    pairs.sort();
    pairs.dedup();
    pairs
}

fn families(open: &Open) -> Vec<Family> {
    families_of(open)
        .into_iter()
        .filter_map(Family::from_afi_safi)
        .collect()
}

/// RFC 5492 §5: Data lists the capabilities that were missing.
fn no_common_family(sent: &Open) -> Notification {
    let wanted: Vec<Capability> = families(sent)
        .into_iter()
        .map(|family| Capability::Multiprotocol(family.afi_safi()))
        .collect();
    let mut data = BytesMut::new();
    capability::write_all(&wanted, &mut data);
    Notification::UNSUPPORTED_CAPABILITY.with_data(data.to_vec())
}

/// RFC 4271 §4.4: at most a third of the hold time, and not more than one a second.
fn keepalive_time(hold_time: HoldTime, configured: Option<Duration>) -> Option<Duration> {
    let third = hold_time.duration()? / 3;
    let wanted = configured.unwrap_or(third).min(third);
    Some(wanted.max(Duration::from_secs(1)))
}

/// RFC 7911 §4: families in which we can receive paths and the peer can send them.
fn receive_add_path(sent: &Open, received: &Open, families: &[Family]) -> Vec<Family> {
    let has = |open: &Open, family: Family, direction: u8| {
        open.capabilities.iter().any(|capability| {
            let Capability::AddPath(entries) = capability else {
                return false;
            };
            entries.iter().any(|(pair, send_receive)| {
                // A value that is not 1, 2 or 3 is ignored.
                *pair == family.afi_safi()
                    && *send_receive <= (ADD_PATH_RECEIVE | ADD_PATH_SEND)
                    && send_receive & direction != 0
            })
        })
    };
    families
        .iter()
        .copied()
        .filter(|family| has(sent, *family, ADD_PATH_RECEIVE))
        .filter(|family| has(received, *family, ADD_PATH_SEND))
        .collect()
}

/// RFC 8950 §4: IPv4 unicast NLRI with an IPv6 next hop.
fn extended_next_hop(open: &Open) -> bool {
    let wanted = (Family::Ipv4Unicast.afi_safi(), AFI_IPV6);
    open.capabilities.iter().any(|capability| {
        if let Capability::ExtendedNextHop(entries) = capability {
            entries.contains(&wanted)
        } else {
            false
        }
    })
}

/// RFC 4724 §3: where it stands more than once, the last one counts.
fn graceful_restart(open: &Open) -> Option<GracefulRestart> {
    let mut found = open.capabilities.iter().rev();
    found.find_map(|capability| {
        if let Capability::GracefulRestart(restart) = capability {
            Some(restart.clone())
        } else {
            None
        }
    })
}
