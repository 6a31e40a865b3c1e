//! Framing (RFC 4271 §4.1): one message out of a stream of octets, and back.

use std::fmt;

use bytes::{Buf, BufMut, BytesMut};

use crate::Family;
use crate::family::{AfiSafi, FamilySet};
use crate::message::open::Open;
use crate::message::refresh::RouteRefresh;
use crate::message::update::Update;
use crate::message::{Message, notification::Notification};

/// Octets of the header: marker, Length, Type.
pub const HEADER_LENGTH: usize = 19;
/// Most octets of a message (RFC 4271 §4.1).
pub const MAX_LENGTH: usize = 4096;
/// Most octets of a message where extended messages are agreed on (RFC 8654 §3).
pub const MAX_EXTENDED_LENGTH: usize = 65_535;

const MARKER: [u8; 16] = [0xff; 16];
/// Type of an UPDATE.
const UPDATE: u8 = 2;

/// What reading and writing messages depends on: the session's state in the codec's terms.
///
/// The default is for a session before both OPENs are in: nothing is agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// AS numbers in AS_PATH and AGGREGATOR have four octets (RFC 6793 §4.1).
    pub four_octet_as: bool,
    /// The peer is in our AS (iBGP); RFC 7606 differs for some attributes.
    pub internal: bool,
    /// The peer may send messages over 4,096 octets (RFC 8654 §4).
    pub receive_extended: bool,
    /// We may send them.
    pub send_extended: bool,
    /// Families whose received NLRI have Path Identifiers (RFC 7911 §3).
    pub receive_add_path: FamilySet,
    /// A ROUTE-REFRESH of the wrong length is 7/1 (RFC 7313 §5).
    pub enhanced_route_refresh: bool,
    /// IPv4 NLRI may have an IPv6 next hop (RFC 8950 §4).
    pub extended_next_hop: bool,
    /// Families that are read; others are kept as octets and ignored (RFC 4760 §7).
    pub families: FamilySet,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            four_octet_as: false,
            internal: false,
            receive_extended: false,
            send_extended: false,
            receive_add_path: FamilySet::EMPTY,
            enhanced_route_refresh: false,
            extended_next_hop: false,
            families: FamilySet::ALL,
        }
    }
}

impl Rules {
    /// The family of a pair, where its routes are read on this session.
    pub(crate) fn routed(&self, pair: AfiSafi) -> Option<Family> {
        Family::from_afi_safi(pair).filter(|family| self.families.contains(*family))
    }

    /// Most octets of a message of ours.
    pub const fn max_send_length(&self) -> usize {
        match self.send_extended {
            true => MAX_EXTENDED_LENGTH,
            false => MAX_LENGTH,
        }
    }
}

/// Reads the message that `input` begins with, and says how many octets it has.
///
/// Three outcomes: a message; `Ok(None)`, more octets are needed; or the NOTIFICATION to end the
/// session with. A header is judged as soon as its 19 octets are in, so that nobody waits for
/// 65,535 octets that are refused anyway; 16 octets that are no marker are refused as soon as
/// the first wrong one is in.
///
/// An error inside a NOTIFICATION must not be answered (RFC 4271 §6.4): see [`is_notification`].
#[inline]
pub fn decode<'a>(
    input: &'a [u8],
    rules: &Rules,
) -> Result<Option<(Message<'a>, usize)>, Notification> {
    let Some(length) = check_header(input, rules)? else {
        return Ok(None);
    };
    let Some(message) = input.get(..length) else {
        return Ok(None);
    };
    let body = message.get(HEADER_LENGTH..).unwrap_or_default();
    if message.get(HEADER_LENGTH - 1) == Some(&UPDATE) {
        // In place, and by itself: an UPDATE is large, and each move of it shows.
        let mut update = Update::default();
        update.read(body, rules)?;
        return Ok(Some((Message::Update(update), length)));
    }
    let other = decode_other(message, body)?;
    Ok(Some((other, length)))
}

/// Reads a whole message that is no UPDATE.
fn decode_other<'a>(message: &'a [u8], body: &'a [u8]) -> Result<Message<'a>, Notification> {
    match message.get(HEADER_LENGTH - 1) {
        Some(1) => Ok(Message::Open(Open::parse(body)?)),
        Some(3) => match Notification::parse(body) {
            Some(notification) => Ok(Message::Notification(notification)),
            None => Err(bad_length(message.len())),
        },
        Some(4) => Ok(Message::Keepalive),
        Some(5) => match RouteRefresh::parse(body) {
            Some(refresh) => Ok(Message::RouteRefresh(refresh)),
            // RFC 7313 §5: Data is the whole message.
            None => Err(Notification::INVALID_ROUTE_REFRESH_LENGTH.with_data(message)),
        },
        Some(other) => Err(Notification::BAD_MESSAGE_TYPE.with_data([*other])),
        None => Err(bad_length(message.len())),
    }
}

/// Whether the message that `input` begins with says it is a NOTIFICATION.
pub fn is_notification(input: &[u8]) -> bool {
    input.get(HEADER_LENGTH - 1) == Some(&3)
}

/// RFC 4271 §6.1 on as much of a header as is there: the Length once it can be trusted.
#[inline]
fn check_header(input: &[u8], rules: &Rules) -> Result<Option<usize>, Notification> {
    let Some((header, _)) = input.split_first_chunk::<HEADER_LENGTH>() else {
        let there = input.len().min(MARKER.len());
        return match input[..there] == MARKER[..there] {
            true => Ok(None),
            false => Err(Notification::CONNECTION_NOT_SYNCHRONIZED),
        };
    };
    if header[..16] != MARKER {
        return Err(Notification::CONNECTION_NOT_SYNCHRONIZED);
    }
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    let message_type = header[18];
    // RFC 8654 §4: OPEN and KEEPALIVE stay within 4,096.
    let longest = match (rules.receive_extended, message_type) {
        (true, 2 | 3 | 5..) => MAX_EXTENDED_LENGTH,
        (true | false, _) => MAX_LENGTH,
    };
    let fits = match message_type {
        1 => (29..=longest).contains(&length),
        2 => (23..=longest).contains(&length),
        3 => (21..=longest).contains(&length),
        4 => length == HEADER_LENGTH,
        // RFC 7313 §5: the whole message goes into the NOTIFICATION, so it is waited for.
        5 if rules.enhanced_route_refresh => (HEADER_LENGTH..=longest).contains(&length),
        5 => length == HEADER_LENGTH + RouteRefresh::BODY_LENGTH,
        _ => (HEADER_LENGTH..=longest).contains(&length),
    };
    match (fits, message_type) {
        (false, _) => Err(bad_length(length)),
        (true, 1..=5) => Ok(Some(length)),
        (true, other) => Err(Notification::BAD_MESSAGE_TYPE.with_data([other])),
    }
}

/// RFC 4271 §6.1: Data is the Length field.
#[cold]
fn bad_length(length: usize) -> Notification {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    Notification::BAD_MESSAGE_LENGTH.with_data(length.to_be_bytes())
}

/// A message that does not fit: nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Octets that the message would have.
    pub length: usize,
    /// Octets that it may have.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooLong { length, limit } = self;
        write!(f, "a message of {length} octets, where {limit} are allowed")
    }
}

impl std::error::Error for TooLong {}

/// Appends a message to `out`, or nothing where it is longer than the session allows.
#[inline]
pub fn encode(message: &Message<'_>, rules: &Rules, out: &mut BytesMut) -> Result<(), TooLong> {
    let start = out.len();
    out.put_slice(&MARKER);
    out.put_u16(0);
    out.put_u8(message.type_code());
    match message {
        Message::Open(open) => open.write(out),
        Message::Update(update) => update.write(rules, out),
        Message::Notification(notification) => notification.write(out),
        Message::Keepalive => {}
        Message::RouteRefresh(refresh) => refresh.write(out),
    }
    let length = out.len() - start;
    // RFC 8654 §4: OPEN and KEEPALIVE stay within 4,096. A NOTIFICATION may be the answer to a
    // peer that never saw our capability, so it does too.
    let limit = match message {
        Message::Open(_) | Message::Keepalive | Message::Notification(_) => MAX_LENGTH,
        Message::Update(_) | Message::RouteRefresh(_) => rules.max_send_length(),
    };
    match u16::try_from(length) {
        Ok(octets) if length <= limit => {
            out[start + 16..start + 18].copy_from_slice(&octets.to_be_bytes());
            Ok(())
        }
        Ok(_) | Err(_) => {
            out.truncate(start);
            Err(TooLong { length, limit })
        }
    }
}

/// [`decode`] and [`encode`] as a `tokio_util` codec, for tools that have a stream of messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct BgpCodec {
    /// What the session has agreed on so far.
    pub rules: Rules,
}

/// Why a [`BgpCodec`] gave up.
#[derive(Debug)]
pub enum CodecError {
    /// The stream broke.
    Io(std::io::Error),
    /// The peer's octets break the protocol; this is the answer.
    Protocol(Notification),
    /// A message of ours does not fit.
    TooLong(TooLong),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::Io(error) => error.fmt(f),
            CodecError::Protocol(notification) => notification.fmt(f),
            CodecError::TooLong(too_long) => too_long.fmt(f),
        }
    }
}

impl std::error::Error for CodecError {}

impl From<std::io::Error> for CodecError {
    fn from(error: std::io::Error) -> CodecError {
        CodecError::Io(error)
    }
}

impl tokio_util::codec::Decoder for BgpCodec {
    type Item = Message<'static>;
    type Error = CodecError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Message<'static>>, CodecError> {
        let decoded = decode(input, &self.rules).map_err(CodecError::Protocol)?;
        let Some((message, length)) = decoded else {
            return Ok(None);
        };
        let message = message.into_owned();
        input.advance(length);
        Ok(Some(message))
    }
}

impl tokio_util::codec::Encoder<Message<'_>> for BgpCodec {
    type Error = CodecError;

    fn encode(&mut self, message: Message<'_>, out: &mut BytesMut) -> Result<(), CodecError> {
        encode(&message, &self.rules, out).map_err(CodecError::TooLong)
    }
}
