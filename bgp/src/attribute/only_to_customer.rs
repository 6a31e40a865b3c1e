//! Only to Customer (OTC), type 35 (RFC 9234 §5).

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{Attribute, Malformed};
use crate::Asn;
use crate::codec::Rules;

/// The AS from which on the route goes only to customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OnlyToCustomer(pub Asn);

impl Attribute<'_> for OnlyToCustomer {
    type Owned = OnlyToCustomer;

    fn parse(value: &[u8], _rules: &Rules) -> Result<OnlyToCustomer, Malformed> {
        let Ok(octets) = value.try_into() else {
            return Err(Malformed::length("OTC is not 4 octets (RFC 9234 §5)"));
        };
        match Asn::new(u32::from_be_bytes(octets)) {
            Some(asn) => Ok(OnlyToCustomer(asn)),
            None => Err(Malformed::optional("OTC is AS 0 (RFC 7607, RFC 9234 §5)")),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        4
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_u32(self.0.get());
    }

    fn into_owned(self) -> OnlyToCustomer {
        self
    }
}
