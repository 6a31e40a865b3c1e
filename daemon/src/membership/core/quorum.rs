//! How many of the voters are with us, and until when that may be believed.
//!
//! An answer of another member that sees us alive is its vote: for [`super::Config::fence`] from
//! the moment when our question was sent. In calm times, when nobody has been suspected for a
//! while, the majority is that of the protocol, which would have told us of a loss; in a large
//! cluster one fresh vote keeps the fence open then. From the first suspicion on, all live voters
//! are asked, and after [`super::Config::grace`] the votes themselves are counted.

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
#[derive(Clone, Debug)]
pub struct Quorum {
    /// As the votes are.
    pub standing: Standing,
    /// `None`: it is calm.
    pub trouble: Option<Trouble>,
    /// The latest moment at which we are known to have had a majority; at first, the start.
    majority_at: Instant,
    /// When this was last judged: our own vote.
    judged: Instant,
    /// How many other voters there were then; `None` before the first list.
    others: Option<usize>,
    /// How many of those the protocol saw alive.
    alive: usize,
    /// The votes of the others who were alive then, the latest first.
    votes: Vec<Instant>,
    /// Voters or votes may have changed since they were last read.
    pub is_unread: bool,
    /// Until when the fence was open then; `None`: it was closed.
    open_until: Option<Instant>,
    /// Since when it has been closed; `None`: it is open.
    closed_since: Option<Instant>,
    /// Since when there have been enough votes for a majority, if it is not believed yet.
    rising_since: Option<Instant>,
    /// The majority is alive as others say, and not all of it can be asked directly.
    is_hearsay: bool,
    /// When to judge again, whatever happens.
    pub due: Option<Instant>,
}

impl Quorum {
    /// Of one that knows nobody.
    pub fn new(now: Instant) -> Quorum {
        Quorum {
            standing: Standing::Minority,
            trouble: None,
            majority_at: now,
            judged: now,
            others: None,
            alive: 0,
            votes: Vec::new(),
            is_unread: true,
            open_until: None,
            closed_since: Some(now),
            rising_since: None,
            is_hearsay: false,
            due: None,
        }
    }

    /// A voter that is alive has voted anew: what is known of the votes need not all be read again.
    pub fn renew(&mut self, before: Option<Instant>, after: Instant) {
        if self.is_unread {
            return;
        }
        if let Some(before) = before {
            let Ok(at) = self.votes.binary_search_by(|vote| before.cmp(vote)) else {
                self.is_unread = true;
                return;
            };
            self.votes.remove(at);
        }
        let at = self.votes.partition_point(|vote| *vote > after);
        self.votes.insert(at, after);
    }

    /// Whether votes are counted, and one alone is not enough.
    fn is_counting(&self) -> bool {
        self.trouble
            .is_some_and(|trouble| self.judged >= trouble.grace_until)
    }
}

impl Core {
    /// Until when this node may believe that it counts as alive, as far as is known now. In a
    /// silent life it is closed: others have been told that they may answer.
    pub fn fence(&self) -> Fence {
        let until = self.earned().filter(|_| !self.is_silent());
        until.map_or(Fence::Closed, Fence::Until)
    }

    /// How many of the voters are with this node; too few, as long as it is silent.
    pub fn standing(&self) -> Standing {
        match self.quorum.others {
            None | Some(0) => self.quorum.standing,
            Some(_) if self.is_silent() => Standing::Minority,
            Some(_) => self.quorum.standing,
        }
    }

    fn is_silent(&self) -> bool {
        self.foca.identity().is_silent()
    }

    /// Until when the fence is open as the votes are; `None` is closed.
    fn earned(&self) -> Option<Instant> {
        let others = self.quorum.others?;
        if others == 0 {
            // Nobody has to be asked, but whoever has been frozen looks at the list before it answers.
            return Some(self.quorum.judged + self.config.fence);
        }
        if self.joining_until.is_some() {
            return None;
        }
        let least = self.half(others).filter(|_| self.is_settled());
        let least = least.and_then(|least| self.vote(least));
        let votes = match self.quorum.standing {
            Standing::Majority => self.votes_of_most(others).max(least),
            Standing::Half => least,
            Standing::Minority => None,
        };
        votes.map(|at| at + self.config.fence)
    }

    /// Since when this node has the votes that a majority takes.
    fn votes_of_most(&self, others: usize) -> Option<Instant> {
        let most = self.vote(self.majority(others));
        if self.quorum.is_counting() || self.needed_in_calm(others) > 1 {
            return most;
        }
        let ends = self.quorum.trouble.map(|trouble| trouble.grace_until);
        let ends = ends.and_then(|at| at.checked_sub(self.config.fence));
        let one = self.vote(1).map(|at| ends.map_or(at, |ends| at.min(ends)));
        one.max(most)
    }

    /// How many others have to vote again and again in calm times: a majority where that takes no more
    /// questions at once than are asked for one vote; else one.
    fn needed_in_calm(&self, others: usize) -> usize {
        let most = self.majority(others);
        match most <= FENCE_QUESTIONS && !self.quorum.is_hearsay {
            true => most,
            false => 1,
        }
    }

    /// When what is taken for a majority is none any more, unless there are other votes by then.
    fn majority_until(&self) -> Option<Instant> {
        if self.quorum.standing != Standing::Majority {
            return None;
        }
        let others = self.quorum.others.filter(|others| *others > 0)?;
        let votes = self.votes_of_most(others).unwrap_or(self.since);
        Some(votes + self.config.fence)
    }

    /// Whether half of the voters are enough: the fence has not been closed since they were more,
    /// so that nobody else may claim what this node has without asking it; or it has been closed
    /// for so long that all have settled, and this node asks anew for what it had.
    fn is_settled(&self) -> bool {
        let closed = self.quorum.closed_since;
        closed.is_none_or(|at| {
            self.quorum.judged >= at.max(self.quorum.majority_at) + self.config.settle
        })
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

    /// The moment from which on at least so many other voters have voted for us; our own last look
    /// at the clock for 0. `None` if there are not so many votes.
    fn vote(&self, others: usize) -> Option<Instant> {
        match others.checked_sub(1) {
            Some(nth) => self.quorum.votes.get(nth).copied(),
            None => Some(self.quorum.judged),
        }
    }

    /// Counts the voters, and reads their votes, as they are now.
    fn read_votes(&mut self) {
        let quorum = &mut self.quorum;
        if !std::mem::take(&mut quorum.is_unread) {
            return;
        }
        let voters = self.peers.iter().flat_map(|peers| peers.values());
        let (mut others, mut alive) = (0, 0);
        quorum.votes.clear();
        for peer in voters.filter(|peer| peer.is_voter()) {
            others += 1;
            alive += usize::from(peer.sight.state == State::Alive);
            let vote = peer.answered.filter(|_| peer.is_live());
            quorum.votes.extend(vote);
        }
        quorum.others = self.peers.is_some().then_some(others);
        quorum.alive = alive;
        quorum.votes.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Somebody has been suspected, or declared dead: from now on votes count.
    pub(super) fn trouble(&mut self, now: Instant, grace: Duration) {
        let begun = self.quorum.trouble.map(|trouble| trouble.grace_until);
        if begun.is_none() {
            // All are asked at once.
            self.tick_at = self.tick_at.min(now);
        }
        let grace_until = now + grace;
        self.quorum.trouble = Some(Trouble {
            grace_until: begun.map_or(grace_until, |begun| begun.min(grace_until)),
            until: now + self.config.settle * 2,
        });
    }

    /// This node's life has just begun: whoever voted for an earlier one has not voted for it.
    pub(super) fn begin_without_votes(&mut self, now: Instant) {
        for peer in self.peers.iter_mut().flat_map(|peers| peers.values_mut()) {
            peer.answered = None;
        }
        self.quorum.is_unread = true;
        self.quorum.trouble = None;
        self.trouble(now, Duration::ZERO);
    }

    /// Looks how we stand now.
    pub(super) fn judge_standing(&mut self, now: Instant) {
        self.quorum.judged = now;
        self.read_votes();
        if self.quorum.trouble.is_some_and(|of| of.until <= now) {
            self.quorum.trouble = None;
        }
        if self.quorum.open_until.is_none_or(|until| until <= now) {
            // One vote keeps a fence open in calm times; it does not open one. Whoever has been
            // asleep has not heard what it missed.
            self.quorum.closed_since.get_or_insert(now);
            self.trouble(now, Duration::ZERO);
        }
        if self.majority_until().is_some_and(|until| until <= now) {
            // One of two has its own vote: that is half of them.
            self.trouble(now, Duration::ZERO);
        }
        self.count_votes(now);
        let until = self.earned().filter(|until| now < *until);
        self.quorum.open_until = until.filter(|_| !self.is_silent());
        if self.quorum.open_until.is_some() {
            self.quorum.closed_since = None;
            self.served.get_or_insert(now);
        }
    }

    /// Goes silent after the fence has been closed for a while, so that others answer for what this
    /// node had; and begins a life in which it answers when the votes are there again. What votes
    /// there were are of the life before.
    pub(super) fn speak_or_be_silent(&mut self, now: Instant) {
        let me = *self.foca.identity();
        let has_votes = self.earned().is_some_and(|until| now < until);
        let closed = self.quorum.closed_since;
        let closed = closed.map(|at| at.max(self.since) + self.config.silence);
        self.quorum.due = None;
        let next = match closed {
            _ if self.left => None,
            _ if me.is_silent() => has_votes.then(|| me.outspoken()),
            Some(at) if at <= now => Some(me.silent(me.generation.saturating_add(1))),
            Some(at) => {
                self.quorum.due = Some(at);
                None
            }
            None => {
                let open_until = self.quorum.open_until;
                self.quorum.due = open_until.into_iter().chain(self.majority_until()).min();
                None
            }
        };
        if let Some(next) = next {
            // What it knows of others, it goes on knowing.
            let joining = self.joining_until;
            self.live_as(now, next);
            self.joining_until = joining;
            self.judge_standing(now);
        }
    }

    /// How the voters stand.
    fn count_votes(&mut self, now: Instant) {
        let Some(others) = self.quorum.others else {
            self.quorum.standing = Standing::Minority;
            return;
        };
        let before = self.quorum.standing;
        let is_valid = |at: &Instant| now < *at + self.config.fence;
        let most = self.vote(self.majority(others)).filter(is_valid);
        let least = self.half(others).and_then(|n| self.vote(n));
        let least = least.filter(is_valid);
        let is_calm = self.quorum.trouble.is_none() || others == 0;
        self.quorum.standing = match (most, least) {
            _ if is_calm => self.count(others),
            _ if !self.quorum.is_counting() => before,
            (Some(_), _) => Standing::Majority,
            (None, Some(_)) => Standing::Half,
            (None, None) => Standing::Minority,
        };
        let is_most = self.quorum.standing == Standing::Majority;
        if is_most && before != Standing::Majority && others > 0 {
            if !self.is_believed(now, most, is_calm) {
                self.quorum.standing = before;
            }
        } else {
            self.quorum.rising_since = None;
        }
        if self.quorum.standing > Standing::Minority && self.has_doubts() {
            // Of those that this node took for dead it will be told who is; others are alive, and
            // have not been heard yet.
            self.quorum.standing = Standing::Minority;
            self.restart(now);
        }
        if self.quorum.standing == Standing::Majority && is_calm {
            self.quorum.majority_at = now;
        } else if self.quorum.standing == Standing::Majority && self.quorum.is_counting() {
            self.quorum.majority_at = self.quorum.majority_at.max(most.unwrap_or(self.since));
        }
    }

    /// Whether one that had no majority has one now. Some of those that it has just counted may be
    /// with others by now, and be counted there too. So all have to vote once more, or, where not all
    /// can be asked directly, it has to stay calm for as long as an old vote may count.
    fn is_believed(&mut self, now: Instant, most: Option<Instant>, is_calm: bool) -> bool {
        let Some(since) = self.quorum.rising_since else {
            self.quorum.rising_since = Some(now);
            self.tick_at = self.tick_at.min(now);
            return false;
        };
        self.quorum.is_hearsay = most < Some(since);
        !self.quorum.is_hearsay || is_calm && now >= since + self.config.fence
    }

    /// Whether this node has declared one dead while most were not with it.
    pub(super) fn has_doubts(&self) -> bool {
        let mut peers = self.peers.iter().flat_map(|peers| peers.values());
        self.may_doubt && peers.any(|peer| peer.is_doubtful)
    }

    /// How we stand by what the protocol says of the voters.
    fn count(&self, others: usize) -> Standing {
        let own = usize::from(self.is_voter);
        let with_us = 2 * (own + self.quorum.alive);
        match with_us.cmp(&(own + others)) {
            std::cmp::Ordering::Greater => Standing::Majority,
            std::cmp::Ordering::Equal => Standing::Half,
            std::cmp::Ordering::Less => Standing::Minority,
        }
    }

    /// So many of the other voters make more than half, with us if we are one.
    fn majority(&self, others: usize) -> usize {
        let own = usize::from(self.is_voter);
        most(others + own) - own
    }

    /// So many make exactly half; `None` where that cannot be.
    fn half(&self, others: usize) -> Option<usize> {
        let own = usize::from(self.is_voter);
        half(others + own).map(|half| half - own)
    }

    /// Asks for votes that are growing old.
    pub(super) fn ask_for_votes(&mut self, now: Instant) {
        let is_calm = self.quorum.trouble.is_none() && self.quorum.standing == Standing::Majority;
        let age = match is_calm {
            true => self.config.probe_period,
            false => self.config.gossip * 2,
        };
        let old = now.checked_sub(age);
        let needed = self.needed_in_calm(self.quorum.others.unwrap_or_default());
        let rising_since = self.quorum.rising_since;
        let is_old = |at: Option<Instant>| at <= old || at < rising_since;
        let peers = self.peers.iter().flatten();
        let stale = peers.filter(|(_, peer)| peer.is_live() && is_old(peer.answered));
        let stale = stale.map(|(node, _)| *node);
        let asked = if !is_calm {
            stale.collect()
        } else if self.vote(needed) <= old {
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
        self.must_look_at_all();
        self.apply(down, true);
    }

    /// Whom to tell that we go.
    pub(super) fn proven(&self) -> Vec<NodeId> {
        let peers = self.peers.iter().flatten();
        let proven = peers.filter(|(_, peer)| peer.session.is_proven());
        proven.map(|(node, _)| *node).collect()
    }
}

/// So many of `all` voters are more than half.
fn most(all: usize) -> usize {
    all / 2 + 1
}

/// So many are exactly half; `None` for an odd number of voters.
fn half(all: usize) -> Option<usize> {
    all.is_multiple_of(2).then_some(all / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_more_than_half_of_all() {
        for all in 1..20 {
            assert!(2 * most(all) > all && 2 * (most(all) - 1) <= all, "{all}");
            assert_eq!(half(all).map(|n| 2 * n), (all % 2 == 0).then_some(all));
        }
    }
}
