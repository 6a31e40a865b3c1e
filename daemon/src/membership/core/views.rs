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
use super::{Core, Draft, Standing};

/// Members in one datagram, at most.
const MAX_MEMBERS: usize = MAX_MESSAGE / MEMBER_LEN;
/// One node is told all at most once in so long a time.
const TELL_EVERY: Duration = Duration::from_millis(200);

impl Core {
    /// Which nodes are alive in which life, as one number: the same for all that agree.
    pub(super) fn digest(&self) -> u64 {
        let peers = self.peers.iter().flatten();
        let live = peers.filter(|(_, peer)| peer.is_live());
        let live = live.map(|(node, peer)| Id {
            node: *node,
            generation: peer.sight.generation,
        });
        let all = live.chain([*self.foca.identity()]);
        all.fold(0, |sum, id| sum.wrapping_add(id.spread()))
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
        }
        for some in octets.chunks(MAX_MEMBERS * MEMBER_LEN) {
            let draft = Draft {
                question: false,
                content: Content::View,
                message: some,
                unproven: None,
            };
            self.send_draft(now, node, &draft);
        }
    }

    /// Takes what a node knows of all; of those that are not in the list, nothing. If it sees one
    /// alive that we have declared dead without a majority, that verdict was wrong: this node would
    /// not hear the other one itself where a cut is between the two. It matters where half of the
    /// voters are enough for this node to answer; with fewer it is silent.
    pub(super) fn take_view(&mut self, now: Instant, src: Id, octets: &[u8]) {
        if !octets.len().is_multiple_of(MEMBER_LEN) {
            self.counters.malformed += 1;
            return;
        }
        let me = self.foca.identity().node;
        let members = octets.chunks_exact(MEMBER_LEN);
        let members = members.filter_map(|octets| FixedCodec.decode_member(octets).ok());
        let known = members.filter(|member| {
            let node = member.id().node;
            let peers = self.peers.as_ref();
            node == me || peers.is_some_and(|peers| peers.contains_key(&node))
        });
        let known: Vec<_> = known.collect();
        let is_half = self.quorum.standing == Standing::Half;
        if is_half && known.iter().any(|member| self.contradicts(member)) {
            self.restart(now);
            self.learn(src);
            self.introduce(now, src.node);
        }
        let before = *self.foca.identity();
        let done = self
            .foca
            .apply_many(known.into_iter(), true, &mut self.effects);
        self.note(done);
        self.came_back(now, before);
    }

    /// Whether a member is alive in a life of which we doubt our own verdict.
    fn contradicts(&self, member: &foca::Member<Id>) -> bool {
        let peer = self.peers.as_ref();
        let peer = peer.and_then(|peers| peers.get(&member.id().node));
        let doubted = peer.filter(|peer| peer.is_doubtful && peer.sight.state == State::Down);
        member.state() == foca::State::Alive
            && doubted.is_some_and(|peer| peer.sight.generation == member.id().generation)
    }
}
