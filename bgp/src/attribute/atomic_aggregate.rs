//! ATOMIC_AGGREGATE, type 6 (RFC 4271 §5.1.6).

use bytes::BytesMut;

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// The path may leave out ASes. Its value is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtomicAggregate;

impl Attribute<'_> for AtomicAggregate {
    type Owned = AtomicAggregate;

    fn parse(value: &[u8], _rules: &Rules) -> Result<AtomicAggregate, Malformed> {
        match value.is_empty() {
            true => Ok(AtomicAggregate),
            false => Err(Malformed::length(
                "ATOMIC_AGGREGATE is not empty (RFC 7606 §7.6)",
            )),
        }
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        0
    }

    fn write(&self, _rules: &Rules, _out: &mut BytesMut) {}

    fn into_owned(self) -> AtomicAggregate {
        self
    }
}

impl serde::Serialize for AtomicAggregate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}
