//! MULTI_EXIT_DISC, type 4 (RFC 4271 §5.1.4).

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// How to enter our AS where there are several ways: the lower, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MultiExitDisc(pub u32);

impl Attribute<'_> for MultiExitDisc {
    type Owned = MultiExitDisc;

    fn parse(value: &[u8], _rules: &Rules) -> Result<MultiExitDisc, Malformed> {
        match value.try_into() {
            Ok(octets) => Ok(MultiExitDisc(u32::from_be_bytes(octets))),
            Err(_) => Err(Malformed::length(
                "MULTI_EXIT_DISC is not 4 octets (RFC 7606 §7.4)",
            )),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        4
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_u32(self.0);
    }

    fn into_owned(self) -> MultiExitDisc {
        self
    }
}
