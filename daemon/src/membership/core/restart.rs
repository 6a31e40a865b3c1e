//! A member without a majority that hears of one it has declared dead: it was cut off itself.
//!
//! A verdict is never taken back in SWIM: whoever hears of its own death comes back in a new life,
//! and closes its fence for that. So one member that was cut off from all, and has declared all dead,
//! must not tell them when it hears them again. It forgets its verdicts and begins anew as soon as it
//! hears any that is not alive to it, or half of the voters or more are with it again.

use std::time::Instant;

use foca::Foca;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::super::envelope::Sight;
use super::super::identity::{FixedCodec, with_members};
use super::super::timers::{Effects, Timers};
use super::Core;

impl Core {
    /// Begins a new life that knows nobody; sessions, facts and who has left stay known.
    pub(super) fn restart(&mut self, now: Instant) {
        let before = *self.foca.identity();
        let me = before.silent(before.generation.saturating_add(1));
        let rng = SmallRng::seed_from_u64(self.rng.random());
        self.foca = Foca::new(me, self.config.for_foca(), rng, FixedCodec);
        self.effects = Effects::default();
        self.must_look_at_all();
        self.timers = Timers::default();
        self.watch = None;
        for peer in self.peers.iter_mut().flat_map(|peers| peers.values_mut()) {
            peer.sight = Sight::default();
            peer.is_doubtful = false;
            peer.differs_since = None;
            peer.forget_retries();
        }
        self.may_doubt = false;
        self.has_joined = false;
        self.came_back(now, before);
        self.tick_at = self.tick_at.min(now);
    }

    /// A message of foca without verdicts that are doubtful; `None` if there is none in it.
    pub(super) fn undoubted(&self, message: &[u8]) -> Option<Vec<u8>> {
        let peers = self.peers.as_ref()?;
        if message.is_empty() || !self.has_doubts() {
            return None;
        }
        with_members(message, |member| {
            let peer = peers.get(&member.id().node);
            let is_doubtful = peer.is_some_and(|peer| peer.is_doubtful);
            member.state() != foca::State::Down || !is_doubtful
        })
    }
}
