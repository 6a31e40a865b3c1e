//! The addresses that are to be answered for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The whole desired set.
pub type AddressSet = BTreeMap<IpAddr, Address>;

/// How one address is to be answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where.
    pub interfaces: Interfaces,
    /// Whether another of our nodes is known to have answered for it before.
    pub claim: Claim,
    /// What to do when a stranger claims it later.
    pub on_conflict: OnConflict,
    /// Another node is taking it over: requests are answered as before, but nothing is announced
    /// or defended, so that the announcements of the next owner stand. It ends when the address
    /// leaves the set.
    pub handing_over: bool,
    /// It is left to any other speaker that claims it, and probed again and again from then on: this
    /// node may not have heard what was decided since.
    pub yields: bool,
}

impl Address {
    /// An address on all interfaces, which may be given up.
    pub fn new(claim: Claim) -> Address {
        Address {
            interfaces: Interfaces::All,
            claim,
            on_conflict: OnConflict::GiveUp,
            handing_over: false,
            yields: false,
        }
    }
}

/// The interfaces on which an address is answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interfaces {
    /// Every one.
    All,
    /// Those with these names.
    Named(Arc<BTreeSet<Arc<str>>>),
}

impl Interfaces {
    pub(super) fn selects(&self, name: &str) -> bool {
        match self {
            Interfaces::All => true,
            Interfaces::Named(names) => names.contains(name),
        }
    }
}

/// How an address begins. But for [`Claim::Divided`] it matters only when the address is new to the
/// set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody is known to have had it: it is probed first (RFC 5227 §2.1, RFC 4862 §5.4), and not
    /// answered for meanwhile. A speaker that answers a probe has had it, and probed it then: it is
    /// claimed at once.
    FirstEver,
    /// One of our nodes had it, which has probed it then, or this one before a restart: it is
    /// answered for and announced at once. Failover must not wait for probes. A stranger that took
    /// it meanwhile is found when it defends itself.
    TakenOver,
    /// Others of our nodes may be alive without our knowing, and claim it as we do: it is probed
    /// first, and left to a speaker that has it. Of several that probe it at the same time, or
    /// have claimed it, the one with the lowest link-layer address goes on. The others probe it
    /// again and again ([`super::config::YIELD`]).
    Divided,
}

/// What happens when a stranger claims an address that is ours (RFC 5227 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Defend it once; if the stranger claims it again within ten seconds, fall silent. For an
    /// address that can be replaced by another.
    GiveUp,
    /// Defend it every ten seconds at most, as long as it takes (RFC 5227 §2.4 (c)). For an
    /// address that somebody has asked for.
    Defend,
}

/// An address of the desired set that is not answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The address.
    pub address: IpAddr,
    /// Why.
    pub reason: Refusal,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No single station can have it: unspecified, loopback, multicast or broadcast.
    NotUnicast,
    /// The set has more than [`super::MAX_ADDRESSES`]; the last ones are refused.
    TooMany,
}

/// Whether a station of a link can have the address (RFC 1122 §3.2.1.3, RFC 4291 §2.5, §2.7).
pub(super) fn is_unicast(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(address) => address.is_broadcast() || address.octets()[0] == 0,
        IpAddr::V6(address) => address.to_ipv4_mapped().is_some(),
    };
    !special && !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_station_can_have_is_not_answered_for() {
        let table = [
            ("203.0.113.7", true),
            ("2001:db8::7", true),
            ("fe80::7", true),
            ("0.0.0.0", false),
            ("0.0.0.7", false),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
            ("::ffff:203.0.113.7", false),
        ];
        for (text, expected) in table {
            let address = text.parse().expect("an address");
            assert_eq!(is_unicast(address), expected, "{text}");
        }
    }
}
