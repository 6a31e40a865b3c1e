//! CLUSTER_LIST, type 10 (RFC 4456 §8).

use std::net::Ipv4Addr;

use serde::Serialize;

use super::list::{Element, List};

/// The clusters that a route was reflected through, the last one first.
pub type ClusterList<'a> = List<'a, ClusterId>;

/// Identifies a cluster of route reflectors; any four octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ClusterId(pub Ipv4Addr);

impl Element for ClusterId {
    const LENGTH: usize = 4;
    const WRONG_LENGTH: &'static str =
        "CLUSTER_LIST is not a non-zero multiple of 4 octets (RFC 7606 §7.10)";

    fn from_octets(octets: &[u8]) -> Option<ClusterId> {
        <[u8; 4]>::try_from(octets)
            .ok()
            .map(|octets| ClusterId(Ipv4Addr::from(octets)))
    }

    fn append_to(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.0.octets());
    }
}
