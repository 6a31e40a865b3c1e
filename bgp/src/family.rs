//! Address families (RFC 4760 §3): the AFI and SAFI registries, and the two families we route.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An AFI and SAFI pair as it stands on the wire, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AfiSafi {
    /// Address Family Identifier (IANA address-family-numbers).
    pub afi: u16,
    /// Subsequent Address Family Identifier (IANA safi-namespace).
    pub safi: u8,
}

impl fmt::Display for AfiSafi {
    /// `ipv4-unicast` by the names of both registries; numbers where there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.afi {
            1 => f.write_str("ipv4-"),
            2 => f.write_str("ipv6-"),
            25 => f.write_str("l2vpn-"),
            16388 => f.write_str("bgp-ls-"),
            afi => write!(f, "afi{afi}-"),
        }?;
        match self.safi {
            1 => f.write_str("unicast"),
            2 => f.write_str("multicast"),
            4 => f.write_str("labeled-unicast"),
            5 => f.write_str("mcast-vpn"),
            65 => f.write_str("vpls"),
            70 => f.write_str("evpn"),
            71 => f.write_str("bgp-ls"),
            73 => f.write_str("sr-policy"),
            85 => f.write_str("mup"),
            128 => f.write_str("mpls-vpn"),
            129 => f.write_str("mpls-vpn-multicast"),
            132 => f.write_str("route-target"),
            133 => f.write_str("flowspec"),
            134 => f.write_str("flowspec-vpn"),
            safi => write!(f, "safi{safi}"),
        }
    }
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

    const fn bit(self) -> u8 {
        match self {
            Family::Ipv4Unicast => 1,
            Family::Ipv6Unicast => 2,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.afi_safi().fmt(f)
    }
}

/// A set of families, small enough to be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FamilySet(u8);

impl FamilySet {
    /// No family.
    pub const EMPTY: FamilySet = FamilySet(0);
    /// Every family that this speaker routes.
    pub const ALL: FamilySet = FamilySet(Family::Ipv4Unicast.bit() | Family::Ipv6Unicast.bit());

    /// Whether the family is in the set.
    pub const fn contains(self, family: Family) -> bool {
        self.0 & family.bit() != 0
    }

    /// The families in wire order.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        Family::ALL
            .into_iter()
            .filter(move |family| self.contains(*family))
    }
}

impl FromIterator<Family> for FamilySet {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> FamilySet {
        FamilySet(
            families
                .into_iter()
                .fold(0, |set, family| set | family.bit()),
        )
    }
}
