//! What makes this node heard while as many nodes may answer elsewhere ([`super::Claim::Divided`]).
//!
//! Two that do not hear each other both answer, each on its side. When their sides become one link
//! again, neither would say anything for a long time: caches are full, and a refresh is far away. So
//! each that answers says so now and then, and one that hears another anew announces all that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Instant;

use pnet_base::MacAddr;

use super::config::{BEACON_INTERVAL, UNHEARD_AFTER};

/// The beacon of one link.
#[derive(Debug)]
pub(super) struct Beacon {
    next: Instant,
    /// Which address was announced last: each has its turn.
    last: Option<IpAddr>,
    /// When speakers were last heard claiming what is ours too. Never more than there are speakers.
    heard: BTreeMap<MacAddr, Instant>,
    /// When everything is announced anew, and when it last was.
    again: Option<Instant>,
    announced: Option<Instant>,
}

impl Beacon {
    pub(super) fn new(now: Instant) -> Beacon {
        Beacon {
            next: now + BEACON_INTERVAL,
            last: None,
            heard: BTreeMap::new(),
            again: None,
            announced: None,
        }
    }

    /// A speaker claims an address that this node may have too.
    pub(super) fn hear(&mut self, now: Instant, by: MacAddr) {
        let before = self.heard.insert(by, now);
        if before.is_none_or(|at| now >= at + UNHEARD_AFTER) {
            let earliest = self.announced.map(|at| at + BEACON_INTERVAL);
            self.again
                .get_or_insert(earliest.map_or(now, |at| at.max(now)));
        }
    }

    /// Forgets whoever is no speaker.
    pub(super) fn keep(&mut self, speakers: &BTreeSet<MacAddr>) {
        self.heard.retain(|mac, _| speakers.contains(mac));
    }

    /// When [`Beacon::must_announce_all`] or [`Beacon::turn`] has something to do.
    pub(super) fn due(&self) -> Instant {
        self.again.map_or(self.next, |again| again.min(self.next))
    }

    /// Whether everything is to be announced anew.
    pub(super) fn must_announce_all(&mut self, now: Instant) -> bool {
        let is_due = self.again.take_if(|at| *at <= now).is_some();
        if is_due {
            self.announced = Some(now);
        }
        is_due
    }

    /// The address that is to be announced now, if the beacon is due: `next` finds one after the last.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        next: impl FnOnce(Bound<IpAddr>) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        if self.next > now {
            return None;
        }
        self.next = now + BEACON_INTERVAL;
        let address = next(self.last.map_or(Bound::Unbounded, Bound::Excluded))?;
        self.last = Some(address);
        Some(address)
    }
}
