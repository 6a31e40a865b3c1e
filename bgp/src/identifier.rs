//! BGP Identifier (RFC 4271 §4.2, RFC 6286): any four octets but zero.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A BGP Identifier, the "router ID". Never 0.0.0.0 (RFC 6286 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BgpIdentifier(Ipv4Addr);

impl BgpIdentifier {
    /// The address as an identifier, or `None` for 0.0.0.0.
    pub const fn new(address: Ipv4Addr) -> Option<BgpIdentifier> {
        match address.is_unspecified() {
            true => None,
            false => Some(BgpIdentifier(address)),
        }
    }

    /// The identifier in dotted form.
    pub const fn address(self) -> Ipv4Addr {
        self.0
    }
}

impl fmt::Display for BgpIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
