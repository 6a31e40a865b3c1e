//! NOTIFICATION (RFC 4271 §4.5): the codes, subcodes, and what they mean to a person.

use serde::{Deserialize, Serialize};

/// A NOTIFICATION: what ends a session, as a value. Also the error type of every decoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode, 0 for unspecific.
    pub subcode: u8,
    /// Data field, at most 4,075 octets (a NOTIFICATION stays within 4,096).
    pub data: Vec<u8>,
}
