//! EXTENDED COMMUNITIES, type 16 (RFC 4360, RFC 5668, RFC 7153).

use std::fmt;
use std::net::Ipv4Addr;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::list::{Element, List};
use crate::message::json::Hex;

/// Extended communities of a route.
pub type ExtendedCommunities<'a> = List<'a, ExtendedCommunity>;

/// One extended community. A type that is not known is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

impl Element for ExtendedCommunity {
    const LENGTH: usize = 8;
    const WRONG_LENGTH: &'static str =
        "EXTENDED COMMUNITIES is not a non-zero multiple of 8 octets (RFC 7606 §7.14)";

    fn from_octets(octets: &[u8]) -> Option<ExtendedCommunity> {
        octets.try_into().ok().map(ExtendedCommunity)
    }

    fn append_to(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.0);
    }
}

impl fmt::Display for ExtendedCommunity {
    /// `target:64500:100`, `origin:10.0.0.1:1`; a kind without a reading here is hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, a, b, c, d, e, g] = self.0;
        // Bit 0x40: non-transitive (RFC 4360 §2).
        let meaning = match (kind & !0x40, subtype) {
            (0x00..=0x02, 0x02) => "target",
            (0x00..=0x02, 0x03) => "origin",
            // RFC 7153: subtypes of the three "specific" kinds share their numbers.
            (0x00..=0x02, 0x04) => "link-bandwidth",
            (0x00..=0x02, 0x05) => "ospf-domain-id",
            (0x01, 0x07) => "ospf-router-id",
            (0x03, 0x0c) => {
                return write!(f, "encapsulation:{}", u16::from_be_bytes([e, g]));
            }
            (0x03, 0x0b) => {
                return write!(f, "color:{}", u32::from_be_bytes([c, d, e, g]));
            }
            _ => return Hex(&self.0).fmt(f),
        };
        match kind & !0x40 {
            // RFC 4360 §3.1: 2-octet AS, 4 octets of number.
            0x00 => {
                let asn = u16::from_be_bytes([a, b]);
                write!(f, "{meaning}:{asn}:{}", u32::from_be_bytes([c, d, e, g]))
            }
            // RFC 4360 §3.2: IPv4 address, 2 octets of number.
            0x01 => {
                let address = Ipv4Addr::new(a, b, c, d);
                write!(f, "{meaning}:{address}:{}", u16::from_be_bytes([e, g]))
            }
            // RFC 5668: 4-octet AS, 2 octets of number. The "L" tells it from the first form.
            _ => {
                let asn = u32::from_be_bytes([a, b, c, d]);
                write!(f, "{meaning}:{asn}L:{}", u16::from_be_bytes([e, g]))
            }
        }
    }
}

impl Serialize for ExtendedCommunity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, &self.0, serializer)
    }
}

/// An object of the readable form and the octets.
pub(super) fn serialize<S: Serializer>(
    readable: &impl fmt::Display,
    octets: &[u8],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct("ExtendedCommunity", 2)?;
    object.serialize_field("text", &readable.to_string())?;
    object.serialize_field("hex", &Hex(octets))?;
    object.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_kinds_read_as_text() {
        let cases: [([u8; 8], &str); 6] = [
            ([0, 2, 0xfb, 0xf4, 0, 0, 0, 100], "target:64500:100"),
            ([1, 3, 10, 0, 0, 1, 0, 7], "origin:10.0.0.1:7"),
            ([2, 2, 0, 1, 0, 0, 0, 9], "target:65536L:9"),
            ([3, 0x0b, 0, 0, 0, 0, 0, 5], "color:5"),
            ([3, 0x0c, 0, 0, 0, 0, 0, 8], "encapsulation:8"),
            ([0x80, 6, 0, 0, 0, 0, 0, 0], "8006000000000000"),
        ];
        for (octets, text) in cases {
            assert_eq!(ExtendedCommunity(octets).to_string(), text);
        }
    }
}
