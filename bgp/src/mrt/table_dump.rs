//! Tables: TABLE_DUMP (RFC 6396 §4.2) and TABLE_DUMP_V2 (RFC 6396 §4.3, RFC 8050 §4).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use nom::bytes::complete::take;
use nom::combinator::{all_consuming, cond, map, map_opt, recognize};
use nom::multi::{length_count, length_data};
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

use super::{Content, Session, address, as_number};
use crate::codec::{HEADER_LENGTH, Rules};
use crate::family::{AfiSafi, FamilySet};

const NEXT_HOP: u8 = 3;
const LOCAL_PREF: u8 = 5;
const MP_REACH_NLRI: u8 = 14;
const IPV4_UNICAST: AfiSafi = AfiSafi { afi: 1, safi: 1 };

/// The peers of a table: PEER_INDEX_TABLE (RFC 6396 §4.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIndexTable<'a> {
    /// The collector's BGP Identifier.
    pub collector: Ipv4Addr,
    /// Name of the view, empty for none; UTF-8 is not promised.
    pub view_name: &'a [u8],
    /// The peers; at most 65,535.
    pub peers: Vec<PeerEntry>,
}

/// A peer of a [`PeerIndexTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerEntry {
    /// BGP Identifier, 0.0.0.0 where not known.
    pub identifier: Ipv4Addr,
    /// The peer's address.
    pub address: IpAddr,
    /// The peer's AS number, 0 where not known.
    pub asn: u32,
}

/// The routes to one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rib<'a> {
    /// The family of the prefix.
    pub family: AfiSafi,
    /// The prefix as NLRI of its family: for unicast the length in bits, then its octets.
    pub nlri: Cow<'a, [u8]>,
    /// AS numbers in AS_PATH and AGGREGATOR have four octets: in TABLE_DUMP_V2, and only there.
    pub four_octet_as: bool,
    /// The routes; at most 65,535.
    pub entries: Vec<RibEntry<'a>>,
}

/// One route of a [`Rib`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RibEntry<'a> {
    /// Index into the [`PeerIndexTable`]; `None` where the record itself names the peer.
    pub peer_index: Option<u16>,
    /// The session, where the record itself names the peer.
    pub session: Option<Session>,
    /// When the route came: seconds since 1970-01-01 00:00 UTC.
    pub originated: u32,
    /// Path Identifier (RFC 8050 §4).
    pub path_identifier: Option<u32>,
    /// The next hop, where the record has it beside the attributes (BGP4MP_ENTRY).
    pub next_hop: Option<&'a [u8]>,
    /// The path attributes as they stand in the record.
    pub attributes: &'a [u8],
}

impl<'a> Rib<'a> {
    /// A record of one route that names its peer itself.
    pub(super) fn single(family: AfiSafi, nlri: Cow<'a, [u8]>, entry: RibEntry<'a>) -> Rib<'a> {
        Rib {
            family,
            nlri,
            four_octet_as: false,
            entries: vec![entry],
        }
    }

    /// The rules to read [`RibEntry::to_update`] by. A table does not say whether a peer is
    /// internal, so a route with LOCAL_PREF, which only those send, is taken as one of theirs.
    pub fn rules(&self, entry: &RibEntry<'_>) -> Rules {
        Rules {
            four_octet_as: self.four_octet_as,
            internal: entry.has_local_pref(),
            receive_extended: true,
            send_extended: true,
            receive_add_path: match entry.path_identifier {
                Some(_) => FamilySet::ALL,
                None => FamilySet::EMPTY,
            },
            extended_next_hop: true,
            ..Rules::default()
        }
    }
}

impl RibEntry<'_> {
    fn has_local_pref(&self) -> bool {
        attribute_list(self.attributes)
            .is_some_and(|list| list.iter().any(|attribute| attribute.code == LOCAL_PREF))
    }

    /// The UPDATE that announces this route, header included. `None` where it would have more
    /// than 65,535 octets, or where the attributes do not fit their own lengths.
    ///
    /// In TABLE_DUMP_V2, MP_REACH_NLRI has only the next hop (RFC 6396 §4.3.4), but some
    /// recorders write it whole; either way it becomes a whole one. Where the record has no next
    /// hop at all for a route that needs MP_REACH_NLRI, the UPDATE has the other attributes only.
    pub fn to_update(&self, rib: &Rib<'_>) -> Option<Vec<u8>> {
        let mut nlri = Vec::new();
        if let Some(identifier) = self.path_identifier {
            nlri.extend(identifier.to_be_bytes());
        }
        nlri.extend_from_slice(&rib.nlri);
        let list = attribute_list(self.attributes)?;
        let has = |code| list.iter().any(|attribute| attribute.code == code);
        let in_mp_reach = has(MP_REACH_NLRI) || rib.family != IPV4_UNICAST;
        let mut attributes = Vec::new();
        for attribute in &list {
            match attribute.code {
                MP_REACH_NLRI => {
                    let next_hop = next_hop(rib.family, attribute.value)?;
                    write_mp_reach(rib.family, next_hop, &nlri, &mut attributes)?;
                }
                _ => attributes.extend(attribute.octets),
            }
        }
        match (self.next_hop, in_mp_reach) {
            (Some(next_hop), true) if !has(MP_REACH_NLRI) => {
                write_mp_reach(rib.family, next_hop, &nlri, &mut attributes)?;
            }
            (Some(next_hop), false) if !has(NEXT_HOP) => {
                // Well-known.
                attributes.extend([0x40, NEXT_HOP, u8::try_from(next_hop.len()).ok()?]);
                attributes.extend(next_hop);
            }
            (Some(_) | None, _) => {}
        }
        whole_update(&attributes, if in_mp_reach { &[] } else { &nlri })
    }
}

/// An UPDATE without Withdrawn Routes, header included.
fn whole_update(attributes: &[u8], nlri: &[u8]) -> Option<Vec<u8>> {
    let length = HEADER_LENGTH + 4 + attributes.len() + nlri.len();
    let mut message = [0xff; 16].to_vec();
    message.extend(u16::try_from(length).ok()?.to_be_bytes());
    message.extend([2, 0, 0]);
    message.extend(u16::try_from(attributes.len()).ok()?.to_be_bytes());
    message.extend(attributes);
    message.extend(nlri);
    Some(message)
}

/// One attribute of a list, unchecked but for its length.
struct RawAttribute<'a> {
    code: u8,
    value: &'a [u8],
    octets: &'a [u8],
}

/// `None` where an attribute runs over the end.
fn attribute_list(mut rest: &[u8]) -> Option<Vec<RawAttribute<'_>>> {
    let mut list = Vec::new();
    while !rest.is_empty() {
        let (code, value, after) = match *rest {
            [flags, code, high, low, ref after @ ..] if flags & 0x10 != 0 => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let (value, after) = after.split_at_checked(length)?;
                (code, value, after)
            }
            [_, code, length, ref after @ ..] => {
                let (value, after) = after.split_at_checked(usize::from(length))?;
                (code, value, after)
            }
            _ => return None,
        };
        let octets = rest.get(..rest.len() - after.len())?;
        list.push(RawAttribute {
            code,
            value,
            octets,
        });
        rest = after;
    }
    Some(list)
}

/// The next hop of an MP_REACH_NLRI in a table: whole, or length and next hop alone.
fn next_hop(family: AfiSafi, value: &[u8]) -> Option<&[u8]> {
    let [high, low] = family.afi.to_be_bytes();
    let (length, rest) = match *value {
        [length, ref next_hop @ ..] if usize::from(length) == next_hop.len() => (length, next_hop),
        [a, b, safi, length, ref rest @ ..] if [a, b, safi] == [high, low, family.safi] => {
            (length, rest)
        }
        _ => return None,
    };
    rest.get(..usize::from(length))
}

fn write_mp_reach(family: AfiSafi, next_hop: &[u8], nlri: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = 5 + next_hop.len() + nlri.len();
    // Optional, extended length.
    out.extend([0x90, MP_REACH_NLRI]);
    out.extend(u16::try_from(length).ok()?.to_be_bytes());
    out.extend(family.afi.to_be_bytes());
    out.push(family.safi);
    out.push(u8::try_from(next_hop.len()).ok()?);
    out.extend(next_hop);
    out.push(0);
    out.extend(nlri);
    Some(())
}

/// A record of type TABLE_DUMP (RFC 6396 §4.2); the subtype is the AFI.
pub(super) fn parse(subtype: u16, body: &[u8]) -> Result<Content<'_>, &'static str> {
    let ipv6 = match subtype {
        1 => false,
        2 => true,
        _ => return Ok(Content::Other(body)),
    };
    match table_dump(ipv6, body) {
        Ok((_, rib)) => Ok(Content::Rib(rib)),
        Err(_) => Err("TABLE_DUMP does not fit (RFC 6396 §4.2)"),
    }
}

fn table_dump(ipv6: bool, input: &[u8]) -> IResult<&[u8], Rib<'_>> {
    let (input, (_view, _sequence)) = (be_u16, be_u16).parse(input)?;
    // The address is whole and stands before its length; NLRI have it cut, after its length.
    let (input, octets) = take(if ipv6 { 16_usize } else { 4 })(input)?;
    let (input, length) = map_opt(be_u8, |length| {
        (usize::from(length) <= octets.len() * 8).then_some(length)
    })
    .parse(input)?;
    let significant = octets.iter().take(usize::from(length.div_ceil(8)));
    let nlri: Vec<u8> = std::iter::once(length)
        .chain(significant.copied())
        .collect();
    let (input, (_status, originated)) = (be_u8, be_u32).parse(input)?;
    let (input, peer) = address(ipv6, input)?;
    let (input, peer_as) = as_number(false, input)?;
    let (input, attributes) = all_consuming(length_data(be_u16)).parse(input)?;
    let session = Session {
        peer_as,
        local_as: 0,
        interface: 0,
        peer: Some(peer),
        local: None,
    };
    let family = AfiSafi {
        afi: if ipv6 { 2 } else { 1 },
        safi: 1,
    };
    let entry = RibEntry {
        session: Some(session),
        originated,
        attributes,
        ..RibEntry::default()
    };
    Ok((input, Rib::single(family, Cow::Owned(nlri), entry)))
}

/// A record of type TABLE_DUMP_V2.
pub(super) fn parse_v2(subtype: u16, body: &[u8]) -> Result<Content<'_>, &'static str> {
    let unicast = |afi, add_path| rib(Some(AfiSafi { afi, safi: 1 }), add_path, body);
    let multicast = |afi, add_path| rib(Some(AfiSafi { afi, safi: 2 }), add_path, body);
    let rib = match subtype {
        1 => {
            return match peer_index_table(body) {
                Ok((_, table)) => Ok(Content::PeerIndexTable(table)),
                Err(_) => Err("PEER_INDEX_TABLE does not fit (RFC 6396 §4.3.1)"),
            };
        }
        2 => unicast(1, false),
        3 => multicast(1, false),
        4 => unicast(2, false),
        5 => multicast(2, false),
        6 => rib(None, false, body),
        8 => unicast(1, true),
        9 => multicast(1, true),
        10 => unicast(2, true),
        11 => multicast(2, true),
        12 => rib(None, true, body),
        _ => return Ok(Content::Other(body)),
    };
    match rib {
        Ok((_, rib)) => Ok(Content::Rib(rib)),
        Err(_) => Err("RIB does not fit (RFC 6396 §4.3.2)"),
    }
}

fn peer_index_table(input: &[u8]) -> IResult<&[u8], PeerIndexTable<'_>> {
    let identifier = |input| map(be_u32, Ipv4Addr::from_bits).parse(input);
    let peer = |input| {
        // RFC 6396 §4.3.1: bit 0 is the address family, bit 1 the octets of the AS number.
        let (input, (peer_type, identifier)) = (be_u8, identifier).parse(input)?;
        let (input, address) = address(peer_type & 1 != 0, input)?;
        let (input, asn) = as_number(peer_type & 2 != 0, input)?;
        let entry = PeerEntry {
            identifier,
            address,
            asn,
        };
        Ok((input, entry))
    };
    let (input, (collector, view_name)) = (identifier, length_data(be_u16)).parse(input)?;
    let (input, peers) = all_consuming(length_count(be_u16, peer)).parse(input)?;
    let table = PeerIndexTable {
        collector,
        view_name,
        peers,
    };
    Ok((input, table))
}

/// `family` is `None` in RIB_GENERIC, which says it itself (RFC 6396 §4.3.3).
fn rib(family: Option<AfiSafi>, add_path: bool, input: &[u8]) -> IResult<&[u8], Rib<'_>> {
    let (input, _sequence) = be_u32(input)?;
    let (input, family) = match family {
        Some(family) => (input, family),
        None => {
            let (input, (afi, safi)) = (be_u16, be_u8).parse(input)?;
            (input, AfiSafi { afi, safi })
        }
    };
    let (input, nlri) = prefix_octets(input)?;
    let entry = |input| rib_entry(add_path, input);
    let (input, entries) = all_consuming(length_count(be_u16, entry)).parse(input)?;
    let rib = Rib {
        family,
        nlri: Cow::Borrowed(nlri),
        four_octet_as: true,
        entries,
    };
    Ok((input, rib))
}

fn rib_entry(add_path: bool, input: &[u8]) -> IResult<&[u8], RibEntry<'_>> {
    let (input, (peer_index, originated)) = (be_u16, be_u32).parse(input)?;
    let (input, path_identifier) = cond(add_path, be_u32).parse(input)?;
    let (input, attributes) = length_data(be_u16).parse(input)?;
    let entry = RibEntry {
        peer_index: Some(peer_index),
        originated,
        path_identifier,
        attributes,
        ..RibEntry::default()
    };
    Ok((input, entry))
}

/// A length in bits and the octets that it needs, all of it.
pub(super) fn prefix_octets(input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize(length_data(map(be_u8, |bits| bits.div_ceil(8)))).parse(input)
}
