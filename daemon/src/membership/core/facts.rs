//! Facts that go out and come in.

use std::sync::Arc;
use std::time::Instant;

use super::super::envelope::{Content, State};
use super::super::facts::{Facts, Version};
use super::super::identity::NodeId;
use super::{Core, Draft};

/// So many members are told again at once, at most; the next ones at the next tick.
const MAX_REPEATS: usize = 64;

impl Core {
    /// Replaces what the others are told of this node. Each live one hears it within a round trip.
    pub fn set_facts(&mut self, now: Instant, facts: Arc<Facts>) {
        if self.facts.as_ref().is_some_and(|old| old.facts == facts) {
            return;
        }
        let number = self.facts.as_ref().map_or(1, |old| old.number + 1);
        self.facts = Some(Version { number, facts });
        self.tell_facts(now, true);
        self.settle(now);
    }

    /// Tells those that do not have our facts, if it is time: all of them if the facts have
    /// `changed`.
    pub(super) fn tell_facts(&mut self, now: Instant, changed: bool) {
        let Some(number) = self.facts.as_ref().map(|facts| facts.number) else {
            return;
        };
        let (first, most) = (self.config.gossip, self.config.retry_most);
        let mut due = Vec::new();
        for (node, peer) in self.peers.iter_mut().flatten() {
            if due.len() >= MAX_REPEATS && !changed {
                break;
            }
            let hears = match peer.sight.state {
                State::Alive | State::Suspect => peer.session.is_proven(),
                State::Unknown | State::Down => false,
            };
            if hears && peer.facts.is_due(now, number, changed, first, most) {
                due.push(*node);
            }
        }
        due.into_iter().for_each(|node| self.send_facts(now, node));
    }

    /// Sends our facts to a node; it answers which version it has.
    pub(super) fn send_facts(&mut self, now: Instant, node: NodeId) {
        if let Some(facts) = self.facts.as_ref().map(Version::encode) {
            let draft = Draft {
                question: true,
                content: Content::Facts,
                message: &facts,
                unproven: None,
            };
            self.send_draft(now, node, &draft);
        }
    }

    /// Takes the facts of a node.
    pub(super) fn take_facts(&mut self, node: NodeId, octets: &[u8]) {
        let Some(version) = Version::decode(octets) else {
            self.counters.malformed += 1;
            return;
        };
        if let Some(peer) = self.peer(node) {
            peer.facts.take(version);
        }
    }
}
