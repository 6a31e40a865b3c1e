//! Adj-RIB-In: what the peer said. Nothing is imported; it is counted, and limited.
//!
//! A router may send a full table of a million routes. To count prefixes without counting one
//! twice they have to be remembered, so that is bounded: by the prefix limit where there is one,
//! else by [`MAX_COUNTED`] (under 2 MiB), after which the count reads "at least". Attributes are
//! kept only on demand ([`crate::PeerConfig::keep_routes`]). Because nothing is imported, the
//! helper side of graceful restart (RFC 4724 §4.2) has nothing to keep: a session that ends takes
//! its Adj-RIB-In with it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::attribute::{MpReach, MpUnreach, Origin, Treatment};
use crate::community::{Community, LargeCommunity};
use crate::family::FamilySet;
use crate::message::update::Update;
use crate::{Asn, Family, Notification};

/// Most prefixes that are remembered where no prefix limit is set.
pub const MAX_COUNTED: usize = 65_536;

/// A route as the peer sent it, free of the message it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedAttributes {
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// Every AS of AS_PATH in order, AS4_PATH merged in, sets flattened.
    pub as_path: Vec<Asn>,
    /// NEXT_HOP, or the global one of MP_REACH_NLRI.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// COMMUNITIES.
    pub communities: Vec<Community>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<LargeCommunity>,
    /// Only to Customer (RFC 9234 §5).
    pub only_to_customer: Option<Asn>,
}

/// Prefixes received, in all families together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Received {
    /// IPv4 unicast prefixes.
    pub ipv4: usize,
    /// IPv6 unicast prefixes.
    pub ipv6: usize,
    /// There were more than are remembered: both counts read "at least".
    pub at_least: bool,
}

/// The Adj-RIB-In of one Established session.
#[derive(Debug)]
pub struct AdjIn {
    families: FamilySet,
    limit: Option<u32>,
    keep_routes: bool,
    prefixes: [BTreeSet<IpNet>; 2],
    routes: BTreeMap<IpNet, Arc<ReceivedAttributes>>,
    at_least: bool,
    end_of_rib: BTreeSet<Family>,
}

impl AdjIn {
    /// An empty one for the families that are negotiated. `limit` is the most prefixes of all
    /// families together.
    pub fn new(families: FamilySet, limit: Option<u32>, keep_routes: bool) -> AdjIn {
        AdjIn {
            families,
            limit,
            keep_routes,
            prefixes: Default::default(),
            routes: BTreeMap::new(),
            at_least: false,
            end_of_rib: BTreeSet::new(),
        }
    }

    /// Takes an UPDATE in. The error is the Cease/1 of a peer that is over its limit (RFC 4486
    /// §4).
    pub fn update(&mut self, update: &Update<'_>) -> Result<(), Notification> {
        let routed = |family: &Family| self.families.contains(*family);
        self.end_of_rib.extend(update.end_of_rib().filter(routed));
        for prefix in update.withdrawn.prefixes() {
            self.remove(&prefix);
        }
        if let Some(MpUnreach::Routed(nlri)) = &update.attributes.mp_unreach {
            for prefix in nlri.prefixes() {
                self.remove(&prefix);
            }
        }
        // RFC 7606 §2: every route of the UPDATE is handled as withdrawn.
        let withdraw = update.treatment() == Some(Treatment::TreatAsWithdraw);
        let attributes = (self.keep_routes && !withdraw).then(|| Arc::new(received(update)));
        let reach = match &update.attributes.mp_reach {
            Some(MpReach::Routed { nlri, .. }) => Some(nlri),
            Some(MpReach::Ignored { .. }) | None => None,
        };
        // RFC 4760 §7: routes of a family that is not negotiated are ignored, those in the NLRI
        // field too where that is IPv4 unicast.
        let reachable = reach.into_iter().chain([&update.nlri]);
        let families = self.families;
        let reachable = reachable.filter(|nlri| families.contains(nlri.family()));
        for prefix in reachable.flat_map(|nlri| nlri.prefixes()) {
            match withdraw {
                true => self.remove(&prefix),
                false => self.insert(prefix, attributes.as_ref())?,
            }
        }
        Ok(())
    }

    /// How many prefixes the peer has sent and not withdrawn.
    pub fn received(&self) -> Received {
        let [ipv4, ipv6] = &self.prefixes;
        Received {
            ipv4: ipv4.len(),
            ipv6: ipv6.len(),
            at_least: self.at_least,
        }
    }

    /// The routes, where [`crate::PeerConfig::keep_routes`] asks for them; else none.
    pub fn routes(&self) -> &BTreeMap<IpNet, Arc<ReceivedAttributes>> {
        &self.routes
    }

    /// Families whose End-of-RIB has come (RFC 4724 §2).
    pub fn end_of_rib(&self) -> &BTreeSet<Family> {
        &self.end_of_rib
    }

    fn family_mut(&mut self, prefix: &IpNet) -> &mut BTreeSet<IpNet> {
        let [ipv4, ipv6] = &mut self.prefixes;
        match prefix {
            IpNet::V4(_) => ipv4,
            IpNet::V6(_) => ipv6,
        }
    }

    fn remove(&mut self, prefix: &IpNet) {
        self.family_mut(prefix).remove(prefix);
        self.routes.remove(prefix);
    }

    fn insert(
        &mut self,
        prefix: IpNet,
        attributes: Option<&Arc<ReceivedAttributes>>,
    ) -> Result<(), Notification> {
        let count: usize = self.prefixes.iter().map(BTreeSet::len).sum();
        let known = self.family_mut(&prefix).contains(&prefix);
        if !known {
            match self.limit {
                Some(limit) if count >= limit as usize => return Err(over_limit(&prefix, limit)),
                None if count >= MAX_COUNTED => {
                    self.at_least = true;
                    return Ok(());
                }
                Some(_) | None => {}
            }
            self.family_mut(&prefix).insert(prefix);
        }
        if let Some(attributes) = attributes {
            self.routes.insert(prefix, Arc::clone(attributes));
        }
        Ok(())
    }
}

/// RFC 4486 §4: Data is AFI, SAFI and the upper bound.
fn over_limit(prefix: &IpNet, limit: u32) -> Notification {
    let family = match prefix {
        IpNet::V4(_) => Family::Ipv4Unicast,
        IpNet::V6(_) => Family::Ipv6Unicast,
    };
    let pair = family.afi_safi();
    let mut data = pair.afi.to_be_bytes().to_vec();
    data.push(pair.safi);
    data.extend(limit.to_be_bytes());
    Notification::MAXIMUM_PREFIXES_REACHED.with_data(data)
}

fn received(update: &Update<'_>) -> ReceivedAttributes {
    let attributes = &update.attributes;
    let multiprotocol = match &attributes.mp_reach {
        Some(MpReach::Routed { next_hop, .. }) => Some(next_hop.address()),
        Some(MpReach::Ignored { .. }) | None => None,
    };
    let own = attributes.next_hop.map(|next_hop| IpAddr::V4(next_hop.0));
    let as_path = attributes.merged_as_path();
    let communities = attributes.communities.as_ref();
    let large = attributes.large_communities.as_ref();
    ReceivedAttributes {
        origin: attributes.origin,
        as_path: as_path.map_or_else(Vec::new, |path| path.asns().collect()),
        next_hop: multiprotocol.or(own),
        med: attributes.med.map(|med| med.0),
        local_pref: attributes.local_pref.map(|preference| preference.0),
        communities: communities.map_or_else(Vec::new, |list| list.iter().collect()),
        large_communities: large.map_or_else(Vec::new, |list| list.iter().collect()),
        only_to_customer: attributes.only_to_customer.map(|otc| otc.0),
    }
}
