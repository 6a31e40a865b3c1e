//! Facts that go out and come in.

use std::sync::Arc;
use std::time::Instant;

use rand::seq::IteratorRandom;

use super::super::config::MAX_MESSAGE;
use super::super::envelope::{Content, State};
use super::super::facts::{self, Differs, Facts, Version};
use super::super::identity::{Id, NodeId};
use super::super::peer::Peer;
use super::{Core, Draft};

/// So many members are told at once which versions we have, at most: what one has, most have.
const MAX_ASKED: usize = 3;
/// Versions that one datagram names, at most.
const MAX_NAMES: usize = MAX_MESSAGE / facts::NAME_LEN;

impl Core {
    /// Replaces what the others are told of this node. Each live one hears it within a round trip.
    pub fn set_facts(&mut self, now: Instant, facts: Arc<Facts>) {
        let number = match &self.facts {
            Some(old) if old.facts == facts => return,
            Some(old) => old.number.saturating_add(1),
            None => self.first_version,
        };
        self.facts = Some(Version { number, facts });
        self.sum_facts();
        self.tell_facts(now);
        self.settle(now);
    }

    /// Tells all that are alive our own facts.
    fn tell_facts(&mut self, now: Instant) {
        let peers = self.peers.iter().flatten();
        let hearing = peers.filter(|(_, peer)| hears(peer));
        let hearing: Vec<NodeId> = hearing.map(|(node, _)| *node).collect();
        hearing
            .into_iter()
            .for_each(|node| self.send_facts(now, node));
    }

    /// Sends our own facts to a node; its answer says whether it has the same of all as we do.
    pub(super) fn send_facts(&mut self, now: Instant, node: NodeId) {
        let mut octets = Vec::new();
        if let Some(facts) = &self.facts {
            facts.encode(self.foca.identity().node, &mut octets);
            self.send_of_facts(now, node, true, Content::Facts, &octets);
        }
    }

    fn send_of_facts(
        &mut self,
        now: Instant,
        node: NodeId,
        question: bool,
        content: Content,
        message: &[u8],
    ) {
        let draft = Draft {
            question,
            content,
            message,
            unproven: None,
        };
        self.send_draft(now, node, &draft);
    }

    /// Takes note of whether another member has the same facts of all nodes.
    pub(super) fn compare_facts(&mut self, now: Instant, node: NodeId, digest: u64) {
        let is_same = digest == self.facts_digest;
        let first = self.config.gossip;
        let Some(peer) = self.peer(node) else {
            return;
        };
        match is_same {
            true => peer.facts_differ = None,
            false => {
                let differ = peer.facts_differ;
                peer.facts_differ = differ.or(Some(Differs::seen(now, first)));
            }
        }
    }

    /// Tells some of those that have other facts than we do which versions we have: they answer with
    /// what is later.
    pub(super) fn ask_for_facts(&mut self, now: Instant) {
        let peers = self.peers.iter().flatten();
        let due = peers.filter(|(_, peer)| {
            hears(peer) && peer.facts_differ.is_some_and(|differ| differ.is_due(now))
        });
        let due = due.map(|(node, _)| *node);
        let asked = due.choose_multiple(&mut self.rng, MAX_ASKED);
        if asked.is_empty() {
            return;
        }
        let most = self.config.retry_most;
        let number = |version: Option<&Version>| version.map_or(0, |version| version.number);
        let names = self.versions();
        let names = names.map(|(node, version)| facts::name(node, number(version)));
        let names: Vec<_> = names.collect();
        for node in asked {
            if let Some(differ) = self.peer(node).and_then(|peer| peer.facts_differ.as_mut()) {
                differ.asked(now, most);
            }
            for some in names.chunks(MAX_NAMES) {
                self.send_of_facts(now, node, true, Content::Versions, &some.concat());
            }
        }
    }

    /// A node says which versions it has: what we have that is later, it is told. A datagram names
    /// few enough for the answer to have a bound.
    pub(super) fn take_versions(&mut self, now: Instant, from: NodeId, octets: &[u8]) {
        let Some(names) = facts::decode_names(octets) else {
            self.counters.malformed += 1;
            return;
        };
        let me = self.foca.identity().node;
        let mut told: Vec<Vec<u8>> = Vec::new();
        for (node, number) in names {
            if node == me {
                self.outdo(now, number, None);
            }
            let known = match node == me {
                true => self.facts.as_ref(),
                false => self.peer(node).and_then(|peer| peer.facts.as_ref()),
            };
            let Some(later) = known.filter(|known| known.number > number) else {
                continue;
            };
            match told.last_mut() {
                Some(last) if last.len() + facts::MAX_LEN <= MAX_MESSAGE => {
                    later.encode(node, last);
                }
                Some(_) | None => {
                    let mut octets = Vec::new();
                    later.encode(node, &mut octets);
                    told.push(octets);
                }
            }
        }
        for octets in told {
            self.send_of_facts(now, from, false, Content::Facts, &octets);
        }
    }

    /// Takes facts, of whichever nodes of the list.
    pub(super) fn take_facts(&mut self, now: Instant, octets: &[u8]) {
        let Some(told) = facts::decode(octets) else {
            self.counters.malformed += 1;
            return;
        };
        let me = self.foca.identity().node;
        for (node, version) in told {
            if node == me {
                self.outdo(now, version.number, Some(&version.facts));
            } else if let Some(peer) = self.peer(node) {
                let known = peer.facts.as_ref().map(|known| known.number);
                if known < Some(version.number) {
                    peer.facts = Some(version);
                }
            }
        }
        self.is_unshown = true;
        self.sum_facts();
    }

    /// Others have this version of our own facts. If it is not of this run, ours are to be later.
    fn outdo(&mut self, now: Instant, number: u64, facts: Option<&Arc<Facts>>) {
        let next = number.saturating_add(1);
        match &mut self.facts {
            None => self.first_version = self.first_version.max(next),
            Some(own) => {
                let is_same = own.number == number && facts.is_none_or(|facts| own.facts == *facts);
                if own.number > number || is_same {
                    return;
                }
                own.number = next;
                self.sum_facts();
                self.tell_facts(now);
            }
        }
    }

    /// What is known of the facts of all nodes of the list, and our own.
    fn versions(&self) -> impl Iterator<Item = (NodeId, Option<&Version>)> {
        let peers = self.peers.iter().flatten();
        let of_peers = peers.map(|(node, peer)| (*node, peer.facts.as_ref()));
        of_peers.chain([(self.foca.identity().node, self.facts.as_ref())])
    }

    /// Makes one number of all versions that we have: the same for all that have the same.
    pub(super) fn sum_facts(&mut self) {
        let named = self.versions().filter_map(|(node, version)| {
            let generation = version?.number;
            Some(Id { node, generation })
        });
        self.facts_digest = named.fold(0, |sum, id| sum.wrapping_add(id.spread()));
    }
}

/// Whether it takes what it is told.
fn hears(peer: &Peer) -> bool {
    match peer.sight.state {
        State::Alive | State::Suspect => peer.session.is_proven(),
        State::Unknown | State::Down => false,
    }
}
