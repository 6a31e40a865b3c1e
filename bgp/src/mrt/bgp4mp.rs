//! Messages and state changes: BGP4MP (RFC 6396 §4.4, RFC 8050 §3) and BGP (appendix B.1.2).

use std::borrow::Cow;

use nom::combinator::{all_consuming, map_opt};
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

use super::table_dump::{self, Rib, RibEntry};
use super::{Content, Session, address, as_number};
use crate::codec::{self, Rules};
use crate::family::{AfiSafi, FamilySet};
use crate::message::Message;
use crate::message::notification::Notification;

const MARKER: [u8; 16] = [0xff; 16];

/// A recorded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMessage<'a> {
    /// The session it came over.
    pub session: Session,
    /// AS numbers in AS_PATH and AGGREGATOR have four octets, as the subtype says.
    pub four_octet_as: bool,
    /// NLRI have Path Identifiers, as the subtype says (RFC 8050 §3).
    pub add_path: bool,
    /// The recorder sent it, and did not receive it.
    pub sent: bool,
    /// The message with its header.
    pub octets: Cow<'a, [u8]>,
}

impl SessionMessage<'_> {
    /// Reads the message, and says by what rules: [`SessionMessage::rules`], or those with
    /// ADD-PATH where only these let it be read. Recorders that know no subtype of RFC 8050
    /// write such messages under the plain one, and nothing else in the record tells.
    ///
    /// The error is the one of the plain rules: what a speaker would answer, or 1/2 where the
    /// octets are not one whole message.
    pub fn decode(&self) -> Result<(Message<'_>, Rules), Notification> {
        let rules = self.rules();
        self.decode_by(rules).or_else(|notification| {
            let rules = Rules {
                receive_add_path: FamilySet::ALL,
                ..rules
            };
            self.decode_by(rules).map_err(|_| notification)
        })
    }

    fn decode_by(&self, rules: Rules) -> Result<(Message<'_>, Rules), Notification> {
        match codec::decode(&self.octets, &rules)? {
            Some((message, length)) if length == self.octets.len() => Ok((message, rules)),
            Some(_) | None => Err(Notification::BAD_MESSAGE_LENGTH),
        }
    }

    /// The rules to read it by: what the subtype says, and no limit that the session may have
    /// lifted.
    pub fn rules(&self) -> Rules {
        Rules {
            four_octet_as: self.four_octet_as,
            internal: self.session.is_internal(),
            receive_extended: true,
            send_extended: true,
            receive_add_path: match self.add_path {
                true => FamilySet::ALL,
                false => FamilySet::EMPTY,
            },
            extended_next_hop: true,
            ..Rules::default()
        }
    }
}

/// A recorded change of a session's FSM; the numbers of the states are those of RFC 6396 §4.4.1,
/// 1 (Idle) to 6 (Established).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The session.
    pub session: Session,
    /// The state before.
    pub old_state: u16,
    /// The state after.
    pub new_state: u16,
}

/// A record of type BGP4MP, from its body.
pub(super) fn parse(subtype: u16, body: &[u8]) -> Result<Content<'_>, &'static str> {
    let message = |four_octet_as, add_path, sent| {
        let reason = "BGP4MP header does not fit (RFC 6396 §4.4.2)";
        let (octets, session) = session(four_octet_as, body).map_err(|_| reason)?;
        Ok(Content::Message(SessionMessage {
            session,
            four_octet_as,
            add_path,
            sent,
            octets: Cow::Borrowed(octets),
        }))
    };
    match subtype {
        0 => state_change(false, body),
        1 => message(false, false, false),
        2 => entry(body),
        4 => message(true, false, false),
        5 => state_change(true, body),
        6 => message(false, false, true),
        7 => message(true, false, true),
        8 => message(false, true, false),
        9 => message(true, true, false),
        10 => message(false, true, true),
        11 => message(true, true, true),
        _ => Ok(Content::Other(body)),
    }
}

/// AS numbers, interface, AFI, addresses. Where a marker stands in place of the interface, the
/// recorder left all after the AS numbers out (RIPE RIS did in 2000).
fn session(four_octet_as: bool, input: &[u8]) -> IResult<&[u8], Session> {
    let (input, mut session) = as_numbers(four_octet_as, input)?;
    if input.starts_with(&MARKER) {
        return Ok((input, session));
    }
    let (input, (interface, ipv6)) = (be_u16, ipv6_afi).parse(input)?;
    let (input, peer) = address(ipv6, input)?;
    let (input, local) = address(ipv6, input)?;
    session.interface = interface;
    session.peer = Some(peer);
    session.local = Some(local);
    Ok((input, session))
}

fn as_numbers(four_octet_as: bool, input: &[u8]) -> IResult<&[u8], Session> {
    let (input, peer_as) = as_number(four_octet_as, input)?;
    let (input, local_as) = as_number(four_octet_as, input)?;
    let session = Session {
        peer_as,
        local_as,
        interface: 0,
        peer: None,
        local: None,
    };
    Ok((input, session))
}

/// The AFI of the two addresses: whether it is IPv6.
fn ipv6_afi(input: &[u8]) -> IResult<&[u8], bool> {
    map_opt(be_u16, |afi| match afi {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    })
    .parse(input)
}

fn state_change(four_octet_as: bool, body: &[u8]) -> Result<Content<'_>, &'static str> {
    let fields = match body.len() {
        // The two states follow the AS numbers at once: see `session`.
        8 if !four_octet_as => as_numbers(four_octet_as, body),
        _ => session(four_octet_as, body),
    };
    let whole = fields.and_then(|(rest, session)| {
        let (rest, (old_state, new_state)) = all_consuming((be_u16, be_u16)).parse(rest)?;
        let change = StateChange {
            session,
            old_state,
            new_state,
        };
        Ok((rest, Content::StateChange(change)))
    });
    match whole {
        Ok((_, content)) => Ok(content),
        Err(_) => Err("BGP4MP_STATE_CHANGE has the wrong length (RFC 6396 §4.4.1)"),
    }
}

/// BGP4MP_ENTRY (RFC 6396 appendix B.2.3): one route of a table; OpenBGPD writes it.
fn entry(body: &[u8]) -> Result<Content<'_>, &'static str> {
    match entry_fields(body) {
        Ok((_, rib)) => Ok(Content::Rib(rib)),
        Err(_) => Err("BGP4MP_ENTRY does not fit (RFC 6396 appendix B.2.3)"),
    }
}

fn entry_fields(body: &[u8]) -> IResult<&[u8], Rib<'_>> {
    let (input, session) = session(false, body)?;
    // View, status, time of the last change: nothing of them is needed to read the route.
    let (input, (_view, _status, originated)) = (be_u16, be_u16, be_u32).parse(input)?;
    let (input, (afi, safi)) = (be_u16, be_u8).parse(input)?;
    let (input, next_hop) = length_data(be_u8).parse(input)?;
    let (input, nlri) = table_dump::prefix_octets(input)?;
    let (input, attributes) = all_consuming(length_data(be_u16)).parse(input)?;
    let family = AfiSafi { afi, safi };
    let entry = RibEntry {
        session: Some(session),
        originated,
        next_hop: Some(next_hop),
        attributes,
        ..RibEntry::default()
    };
    Ok((input, Rib::single(family, Cow::Borrowed(nlri), entry)))
}

/// A record of type BGP (RFC 6396 appendix B.1.2): IPv4 and two-octet AS numbers, and the bodies
/// of messages without their header.
pub(super) fn parse_bgp(subtype: u16, body: &[u8]) -> Result<Content<'_>, &'static str> {
    let message_type = match subtype {
        1 => 2,
        3 => return bgp_state_change(body),
        5 => 1,
        6 => 3,
        7 => 4,
        _ => return Ok(Content::Other(body)),
    };
    let Ok((message, session)) = bgp_session(body) else {
        return Err("BGP header does not fit (RFC 6396 appendix B.1.2)");
    };
    let length = codec::HEADER_LENGTH + message.len();
    let Ok(length) = u16::try_from(length) else {
        return Err("more octets than any message has (RFC 4271 §4.1)");
    };
    let mut octets = MARKER.to_vec();
    octets.extend(length.to_be_bytes());
    octets.push(message_type);
    octets.extend(message);
    Ok(Content::Message(SessionMessage {
        session,
        four_octet_as: false,
        add_path: false,
        sent: false,
        octets: Cow::Owned(octets),
    }))
}

fn bgp_session(input: &[u8]) -> IResult<&[u8], Session> {
    let (input, peer_as) = as_number(false, input)?;
    let (input, peer) = address(false, input)?;
    let (input, local_as) = as_number(false, input)?;
    let (input, local) = address(false, input)?;
    let session = Session {
        peer_as,
        local_as,
        interface: 0,
        peer: Some(peer),
        local: Some(local),
    };
    Ok((input, session))
}

fn bgp_state_change(body: &[u8]) -> Result<Content<'_>, &'static str> {
    let whole = as_number(false, body).and_then(|(input, peer_as)| {
        let (input, peer) = address(false, input)?;
        let (input, (old_state, new_state)) = all_consuming((be_u16, be_u16)).parse(input)?;
        let session = Session {
            peer_as,
            local_as: 0,
            interface: 0,
            peer: Some(peer),
            local: None,
        };
        let change = StateChange {
            session,
            old_state,
            new_state,
        };
        Ok((input, Content::StateChange(change)))
    });
    match whole {
        Ok((_, content)) => Ok(content),
        Err(_) => Err("BGP_STATE_CHANGE has the wrong length (RFC 6396 appendix B.1.2)"),
    }
}
