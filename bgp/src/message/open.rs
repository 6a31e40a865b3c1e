//! OPEN (RFC 4271 §4.2), with the optional parameters of RFC 5492 and RFC 9072.

use crate::capability::Capability;
use crate::{Asn, BgpIdentifier, HoldTime};

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

impl Open {
    /// The sender's AS number: the four-octet AS capability where present, else the field
    /// (RFC 6793 §4.1).
    pub fn asn(&self) -> Option<Asn> {
        self.capabilities
            .iter()
            .find_map(|capability| match capability {
                Capability::FourOctetAs(asn) => Some(*asn),
                _ => None,
            })
            .or_else(|| Asn::new(u32::from(self.my_as)))
    }
}
