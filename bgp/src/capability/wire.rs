//! Capability TLVs (RFC 5492 §4), read and written.

use bytes::{BufMut, BytesMut};
use nom::combinator::all_consuming;
use nom::multi::{length_data, many0};
use nom::number::complete::{be_u8, be_u16, be_u24};
use nom::{IResult, Parser};

use super::{Capability, GracefulRestart, LongLivedFamily, code};
use crate::Asn;
use crate::family::AfiSafi;
use crate::message::notification::Notification;

/// F bit of graceful restart and long-lived graceful restart: forwarding state preserved.
const FORWARDING: u8 = 0x80;
/// R bit (RFC 4724 §3) and N bit (RFC 8538 §2), in the 16 bits they share with Restart Time.
const RESTART_STATE: u16 = 0x8000;
const NOTIFICATION: u16 = 0x4000;
const RESTART_TIME: u16 = 0x0fff;

/// Reads the value of one Capabilities optional parameter: TLVs without a rest.
///
/// RFC 5492 leaves a capability whose length is wrong to the receiver. Here it ends the session
/// with 2/0: an OPEN with a lie in it cannot be negotiated from. AS 0 is 2/2 (RFC 7607).
pub(crate) fn parse_all(input: &[u8], out: &mut Vec<Capability>) -> Result<(), Notification> {
    let (_, tlvs) = all_consuming(many0(tlv))
        .parse(input)
        .map_err(|_| Notification::OPEN_MESSAGE_ERROR)?;
    for (code, value) in tlvs {
        out.push(parse(code, value)?);
    }
    Ok(())
}

fn tlv(input: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    (be_u8, length_data(be_u8)).parse(input)
}

/// Reads one capability's value. An unknown code is kept as it is.
fn parse(code: u8, value: &[u8]) -> Result<Capability, Notification> {
    // The capabilities that are only a code have no value; FRR sends padding and so is taken.
    let parsed = match code {
        code::FOUR_OCTET_AS => return four_octet_as(value),
        code::MULTIPROTOCOL => complete(multiprotocol, value),
        code::ROUTE_REFRESH => Some(Capability::RouteRefresh),
        code::EXTENDED_NEXT_HOP => complete(extended_next_hop, value),
        code::EXTENDED_MESSAGE => Some(Capability::ExtendedMessage),
        code::ROLE => complete(role, value),
        code::GRACEFUL_RESTART => complete(graceful_restart, value),
        code::ADD_PATH => complete(add_path, value),
        code::ENHANCED_ROUTE_REFRESH => Some(Capability::EnhancedRouteRefresh),
        code::LONG_LIVED_GRACEFUL_RESTART => complete(long_lived, value),
        code::FQDN => complete(fqdn, value),
        code::SOFTWARE_VERSION => complete(software_version, value),
        _ => Some(Capability::Unknown {
            code,
            value: value.to_vec(),
        }),
    };
    parsed.ok_or(Notification::OPEN_MESSAGE_ERROR)
}

/// Runs a parser that has to use the whole value.
fn complete<'a>(
    parser: fn(&'a [u8]) -> IResult<&'a [u8], Capability>,
    value: &'a [u8],
) -> Option<Capability> {
    let (_, capability) = all_consuming(parser).parse(value).ok()?;
    Some(capability)
}

/// RFC 6793 §3: 4 octets; RFC 7607: not 0.
fn four_octet_as(value: &[u8]) -> Result<Capability, Notification> {
    let octets = value
        .try_into()
        .map_err(|_| Notification::OPEN_MESSAGE_ERROR)?;
    match Asn::new(u32::from_be_bytes(octets)) {
        Some(asn) => Ok(Capability::FourOctetAs(asn)),
        None => Err(Notification::BAD_PEER_AS),
    }
}

/// RFC 4760 §8: AFI, reserved, SAFI.
fn multiprotocol(input: &[u8]) -> IResult<&[u8], Capability> {
    (be_u16, be_u8, be_u8)
        .map(|(afi, _reserved, safi)| Capability::Multiprotocol(AfiSafi { afi, safi }))
        .parse(input)
}

fn afi_safi(input: &[u8]) -> IResult<&[u8], AfiSafi> {
    (be_u16, be_u8)
        .map(|(afi, safi)| AfiSafi { afi, safi })
        .parse(input)
}

/// RFC 8950 §4: NLRI AFI, NLRI SAFI (2 octets), next-hop AFI, each.
fn extended_next_hop(input: &[u8]) -> IResult<&[u8], Capability> {
    // The high octet of the NLRI SAFI is always 0: SAFIs have 8 bits.
    let entry = (be_u16, be_u8, be_u8, be_u16)
        .map(|(afi, _high, safi, next_hop)| (AfiSafi { afi, safi }, next_hop));
    many0(entry).map(Capability::ExtendedNextHop).parse(input)
}

fn role(input: &[u8]) -> IResult<&[u8], Capability> {
    be_u8.map(Capability::Role).parse(input)
}

/// RFC 4724 §3: flags and Restart Time, then AFI, SAFI, flags, each.
fn graceful_restart(input: &[u8]) -> IResult<&[u8], Capability> {
    let family = (afi_safi, be_u8).map(|(family, flags)| (family, flags & FORWARDING != 0));
    (be_u16, many0(family))
        .map(|(bits, families)| {
            Capability::GracefulRestart(GracefulRestart {
                restart_state: bits & RESTART_STATE != 0,
                notification: bits & NOTIFICATION != 0,
                restart_time: bits & RESTART_TIME,
                families,
            })
        })
        .parse(input)
}

/// RFC 7911 §4: AFI, SAFI, Send/Receive, each.
fn add_path(input: &[u8]) -> IResult<&[u8], Capability> {
    many0((afi_safi, be_u8))
        .map(Capability::AddPath)
        .parse(input)
}

/// RFC 9494 §3.1: AFI, SAFI, flags, 24 bits of seconds, each.
fn long_lived(input: &[u8]) -> IResult<&[u8], Capability> {
    let family = (afi_safi, be_u8, be_u24).map(|(family, flags, stale_time)| LongLivedFamily {
        family,
        forwarding: flags & FORWARDING != 0,
        stale_time,
    });
    many0(family)
        .map(Capability::LongLivedGracefulRestart)
        .parse(input)
}

/// draft-walton-bgp-hostname-capability §2: two texts, each behind a length octet.
fn fqdn(input: &[u8]) -> IResult<&[u8], Capability> {
    (length_data(be_u8), length_data(be_u8))
        .map(|(host, domain)| Capability::Fqdn(text(host), text(domain)))
        .parse(input)
}

/// draft-abraitis-bgp-version-capability §2: one text behind a length octet.
fn software_version(input: &[u8]) -> IResult<&[u8], Capability> {
    length_data(be_u8)
        .map(|version| Capability::SoftwareVersion(text(version)))
        .parse(input)
}

/// Text from a peer; octets that are no UTF-8 become U+FFFD.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Writes capabilities as TLVs, in order. Values are cut to the 255 octets that fit in one.
pub(crate) fn write_all(capabilities: &[Capability], out: &mut BytesMut) {
    let mut value = BytesMut::new();
    for capability in capabilities {
        value.clear();
        write_value(capability, &mut value);
        let entry = entry_length(capability);
        let whole_entries = 255 - (255 - fixed_length(capability)) % entry;
        value.truncate(whole_entries);
        out.put_u8(capability.code());
        out.put_u8(u8::try_from(value.len()).unwrap_or(u8::MAX));
        out.put_slice(&value);
    }
}

/// Octets of one entry of a capability that is a list, so that no entry is cut in two.
fn entry_length(capability: &Capability) -> usize {
    match capability {
        Capability::ExtendedNextHop(_) => 6,
        Capability::GracefulRestart(_) | Capability::AddPath(_) => 4,
        Capability::LongLivedGracefulRestart(_) => 7,
        Capability::Multiprotocol(_)
        | Capability::RouteRefresh
        | Capability::ExtendedMessage
        | Capability::Role(_)
        | Capability::FourOctetAs(_)
        | Capability::EnhancedRouteRefresh
        | Capability::Fqdn(..)
        | Capability::SoftwareVersion(_)
        | Capability::Unknown { .. } => 1,
    }
}

/// Octets before the first entry.
fn fixed_length(capability: &Capability) -> usize {
    match capability {
        Capability::GracefulRestart(_) => 2,
        Capability::Multiprotocol(_)
        | Capability::RouteRefresh
        | Capability::ExtendedNextHop(_)
        | Capability::ExtendedMessage
        | Capability::Role(_)
        | Capability::FourOctetAs(_)
        | Capability::AddPath(_)
        | Capability::EnhancedRouteRefresh
        | Capability::LongLivedGracefulRestart(_)
        | Capability::Fqdn(..)
        | Capability::SoftwareVersion(_)
        | Capability::Unknown { .. } => 0,
    }
}

fn write_value(capability: &Capability, out: &mut BytesMut) {
    match capability {
        Capability::Multiprotocol(family) => {
            out.put_u16(family.afi);
            out.put_u8(0);
            out.put_u8(family.safi);
        }
        Capability::RouteRefresh
        | Capability::ExtendedMessage
        | Capability::EnhancedRouteRefresh => {}
        Capability::ExtendedNextHop(entries) => {
            for (family, next_hop) in entries {
                out.put_u16(family.afi);
                out.put_u16(u16::from(family.safi));
                out.put_u16(*next_hop);
            }
        }
        Capability::Role(role) => out.put_u8(*role),
        Capability::GracefulRestart(restart) => write_graceful_restart(restart, out),
        Capability::FourOctetAs(asn) => out.put_u32(asn.get()),
        Capability::AddPath(entries) => {
            for (family, send_receive) in entries {
                put_family(*family, out);
                out.put_u8(*send_receive);
            }
        }
        Capability::LongLivedGracefulRestart(families) => {
            for entry in families {
                put_family(entry.family, out);
                out.put_u8(if entry.forwarding { FORWARDING } else { 0 });
                // 24 bits: more seconds than fit are the most that fit.
                let stale_time = entry.stale_time.min(0x00ff_ffff);
                out.put_uint(u64::from(stale_time), 3);
            }
        }
        // The draft gives each name 64 octets.
        Capability::Fqdn(host, domain) => {
            put_text(host, 64, out);
            put_text(domain, 64, out);
        }
        Capability::SoftwareVersion(version) => put_text(version, 64, out),
        Capability::Unknown { value, .. } => out.put_slice(value),
    }
}

fn write_graceful_restart(restart: &GracefulRestart, out: &mut BytesMut) {
    let mut bits = restart.restart_time.min(RESTART_TIME);
    if restart.restart_state {
        bits |= RESTART_STATE;
    }
    if restart.notification {
        bits |= NOTIFICATION;
    }
    out.put_u16(bits);
    for (family, forwarding) in &restart.families {
        put_family(*family, out);
        out.put_u8(if *forwarding { FORWARDING } else { 0 });
    }
}

fn put_family(family: AfiSafi, out: &mut BytesMut) {
    out.put_u16(family.afi);
    out.put_u8(family.safi);
}

/// A length octet and the text, cut at a character so that at most `limit` (≤ 255) octets go out.
fn put_text(text: &str, limit: u8, out: &mut BytesMut) {
    let mut end = text.len().min(usize::from(limit));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.put_u8(u8::try_from(end).unwrap_or(limit));
    out.put_slice(&text.as_bytes()[..end]);
}

/// The capability TLVs of an Unsupported Capability NOTIFICATION (RFC 5492 §5), as names.
pub(crate) fn describe(tlvs: &[u8]) -> String {
    let Ok((_, tlvs)) = many0(tlv).parse(tlvs) else {
        return String::new();
    };
    let names: Vec<String> = tlvs
        .iter()
        .map(|(code, value)| match parse(*code, value) {
            Ok(Capability::Multiprotocol(family)) => format!("multiprotocol {family}"),
            _ => format!("{} ({code})", super::name(*code)),
        })
        .collect();
    names.join(", ")
}
