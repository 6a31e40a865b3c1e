//! What comes out of a [`Core`].

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::super::envelope::State;
use super::super::identity::NodeId;
use super::super::keyring::KeyId;
use super::super::peer::Peer;
use super::super::{Live, LiveNode};
use super::Core;

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// Its octets, at most [`super::super::MAX_DATAGRAM`].
    pub datagram: Vec<u8>,
}

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that were believed.
    pub received: u64,
    /// Longer than any of ours.
    pub oversized: u64,
    /// Not one of ours, or cut.
    pub malformed: u64,
    /// Sealed with a key that we do not have.
    pub unknown_key: u64,
    /// Where the last of those came from, and its key.
    pub last_unknown_key: Option<(SocketAddr, KeyId)>,
    /// Changed on the way, or made up.
    pub forged: u64,
    /// Of a node that is not in the list, or for another one.
    pub stranger: u64,
    /// Seen before.
    pub replayed: u64,
    /// Of a session that has not proved itself: one that has just begun, or a recording.
    pub unproven: u64,
    /// Not sent because too many were waiting.
    pub unsent: u64,
    /// How often another member became suspect here.
    pub suspicions: u64,
    /// How often this member had been declared dead, and came back.
    pub returns: u64,
    /// How often this process was scheduled late ([`super::Config::asleep`]).
    pub asleep: u64,
    /// What foca refused.
    pub protocol: u64,
}

/// All that a [`Live`] says of a node. That is made with each datagram, and differs with few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    node: NodeId,
    generation: u64,
    since: Option<Instant>,
    served: Option<Instant>,
    /// The number of their version.
    facts: Option<u64>,
    is_live: bool,
}

impl Core {
    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Who is alive; this node always is. The same `Arc` until it changes.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Who is suspect.
    pub fn suspects(&self) -> BTreeSet<Arc<str>> {
        let peers = self.peers.iter().flat_map(|peers| peers.values());
        let suspects = peers.filter(|peer| peer.sight.state == State::Suspect);
        suspects.map(|peer| Arc::clone(&peer.name)).collect()
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Makes a new [`Live`] if it is another one.
    pub(super) fn publish(&mut self, now: Instant) {
        let own = Shown {
            node: self.foca.identity().node,
            generation: self.foca.identity().generation,
            since: Some(self.since),
            served: self.served,
            facts: self.facts.as_ref().map(|facts| facts.number),
            is_live: true,
        };
        let peers = self.peers.iter().flatten();
        let others = peers.map(|(node, peer)| Shown::of(*node, peer));
        let all = others.chain([own]);
        let is_same = || all.clone().eq(self.shown.iter().copied());
        if !self.is_unshown && self.shown.last() == Some(&own) {
            debug_assert!(is_same());
            return;
        }
        self.is_unshown = false;
        if is_same() {
            return;
        }
        self.shown = all.collect();
        let live = self.seen(now);
        if live != *self.live {
            self.live = Arc::new(live);
        }
    }

    fn seen(&self, now: Instant) -> Live {
        let mut live = Live::default();
        let own = LiveNode {
            generation: self.foca.identity().generation,
            since: self.since,
            served: self.served,
            facts: self.facts.as_ref().map(|facts| facts.facts.clone()),
        };
        live.nodes.insert(self.name.clone(), own);
        for peer in self.peers.iter().flat_map(|peers| peers.values()) {
            let facts = peer.facts.as_ref();
            let facts = facts.map(|version| Arc::clone(&version.facts));
            if !peer.is_live() || peer.is_silent() {
                live.absent
                    .extend(facts.map(|facts| (Arc::clone(&peer.name), facts)));
                continue;
            }
            let generation = peer.sight.generation;
            let told = peer.since.filter(|_| peer.generation == generation);
            let before = self.live.nodes.get(&peer.name);
            let before = before.filter(|node| node.generation == generation);
            let since = told.or(before.map(|node| node.since)).unwrap_or(now);
            let node = LiveNode {
                generation,
                since,
                served: peer.served,
                facts,
            };
            live.nodes.insert(peer.name.clone(), node);
        }
        live
    }
}

impl Shown {
    fn of(node: NodeId, peer: &Peer) -> Shown {
        let generation = peer.sight.generation;
        Shown {
            node,
            generation,
            since: peer.since.filter(|_| peer.generation == generation),
            served: peer.served,
            facts: peer.facts.as_ref().map(|facts| facts.number),
            is_live: peer.is_live(),
        }
    }
}
