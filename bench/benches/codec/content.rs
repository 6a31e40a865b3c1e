//! What visiting messages adds up to: equal for libraries that read the same content.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Sums, and how many there were where a value has no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// AS numbers of AS_PATH and AS4_PATH.
    as_numbers: u64,
    /// Addresses and lengths of all prefixes, announced and withdrawn.
    prefixes: u64,
    /// How many prefixes.
    prefix_count: u64,
    /// COMMUNITIES.
    communities: u64,
    /// LARGE_COMMUNITY, all three parts.
    large_communities: u64,
    /// How many extended communities; the libraries read them into different types.
    extended_communities: u64,
    /// NEXT_HOP and the next hops of MP_REACH_NLRI.
    next_hops: u64,
    /// ORIGIN, MULTI_EXIT_DISC, LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST, AGGREGATOR,
    /// ATOMIC_AGGREGATE, Only to Customer.
    others: u64,
}

impl Content {
    #[inline]
    pub fn as_number(&mut self, asn: u32) {
        self.as_numbers = self.as_numbers.wrapping_add(u64::from(asn));
    }

    #[inline]
    pub fn ipv4_prefix(&mut self, address: Ipv4Addr, length: u8) {
        self.prefix(u64::from(address.to_bits()), length);
    }

    #[inline]
    pub fn ipv6_prefix(&mut self, address: Ipv6Addr, length: u8) {
        self.prefix(fold(address), length);
    }

    #[inline]
    fn prefix(&mut self, bits: u64, length: u8) {
        self.prefix_count += 1;
        self.prefixes = self
            .prefixes
            .wrapping_add(bits)
            .wrapping_add(u64::from(length));
    }

    #[inline]
    pub fn community(&mut self, community: u32) {
        self.communities = self.communities.wrapping_add(u64::from(community));
    }

    #[inline]
    pub fn large_community(&mut self, parts: [u32; 3]) {
        for part in parts {
            self.large_communities = self.large_communities.wrapping_add(u64::from(part));
        }
    }

    #[inline]
    pub fn extended_community<T>(&mut self, community: T) {
        std::hint::black_box(community);
        self.extended_communities += 1;
    }

    #[inline]
    pub fn next_hop(&mut self, address: IpAddr) {
        let bits = match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => fold(address),
        };
        self.next_hops = self.next_hops.wrapping_add(bits);
    }

    #[inline]
    pub fn other(&mut self, value: u32) {
        self.others = self.others.wrapping_add(u64::from(value));
    }
}

/// Both halves of the address: the cut keeps one each.
#[expect(clippy::cast_possible_truncation, reason = "the halves are added")]
fn fold(address: Ipv6Addr) -> u64 {
    let bits = address.to_bits();
    ((bits >> 64) as u64).wrapping_add(bits as u64)
}
