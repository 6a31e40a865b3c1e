//! MRT files (RFC 6396, RFC 8050): what collectors and routers record of their sessions and
//! tables.
//!
//! [`records`] walks a file that is in memory and uncompressed. Each record holds one BGP message
//! ([`Content::Message`]), or a piece of a table whose entries become UPDATEs by
//! [`RibEntry::to_update`], so that everything that is BGP ends up in [`crate::codec::decode`].

mod bgp4mp;
mod table_dump;

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::number::complete::{be_u16, be_u32, be_u128};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use bgp4mp::{SessionMessage, StateChange};
pub use table_dump::{PeerEntry, PeerIndexTable, Rib, RibEntry};

/// Octets of the header of every record: timestamp, type, subtype, length.
const HEADER_LENGTH: usize = 12;

/// Types of RFC 6396 §4 and appendix B.1 that hold BGP.
const BGP: u16 = 5;
const TABLE_DUMP: u16 = 12;
const TABLE_DUMP_V2: u16 = 13;
const BGP4MP: u16 = 16;
const BGP4MP_ET: u16 = 17;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Octets of the file before the record.
    pub offset: usize,
    /// Seconds since 1970-01-01 00:00 UTC.
    pub timestamp: u32,
    /// Microseconds, in records with an extended timestamp (RFC 6396 §3).
    pub microseconds: Option<u32>,
    /// Type (RFC 6396 §4).
    pub record_type: u16,
    /// Subtype; its meaning depends on the type.
    pub subtype: u16,
    /// What the record holds.
    pub content: Content<'a>,
}

/// What a [`Record`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A message of a session.
    Message(SessionMessage<'a>),
    /// A session's FSM went from a state to another.
    StateChange(StateChange),
    /// The peers that the [`PeerEntry`] indexes of later records mean.
    PeerIndexTable(PeerIndexTable<'a>),
    /// The routes to one prefix, from one peer or several.
    Rib(Rib<'a>),
    /// Anything else, as it came: other protocols, and subtypes without BGP in them.
    Other(&'a [u8]),
}

/// Both ends of the session that a record is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The peer's AS number, 0 where the recorder did not know it.
    pub peer_as: u32,
    /// The recorder's own.
    pub local_as: u32,
    /// Index of the recorder's interface, 0 where not known.
    pub interface: u16,
    /// The peer's address; recorders of the year 2000 left it out of the first messages.
    pub peer: Option<IpAddr>,
    /// The recorder's own.
    pub local: Option<IpAddr>,
}

impl Session {
    /// Both ends are in one AS.
    pub const fn is_internal(&self) -> bool {
        self.peer_as == self.local_as
    }
}

/// A record that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Octets of the file before the record.
    pub offset: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MRT record at octet {}: {}", self.offset, self.reason)
    }
}

impl std::error::Error for Error {}

/// The records of a file.
///
/// A record whose body is wrong gives an error and the next one follows; a record that the end of
/// the file cuts gives an error and is the last.
pub fn records(file: &[u8]) -> Records<'_> {
    Records { file, offset: 0 }
}

/// The records of a file, see [`records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    file: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Error>;

    fn next(&mut self) -> Option<Result<Record<'a>, Error>> {
        let offset = self.offset;
        let rest = self.file.get(offset..).filter(|rest| !rest.is_empty())?;
        let Ok((after, record)) = record(rest, offset) else {
            self.offset = self.file.len();
            let reason = "the file ends inside the record (RFC 6396 §2)";
            return Some(Err(Error { offset, reason }));
        };
        self.offset = self.file.len() - after.len();
        Some(record.map_err(|reason| Error { offset, reason }))
    }
}

/// The outer error means that the octets end too soon, the inner one that the body is wrong.
fn record(input: &[u8], offset: usize) -> IResult<&[u8], Result<Record<'_>, &'static str>> {
    let (rest, (timestamp, record_type, subtype, length)) =
        (be_u32, be_u16, be_u16, be_u32).parse(input)?;
    debug_assert_eq!(input.len() - rest.len(), HEADER_LENGTH);
    let (rest, body) = take(length)(rest)?;
    // RFC 6396 §3: the microseconds are counted in the length.
    let (body, microseconds) = match (record_type, body.split_first_chunk()) {
        (BGP4MP_ET, Some((microseconds, body))) => (body, Some(u32::from_be_bytes(*microseconds))),
        (BGP4MP_ET, None) => return Ok((rest, Err("no room for the microseconds (RFC 6396 §3)"))),
        (_, _) => (body, None),
    };
    let content = content(record_type, subtype, body).map(|content| Record {
        offset,
        timestamp,
        microseconds,
        record_type,
        subtype,
        content,
    });
    Ok((rest, content))
}

fn content(record_type: u16, subtype: u16, body: &[u8]) -> Result<Content<'_>, &'static str> {
    match record_type {
        BGP => bgp4mp::parse_bgp(subtype, body),
        TABLE_DUMP => table_dump::parse(subtype, body),
        TABLE_DUMP_V2 => table_dump::parse_v2(subtype, body),
        BGP4MP | BGP4MP_ET => bgp4mp::parse(subtype, body),
        _ => Ok(Content::Other(body)),
    }
}

/// An address of 4 octets, or of 16.
fn address(ipv6: bool, input: &[u8]) -> IResult<&[u8], IpAddr> {
    match ipv6 {
        false => map(be_u32, |bits| IpAddr::V4(Ipv4Addr::from_bits(bits))).parse(input),
        true => map(be_u128, |bits| IpAddr::V6(Ipv6Addr::from_bits(bits))).parse(input),
    }
}

/// An AS number of 2 octets, or of 4. 0 stands for "not known" in these files.
fn as_number(four_octet_as: bool, input: &[u8]) -> IResult<&[u8], u32> {
    match four_octet_as {
        false => map(be_u16, u32::from).parse(input),
        true => be_u32(input),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: [u8; 19] = [
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 19, 4,
    ];

    fn record_of(record_type: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
        let mut record = 7u32.to_be_bytes().to_vec();
        record.extend(record_type.to_be_bytes());
        record.extend(subtype.to_be_bytes());
        record.extend(u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
        record.extend(body);
        record
    }

    fn bgp4mp_keepalive() -> Vec<u8> {
        let session = [0, 1, 0, 2, 0, 0, 0, 1, 10, 0, 0, 1, 10, 0, 0, 2];
        [session.as_slice(), &KEEPALIVE].concat()
    }

    #[test]
    fn a_message_comes_with_its_session() {
        let file = record_of(BGP4MP, 1, &bgp4mp_keepalive());
        let record = records(&file).next().and_then(Result::ok);
        let Some(Content::Message(message)) = record.map(|record| record.content) else {
            panic!("no message");
        };
        assert_eq!(message.octets.as_ref(), KEEPALIVE);
        assert_eq!((message.session.peer_as, message.session.local_as), (1, 2));
        assert_eq!(message.session.peer, Some(IpAddr::from([10, 0, 0, 1])));
    }

    #[test]
    fn an_extended_timestamp_has_microseconds() {
        let body = [500u32.to_be_bytes().as_slice(), &bgp4mp_keepalive()].concat();
        let file = record_of(BGP4MP_ET, 1, &body);
        let record = records(&file).next().and_then(Result::ok);
        let time = record.map(|record| (record.timestamp, record.microseconds));
        assert_eq!(time, Some((7, Some(500))));
    }

    #[test]
    fn a_record_with_a_wrong_body_does_not_hide_the_next_one() {
        let mut file = record_of(BGP4MP, 1, &[0, 1]);
        file.extend(record_of(BGP4MP, 1, &bgp4mp_keepalive()));
        let results: Vec<bool> = records(&file).map(|record| record.is_ok()).collect();
        assert_eq!(results, [false, true]);
    }

    #[test]
    fn a_cut_record_is_an_error_and_the_last() {
        let whole = record_of(BGP4MP, 1, &bgp4mp_keepalive());
        for cut in 1..whole.len() {
            let results: Vec<bool> = records(&whole[..cut]).map(|r| r.is_ok()).collect();
            assert_eq!(results, [false], "cut at {cut}");
        }
    }

    #[test]
    fn a_type_without_bgp_is_kept_as_it_came() {
        let file = record_of(48, 0, &[1, 2, 3]);
        let record = records(&file).next().and_then(Result::ok);
        let content = record.map(|record| record.content);
        assert_eq!(content, Some(Content::Other(&[1, 2, 3])));
    }
}
