//! ORIGIN, type 1 (RFC 4271 §4.3, §5.1.1).

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// Where the route came into BGP. Route selection prefers the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// 0: interior to the originating AS.
    Igp,
    /// 1: learned from EGP.
    Egp,
    /// 2: by some other means.
    Incomplete,
}

impl Attribute<'_> for Origin {
    type Owned = Origin;

    fn parse(value: &[u8], _rules: &Rules) -> Result<Origin, Malformed> {
        match value {
            [0] => Ok(Origin::Igp),
            [1] => Ok(Origin::Egp),
            [2] => Ok(Origin::Incomplete),
            [_] => Err(Malformed {
                subcode: 6,
                reason: "ORIGIN is not 0, 1 or 2 (RFC 7606 §7.1)",
            }),
            _ => Err(Malformed::length("ORIGIN is not 1 octet (RFC 7606 §7.1)")),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        1
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_u8(match self {
            Origin::Igp => 0,
            Origin::Egp => 1,
            Origin::Incomplete => 2,
        });
    }

    fn into_owned(self) -> Origin {
        self
    }
}
