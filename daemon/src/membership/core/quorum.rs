//! How many of the voters are with us, and until when that may be believed.
//!
//! An answer of another member that sees us alive is its vote: for [`super::Config::fence`] from
//! the moment when our question was sent. In calm times, when nobody has been suspected for a
//! while, one fresh vote is enough, as the protocol itself would have told us of a loss. From the
//! first suspicion on, all live voters are asked, and after [`super::Config::grace`] the votes
//! themselves are counted.

use std::time::{Duration, Instant};

use l2::responder::Fence;
use rand::seq::IteratorRandom;

use super::super::envelope::{Sight, State};
use super::super::identity::{Id, NodeId};
use super::super::peer::Peer;
use super::{Core, FENCE_QUESTIONS};

/// How many of the voters are with this node, itself included. Voters are the nodes of the list,
/// less those that have left gracefully and have not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Less than half: the fence is closed.
    Minority,
    /// Exactly half: there may be another half. The fence is closed until the others have settled,
    /// and what is claimed behind it must be probed before.
    Half,
    /// More than half: no other side has that.
    Majority,
}

/// A time after a suspicion in which votes are counted.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Until then all are being asked for their votes, and it stands as it stood.
    grace_until: Instant,
    /// Then it is calm again, if nothing else happens.
    until: Instant,
}

/// What the voters amount to at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Quorum {
    /// As it is told.
    pub standing: Standing,
    /// `None`: it is calm.
    pub trouble: Option<Trouble>,
    /// The latest moment at which we are known to have had a majority; at first, the start.
    majority_at: Instant,
    /// In [`Standing::Half`], whether the others have settled.
    settled: bool,
    /// When this was last judged: our own vote.
    judged: Instant,
}

impl Quorum {
    /// Of one that knows nobody.
    pub fn new(now: Instant) -> Quorum {
        Quorum {
            standing: Standing::Minority,
            trouble: None,
            majority_at: now,
            settled: false,
            judged: now,
        }
    }

    /// Whether votes are counted, and one alone is not enough.
    fn is_counting(&self) -> bool {
        self.trouble
            .is_some_and(|trouble| self.judged >= trouble.grace_until)
    }
}

impl Core {
    /// Until when this node may believe that it counts as alive, as far as is known now.
    pub fn fence(&self) -> Fence {
        let Some(others) = self.voters() else {
            return Fence::Closed;
        };
        if others == 0 {
            return Fence::Open;
        }
        if self.joining_until.is_some() {
            return Fence::Closed;
        }
        let votes = match self.quorum.standing {
            Standing::Majority if self.quorum.is_counting() => self.vote(majority(others)),
            Standing::Majority => {
                let ends = self.quorum.trouble.map(|trouble| trouble.grace_until);
                let ends = ends.and_then(|at| at.checked_sub(self.config.fence));
                let one = self.vote(1).map(|at| ends.map_or(at, |ends| at.min(ends)));
                one.max(self.vote(majority(others)))
            }
            Standing::Half if self.quorum.settled => half(others).and_then(|n| self.vote(n)),
            Standing::Half | Standing::Minority => None,
        };
        votes.map_or(Fence::Closed, |at| Fence::Until(at + self.config.fence))
    }

    /// How many of the voters are with this node.
    pub fn standing(&self) -> Standing {
        self.quorum.standing
    }

    /// How a node is told that we see it. One that has just started votes for nobody before it knows
    /// all or has waited for all: it does not know who was declared dead before.
    pub(super) fn vote_for(&self, peer: &Peer) -> Sight {
        let is_silent = match peer.sight.state {
            State::Alive => !self.has_joined,
            State::Down => peer.is_doubtful,
            State::Unknown | State::Suspect => false,
        };
        let state = match is_silent {
            true => State::Unknown,
            false => peer.sight.state,
        };
        Sight {
            state,
            ..peer.sight
        }
    }

    /// How many other voters there are; `None` before the first list.
    fn voters(&self) -> Option<usize> {
        let peers = self.peers.as_ref()?;
        Some(peers.values().filter(|peer| peer.is_voter()).count())
    }

    /// The moment from which on at least so many other voters have voted for us; our own last look
    /// at the clock for 0. `None` if there are not so many votes.
    fn vote(&self, others: usize) -> Option<Instant> {
        let Some(nth) = others.checked_sub(1) else {
            return Some(self.quorum.judged);
        };
        let voters = self.peers.iter().flat_map(|peers| peers.values());
        let voters = voters.filter(|peer| peer.is_voter() && peer.is_live());
        let mut votes: Vec<Instant> = voters.filter_map(|peer| peer.answered).collect();
        if nth >= votes.len() {
            return None;
        }
        let (_, vote, _) = votes.select_nth_unstable_by(nth, |a, b| b.cmp(a));
        Some(*vote)
    }

    /// Somebody has been suspected, or declared dead: from now on votes count.
    pub(super) fn trouble(&mut self, now: Instant, grace: Duration) {
        let begun = self.quorum.trouble.map(|trouble| trouble.grace_until);
        if begun.is_none() {
            // All are asked at once.
            self.tick_at = self.tick_at.min(now);
        }
        self.quorum.trouble = Some(Trouble {
            grace_until: begun.unwrap_or(now + grace),
            until: now + self.config.settle * 2,
        });
    }

    /// This node's life has just begun: whoever voted for an earlier one has not voted for it.
    pub(super) fn begin_without_votes(&mut self, now: Instant) {
        for peer in self.peers.iter_mut().flat_map(|peers| peers.values_mut()) {
            peer.answered = None;
        }
        self.quorum.trouble = None;
        self.trouble(now, Duration::ZERO);
    }

    /// Looks how we stand now.
    pub(super) fn judge_standing(&mut self, now: Instant) {
        self.quorum.judged = now;
        if self.quorum.trouble.is_some_and(|of| of.until <= now) {
            self.quorum.trouble = None;
        }
        let Some(others) = self.voters() else {
            self.quorum.standing = Standing::Minority;
            return;
        };
        if self.quorum.trouble.is_none() || others == 0 {
            self.quorum.standing = self.count(others);
            if self.quorum.standing == Standing::Majority {
                self.quorum.majority_at = now;
            }
        } else if self.quorum.is_counting() {
            let is_valid = |at: &Instant| now < *at + self.config.fence;
            let most = self.vote(majority(others)).filter(is_valid);
            let least = half(others).and_then(|n| self.vote(n)).filter(is_valid);
            self.quorum.majority_at = self.quorum.majority_at.max(most.unwrap_or(self.since));
            self.quorum.standing = match (most, least) {
                (Some(_), _) => Standing::Majority,
                (None, Some(_)) => Standing::Half,
                (None, None) => Standing::Minority,
            };
        }
        self.quorum.settled = now >= self.quorum.majority_at + self.config.settle;
        if self.quorum.standing == Standing::Majority {
            // Those that are still dead to us while most are with us are dead to all.
            for peer in self.peers.iter_mut().flat_map(|peers| peers.values_mut()) {
                peer.is_doubtful = false;
            }
        }
    }

    /// How we stand by what the protocol says of the voters.
    fn count(&self, others: usize) -> Standing {
        let peers = self.peers.iter().flat_map(|peers| peers.values());
        let alive = |peer: &&Peer| peer.is_voter() && peer.sight.state == State::Alive;
        let with_us = 2 * (1 + peers.filter(alive).count());
        match with_us.cmp(&(1 + others)) {
            std::cmp::Ordering::Greater => Standing::Majority,
            std::cmp::Ordering::Equal => Standing::Half,
            std::cmp::Ordering::Less => Standing::Minority,
        }
    }

    /// Asks for votes that are growing old.
    pub(super) fn ask_for_votes(&mut self, now: Instant) {
        let is_calm = self.quorum.trouble.is_none() && self.quorum.standing == Standing::Majority;
        let age = match is_calm {
            true => self.config.probe_period,
            false => self.config.gossip * 2,
        };
        let old = now.checked_sub(age);
        let peers = self.peers.iter().flatten();
        let stale = peers.filter(|(_, peer)| peer.is_live() && peer.answered.max(old) == old);
        let stale = stale.map(|(node, _)| *node);
        let asked = if !is_calm {
            stale.collect()
        } else if self.vote(1).max(old) == old {
            stale.choose_multiple(&mut self.rng, FENCE_QUESTIONS)
        } else {
            Vec::new()
        };
        for node in asked {
            self.send(now, node, true, &[]);
        }
    }

    /// A member goes, as it says itself: it is no voter until it comes back.
    pub(super) fn take_leave(&mut self, id: Id) {
        let Some(peer) = self.peer(id.node) else {
            return;
        };
        peer.left = peer.left.max(Some(id.generation));
        let down = foca::Member::new(id, peer.sight.incarnation, foca::State::Down);
        let done = self
            .foca
            .apply_many(std::iter::once(down), true, &mut self.effects);
        self.note(done);
    }

    /// Whom to tell that we go.
    pub(super) fn proven(&self) -> Vec<NodeId> {
        let peers = self.peers.iter().flatten();
        let proven = peers.filter(|(_, peer)| peer.session.is_proven());
        proven.map(|(node, _)| *node).collect()
    }
}

/// So many of the other voters make more than half, with us.
fn majority(others: usize) -> usize {
    others.div_ceil(2)
}

/// So many of the other voters make exactly half, with us; `None` for an odd number of voters.
fn half(others: usize) -> Option<usize> {
    (others % 2 == 1).then_some(others / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_more_than_half_of_all() {
        for others in 1..20 {
            let all = others + 1;
            let most = 1 + majority(others);
            assert!(2 * most > all && 2 * (most - 1) <= all, "{all}");
            assert_eq!(
                half(others).map(|n| 2 * (n + 1)),
                (all % 2 == 0).then_some(all)
            );
        }
    }
}
