//! UPDATE (RFC 4271 §4.3) and its error handling (RFC 7606).

use crate::attribute::{AttributeError, PathAttributes};
use crate::nlri::Nlri;

/// An UPDATE that does not reset the session. What RFC 7606 found wrong is in `errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// Withdrawn Routes field: IPv4 unicast.
    pub withdrawn: Nlri<'a>,
    /// Path attributes, MP_REACH_NLRI and MP_UNREACH_NLRI among them, discarded ones left out.
    pub attributes: PathAttributes<'a>,
    /// Network Layer Reachability Information field: IPv4 unicast.
    pub nlri: Nlri<'a>,
    /// Errors found, in the order of the attributes. Empty for a correct message.
    pub errors: Vec<AttributeError>,
}
