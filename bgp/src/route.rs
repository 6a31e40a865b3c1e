//! What the user of a peer wants advertised: a whole set of routes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Asn;
use crate::community::{Community, LargeCommunity};

/// Attributes of a route as wanted, before the rules of eBGP or iBGP are applied to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteAttributes {
    /// The NEXT_HOP; `None` means our own address on the session ("next-hop self").
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC; `None` sends none.
    pub med: Option<u32>,
    /// LOCAL_PREF, sent on iBGP only; `None` means 100 there.
    pub local_pref: Option<u32>,
    /// ASes to put into AS_PATH before our own (which eBGP adds in front, once, by itself).
    pub as_path: Vec<Asn>,
    /// COMMUNITIES, sorted and without repeats.
    pub communities: Vec<Community>,
    /// LARGE_COMMUNITY, sorted and without repeats.
    pub large_communities: Vec<LargeCommunity>,
}

/// A prefix and what to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The prefix, truncated (no bits set after its length).
    pub prefix: IpNet,
    /// Shared: routes with equal attributes should share one allocation.
    pub attributes: Arc<RouteAttributes>,
}

/// The whole desired Adj-RIB-Out of one peer, IPv4 before IPv6, in prefix order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSet {
    routes: BTreeMap<IpNet, Arc<RouteAttributes>>,
}
