//! UPDATEs as octets (RFC 4271 §4.3, RFC 4760 §3 and §4): as many prefixes as fit into one.

use bytes::{BufMut, BytesMut};
use ipnet::{Ipv4Net, Ipv6Net};

use super::advertise::Group;
use crate::attribute::{FLAG_EXTENDED_LENGTH, FLAG_OPTIONAL};
use crate::codec::HEADER_LENGTH;
use crate::route::RoutesOf;
use crate::{Family, RouteSet};

/// Header, Withdrawn Routes Length, Total Path Attribute Length.
const FIXED: usize = HEADER_LENGTH + 2 + 2;
/// Flags, type, and a length of two octets.
const ATTRIBUTE_HEADER: usize = 4;
/// AFI and SAFI.
const AFI_SAFI: usize = 3;
/// Message type of UPDATE.
const UPDATE: u8 = 2;

/// A prefix of one family.
pub(super) trait Prefix: Copy + Ord + std::fmt::Debug {
    /// Its family.
    const FAMILY: Family;

    /// The routes of the family in a set.
    fn routes(set: &RouteSet) -> &RoutesOf<Self>;

    /// Length in bits, and the octets of the address.
    fn parts(&self) -> (u8, [u8; 16]);

    /// As NLRI (RFC 4271 §4.3): the length in bits and no more octets than that needs.
    fn write(&self, out: &mut BytesMut) {
        let (bits, octets) = self.parts();
        out.put_u8(bits);
        out.put_slice(&octets[..usize::from(bits.div_ceil(8))]);
    }

    /// Octets that [`Prefix::write`] writes.
    fn wire_length(&self) -> usize {
        1 + usize::from(self.parts().0.div_ceil(8))
    }
}

impl Prefix for Ipv4Net {
    const FAMILY: Family = Family::Ipv4Unicast;

    fn routes(set: &RouteSet) -> &RoutesOf<Ipv4Net> {
        set.ipv4()
    }

    fn parts(&self) -> (u8, [u8; 16]) {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&self.addr().octets());
        (self.prefix_len(), octets)
    }
}

impl Prefix for Ipv6Net {
    const FAMILY: Family = Family::Ipv6Unicast;

    fn routes(set: &RouteSet) -> &RoutesOf<Ipv6Net> {
        set.ipv6()
    }

    fn parts(&self) -> (u8, [u8; 16]) {
        (self.prefix_len(), self.addr().octets())
    }
}

/// Whether the longest prefix of the family fits into a message with these attributes.
pub(super) fn fits(group: &Group, family: Family, limit: usize) -> bool {
    let longest = 1 + usize::from(family.max_prefix_len() / 8);
    let multiprotocol = group
        .mp_next_hop
        .as_ref()
        .map_or(0, |next_hop| reach_length(next_hop));
    FIXED + group.attributes.len() + multiprotocol + longest <= limit
}

/// Octets of an MP_REACH_NLRI without its prefixes.
fn reach_length(next_hop: &[u8]) -> usize {
    ATTRIBUTE_HEADER + AFI_SAFI + 1 + next_hop.len() + 1
}

/// Writes one UPDATE that announces as many of `prefixes` as fit into `limit` octets, and returns
/// how many those were: at least one, since every group has passed [`fits`].
pub(super) fn announce<P: Prefix>(
    group: &Group,
    prefixes: impl Iterator<Item = P>,
    limit: usize,
    out: &mut BytesMut,
) -> usize {
    let start = begin(out);
    out.put_u16(0);
    let attributes = out.len();
    out.put_u16(0);
    let count = match &group.mp_next_hop {
        None => {
            out.put_slice(&group.attributes);
            patch(out, attributes, out.len() - attributes - 2);
            put_prefixes(prefixes, start + limit, out)
        }
        Some(next_hop) => {
            // RFC 7606 §5.1: MP_REACH_NLRI is the first attribute.
            let reach = begin_multiprotocol(14, P::FAMILY, out);
            out.put_u8(u8::try_from(next_hop.len()).unwrap_or(0));
            out.put_slice(next_hop);
            out.put_u8(0);
            let room = start + limit - group.attributes.len();
            let count = put_prefixes(prefixes, room, out);
            patch(out, reach, out.len() - reach - 2);
            out.put_slice(&group.attributes);
            patch(out, attributes, out.len() - attributes - 2);
            count
        }
    };
    patch(out, start + 16, out.len() - start);
    count
}

/// Writes one UPDATE that withdraws as many of `prefixes` as fit, and returns how many.
///
/// IPv4 goes into the Withdrawn Routes field whatever its next hop was: RFC 4760 §4 leaves the
/// choice, and every peer reads that field.
pub(super) fn withdraw<P: Prefix>(
    prefixes: impl Iterator<Item = P>,
    limit: usize,
    out: &mut BytesMut,
) -> usize {
    let start = begin(out);
    let field = out.len();
    out.put_u16(0);
    let count = match P::FAMILY {
        Family::Ipv4Unicast => {
            let count = put_prefixes(prefixes, start + limit - 2, out);
            patch(out, field, out.len() - field - 2);
            out.put_u16(0);
            count
        }
        Family::Ipv6Unicast => {
            let attributes = out.len();
            out.put_u16(0);
            let unreach = begin_multiprotocol(15, P::FAMILY, out);
            let count = put_prefixes(prefixes, start + limit, out);
            patch(out, unreach, out.len() - unreach - 2);
            patch(out, attributes, out.len() - attributes - 2);
            count
        }
    };
    patch(out, start + 16, out.len() - start);
    count
}

/// The End-of-RIB marker (RFC 4724 §2): an UPDATE that withdraws nothing.
pub(super) fn end_of_rib<P: Prefix>(limit: usize, out: &mut BytesMut) {
    withdraw(std::iter::empty::<P>(), limit, out);
}

/// Marker, Length to be patched, Type. Returns where the message begins.
fn begin(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.put_slice(&[0xff; 16]);
    out.put_u16(0);
    out.put_u8(UPDATE);
    start
}

/// Attribute header, AFI, SAFI. Returns where the length to be patched stands.
fn begin_multiprotocol(code: u8, family: Family, out: &mut BytesMut) -> usize {
    let pair = family.afi_safi();
    out.put_slice(&[FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH, code]);
    let length = out.len();
    out.put_u16(0);
    out.put_u16(pair.afi);
    out.put_u8(pair.safi);
    length
}

/// Every length here is of a part of a message, so it is within 16 bits.
fn patch(out: &mut BytesMut, at: usize, length: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

fn put_prefixes<P: Prefix>(
    prefixes: impl Iterator<Item = P>,
    end: usize,
    out: &mut BytesMut,
) -> usize {
    let mut count = 0;
    for prefix in prefixes {
        if out.len() + prefix.wire_length() > end {
            break;
        }
        prefix.write(out);
        count += 1;
    }
    count
}
