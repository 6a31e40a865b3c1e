//! Members that see different nodes alive for longer than news take to spread: each tells the other
//! all that it knows.
//!
//! Gossip passes news on for a while only. Whoever was not there, because it has just started or
//! was cut off, would never hear that a node has been declared dead, and go on voting for it.

use std::time::{Duration, Instant};

use foca::Codec;

use super::super::config::MAX_MESSAGE;
use super::super::envelope::{Content, State};
use super::super::identity::{FixedCodec, Id, MEMBER_LEN, NodeId};
use super::{Core, Draft, micros};

/// Octets of a member, and of its age in that life: microseconds, 0 if that is not known.
const LEN: usize = MEMBER_LEN + 8;
/// Members in one datagram, at most.
const MAX_MEMBERS: usize = MAX_MESSAGE / LEN;
/// One node is told all at most once in so long a time.
const TELL_EVERY: Duration = Duration::from_millis(200);

impl Core {
    /// Which nodes are alive in which life, as one number: the same for all that agree.
    pub(super) fn digest(&mut self) -> u64 {
        let others = self.digest.unwrap_or_else(|| self.sum_views());
        self.digest = Some(others);
        others.wrapping_add(self.foca.identity().spread())
    }

    fn sum_views(&self) -> u64 {
        let peers = self.peers.iter().flatten();
        let live = peers.filter(|(_, peer)| peer.is_live());
        let live = live.map(|(node, peer)| Id {
            node: *node,
            generation: peer.sight.generation,
        });
        live.fold(0, |sum, id| sum.wrapping_add(id.spread()))
    }

    /// Takes note of how another member sees all. If it has differed for longer than news take, it
    /// is told all.
    pub(super) fn compare_views(&mut self, now: Instant, node: NodeId, digest: u64) {
        let own = self.digest();
        let patience = self.config.gossip * 2;
        let Some(peer) = self.peer(node) else {
            return;
        };
        if digest == own {
            peer.differs_since = None;
            return;
        }
        let since = *peer.differs_since.get_or_insert(now);
        if now >= since + patience {
            peer.differs_since = Some(now + TELL_EVERY);
            self.tell_view(now, node);
        }
    }

    /// Tells a node all that is known of all, but for suspicions.
    pub(super) fn tell_view(&mut self, now: Instant, node: NodeId) {
        let mut octets = Vec::new();
        for (other, peer) in self.peers.iter().flatten() {
            let state = match peer.sight.state {
                State::Unknown => continue,
                State::Alive | State::Suspect => foca::State::Alive,
                State::Down if peer.is_doubtful => continue,
                State::Down => foca::State::Down,
            };
            let id = Id {
                node: *other,
                generation: peer.sight.generation,
            };
            let member = foca::Member::new(id, peer.sight.incarnation, state);
            if FixedCodec.encode_member(&member, &mut octets).is_err() {
                return;
            }
            let since = peer.since.filter(|_| peer.generation == id.generation);
            let age = since.map(|since| now.saturating_duration_since(since));
            let age = age.map_or(0, |age| micros(age).max(1));
            octets.extend(age.to_be_bytes());
        }
        for some in octets.chunks(MAX_MEMBERS * LEN) {
            let draft = Draft {
                question: false,
                content: Content::View,
                message: some,
                unproven: None,
            };
            self.send_draft(now, node, &draft);
        }
    }

    /// Takes what a node knows of all; of those that are not in the list, nothing.
    pub(super) fn take_view(&mut self, now: Instant, octets: &[u8]) {
        let (records, rest) = octets.as_chunks::<LEN>();
        if !rest.is_empty() {
            self.counters.malformed += 1;
            return;
        }
        let me = self.foca.identity().node;
        let mut known = Vec::new();
        for record in records {
            let Some((member, age)) = read(record) else {
                self.counters.malformed += 1;
                return;
            };
            let id = *member.id();
            match self.peer(id.node) {
                Some(peer) if age > Duration::ZERO => {
                    peer.hear_since(id.generation, now, age);
                    self.is_unshown = true;
                }
                Some(_) => {}
                None if id.node == me => {}
                None => continue,
            }
            known.push(member);
        }
        let before = *self.foca.identity();
        let done = self
            .foca
            .apply_many(known.into_iter(), true, &mut self.effects);
        self.note(done);
        self.came_back(now, before);
    }
}

/// A member and its age.
fn read(record: &[u8; LEN]) -> Option<(foca::Member<Id>, Duration)> {
    let (member, age) = record.split_last_chunk::<8>()?;
    let member = FixedCodec.decode_member(member).ok()?;
    Some((member, Duration::from_micros(u64::from_be_bytes(*age))))
}
