//! Who would answer for an address in which order, as far as that is worth keeping.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::electorate::Hash;

/// So many are kept of an address. Only where all of them are gone hashes are made anew.
const KEPT: usize = 12;

/// The nodes of a list with the least hashes of an address, the least first, whether they are there
/// or not: among those that are there, the first is elected. Positions in the list stand for them.
#[derive(Debug)]
pub(super) struct Heirs(SmallVec<[u32; KEPT]>);

impl Heirs {
    /// Of all these nodes.
    pub fn of(key: IpAddr, nodes: &[Arc<str>]) -> Heirs {
        let hash = Hash::of(key);
        let hashed = nodes.iter().zip(0..);
        let mut hashed: Vec<_> = hashed.map(|(node, at)| (hash.with(node), at)).collect();
        if hashed.len() > KEPT {
            hashed.select_nth_unstable(KEPT);
            hashed.truncate(KEPT);
        }
        hashed.sort_unstable();
        Heirs(hashed.into_iter().map(|(_, at)| at).collect())
    }

    /// The first that is one of those; `None`: that is not kept.
    pub fn first_of(&self, is_one: impl Fn(u32) -> bool) -> Option<u32> {
        self.0.iter().copied().find(|at| is_one(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_there_has_the_least_hash_of_those_that_are() {
        let nodes: Vec<Arc<str>> = (0..40).map(|n| format!("node-{n}").into()).collect();
        for (last, every) in (0..=255).zip([1, 2, 3, 5, 7, 11].into_iter().cycle()) {
            let key = IpAddr::from([192, 168, 7, last]);
            let hash = Hash::of(key);
            let is_there = |at: u32| at.is_multiple_of(every);
            let there = (0..40).filter(|at| is_there(*at));
            let least = there.min_by_key(|at| hash.with(&nodes[*at as usize]));
            if let Some(first) = Heirs::of(key, &nodes).first_of(is_there) {
                assert_eq!(Some(first), least, "{key}");
            } else {
                assert!(every > 3, "{key}: one in {every} is there");
            }
        }
    }
}
