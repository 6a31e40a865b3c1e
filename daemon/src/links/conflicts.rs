//! Addresses that a stranger was found to have, for as long as they are not to be given to anybody.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an address is left alone after a stranger was last known to have it. Then it may be given
/// again, and is probed before it is answered for.
pub const LEFT_ALONE: Duration = Duration::from_secs(600);
/// Addresses that are remembered, at most: a host that answers for everything must not use up a pool.
pub const MAX_CONFLICTS: usize = 64;

/// What strangers have.
#[derive(Debug, Default)]
pub struct Conflicts {
    known: BTreeMap<IpAddr, (Instant, Arc<str>)>,
    told: Arc<BTreeMap<IpAddr, Arc<str>>>,
}

impl Conflicts {
    /// Strangers have these now, with their link-layer addresses. Returns what is remembered, the
    /// same value while it is the same, and when that has to be asked again.
    pub fn next(
        &mut self,
        now: Instant,
        seen: &BTreeMap<IpAddr, Arc<str>>,
    ) -> (Arc<BTreeMap<IpAddr, Arc<str>>>, Option<Instant>) {
        self.known
            .retain(|address, (until, _)| *until > now || seen.contains_key(address));
        for (address, by) in seen {
            let has_room = self.known.len() < MAX_CONFLICTS || self.known.contains_key(address);
            if has_room {
                let entry = (now + LEFT_ALONE, Arc::clone(by));
                self.known.insert(*address, entry);
            }
        }
        let known = self.known.iter();
        let known: BTreeMap<_, _> = known.map(|(at, (_, by))| (*at, Arc::clone(by))).collect();
        if *self.told != known {
            self.told = Arc::new(known);
        }
        let until = self.known.values().map(|(until, _)| *until).min();
        (Arc::clone(&self.told), until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_left_alone_for_a_while_after_the_stranger_was_last_seen() {
        let start = Instant::now();
        let mut conflicts = Conflicts::default();
        let vip: IpAddr = "203.0.113.7".parse().expect("an address");
        let seen = BTreeMap::from([(vip, Arc::from("02:00:00:00:00:09"))]);
        let (first, until) = conflicts.next(start, &seen);
        assert_eq!((&*first, until), (&seen, Some(start + LEFT_ALONE)));
        let later = start + LEFT_ALONE - Duration::from_secs(1);
        let (same, _) = conflicts.next(later, &BTreeMap::new());
        assert!(Arc::ptr_eq(&first, &same));
        let (none, until) = conflicts.next(start + LEFT_ALONE, &BTreeMap::new());
        assert_eq!((none.len(), until), (0, None));
    }

    #[test]
    fn a_host_that_has_everything_uses_up_no_pool() {
        let many = (0..=255_u8).map(|host| (IpAddr::from([203, 0, 113, host]), Arc::from("02:…")));
        let many = many.collect();
        let (known, _) = Conflicts::default().next(Instant::now(), &many);
        assert_eq!(known.len(), MAX_CONFLICTS);
    }
}
