//! How attributes of ours look to one peer: the rules of eBGP and iBGP.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use bytes::BytesMut;

use super::pack;
use crate::attribute::{
    AsPath, LocalPref, MultiExitDisc, NextHop, OnlyToCustomer, Origin, PathAttributes,
};
use crate::codec::Rules;
use crate::negotiated::Negotiated;
use crate::peer::{LocalAddresses, Role};
use crate::{Asn, Family, RouteAttributes};

/// LOCAL_PREF where the user set none (the value every router defaults to).
const DEFAULT_LOCAL_PREF: u32 = 100;

/// Why a route cannot go to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsendable {
    /// The peer did not announce the family, or we did not.
    FamilyNotNegotiated,
    /// No address of ours can be the next hop of this family: the session runs over the other
    /// family and none was given, or RFC 8950 is not negotiated.
    NoNextHop,
    /// One route with these attributes is longer than a message.
    AttributesTooLong,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsendable::FamilyNotNegotiated => "the family is not negotiated with the peer",
            Unsendable::NoNextHop => {
                "no next hop: the interface of the session has no address of this family"
            }
            Unsendable::AttributesTooLong => "the attributes do not fit in a message",
        })
    }
}

/// Attributes as octets: routes that share them can share an UPDATE.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    /// Every attribute but MP_REACH_NLRI, in wire form.
    pub(super) attributes: Vec<u8>,
    /// Network Address of Next Hop of MP_REACH_NLRI; `None` for the NLRI field of the UPDATE,
    /// whose NEXT_HOP is among the attributes.
    pub(super) mp_next_hop: Option<Vec<u8>>,
}

/// What the session makes of our attributes.
#[derive(Debug)]
pub(super) struct Advertise {
    rules: Rules,
    local_as: Asn,
    external: bool,
    local: LocalAddresses,
    /// RFC 9234 §5: the Only to Customer attribute to add.
    only_to_customer: Option<Asn>,
}

impl Advertise {
    pub(super) fn new(
        negotiated: &Negotiated,
        local: LocalAddresses,
        role: Option<Role>,
    ) -> Advertise {
        // RFC 9234 §5, egress rule 1: towards a Customer, a Peer, or an RS-Client.
        let downstream = match role {
            Some(Role::Provider | Role::RouteServer | Role::Peer) => negotiated.is_ebgp(),
            Some(Role::Customer | Role::RouteServerClient) | None => false,
        };
        Advertise {
            rules: negotiated.rules(),
            local_as: negotiated.local_as,
            external: negotiated.is_ebgp(),
            local,
            only_to_customer: downstream.then_some(negotiated.local_as),
        }
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn has(&self, family: Family) -> bool {
        self.rules.families.contains(family)
    }

    /// The attributes of a route of this family on the wire.
    pub(super) fn group(
        &self,
        family: Family,
        wanted: &RouteAttributes,
    ) -> Result<Group, Unsendable> {
        if !self.has(family) {
            return Err(Unsendable::FamilyNotNegotiated);
        }
        let next_hop = self.next_hop(family, wanted).ok_or(Unsendable::NoNextHop)?;
        let mut attributes = self.attributes(wanted);
        let mp_next_hop = match (family, next_hop) {
            (Family::Ipv4Unicast, IpAddr::V4(address)) => {
                attributes.next_hop = Some(NextHop(address));
                None
            }
            (_, IpAddr::V4(address)) => Some(address.octets().to_vec()),
            (_, IpAddr::V6(address)) => Some(self.ipv6_next_hop(address, wanted)),
        };
        let mut octets = BytesMut::new();
        attributes.write(&self.rules, &mut octets);
        let group = Group {
            attributes: octets.to_vec(),
            mp_next_hop,
        };
        match pack::fits(&group, family, self.rules.max_send_length()) {
            true => Ok(group),
            false => Err(Unsendable::AttributesTooLong),
        }
    }

    /// Everything but the next hop.
    fn attributes(&self, wanted: &RouteAttributes) -> PathAttributes<'static> {
        // RFC 4271 §5.1.2: our AS in front on eBGP; nothing of ours on iBGP.
        let own = self.external.then_some(self.local_as);
        let path: Vec<Asn> = own
            .into_iter()
            .chain(wanted.as_path.iter().copied())
            .collect();
        let (communities, large) = (&wanted.communities, &wanted.large_communities);
        PathAttributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::sequence(&path)),
            med: wanted.med.map(MultiExitDisc),
            // RFC 4271 §5.1.5: to internal peers always, to external ones never.
            local_pref: (!self.external)
                .then(|| LocalPref(wanted.local_pref.unwrap_or(DEFAULT_LOCAL_PREF))),
            communities: (!communities.is_empty()).then(|| communities.iter().copied().collect()),
            large_communities: (!large.is_empty()).then(|| large.iter().copied().collect()),
            only_to_customer: self.only_to_customer.map(OnlyToCustomer),
            ..PathAttributes::default()
        }
    }

    /// The address given, or ours of the family; for IPv4 routes an IPv6 one where the peer takes
    /// that (RFC 8950 §4).
    fn next_hop(&self, family: Family, wanted: &RouteAttributes) -> Option<IpAddr> {
        let ipv6 = || self.local.ipv6.or(self.local.link_local).map(IpAddr::V6);
        match (family, wanted.next_hop) {
            (Family::Ipv4Unicast, Some(IpAddr::V6(given))) => {
                self.rules.extended_next_hop.then_some(IpAddr::V6(given))
            }
            (Family::Ipv6Unicast, Some(IpAddr::V4(_))) => None,
            (_, Some(given)) => Some(given),
            (Family::Ipv6Unicast, None) => ipv6(),
            (Family::Ipv4Unicast, None) => match self.local.ipv4 {
                Some(address) => Some(IpAddr::V4(address)),
                None if self.rules.extended_next_hop => ipv6(),
                None => None,
            },
        }
    }

    /// RFC 2545 §3: the link-local address follows ours where the peer is on the same link. Where
    /// there is no global address, the link-local one stands in both places, as routers of
    /// unnumbered links send it.
    fn ipv6_next_hop(&self, address: Ipv6Addr, wanted: &RouteAttributes) -> Vec<u8> {
        let mut octets = address.octets().to_vec();
        let second = match wanted.next_hop {
            None => self.local.link_local,
            Some(_) => address.is_unicast_link_local().then_some(address),
        };
        octets.extend(second.iter().flat_map(|address| address.octets()));
        octets
    }
}
