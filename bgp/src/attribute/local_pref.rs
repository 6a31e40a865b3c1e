//! LOCAL_PREF, type 5 (RFC 4271 §5.1.5).

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// Degree of preference inside an AS: the higher, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LocalPref(pub u32);

impl Attribute<'_> for LocalPref {
    type Owned = LocalPref;

    fn parse(value: &[u8], _rules: &Rules) -> Result<LocalPref, Malformed> {
        match value.try_into() {
            Ok(octets) => Ok(LocalPref(u32::from_be_bytes(octets))),
            Err(_) => Err(Malformed::length(
                "LOCAL_PREF is not 4 octets (RFC 7606 §7.5)",
            )),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        4
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_u32(self.0);
    }

    fn into_owned(self) -> LocalPref {
        self
    }
}
