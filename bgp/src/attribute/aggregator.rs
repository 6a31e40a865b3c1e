//! AGGREGATOR, type 7 (RFC 4271 §5.1.7), and AS4_AGGREGATOR, type 18 (RFC 6793 §3).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{Attribute, Malformed};
use crate::Asn;
use crate::codec::Rules;

/// Who formed the aggregate route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Aggregator {
    /// The AS; AS_TRANS on a two-octet session where the number does not fit.
    pub asn: Asn,
    /// The speaker's address, by custom its BGP Identifier.
    pub address: Ipv4Addr,
}

/// AS4_AGGREGATOR: the AGGREGATOR with a four-octet number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct As4Aggregator(pub Aggregator);

fn aggregator(asn: u32, address: [u8; 4]) -> Result<Aggregator, Malformed> {
    let reason = "AS 0 (RFC 7607 §2)";
    Ok(Aggregator {
        asn: Asn::new(asn).ok_or(Malformed::optional(reason))?,
        address: Ipv4Addr::from(address),
    })
}

impl Attribute<'_> for Aggregator {
    type Owned = Aggregator;

    fn parse(value: &[u8], rules: &Rules) -> Result<Aggregator, Malformed> {
        match (rules.four_octet_as, value) {
            (false, &[a, b, w, x, y, z]) => {
                aggregator(u32::from_be_bytes([0, 0, a, b]), [w, x, y, z])
            }
            (true, &[a, b, c, d, w, x, y, z]) => {
                aggregator(u32::from_be_bytes([a, b, c, d]), [w, x, y, z])
            }
            (false, _) => Err(Malformed::length(
                "AGGREGATOR is not 6 octets (RFC 7606 §7.7)",
            )),
            (true, _) => Err(Malformed::length(
                "AGGREGATOR is not 8 octets (RFC 7606 §7.7)",
            )),
        }
    }

    fn value_length(&self, rules: &Rules) -> usize {
        match rules.four_octet_as {
            true => 8,
            false => 6,
        }
    }

    fn write(&self, rules: &Rules, out: &mut BytesMut) {
        match rules.four_octet_as {
            true => out.put_u32(self.asn.get()),
            false => out.put_u16(self.asn.as_two_octets()),
        }
        out.put_slice(&self.address.octets());
    }

    fn into_owned(self) -> Aggregator {
        self
    }
}

impl Attribute<'_> for As4Aggregator {
    type Owned = As4Aggregator;

    fn parse(value: &[u8], rules: &Rules) -> Result<As4Aggregator, Malformed> {
        if rules.four_octet_as {
            let reason = "AS4_AGGREGATOR from a peer with four-octet AS numbers (RFC 6793 §4.1)";
            return Err(Malformed::optional(reason));
        }
        match *value {
            [a, b, c, d, w, x, y, z] => {
                aggregator(u32::from_be_bytes([a, b, c, d]), [w, x, y, z]).map(As4Aggregator)
            }
            _ => Err(Malformed::length(
                "AS4_AGGREGATOR is not 8 octets (RFC 6793 §6)",
            )),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        8
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_u32(self.0.asn.get());
        out.put_slice(&self.0.address.octets());
    }

    /// RFC 6793 §4.1: never to a peer that speaks four octets itself.
    fn is_sent(&self, rules: &Rules) -> bool {
        !rules.four_octet_as
    }

    fn into_owned(self) -> As4Aggregator {
        self
    }
}
