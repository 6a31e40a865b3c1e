//! NOTIFICATION (RFC 4271 §4.5): the codes, subcodes, and what they mean to a person.

use std::fmt;

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};

use crate::codec::HEADER_LENGTH;

/// A NOTIFICATION: what ends a session, as a value. Also the error type of every decoder.
///
/// There is one constant for each row of the IANA registry, such as
/// [`Notification::HOLD_TIMER_EXPIRED`]; [`Notification::with_data`] adds the Data field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode, 0 for unspecific.
    pub subcode: u8,
    /// Data field, at most 4,075 octets (a NOTIFICATION stays within 4,096).
    pub data: Vec<u8>,
}

/// Most octets of Data in a message of 4,096.
pub const MAX_DATA: usize = 4096 - HEADER_LENGTH - 2;

/// Most octets of a Shutdown Communication (RFC 9003 §2).
pub const MAX_SHUTDOWN_COMMUNICATION: usize = 255;

/// The IANA registry "BGP Error (Notification) Codes" with the subcodes of each code.
macro_rules! registry {
    ($($code:literal $unspecific:ident $name:literal {
        $($subcode:literal $constant:ident $text:literal;)*
    })*) => {
        impl Notification {
            $(
                #[doc = concat!($name, ", unspecific (", $code, "/0).")]
                pub const $unspecific: Notification = Notification::new($code, 0);
                $(
                    #[doc = concat!($name, ": ", $text, " (", $code, "/", $subcode, ").")]
                    pub const $constant: Notification = Notification::new($code, $subcode);
                )*
            )*
        }

        /// Name of an error code, and of the subcode where it has one.
        fn names(code: u8, subcode: u8) -> (Option<&'static str>, Option<&'static str>) {
            match (code, subcode) {
                $($(($code, $subcode) => (Some($name), Some($text)),)*
                ($code, _) => (Some($name), None),)*
                _ => (None, None),
            }
        }
    };
}

registry! {
    1 MESSAGE_HEADER_ERROR "Message Header Error" {
        1 CONNECTION_NOT_SYNCHRONIZED "Connection Not Synchronized";
        2 BAD_MESSAGE_LENGTH "Bad Message Length";
        3 BAD_MESSAGE_TYPE "Bad Message Type";
    }
    2 OPEN_MESSAGE_ERROR "OPEN Message Error" {
        1 UNSUPPORTED_VERSION_NUMBER "Unsupported Version Number";
        2 BAD_PEER_AS "Bad Peer AS";
        3 BAD_BGP_IDENTIFIER "Bad BGP Identifier";
        4 UNSUPPORTED_OPTIONAL_PARAMETER "Unsupported Optional Parameter";
        5 AUTHENTICATION_FAILURE "Authentication Failure (deprecated)";
        6 UNACCEPTABLE_HOLD_TIME "Unacceptable Hold Time";
        7 UNSUPPORTED_CAPABILITY "Unsupported Capability";
        11 ROLE_MISMATCH "Role Mismatch";
    }
    3 UPDATE_MESSAGE_ERROR "UPDATE Message Error" {
        1 MALFORMED_ATTRIBUTE_LIST "Malformed Attribute List";
        2 UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE "Unrecognized Well-known Attribute";
        3 MISSING_WELL_KNOWN_ATTRIBUTE "Missing Well-known Attribute";
        4 ATTRIBUTE_FLAGS_ERROR "Attribute Flags Error";
        5 ATTRIBUTE_LENGTH_ERROR "Attribute Length Error";
        6 INVALID_ORIGIN_ATTRIBUTE "Invalid ORIGIN Attribute";
        7 AS_ROUTING_LOOP "AS Routing Loop (deprecated)";
        8 INVALID_NEXT_HOP_ATTRIBUTE "Invalid NEXT_HOP Attribute";
        9 OPTIONAL_ATTRIBUTE_ERROR "Optional Attribute Error";
        10 INVALID_NETWORK_FIELD "Invalid Network Field";
        11 MALFORMED_AS_PATH "Malformed AS_PATH";
    }
    4 HOLD_TIMER_EXPIRED "Hold Timer Expired" {}
    5 FSM_ERROR "Finite State Machine Error" {
        1 UNEXPECTED_MESSAGE_IN_OPEN_SENT "Receive Unexpected Message in OpenSent State";
        2 UNEXPECTED_MESSAGE_IN_OPEN_CONFIRM "Receive Unexpected Message in OpenConfirm State";
        3 UNEXPECTED_MESSAGE_IN_ESTABLISHED "Receive Unexpected Message in Established State";
    }
    6 CEASE "Cease" {
        1 MAXIMUM_PREFIXES_REACHED "Maximum Number of Prefixes Reached";
        2 ADMINISTRATIVE_SHUTDOWN "Administrative Shutdown";
        3 PEER_DECONFIGURED "Peer De-configured";
        4 ADMINISTRATIVE_RESET "Administrative Reset";
        5 CONNECTION_REJECTED "Connection Rejected";
        6 OTHER_CONFIGURATION_CHANGE "Other Configuration Change";
        7 CONNECTION_COLLISION_RESOLUTION "Connection Collision Resolution";
        8 OUT_OF_RESOURCES "Out of Resources";
        9 HARD_RESET "Hard Reset";
        10 BFD_DOWN "BFD Down";
    }
    7 ROUTE_REFRESH_MESSAGE_ERROR "ROUTE-REFRESH Message Error" {
        1 INVALID_ROUTE_REFRESH_LENGTH "Invalid Message Length";
    }
    8 SEND_HOLD_TIMER_EXPIRED "Send Hold Timer Expired" {}
}

impl Notification {
    /// A NOTIFICATION without data.
    pub const fn new(code: u8, subcode: u8) -> Notification {
        Notification {
            code,
            subcode,
            data: Vec::new(),
        }
    }

    /// The same with this Data field, cut at [`MAX_DATA`] octets.
    pub fn with_data(self, data: impl Into<Vec<u8>>) -> Notification {
        let mut data = data.into();
        data.truncate(MAX_DATA);
        Notification { data, ..self }
    }

    /// Cease/2 with a Shutdown Communication, cut to 255 octets at a character (RFC 9003 §2).
    pub fn administrative_shutdown(text: &str) -> Notification {
        Notification::ADMINISTRATIVE_SHUTDOWN.with_data(shutdown_communication(text))
    }

    /// Cease/4 with a Shutdown Communication, cut to 255 octets at a character (RFC 9003 §2).
    pub fn administrative_reset(text: &str) -> Notification {
        Notification::ADMINISTRATIVE_RESET.with_data(shutdown_communication(text))
    }

    /// Whether both name the same error, whatever their data.
    pub fn is_same_error(&self, other: &Notification) -> bool {
        (self.code, self.subcode) == (other.code, other.subcode)
    }

    /// The error code's name in the RFCs, or `None` for one that is not assigned.
    pub fn code_name(&self) -> Option<&'static str> {
        names(self.code, self.subcode).0
    }

    /// The subcode's name in the RFCs; `None` for 0 and for one that is not assigned.
    pub fn subcode_name(&self) -> Option<&'static str> {
        names(self.code, self.subcode).1
    }

    /// The Shutdown Communication of a Cease/2 or Cease/4 (RFC 9003): `None` when there is none,
    /// or when its length octet goes past the data. Octets that are no UTF-8 become U+FFFD.
    pub fn communication(&self) -> Option<String> {
        if self.code != 6 || !matches!(self.subcode, 2 | 4) {
            return None;
        }
        let (length, text) = self.data.split_first()?;
        let text = text.get(..usize::from(*length))?;
        (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
    }

    /// The Data field in words, where an RFC gives it a meaning.
    pub fn data_meaning(&self) -> Option<String> {
        let data = self.data.as_slice();
        match (self.code, self.subcode, data) {
            (1, 2, [high, low]) => Some(format!("Length {}", u16::from_be_bytes([*high, *low]))),
            (1, 3, [message_type]) => Some(format!("Type {message_type}")),
            (2, 1, [high, low]) => {
                let version = u16::from_be_bytes([*high, *low]);
                Some(format!("highest version supported {version}"))
            }
            (2, 7, [_, ..]) => Some(crate::capability::describe(data)),
            (3, 3, [code]) => Some(crate::attribute::name(*code).into_owned()),
            (3, 2 | 4..=9, [_flags, code, ..]) => Some(crate::attribute::name(*code).into_owned()),
            // RFC 8538 §3: the Data of a Hard Reset is the NOTIFICATION that it stands for.
            (6, 9, [code, subcode, rest @ ..]) => {
                let inner = Notification::new(*code, *subcode).with_data(rest);
                match (inner.code, inner.subcode) {
                    (6, 9) => None,
                    _ => Some(inner.to_string()),
                }
            }
            // RFC 4486 §4: AFI, SAFI, upper bound.
            (6, 1, [a, b, safi, c, d, e, f]) => {
                let afi = u16::from_be_bytes([*a, *b]);
                let limit = u32::from_be_bytes([*c, *d, *e, *f]);
                Some(format!("AFI {afi} SAFI {safi}, at most {limit}"))
            }
            _ => self.communication().map(|text| format!("{text:?}")),
        }
    }

    /// Reads the body of a NOTIFICATION: at least 2 octets, or RFC 4271 §6.1 Bad Message Length.
    pub(crate) fn parse(body: &[u8]) -> Option<Notification> {
        let (code, rest) = body.split_first()?;
        let (subcode, data) = rest.split_first()?;
        Some(Notification {
            code: *code,
            subcode: *subcode,
            data: data.to_vec(),
        })
    }

    /// Writes the body.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.code);
        out.put_u8(self.subcode);
        out.put_slice(&self.data);
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code_name() {
            Some(name) => f.write_str(name)?,
            None => f.write_str("Unassigned error")?,
        }
        if let Some(name) = self.subcode_name() {
            write!(f, ": {name}")?;
        }
        write!(f, " ({}/{})", self.code, self.subcode)?;
        match self.data_meaning() {
            Some(meaning) => write!(f, ": {meaning}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Notification {}

/// Length octet and text, the text cut at a character boundary; empty for no text.
fn shutdown_communication(text: &str) -> Vec<u8> {
    let mut end = text.len().min(MAX_SHUTDOWN_COMMUNICATION);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // `end` is at most 255 by the line above.
    match u8::try_from(end) {
        Ok(length @ 1..) => [&[length], &text.as_bytes()[..end]].concat(),
        Ok(0) | Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assigned_error_has_the_name_of_its_rfc() {
        let cases = [
            (Notification::HOLD_TIMER_EXPIRED, "Hold Timer Expired (4/0)"),
            (
                Notification::BAD_PEER_AS,
                "OPEN Message Error: Bad Peer AS (2/2)",
            ),
            (
                Notification::BAD_MESSAGE_LENGTH.with_data([0x10, 0x01]),
                "Message Header Error: Bad Message Length (1/2): Length 4097",
            ),
            (
                Notification::MISSING_WELL_KNOWN_ATTRIBUTE.with_data([3]),
                "UPDATE Message Error: Missing Well-known Attribute (3/3): NEXT_HOP",
            ),
            (
                Notification::HARD_RESET.with_data([6, 2, 2, b'h', b'i']),
                "Cease: Hard Reset (6/9): Cease: Administrative Shutdown (6/2): \"hi\"",
            ),
            (Notification::new(9, 7), "Unassigned error (9/7)"),
            (Notification::new(6, 99), "Cease (6/99)"),
        ];
        for (notification, text) in cases {
            assert_eq!(notification.to_string(), text);
        }
    }

    #[test]
    fn a_shutdown_communication_is_cut_to_255_octets_at_a_character() {
        let notification = Notification::administrative_shutdown(&"é".repeat(200));
        assert_eq!(notification.data.len(), 255);
        assert_eq!(notification.communication(), Some("é".repeat(127)));
    }

    #[test]
    fn a_shutdown_communication_that_is_no_utf8_is_still_shown() {
        let notification = Notification::ADMINISTRATIVE_RESET.with_data([3, b'a', 0xff, b'b']);
        assert_eq!(notification.communication().as_deref(), Some("a\u{fffd}b"));
    }

    #[test]
    fn a_shutdown_communication_longer_than_the_data_is_ignored() {
        let notification = Notification::ADMINISTRATIVE_RESET.with_data([4, b'a']);
        assert_eq!(notification.communication(), None);
    }

    #[test]
    fn a_chain_of_hard_resets_is_not_followed() {
        let data = [6, 9].repeat(1000);
        let notification = Notification::HARD_RESET.with_data(data);
        assert_eq!(notification.to_string(), "Cease: Hard Reset (6/9)");
    }
}
