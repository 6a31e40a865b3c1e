//! What is said of a prefix, and how the sayings of several advertisements become one.

use serde::Serialize;

use crate::world::{BgpAdvertisement, Community};

/// GRACEFUL_SHUTDOWN (RFC 8326 §5): the route is about to go, prefer another.
pub const GRACEFUL_SHUTDOWN: Community = Community::Standard(0xffff_0000);

/// LOCAL_PREF where none is set: the value that routers use by custom.
const DEFAULT_LOCAL_PREF: u32 = 100;

/// Attributes of a route, in plain types; BGP's own rules come later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Attributes {
    /// LOCAL_PREF for iBGP peers; `None` is the default of 100.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// How many times more than once our AS is in AS_PATH towards eBGP peers.
    pub as_path_prepend: u8,
    /// Communities, sorted, no repeats.
    pub communities: Vec<Community>,
}

impl Attributes {
    /// What one advertisement says.
    pub fn of(advertisement: &BgpAdvertisement) -> Attributes {
        Attributes {
            local_pref: advertisement.local_pref,
            med: advertisement.med,
            as_path_prepend: advertisement.as_path_prepend,
            communities: advertisement.communities.clone(),
        }
    }

    /// Whether two sayings differ in what cannot be united: one Service cannot have both.
    pub fn conflicts_with(&self, other: &Attributes) -> bool {
        (self.local_pref, self.med, self.as_path_prepend)
            != (other.local_pref, other.med, other.as_path_prepend)
    }

    /// Both in one, for Services that meet in one aggregate: all communities, and of the rest the
    /// more preferred value, whatever the order.
    pub fn united(&self, other: &Attributes) -> Attributes {
        let mut communities = [self.communities.as_slice(), &other.communities].concat();
        communities.sort();
        communities.dedup();
        Attributes {
            // No LOCAL_PREF is 100, no MED is the best one (RFC 4271 §9.1.2.2).
            local_pref: std::cmp::max_by_key(self.local_pref, other.local_pref, |local_pref| {
                // Of none and 100 always the same is said.
                (
                    local_pref.unwrap_or(DEFAULT_LOCAL_PREF),
                    local_pref.is_some(),
                )
            }),
            med: self.med.min(other.med),
            as_path_prepend: self.as_path_prepend.min(other.as_path_prepend),
            communities,
        }
    }

    /// The same, from a node that is about to go (RFC 8326 §4): eBGP peers see the community, iBGP
    /// peers the lowest LOCAL_PREF as well.
    pub fn leaving(mut self) -> Attributes {
        self.local_pref = Some(0);
        self.communities.push(GRACEFUL_SHUTDOWN);
        self.communities.sort();
        self.communities.dedup();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_sayings_the_preferred_value_is_kept_whatever_the_order() {
        let said = |local_pref, med, as_path_prepend| Attributes {
            local_pref,
            med,
            as_path_prepend,
            communities: Vec::new(),
        };
        let table = [
            (
                said(None, None, 0),
                said(Some(50), Some(1), 3),
                said(None, None, 0),
            ),
            (
                said(None, Some(7), 2),
                said(Some(200), Some(5), 3),
                said(Some(200), Some(5), 2),
            ),
            (
                said(Some(1), None, 1),
                said(Some(2), None, 1),
                said(Some(2), None, 1),
            ),
        ];
        for (one, other, expected) in table {
            assert_eq!(one.united(&other), expected);
            assert_eq!(other.united(&one), expected);
        }
    }
}
