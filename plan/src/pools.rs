//! Which pool an address belongs to, which Services a pool is for, and how much of it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde::Serialize;

use crate::labels::Labels;
use crate::world::{AddressRange, IpFamily, Pool, Service, World};

/// The family of an address.
pub fn family_of(address: IpAddr) -> IpFamily {
    match address {
        IpAddr::V4(_) => IpFamily::IPv4,
        IpAddr::V6(_) => IpFamily::IPv6,
    }
}

impl AddressRange {
    /// Whether the address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        family_of(self.first) == family_of(address) && (self.first..=self.last).contains(&address)
    }

    /// The family of the range.
    pub fn family(&self) -> IpFamily {
        family_of(self.first)
    }
}

/// The address after this one; `None` after the last of its family.
pub fn next_address(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(Ipv4Addr::from_bits(v4.to_bits().checked_add(1)?).into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits().checked_add(1)?).into()),
    }
}

/// An IPv4 address that ends in .0 or .255, which `avoidBuggyIPs` leaves out.
pub fn is_buggy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets()[3], 0 | 255),
        IpAddr::V6(_) => false,
    }
}

/// Finds the pool of an address, or what goes with that pool, in logarithmic time.
#[derive(Debug)]
pub struct RangeIndex<T> {
    /// Ranges by first address; they do not overlap.
    ranges: Vec<(AddressRange, T)>,
}

impl<T: Copy> RangeIndex<T> {
    /// The index of every range of these pools, each with what it leads to.
    pub fn new<'a>(pools: impl Iterator<Item = (&'a Pool, T)>) -> RangeIndex<T> {
        let of_pool = |(pool, to): (&'a Pool, T)| pool.ranges.iter().map(move |range| (*range, to));
        let mut ranges: Vec<(AddressRange, T)> = pools.flat_map(of_pool).collect();
        ranges.sort_by_key(|(range, _)| range.first);
        RangeIndex { ranges }
    }

    /// What the pool leads to whose ranges hold the address.
    pub fn find(&self, address: IpAddr) -> Option<T> {
        let after = self
            .ranges
            .partition_point(|(range, _)| range.first <= address);
        let (range, to) = self.ranges.get(after.checked_sub(1)?)?;
        range.contains(address).then_some(*to)
    }
}

impl Pool {
    /// Whether `serviceAllocation` lets the Service have addresses of this pool: its namespace
    /// (by name or label) and its labels must both match, each where any is given.
    pub fn serves(&self, service: &Service, world: &World) -> bool {
        let Some(allocation) = &self.service_allocation else {
            return true;
        };
        let namespace = &service.name.namespace;
        let by_name = allocation.namespaces.contains(namespace.as_ref());
        let labels = world.namespaces.get(namespace);
        let namespace_labels = labels.map_or(&Labels::NONE, Arc::as_ref);
        let mut by_label = allocation.namespace_selectors.iter();
        let any_namespace =
            allocation.namespaces.is_empty() && allocation.namespace_selectors.is_empty();
        let of_namespace =
            any_namespace || by_name || by_label.any(|s| s.matches(namespace_labels));
        of_namespace && crate::labels::any_or_all(&allocation.service_selectors, &service.labels)
    }

    /// Whether the pool gives this address at all.
    pub fn offers(&self, address: IpAddr) -> bool {
        !(self.avoid_buggy_ips && is_buggy(address))
    }

    /// Whether the pool has any range of the family.
    pub fn has_family(&self, family: IpFamily) -> bool {
        self.ranges.iter().any(|range| range.family() == family)
    }

    /// Where the pool stands when one is chosen automatically: pinned pools by priority, unset
    /// last, then pools without `serviceAllocation`; equal ones by name.
    pub fn rank(&self) -> (bool, u32, &str) {
        match &self.service_allocation {
            Some(allocation) => (false, allocation.priority.unwrap_or(u32::MAX), &self.name),
            None => (true, u32::MAX, &self.name),
        }
    }
}

/// How much of a pool is used: the fields of an IPAddressPool's status. Counts stop at
/// [`i64::MAX`], as MetalLB's do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolUsage {
    /// Distinct IPv4 addresses assigned.
    #[serde(rename = "assignedIPv4")]
    pub assigned_ipv4: i64,
    /// Distinct IPv6 addresses assigned.
    #[serde(rename = "assignedIPv6")]
    pub assigned_ipv6: i64,
    /// IPv4 addresses left.
    #[serde(rename = "availableIPv4")]
    pub available_ipv4: i64,
    /// IPv6 addresses left.
    #[serde(rename = "availableIPv6")]
    pub available_ipv6: i64,
}

/// The usage of every pool, by the addresses that Services hold.
pub fn usage(world: &World) -> BTreeMap<Arc<str>, PoolUsage> {
    let index = RangeIndex::new(world.pools.values().map(|pool| (pool.as_ref(), pool)));
    let holders = world
        .services
        .values()
        .filter(|service| service.wants_address);
    let held: BTreeSet<IpAddr> = holders
        .flat_map(|service| service.assigned.clone())
        .collect();
    let empty = |pool: &Arc<Pool>| PoolUsage {
        available_ipv4: size(pool, IpFamily::IPv4),
        available_ipv6: size(pool, IpFamily::IPv6),
        ..PoolUsage::default()
    };
    let pools = world.pools.iter();
    let mut usage: BTreeMap<_, _> = pools
        .map(|(name, pool)| (Arc::clone(name), empty(pool)))
        .collect();
    for address in held {
        let Some(entry) = index
            .find(address)
            .and_then(|pool| usage.get_mut(&pool.name))
        else {
            continue;
        };
        let (assigned, available) = match address {
            IpAddr::V4(_) => (&mut entry.assigned_ipv4, &mut entry.available_ipv4),
            IpAddr::V6(_) => (&mut entry.assigned_ipv6, &mut entry.available_ipv6),
        };
        *assigned += 1;
        // A count that was cut off stays there.
        if *available != i64::MAX {
            *available = (*available - 1).max(0);
        }
    }
    usage
}

/// Addresses of the family that the pool can give, at most [`i64::MAX`].
fn size(pool: &Pool, family: IpFamily) -> i64 {
    let ranges = pool.ranges.iter().filter(|range| range.family() == family);
    let total = ranges.fold(0_u128, |total, range| {
        total.saturating_add(range_size(range, pool))
    });
    i64::try_from(total).unwrap_or(i64::MAX)
}

fn range_size(range: &AddressRange, pool: &Pool) -> u128 {
    match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (u64::from(first.to_bits()), u64::from(last.to_bits()));
            let all = last - first + 1;
            let ending_in = |octet: u64| (last + 256 - octet) / 256 - (first + 255 - octet) / 256;
            match pool.avoid_buggy_ips {
                true => u128::from(all - ending_in(0) - ending_in(255)),
                false => u128::from(all),
            }
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            (last.to_bits() - first.to_bits()).saturating_add(1)
        }
        // A range has one family.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_pool_leaves_out_what_it_never_gives() {
        let table = [
            ("203.0.113.0", "203.0.113.255", 256, 254),
            ("203.0.112.250", "203.0.113.5", 12, 10),
            ("203.0.113.0", "203.0.113.0", 1, 0),
            ("203.0.113.255", "203.0.113.255", 1, 0),
            ("203.0.113.1", "203.0.113.254", 254, 254),
            ("203.0.110.0", "203.0.113.255", 1024, 1016),
            ("0.0.0.0", "255.255.255.255", 1 << 32, (1 << 32) - (2 << 24)),
            ("2001:db8::", "2001:db8::ff", 256, 256),
            (
                "::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                i64::MAX,
                i64::MAX,
            ),
        ];
        for (first, last, all, without_buggy) in table {
            let range = AddressRange {
                first: address(first),
                last: address(last),
            };
            for (avoid_buggy_ips, expected) in [(false, all), (true, without_buggy)] {
                let pool = Pool {
                    avoid_buggy_ips,
                    ..pool(range)
                };
                assert_eq!(
                    size(&pool, range.family()),
                    expected,
                    "{first} {avoid_buggy_ips}"
                );
            }
        }
    }

    #[test]
    fn the_last_address_has_no_next_one() {
        assert_eq!(next_address(address("255.255.255.255")), None);
        assert_eq!(
            next_address(address("203.0.113.255")),
            Some(address("203.0.114.0"))
        );
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn pool(range: AddressRange) -> Pool {
        Pool {
            name: "p".into(),
            labels: Default::default(),
            ranges: vec![range],
            auto_assign: true,
            avoid_buggy_ips: false,
            service_allocation: None,
            share_across_namespaces: false,
        }
    }
}
