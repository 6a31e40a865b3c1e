//! NEXT_HOP, type 3 (RFC 4271 §5.1.3).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// Where to send what goes to the prefixes of the NLRI field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct NextHop(pub Ipv4Addr);

impl NextHop {
    /// Whether it can be the address of a host (RFC 4271 §6.3): not in 0.0.0.0/8, 127.0.0.0/8,
    /// multicast or class E.
    pub const fn is_host_address(self) -> bool {
        !matches!(self.0.octets(), [0 | 127 | 224..=255, ..])
    }
}

impl Attribute<'_> for NextHop {
    type Owned = NextHop;

    fn parse(value: &[u8], _rules: &Rules) -> Result<NextHop, Malformed> {
        match <[u8; 4]>::try_from(value) {
            Ok(octets) => Ok(NextHop(Ipv4Addr::from(octets))),
            Err(_) => Err(Malformed::length(
                "NEXT_HOP is not 4 octets (RFC 7606 §7.3)",
            )),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        4
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_slice(&self.0.octets());
    }

    fn into_owned(self) -> NextHop {
        self
    }
}
