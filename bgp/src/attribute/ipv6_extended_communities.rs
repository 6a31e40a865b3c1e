//! IPv6 Address Specific Extended Community, type 25 (RFC 5701).

use std::fmt;
use std::net::Ipv6Addr;

use super::list::{Element, List};

/// IPv6 address specific extended communities of a route.
pub type Ipv6ExtendedCommunities<'a> = List<'a, Ipv6ExtendedCommunity>;

/// One IPv6 address specific extended community: type, subtype, address, local administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6ExtendedCommunity(pub [u8; 20]);

impl Element for Ipv6ExtendedCommunity {
    const LENGTH: usize = 20;
    const WRONG_LENGTH: &'static str =
        "IPv6 extended communities are not a non-zero multiple of 20 octets (RFC 7606 §7.15)";

    fn from_octets(octets: &[u8]) -> Option<Ipv6ExtendedCommunity> {
        octets.try_into().ok().map(Ipv6ExtendedCommunity)
    }

    fn append_to(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.0);
    }
}

impl fmt::Display for Ipv6ExtendedCommunity {
    /// `target:2001:db8::1:100`, `origin:…`; other kinds as `type:subtype:address:number`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, address @ .., high, low] = self.0;
        let address = Ipv6Addr::from(address);
        let number = u16::from_be_bytes([high, low]);
        match (kind, subtype) {
            (0x00 | 0x40, 0x02) => write!(f, "target:{address}:{number}"),
            (0x00 | 0x40, 0x03) => write!(f, "origin:{address}:{number}"),
            (kind, subtype) => write!(f, "{kind:#04x}:{subtype:#04x}:{address}:{number}"),
        }
    }
}

impl serde::Serialize for Ipv6ExtendedCommunity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::extended_communities::serialize(self, &self.0, serializer)
    }
}
