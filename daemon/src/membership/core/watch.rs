//! The one that each node watches.
//!
//! foca asks at random. However many members there are, the chance that none of them asks a certain
//! one in a probe period is about one in e, and the next period is no better. So each node also
//! watches the one that follows it in the order of their ids: it asks that one again and again, and
//! suspects it as foca would.

use std::ops::Bound;
use std::time::Instant;

use super::super::envelope::State;
use super::super::identity::{Id, NodeId};
use super::super::peer::Peer;
use super::super::timers::Due;
use super::Core;

/// Whoever has not answered so many questions, one each [`super::Config::gossip`], is suspect.
const QUESTIONS: u8 = 3;

/// The one that is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    node: NodeId,
    /// [`Peer::heard`] when it was asked first.
    heard: Option<Instant>,
    /// How often it has been asked, without an answer yet.
    asked: u8,
}

impl Core {
    /// Asks the node that is watched, or suspects it.
    pub(super) fn watch(&mut self, now: Instant) {
        let before = self.watch.take();
        let Some((node, peer)) = self.watched() else {
            return;
        };
        let (heard, sight) = (peer.heard, peer.sight);
        let before = before.filter(|watch| watch.node == node && watch.heard == heard);
        let asked = before.map_or(0, |watch| watch.asked);
        if asked == 0 && heard > now.checked_sub(self.config.gossip * 2) {
            return;
        }
        if asked < QUESTIONS {
            let asked = asked + 1;
            self.watch = Some(Watch { node, heard, asked });
            self.send(now, node, true, &[]);
            return;
        }
        if let Some(peer) = self.peer(node) {
            // Others may hear it, and this node may not: it is suspected once.
            peer.is_unheard = true;
        }
        let generation = sight.generation;
        let suspect = foca::Member::new(
            Id { node, generation },
            sight.incarnation,
            foca::State::Suspect,
        );
        self.apply(suspect.clone(), true);
        let until = now + self.config.suspicion;
        self.timers.set(until, Due::Verdict(suspect));
    }

    /// The next after this node, all around, that is alive, and has answered when it was asked last.
    fn watched(&self) -> Option<(NodeId, &Peer)> {
        let me = self.foca.identity().node;
        let peers = self.peers.as_ref()?;
        let after = peers.range((Bound::Excluded(me), Bound::Unbounded));
        let is_watched = |peer: &Peer| {
            peer.sight.state == State::Alive && peer.heard.is_some() && !peer.is_unheard
        };
        let mut around = after.chain(peers.range(..me));
        let found = around.find(|(_, peer)| is_watched(peer));
        found.map(|(node, peer)| (*node, peer))
    }

    /// Declares one dead that this node has suspected for long enough, unless it has objected.
    pub(super) fn declare_dead(&mut self, suspect: foca::Member<Id>) {
        let is_same = |known: &foca::Member<Id>| *known == suspect;
        if !self.foca.iter_membership_state().any(is_same) {
            return;
        }
        let incarnation = suspect.incarnation();
        let dead = foca::Member::new(*suspect.id(), incarnation, foca::State::Down);
        self.apply(dead, true);
    }
}
