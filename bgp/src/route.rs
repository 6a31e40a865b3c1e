//! What the user of a peer wants advertised: a whole set of routes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::community::{Community, LargeCommunity};
use crate::{Asn, Family};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The prefix, truncated (no bits set after its length).
    pub prefix: IpNet,
    /// Shared: routes with equal attributes should share one allocation.
    pub attributes: Arc<RouteAttributes>,
}

/// The whole desired Adj-RIB-Out of one peer, IPv4 before IPv6, in prefix order.
///
/// Made once, then only read: share it between peers behind an [`Arc`]. A route takes 12 octets
/// (IPv4) or 24 (IPv6), and each distinct set of attributes is held once. Two sets are equal
/// exactly when they hold equal routes, however they were built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Route>", into = "Vec<Route>")]
pub struct RouteSet {
    /// Sorted, no repeats; the number is an index into `attributes`.
    ipv4: Vec<(Ipv4Net, u32)>,
    ipv6: Vec<(Ipv6Net, u32)>,
    /// Sorted, no repeats, each used by some route.
    attributes: Vec<Arc<RouteAttributes>>,
}

impl RouteSet {
    /// Number of routes.
    pub fn len(&self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of routes of one family.
    pub fn len_of(&self, family: Family) -> usize {
        match family {
            Family::Ipv4Unicast => self.ipv4.len(),
            Family::Ipv6Unicast => self.ipv6.len(),
        }
    }

    /// Every route, IPv4 first, in prefix order.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &Arc<RouteAttributes>)> {
        let ipv4 = self
            .ipv4
            .iter()
            .map(|(net, index)| (IpNet::V4(*net), index));
        let ipv6 = self
            .ipv6
            .iter()
            .map(|(net, index)| (IpNet::V6(*net), index));
        ipv4.chain(ipv6)
            .filter_map(|(net, index)| Some((net, self.attributes.get(*index as usize)?)))
    }

    /// What to say of a prefix, if it is in the set. The prefix must be truncated.
    pub fn get(&self, prefix: &IpNet) -> Option<&Arc<RouteAttributes>> {
        let index = match prefix {
            IpNet::V4(net) => position(&self.ipv4, net),
            IpNet::V6(net) => position(&self.ipv6, net),
        }?;
        self.attributes.get(index as usize)
    }

    /// The distinct sets of attributes; routes name them by their index.
    pub(crate) fn attributes(&self) -> &[Arc<RouteAttributes>] {
        &self.attributes
    }

    pub(crate) fn ipv4(&self) -> &[(Ipv4Net, u32)] {
        &self.ipv4
    }

    pub(crate) fn ipv6(&self) -> &[(Ipv6Net, u32)] {
        &self.ipv6
    }
}

fn position<P: Ord>(routes: &[(P, u32)], prefix: &P) -> Option<u32> {
    let at = routes.binary_search_by(|(net, _)| net.cmp(prefix)).ok()?;
    routes.get(at).map(|(_, index)| *index)
}

/// Of two routes to one prefix the later one counts. Prefixes are truncated.
impl FromIterator<(IpNet, Arc<RouteAttributes>)> for RouteSet {
    fn from_iter<I: IntoIterator<Item = (IpNet, Arc<RouteAttributes>)>>(routes: I) -> RouteSet {
        let mut builder = Builder::default();
        for (prefix, attributes) in routes {
            builder.push(prefix, attributes);
        }
        builder.finish()
    }
}

impl FromIterator<Route> for RouteSet {
    fn from_iter<I: IntoIterator<Item = Route>>(routes: I) -> RouteSet {
        routes
            .into_iter()
            .map(|route| (route.prefix, route.attributes))
            .collect()
    }
}

impl From<Vec<Route>> for RouteSet {
    fn from(routes: Vec<Route>) -> RouteSet {
        routes.into_iter().collect()
    }
}

impl From<RouteSet> for Vec<Route> {
    fn from(set: RouteSet) -> Vec<Route> {
        set.iter()
            .map(|(prefix, attributes)| Route {
                prefix,
                attributes: Arc::clone(attributes),
            })
            .collect()
    }
}

/// Routes in the order they came, each distinct set of attributes numbered once.
#[derive(Default)]
struct Builder {
    ipv4: Vec<(Ipv4Net, u32)>,
    ipv6: Vec<(Ipv6Net, u32)>,
    numbers: BTreeMap<Arc<RouteAttributes>, u32>,
    last: Option<(Arc<RouteAttributes>, u32)>,
}

impl Builder {
    fn push(&mut self, prefix: IpNet, attributes: Arc<RouteAttributes>) {
        let number = self.number(attributes);
        match prefix.trunc() {
            IpNet::V4(net) => self.ipv4.push((net, number)),
            IpNet::V6(net) => self.ipv6.push((net, number)),
        }
    }

    /// Routes mostly come in runs that share one allocation, so the last one is looked at first.
    fn number(&mut self, attributes: Arc<RouteAttributes>) -> u32 {
        if let Some((last, number)) = &self.last
            && Arc::ptr_eq(last, &attributes)
        {
            return *number;
        }
        // More than 2^32 sets of attributes do not fit into an address space that holds them.
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(Arc::clone(&attributes)).or_insert(next);
        self.last = Some((attributes, number));
        number
    }

    fn finish(mut self) -> RouteSet {
        sort_and_keep_last(&mut self.ipv4);
        sort_and_keep_last(&mut self.ipv6);
        let mut used = vec![false; self.numbers.len()];
        let numbers = self.ipv4.iter().map(|route| route.1);
        for number in numbers.chain(self.ipv6.iter().map(|route| route.1)) {
            if let Some(used) = used.get_mut(number as usize) {
                *used = true;
            }
        }
        let mut renumbered = vec![0; used.len()];
        let mut attributes = Vec::new();
        for (set, number) in self.numbers {
            let number = number as usize;
            if let (Some(true), Some(new)) = (used.get(number), renumbered.get_mut(number)) {
                *new = u32::try_from(attributes.len()).unwrap_or(u32::MAX);
                attributes.push(set);
            }
        }
        renumber(&mut self.ipv4, &renumbered);
        renumber(&mut self.ipv6, &renumbered);
        RouteSet {
            ipv4: self.ipv4,
            ipv6: self.ipv6,
            attributes,
        }
    }
}

fn renumber<P>(routes: &mut [(P, u32)], renumbered: &[u32]) {
    for (_, number) in routes {
        *number = renumbered.get(*number as usize).copied().unwrap_or(0);
    }
}

fn sort_and_keep_last<P: Ord + Copy>(routes: &mut Vec<(P, u32)>) {
    routes.sort_by_key(|route| route.0);
    routes.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
    routes.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_equal_routes_are_equal_however_they_were_built() {
        let one: RouteSet = [route("10.0.0.1/32", 1), route("10.0.0.2/32", 2)]
            .into_iter()
            .collect();
        let other: RouteSet = [
            route("10.0.0.2/32", 7),
            route("10.0.0.2/32", 2),
            route("10.0.0.1/32", 1),
        ]
        .into_iter()
        .collect();
        assert_eq!(one, other);
        assert_eq!(one.attributes().len(), 2);
    }

    #[test]
    fn routes_come_out_ipv4_first_and_sorted() {
        let set: RouteSet = [
            route("2001:db8::/64", 1),
            route("10.0.0.2/32", 1),
            route("10.0.0.1/24", 1),
        ]
        .into_iter()
        .collect();
        let prefixes: Vec<String> = set.iter().map(|(net, _)| net.to_string()).collect();
        assert_eq!(prefixes, ["10.0.0.0/24", "10.0.0.2/32", "2001:db8::/64"]);
    }

    #[test]
    fn a_prefix_is_looked_up_in_its_family() {
        let set: RouteSet = [route("10.0.0.1/32", 5)].into_iter().collect();
        let found = set.get(&"10.0.0.1/32".parse().expect("a prefix"));
        assert_eq!(found.and_then(|attributes| attributes.med), Some(5));
        assert!(set.get(&"::/0".parse().expect("a prefix")).is_none());
    }

    #[test]
    fn a_set_survives_serialisation() {
        let set: RouteSet = [route("10.0.0.1/32", 5), route("::1/128", 6)]
            .into_iter()
            .collect();
        let text = serde_json::to_string(&set).expect("a set has a JSON form");
        assert_eq!(serde_json::from_str::<RouteSet>(&text).ok(), Some(set));
    }

    fn route(prefix: &str, med: u32) -> (IpNet, Arc<RouteAttributes>) {
        let attributes = RouteAttributes {
            med: Some(med),
            ..RouteAttributes::default()
        };
        (prefix.parse().expect("a prefix"), Arc::new(attributes))
    }
}
