//! How long nodes have been in service, so that one that comes and goes does not drag addresses
//! about.
//!
//! Every speaker keeps this for itself, and all come to the same: nodes tell each other since when
//! they have been alive, and what the API server says of a node reaches all at nearly the same time.
//! A speaker that has just begun does not know which nodes came back before it did. It has returned
//! itself then, so it takes nothing, whatever it thinks of others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A node that came back long after the others came has settled after so long.
pub const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// Who answers has heard of a node that came after so long, unless it has just been cut off: then it
/// falls silent of itself, and not much later. Until then the node takes nothing from it, even where
/// addresses go back at once.
pub const HEARD_AFTER: Duration = Duration::from_millis(160);
/// Nodes that come into service within this time of the first began together: at the start of a
/// cluster nobody has to wait for anybody. Whoever comes later waits for as long as it came later
/// than this, and at most [`SETTLED_AFTER`].
pub const TOGETHER: Duration = Duration::from_secs(10);

/// What the API server says of a node reaches the others at most so long after the node itself has
/// heard it, and told them: both are the same return then.
pub const SAME_RETURN: Duration = Duration::from_secs(2);

/// How a node is, as far as its tenure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// In service; with the moment since which its speaker has been alive, where that is watched.
    InService(Option<Instant>),
    /// Its speaker is not alive.
    Dead,
    /// Something else keeps it out of service, as the API server says.
    Out,
}

/// Since when each node has been in service.
#[derive(Clone, Debug, Default)]
pub struct Tenure {
    since: BTreeMap<Arc<str>, Since>,
    /// Nodes that were [`Presence::Out`] when they were last not dead, and since when.
    out: BTreeMap<Arc<str>, Instant>,
    begun: bool,
}

/// Since when a node has been in service.
#[derive(Clone, Copy, Debug)]
struct Since {
    /// Since then as the API server says it; `None` for as long as its speaker has been alive, or for
    /// longer than this is kept.
    came: Option<Instant>,
    /// Since then its speaker has been alive, as was told last: it may have been a guess before.
    alive: Option<Instant>,
    /// When it was seen to go out, if it was.
    left: Option<Instant>,
}

impl Since {
    /// As the node itself says, which all are told alike; before it has said so, the later of the two.
    /// What it says is of this return if it is later than when it went. `None` for longer than this is
    /// kept, as far as is known yet.
    fn moment(self) -> Option<Instant> {
        let is_same = |came: Instant, alive: Instant| {
            alive + SAME_RETURN >= came || self.left.is_some_and(|left| alive > left)
        };
        match (self.came, self.alive) {
            (Some(came), Some(alive)) if is_same(came, alive) => Some(alive),
            (came, alive) => came.max(alive),
        }
    }
}

/// What [`Tenure::next`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// Nodes that came more than [`TOGETHER`] after the one that has been there the longest, and have
    /// not settled.
    pub nodes: BTreeSet<Arc<str>>,
    /// Those of them that have been there for less than [`HEARD_AFTER`].
    pub arriving: BTreeSet<Arc<str>>,
    /// When this changes next.
    pub until: Option<Instant>,
}

impl Tenure {
    /// So all nodes are at `now`, which never goes back. Those of the first call have settled for as
    /// long as nobody says since when they have been alive.
    pub fn next(&mut self, now: Instant, nodes: &BTreeMap<Arc<str>, Presence>) -> Returned {
        self.since.retain(|node, _| nodes.contains_key(node));
        self.out.retain(|node, _| nodes.contains_key(node));
        let first = !std::mem::replace(&mut self.begun, true);
        for (node, presence) in nodes {
            match presence {
                Presence::Dead => {
                    self.since.remove(node);
                }
                Presence::Out => {
                    self.since.remove(node);
                    self.out.entry(Arc::clone(node)).or_insert(now);
                }
                Presence::InService(alive) => {
                    let left = self.out.remove(node);
                    // That it is seen only now says nothing where this has begun only now, or where
                    // it says more itself.
                    let is_new = left.is_some() || alive.is_none() && !first;
                    let came = is_new.then_some(now);
                    let alive = *alive;
                    let since = self.since.entry(Arc::clone(node));
                    since.or_insert(Since { came, alive, left }).alive = alive;
                }
            }
        }
        self.returned(now)
    }

    fn returned(&self, now: Instant) -> Returned {
        let nodes = self
            .since
            .iter()
            .map(|(node, since)| (node, since.moment()));
        let first = nodes.clone().map(|(_, since)| since).min().flatten();
        let moments = nodes.filter_map(|(node, since)| Some((node, since?)));
        let settled = moments.map(|(node, since)| (node, since, settled(first, since)));
        let returned = settled.filter(|(_, since, settled)| now.max(*since) < *settled);
        let arriving = returned.clone();
        let arriving = arriving.filter(|(_, since, _)| *since + HEARD_AFTER > now);
        let settled = returned.clone().map(|(_, _, settled)| settled);
        let heard = arriving.clone().map(|(_, since, _)| since + HEARD_AFTER);
        let names = |(node, _, _): (&Arc<str>, Instant, Instant)| Arc::clone(node);
        Returned {
            until: heard.chain(settled).min(),
            nodes: returned.map(names).collect(),
            arriving: arriving.map(names).collect(),
        }
    }
}

/// When a node has settled that came at `since`, and the first of all at `first`, or before anything
/// that is known. Speakers know both to some milliseconds, and differ about this no more than twice
/// that: were all that come after [`TOGETHER`] to wait equally long, they could differ about who has
/// to, for as long.
fn settled(first: Option<Instant>, since: Instant) -> Instant {
    let later = first.map(|first| since.saturating_duration_since(first + TOGETHER));
    since + later.map_or(SETTLED_AFTER, |later| later.min(SETTLED_AFTER))
}
