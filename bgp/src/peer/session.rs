//! What exists only while a session is Established.

use std::time::Instant;

use super::{LocalAddresses, PeerConfig};
use crate::adj_in::AdjIn;
use crate::adj_out::AdjOut;
use crate::codec::Rules;
use crate::negotiated::Negotiated;

/// An Established session.
#[derive(Debug)]
pub struct Session {
    /// When it became Established.
    pub since: Instant,
    /// What the OPENs agreed on.
    pub negotiated: Negotiated,
    /// The same, in the codec's terms.
    pub rules: Rules,
    /// What we advertise.
    pub adj_out: AdjOut,
    /// What the peer advertised.
    pub adj_in: AdjIn,
}

impl Session {
    /// A session with both RIBs empty.
    pub fn new(
        now: Instant,
        negotiated: Negotiated,
        local: LocalAddresses,
        config: &PeerConfig,
    ) -> Session {
        let rules = negotiated.rules();
        Session {
            since: now,
            rules,
            adj_out: AdjOut::new(&negotiated, local, config.role.map(|(role, _)| role)),
            adj_in: AdjIn::new(rules.families, config.max_prefixes, config.keep_routes),
            negotiated,
        }
    }
}
