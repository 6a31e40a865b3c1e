//! Autonomous System numbers (RFC 6793), never zero (RFC 7607).

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// A 4-octet Autonomous System number. Zero does not exist (RFC 7607).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asn(NonZeroU32);

/// AS_TRANS (RFC 6793 §9): stands in a 2-octet field for a number that does not fit there.
pub const AS_TRANS: u16 = 23456;

impl Asn {
    /// The number as an AS, or `None` for 0.
    pub const fn new(number: u32) -> Option<Asn> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Asn(number)),
            None => None,
        }
    }

    /// The number, host order.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// What a 2-octet field carries: the number itself, or AS_TRANS (RFC 6793 §4.2.2).
    pub fn as_two_octets(self) -> u16 {
        u16::try_from(self.get()).unwrap_or(AS_TRANS)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
