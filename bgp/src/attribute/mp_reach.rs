//! MP_REACH_NLRI, type 14 (RFC 4760 §3, RFC 2545 §3, RFC 8950).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use super::{Attribute, Malformed};
use crate::Family;
use crate::codec::Rules;
use crate::family::AfiSafi;
use crate::nlri::Nlri;

/// Routes of a family, and their next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MpReach<'a> {
    /// A family of this session.
    Routed {
        /// Where to send what goes to the prefixes.
        next_hop: MpNextHop,
        /// The prefixes; they know their family.
        nlri: Nlri<'a>,
    },
    /// A family that is not of this session: its routes are ignored (RFC 4760 §7).
    Ignored {
        /// The family.
        family: AfiSafi,
        /// Network Address of Next Hop, not read; at most 255 octets.
        next_hop: Cow<'a, [u8]>,
        /// The NLRI, not read.
        nlri: Cow<'a, [u8]>,
    },
}

/// Network Address of Next Hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MpNextHop {
    /// 4 octets: IPv4 NLRI only.
    V4(Ipv4Addr),
    /// 16 octets, or 32 with a link-local address (RFC 2545 §3); for IPv4 NLRI with RFC 8950.
    V6 {
        /// The global address.
        global: Ipv6Addr,
        /// The link-local address, where sender and receiver share a link.
        link_local: Option<Ipv6Addr>,
    },
}

impl MpNextHop {
    /// The address to use: the IPv4 one or the global IPv6 one.
    pub const fn address(&self) -> IpAddr {
        match self {
            MpNextHop::V4(address) => IpAddr::V4(*address),
            MpNextHop::V6 { global, .. } => IpAddr::V6(*global),
        }
    }

    fn parse(octets: &[u8]) -> Option<MpNextHop> {
        if let Ok(octets) = <[u8; 4]>::try_from(octets) {
            return Some(MpNextHop::V4(Ipv4Addr::from(octets)));
        }
        let (global, rest) = octets.split_first_chunk::<16>()?;
        let link_local = match (rest.is_empty(), <[u8; 16]>::try_from(rest)) {
            (true, _) => None,
            (false, Ok(octets)) => Some(Ipv6Addr::from(octets)),
            (false, Err(_)) => return None,
        };
        Some(MpNextHop::V6 {
            global: Ipv6Addr::from(*global),
            link_local,
        })
    }

    /// Whether NLRI of this family may have it: RFC 2545 §3, RFC 4760 §3, RFC 8950 §3.
    fn suits(&self, family: Family, rules: &Rules) -> bool {
        match (family, self) {
            (Family::Ipv4Unicast, MpNextHop::V4(_)) => true,
            (Family::Ipv4Unicast, MpNextHop::V6 { .. }) => rules.extended_next_hop,
            (Family::Ipv6Unicast, MpNextHop::V6 { .. }) => true,
            (Family::Ipv6Unicast, MpNextHop::V4(_)) => false,
        }
    }

    fn length(&self) -> u8 {
        match self {
            MpNextHop::V4(_) => 4,
            MpNextHop::V6 { link_local, .. } => match link_local {
                None => 16,
                Some(_) => 32,
            },
        }
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            MpNextHop::V4(address) => out.put_slice(&address.octets()),
            MpNextHop::V6 { global, link_local } => {
                out.put_slice(&global.octets());
                if let Some(address) = link_local {
                    out.put_slice(&address.octets());
                }
            }
        }
    }
}

impl MpReach<'_> {
    /// The family of the routes.
    pub const fn family(&self) -> AfiSafi {
        match self {
            MpReach::Routed { nlri, .. } => nlri.family().afi_safi(),
            MpReach::Ignored { family, .. } => *family,
        }
    }

    /// Whether it announces anything, read or not.
    pub fn has_nlri(&self) -> bool {
        match self {
            MpReach::Routed { nlri, .. } => !nlri.is_empty(),
            MpReach::Ignored { nlri, .. } => !nlri.is_empty(),
        }
    }
}

/// AFI, SAFI, length of next hop; then the next hop, a reserved octet, and NLRI (RFC 4760 §3).
impl<'a> Attribute<'a> for MpReach<'a> {
    type Owned = MpReach<'static>;

    #[inline]
    fn parse(value: &'a [u8], rules: &Rules) -> Result<MpReach<'a>, Malformed> {
        let cut = Malformed::optional("MP_REACH_NLRI is cut (RFC 7606 §5.3)");
        let ([afi_high, afi_low, safi, length], rest) = value.split_first_chunk().ok_or(cut)?;
        let (next_hop, rest) = rest.split_at_checked(usize::from(*length)).ok_or(cut)?;
        // RFC 4760 §3: a reserved octet, ignored.
        let (_reserved, nlri) = rest.split_first().ok_or(cut)?;
        let pair = AfiSafi {
            afi: u16::from_be_bytes([*afi_high, *afi_low]),
            safi: *safi,
        };
        let Some(family) = rules.routed(pair) else {
            return Ok(MpReach::Ignored {
                family: pair,
                next_hop: Cow::Borrowed(next_hop),
                nlri: Cow::Borrowed(nlri),
            });
        };
        let next_hop = MpNextHop::parse(next_hop)
            .filter(|next_hop| next_hop.suits(family, rules))
            .ok_or(Malformed::optional(
                "next hop of the wrong length (RFC 7606 §7.11)",
            ))?;
        let nlri = Nlri::parse(family, rules.receive_add_path.contains(family), nlri).ok_or(
            Malformed::optional("prefix too long or cut (RFC 7606 §5.3)"),
        )?;
        Ok(MpReach::Routed { next_hop, nlri })
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        5 + match self {
            MpReach::Routed { next_hop, nlri } => {
                usize::from(next_hop.length()) + nlri.len_on_wire()
            }
            MpReach::Ignored { next_hop, nlri, .. } => next_hop.len() + nlri.len(),
        }
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        let family = self.family();
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        match self {
            MpReach::Routed { next_hop, nlri } => {
                out.put_u8(next_hop.length());
                next_hop.write(out);
                out.put_u8(0);
                nlri.write(out);
            }
            MpReach::Ignored { next_hop, nlri, .. } => {
                out.put_u8(u8::try_from(next_hop.len()).unwrap_or(u8::MAX));
                out.put_slice(next_hop);
                out.put_u8(0);
                out.put_slice(nlri);
            }
        }
    }

    fn into_owned(self) -> MpReach<'static> {
        match self {
            MpReach::Routed { next_hop, nlri } => MpReach::Routed {
                next_hop,
                nlri: nlri.into_owned(),
            },
            MpReach::Ignored {
                family,
                next_hop,
                nlri,
            } => MpReach::Ignored {
                family,
                next_hop: Cow::Owned(next_hop.into_owned()),
                nlri: Cow::Owned(nlri.into_owned()),
            },
        }
    }
}
