//! Address families (RFC 4760 §3): the AFI and SAFI registries, and the two families we route.

use serde::{Deserialize, Serialize};

/// An AFI and SAFI pair as it stands on the wire, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AfiSafi {
    /// Address Family Identifier (IANA address-family-numbers).
    pub afi: u16,
    /// Subsequent Address Family Identifier (IANA safi-namespace).
    pub safi: u8,
}

/// A family whose routes this speaker reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
}

impl Family {
    /// Every family, in wire order.
    pub const ALL: [Family; 2] = [Family::Ipv4Unicast, Family::Ipv6Unicast];

    /// The pair that stands for this family on the wire.
    pub const fn afi_safi(self) -> AfiSafi {
        match self {
            Family::Ipv4Unicast => AfiSafi { afi: 1, safi: 1 },
            Family::Ipv6Unicast => AfiSafi { afi: 2, safi: 1 },
        }
    }

    /// The family of a pair, or `None` for one that this speaker does not route.
    pub const fn from_afi_safi(pair: AfiSafi) -> Option<Family> {
        match (pair.afi, pair.safi) {
            (1, 1) => Some(Family::Ipv4Unicast),
            (2, 1) => Some(Family::Ipv6Unicast),
            _ => None,
        }
    }

    /// Bits in an address of this family: 32 or 128.
    pub const fn max_prefix_len(self) -> u8 {
        match self {
            Family::Ipv4Unicast => 32,
            Family::Ipv6Unicast => 128,
        }
    }
}
