//! Connection collision (RFC 4271 §6.8, RFC 6286 §2.3): which of two connections stays.

use crate::peer::Direction;
use crate::{Asn, BgpIdentifier};

/// One end of a session, as collision resolution sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Its BGP Identifier.
    pub identifier: BgpIdentifier,
    /// Its AS number: breaks the tie of equal identifiers (RFC 6286 §2.3).
    pub asn: Asn,
}

/// The connection that both ends keep, seen from the local one: the one opened by the speaker
/// with the higher BGP Identifier, compared as a 4-octet number in host order; of two equal ones,
/// by the speaker in the higher AS. Equal in both cannot be between two ASes, and inside one AS
/// the OPEN is refused (2/3) before it comes to this.
pub fn winner(local: Speaker, remote: Speaker) -> Direction {
    let rank = |speaker: Speaker| (u32::from(speaker.identifier.address()), speaker.asn);
    match rank(local) > rank(remote) {
        true => Direction::Outgoing,
        false => Direction::Incoming,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_of_the_higher_identifier_stays_and_the_as_breaks_a_tie() {
        let rows = [
            ("10.0.0.1", 65001, "10.0.0.2", 65002, Direction::Incoming),
            ("10.0.0.2", 65001, "10.0.0.1", 65002, Direction::Outgoing),
            (
                "9.255.255.255",
                65001,
                "10.0.0.0",
                65002,
                Direction::Incoming,
            ),
            ("10.0.0.1", 65001, "10.0.0.1", 65002, Direction::Incoming),
            ("10.0.0.1", 65002, "10.0.0.1", 65001, Direction::Outgoing),
        ];
        for (local, local_as, remote, remote_as, expected) in rows {
            let local = speaker(local, local_as);
            let remote = speaker(remote, remote_as);
            assert_eq!(winner(local, remote), expected, "{local:?} {remote:?}");
            assert_ne!(winner(remote, local), expected, "both ends must agree");
        }
    }

    fn speaker(identifier: &str, asn: u32) -> Speaker {
        let address = identifier.parse().expect("an address");
        Speaker {
            identifier: BgpIdentifier::new(address).expect("not zero"),
            asn: Asn::new(asn).expect("not zero"),
        }
    }
}
