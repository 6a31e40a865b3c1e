//! AIGP, type 26 (RFC 7311).

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// TLV type of the accumulated metric; its Length counts type and length too.
const TLV_AIGP: u8 = 1;
const TLV_AIGP_LENGTH: usize = 11;

/// The accumulated IGP metric, among TLVs that have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aigp<'a>(Cow<'a, [u8]>);

impl Aigp<'_> {
    /// An attribute with this metric.
    pub fn new(metric: u64) -> Aigp<'static> {
        let mut octets = vec![TLV_AIGP, 0, 11];
        octets.extend_from_slice(&metric.to_be_bytes());
        Aigp(Cow::Owned(octets))
    }

    /// The metric: the first TLV of type 1 (RFC 7311 §3). There may be none.
    pub fn metric(&self) -> Option<u64> {
        let mut rest: &[u8] = &self.0;
        while let Some((kind, value, after)) = tlv(rest) {
            if kind == TLV_AIGP {
                return value.try_into().ok().map(u64::from_be_bytes);
            }
            rest = after;
        }
        None
    }
}

/// Type, value and what follows: 1 octet of type, 2 of length that count the whole TLV.
fn tlv(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([kind, high, low], _) = input.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let (whole, after) = input.split_at_checked(length)?;
    Some((*kind, whole.get(3..)?, after))
}

impl<'a> Attribute<'a> for Aigp<'a> {
    type Owned = Aigp<'static>;

    fn parse(value: &'a [u8], _rules: &Rules) -> Result<Aigp<'a>, Malformed> {
        let mut rest = value;
        while !rest.is_empty() {
            let Some((kind, content, after)) = tlv(rest) else {
                return Err(Malformed::optional(
                    "TLV lengths do not add up (RFC 7311 §3.2)",
                ));
            };
            if kind == TLV_AIGP && content.len() != TLV_AIGP_LENGTH - 3 {
                return Err(Malformed::optional(
                    "AIGP TLV is not 11 octets (RFC 7311 §3.2)",
                ));
            }
            rest = after;
        }
        match value.is_empty() {
            true => Err(Malformed::optional("AIGP without a TLV (RFC 7606 §4)")),
            false => Ok(Aigp(Cow::Borrowed(value))),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        self.0.len()
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    fn into_owned(self) -> Aigp<'static> {
        Aigp(Cow::Owned(self.0.into_owned()))
    }
}

impl serde::Serialize for Aigp<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.metric().serialize(serializer)
    }
}
