//! COMMUNITIES, type 8 (RFC 1997).

use super::list::{Element, List};
use crate::community::Community;

/// Standard communities of a route.
pub type Communities<'a> = List<'a, Community>;

impl Element for Community {
    const LENGTH: usize = 4;
    const WRONG_LENGTH: &'static str =
        "COMMUNITIES is not a non-zero multiple of 4 octets (RFC 7606 §7.8)";

    #[inline]
    fn from_octets(octets: &[u8]) -> Option<Community> {
        octets
            .try_into()
            .ok()
            .map(|octets| Community(u32::from_be_bytes(octets)))
    }

    fn append_to(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.0.to_be_bytes());
    }
}
