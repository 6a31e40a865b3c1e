//! NLRI: a run of prefixes on the wire (RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3).

use std::borrow::Cow;

use crate::Family;

/// A run of prefixes that has been checked: iterating cannot fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nlri<'a> {
    family: Family,
    /// Whether a 4-octet Path Identifier stands before each prefix (RFC 7911 §3).
    add_path: bool,
    octets: Cow<'a, [u8]>,
}
