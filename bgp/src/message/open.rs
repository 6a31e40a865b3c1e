//! OPEN (RFC 4271 §4.2), with the optional parameters of RFC 5492 and RFC 9072.

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};
use nom::combinator::all_consuming;
use nom::multi::{length_data, many0};
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

use crate::capability::{self, Capability};
use crate::message::notification::Notification;
use crate::peer::{PeerAs, Role};
use crate::{Asn, BgpIdentifier, HoldTime};

/// The only version there is.
const VERSION: u8 = 4;
/// Optional parameter type: Capabilities (RFC 5492 §4).
const PARAMETER_CAPABILITIES: u8 = 2;
/// In place of the first parameter type: extended lengths follow (RFC 9072 §2).
const PARAMETER_EXTENDED: u8 = 255;

/// An OPEN message whose fields have passed RFC 4271 §6.2, as far as they can without knowing
/// the peer's configuration. The version is always 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// "My Autonomous System": the 2-octet field, host order. Never 0.
    pub my_as: u16,
    /// Proposed hold time.
    pub hold_time: HoldTime,
    /// The sender's BGP Identifier.
    pub identifier: BgpIdentifier,
    /// Capabilities in the order sent, repeats and unknown ones included.
    pub capabilities: Vec<Capability>,
}

/// What the configuration says of the peer, to hold its OPEN against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectations {
    /// Our AS on this session.
    pub local_as: Asn,
    /// Our BGP Identifier.
    pub identifier: BgpIdentifier,
    /// The AS the peer has to be in.
    pub peer_as: PeerAs,
    /// The role we announce, and whether the peer has to announce one (RFC 9234 §4.2).
    pub role: Option<(Role, bool)>,
}

impl Open {
    /// The sender's AS number: the four-octet AS capability where present, else the field
    /// (RFC 6793 §4.1).
    pub fn asn(&self) -> Option<Asn> {
        self.four_octet_as()
            .or_else(|| Asn::new(u32::from(self.my_as)))
    }

    /// The AS number of the four-octet AS capability, if there is one.
    pub fn four_octet_as(&self) -> Option<Asn> {
        self.find(|capability| {
            if let Capability::FourOctetAs(asn) = capability {
                Some(*asn)
            } else {
                None
            }
        })
    }

    /// The first capability that `select` takes.
    pub(crate) fn find<T>(&self, select: impl FnMut(&Capability) -> Option<T>) -> Option<T> {
        self.capabilities.iter().find_map(select)
    }

    /// Whether a capability is there that equals `capability`.
    pub(crate) fn has(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }

    /// Holds an OPEN received against the configuration: peer AS and BGP Identifier (RFC 4271
    /// §6.2, RFC 6286 §2.2), and role (RFC 9234 §4.2). The error is the NOTIFICATION to send.
    pub fn check(&self, expected: &Expectations) -> Result<(), Notification> {
        let Some(asn) = self.asn() else {
            return Err(Notification::BAD_PEER_AS);
        };
        let as_wanted = match expected.peer_as {
            PeerAs::Exactly(peer_as) => asn == peer_as,
            PeerAs::Internal => asn == expected.local_as,
            PeerAs::External => asn != expected.local_as,
        };
        if !as_wanted {
            return Err(Notification::BAD_PEER_AS);
        }
        // RFC 6286 §2.1: identifiers are unique inside one AS, no further.
        if asn == expected.local_as && self.identifier == expected.identifier {
            return Err(Notification::BAD_BGP_IDENTIFIER);
        }
        match expected.role {
            // RFC 9234 §4.1: roles are for eBGP.
            Some((role, strict)) if asn != expected.local_as => self.check_role(role, strict),
            _ => Ok(()),
        }
    }

    /// RFC 9234 §4.2: the pairs of Table 2; several role capabilities must agree.
    fn check_role(&self, ours: Role, strict: bool) -> Result<(), Notification> {
        let mut theirs = self.capabilities.iter().filter_map(|c| {
            if let Capability::Role(role) = c {
                Some(*role)
            } else {
                None
            }
        });
        let wanted = match ours {
            Role::Provider => 3,
            Role::RouteServer => 2,
            Role::RouteServerClient => 1,
            Role::Customer => 0,
            Role::Peer => 4,
        };
        match theirs.next() {
            Some(role) if role == wanted && theirs.all(|other| other == role) => Ok(()),
            None if !strict => Ok(()),
            Some(_) | None => Err(Notification::ROLE_MISMATCH),
        }
    }

    /// Reads the body, which is at least 10 octets (the header check saw to it).
    pub(crate) fn parse(body: &[u8]) -> Result<Open, Notification> {
        let Ok((parameters, fixed)) = fixed_fields(body) else {
            return Err(Notification::OPEN_MESSAGE_ERROR);
        };
        let (version, my_as, hold_time, identifier) = fixed;
        if version != VERSION {
            // RFC 4271 §6.2: Data is the largest version that we speak, in 2 octets.
            return Err(Notification::UNSUPPORTED_VERSION_NUMBER.with_data([0, VERSION]));
        }
        let Some(hold_time) = HoldTime::new(hold_time) else {
            return Err(Notification::UNACCEPTABLE_HOLD_TIME);
        };
        let Some(identifier) = BgpIdentifier::new(Ipv4Addr::from(identifier)) else {
            return Err(Notification::BAD_BGP_IDENTIFIER);
        };
        // RFC 7607 §2.
        if my_as == 0 {
            return Err(Notification::BAD_PEER_AS);
        }
        let open = Open {
            my_as,
            hold_time,
            identifier,
            capabilities: parse_parameters(parameters)?,
        };
        // RFC 6793 §4.1: the field holds the number itself where it fits, else AS_TRANS.
        match open.four_octet_as() {
            Some(asn) if my_as != asn.as_two_octets() && my_as != crate::asn::AS_TRANS => {
                Err(Notification::BAD_PEER_AS)
            }
            Some(_) | None => Ok(open),
        }
    }

    /// Writes the body: all capabilities in one optional parameter, with the extended length of
    /// RFC 9072 where 255 octets are not enough.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(VERSION);
        out.put_u16(self.my_as);
        out.put_u16(self.hold_time.seconds());
        out.put_slice(&self.identifier.address().octets());
        let mut capabilities = BytesMut::new();
        capability::write_all(&self.capabilities, &mut capabilities);
        match (capabilities.len(), u8::try_from(capabilities.len() + 2)) {
            (0, _) => out.put_u8(0),
            (length, Ok(parameters)) => {
                out.put_u8(parameters);
                out.put_u8(PARAMETER_CAPABILITIES);
                out.put_u8(u8::try_from(length).unwrap_or(u8::MAX));
            }
            (length, Err(_)) => {
                // More than 65,535 octets do not fit in any message: the length check of
                // `codec::encode` refuses it, whatever stands here.
                out.put_u8(255);
                out.put_u8(PARAMETER_EXTENDED);
                out.put_u16(u16::try_from(length + 3).unwrap_or(u16::MAX));
                out.put_u8(PARAMETER_CAPABILITIES);
                out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
            }
        }
        out.put_slice(&capabilities);
    }
}

/// Version, My Autonomous System, Hold Time, BGP Identifier.
fn fixed_fields(input: &[u8]) -> IResult<&[u8], (u8, u16, u16, u32)> {
    (be_u8, be_u16, be_u16, be_u32).parse(input)
}

/// Optional Parameters from their length octet on. Lengths that do not add up are 2/0.
fn parse_parameters(input: &[u8]) -> Result<Vec<Capability>, Notification> {
    let parameters = match input {
        // RFC 9072 §2: type 255 in front says it; the one-octet length only has to be non-zero.
        [length, PARAMETER_EXTENDED, rest @ ..] if *length != 0 => {
            let Ok((_, value)) = whole(length_data(be_u16), rest) else {
                return Err(Notification::OPEN_MESSAGE_ERROR);
            };
            whole(many0((be_u8, length_data(be_u16))), value)
        }
        _ => {
            let Ok((_, value)) = whole(length_data(be_u8), input) else {
                return Err(Notification::OPEN_MESSAGE_ERROR);
            };
            whole(many0((be_u8, length_data(be_u8))), value)
        }
    };
    let Ok((_, parameters)) = parameters else {
        return Err(Notification::OPEN_MESSAGE_ERROR);
    };
    let mut capabilities = Vec::new();
    for (parameter, value) in parameters {
        match parameter {
            PARAMETER_CAPABILITIES => capability::parse_all(value, &mut capabilities)?,
            _ => return Err(Notification::UNSUPPORTED_OPTIONAL_PARAMETER),
        }
    }
    Ok(capabilities)
}

fn whole<'a, O>(
    parser: impl Parser<&'a [u8], Output = O, Error = nom::error::Error<&'a [u8]>>,
    input: &'a [u8],
) -> IResult<&'a [u8], O> {
    all_consuming(parser).parse(input)
}
