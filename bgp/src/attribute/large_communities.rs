//! LARGE_COMMUNITY, type 32 (RFC 8092).

use super::list::{Element, List};
use crate::community::LargeCommunity;

/// Large communities of a route.
pub type LargeCommunities<'a> = List<'a, LargeCommunity>;

impl Element for LargeCommunity {
    const LENGTH: usize = 12;
    const WRONG_LENGTH: &'static str =
        "LARGE_COMMUNITY is not a non-zero multiple of 12 octets (RFC 8092 §6)";

    #[inline]
    fn from_octets(octets: &[u8]) -> Option<LargeCommunity> {
        let (global, rest) = octets.split_first_chunk()?;
        let (local_1, rest) = rest.split_first_chunk()?;
        Some(LargeCommunity {
            global_administrator: u32::from_be_bytes(*global),
            local_data_1: u32::from_be_bytes(*local_1),
            local_data_2: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }

    fn append_to(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.global_administrator.to_be_bytes());
        octets.extend_from_slice(&self.local_data_1.to_be_bytes());
        octets.extend_from_slice(&self.local_data_2.to_be_bytes());
    }
}
