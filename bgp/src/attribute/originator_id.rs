//! ORIGINATOR_ID, type 9 (RFC 4456 §8).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// The BGP Identifier of the speaker that brought the route into the AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OriginatorId(pub Ipv4Addr);

impl Attribute<'_> for OriginatorId {
    type Owned = OriginatorId;

    fn parse(value: &[u8], _rules: &Rules) -> Result<OriginatorId, Malformed> {
        match <[u8; 4]>::try_from(value) {
            Ok(octets) => Ok(OriginatorId(Ipv4Addr::from(octets))),
            Err(_) => Err(Malformed::length(
                "ORIGINATOR_ID is not 4 octets (RFC 7606 §7.9)",
            )),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        4
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_slice(&self.0.octets());
    }

    fn into_owned(self) -> OriginatorId {
        self
    }
}
