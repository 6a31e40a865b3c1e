//! Datagrams that arrive.

use std::time::{Duration, Instant};

use super::super::MAX_DATAGRAM;
use super::super::envelope::{Content, Envelope, State};
use super::super::identity::{Id, NodeId, only_known};
use super::super::keyring::{Refusal, Sealed, SessionKey};
use super::super::peer::Peer;
use super::super::session::Verdict;
use super::{Core, Draft, Source};

/// A session that has not proved itself, and a node that has been declared dead, is answered unasked
/// at most once in so long a time.
const ANSWER_GAP: Duration = Duration::from_millis(5);
/// What a datagram on its way may make of a moment that has not changed.
const STEP: Duration = Duration::from_millis(5);

impl Core {
    /// Takes a datagram. What is not new, not from a node of the list, or not sealed with one of
    /// our keys changes nothing but a counter.
    pub fn receive(&mut self, now: Instant, from: Source, datagram: &[u8]) {
        if self.left {
            return;
        }
        if datagram.len() > MAX_DATAGRAM {
            self.counters.oversized += 1;
            return;
        }
        match self.open(datagram) {
            Ok((sealed, key, body)) => self.judge(now, from, sealed, key, &body),
            Err(Refusal::Malformed) => self.counters.malformed += 1,
            Err(Refusal::Forged) => self.counters.forged += 1,
            Err(Refusal::UnknownKey(id)) => {
                self.counters.unknown_key += 1;
                self.counters.last_unknown_key = Some((from, id));
            }
        }
    }

    /// Opens it with the key of its session, or with one of ours made for it, which is returned
    /// then.
    fn open<'a>(
        &self,
        datagram: &'a [u8],
    ) -> Result<(Sealed<'a>, Option<SessionKey>, Vec<u8>), Refusal> {
        let sealed = Sealed::parse(datagram)?;
        let node = self.sessions.get(&sealed.session);
        let peer = node.and_then(|node| self.peers.as_ref()?.get(node));
        let kept = peer.and_then(|peer| peer.session.key());
        if let Some(key) = kept.filter(|key| key.fits(&sealed)) {
            return Ok((sealed, None, key.open(&sealed)?));
        }
        let key = self.keys.opener(&sealed)?;
        let body = key.open(&sealed)?;
        Ok((sealed, Some(key), body))
    }

    /// Whether it is new, and from a node that we know.
    fn judge(
        &mut self,
        now: Instant,
        from: Source,
        sealed: Sealed<'_>,
        key: Option<SessionKey>,
        body: &[u8],
    ) {
        let Some((envelope, message)) = Envelope::decode(body) else {
            self.counters.malformed += 1;
            return;
        };
        let node = envelope.src.node;
        let me = self.foca.identity().node;
        let peer = self.peers.as_mut().and_then(|peers| peers.get_mut(&node));
        let Some(peer) = peer.filter(|_| envelope.dst == me) else {
            self.counters.stranger += 1;
            return;
        };
        match peer
            .session
            .judge(sealed.session, sealed.sequence, envelope.echo, key)
        {
            Verdict::Replayed => self.counters.replayed += 1,
            Verdict::Unproven => {
                self.counters.unproven += 1;
                if peer.answered_until.is_none_or(|until| until <= now) {
                    peer.answered_until = Some(now + ANSWER_GAP);
                    let draft = Draft {
                        question: false,
                        content: Content::Swim,
                        message: &[],
                        unproven: Some(envelope.challenge),
                    };
                    self.send_draft(now, node, &draft);
                }
            }
            Verdict::Fresh => {
                peer.reached_at(from);
                self.accept(now, &envelope, message);
            }
            Verdict::NewSession => {
                peer.reached_at(from);
                peer.stamp = 0;
                peer.facts_differ = None;
                peer.served = None;
                self.is_unshown = true;
                self.sessions.retain(|_, of| *of != node);
                self.sessions.insert(sealed.session, node);
                let challenge = self.draw();
                if let Some(peer) = self.peer(node) {
                    peer.session.challenge = challenge;
                }
                self.accept(now, &envelope, message);
                self.introduce(now, node);
                self.send_facts(now, node);
                self.tell_view(now, node);
            }
        }
        self.settle(now);
    }

    pub(super) fn peer(&mut self, node: NodeId) -> Option<&mut Peer> {
        self.peers.as_mut().and_then(|peers| peers.get_mut(&node))
    }

    /// What a datagram says that is to be believed.
    fn accept(&mut self, now: Instant, envelope: &Envelope, message: &[u8]) {
        self.counters.received += 1;
        let node = envelope.src.node;
        let asked = self.asked(now, envelope);
        let has_doubts = self.has_doubts();
        let Some(peer) = self.peer(node) else {
            return;
        };
        let was_cut_off = has_doubts && !peer.is_live();
        let before = (peer.generation, peer.since, peer.served);
        if envelope.stamp > peer.stamp {
            peer.stamp = envelope.stamp;
            peer.session.echo = envelope.challenge;
        }
        // Sent at the latest now, at the earliest when what it echoes was: a datagram may have waited.
        let latest = |age| now.checked_sub(Duration::from_micros(age)).unwrap_or(now);
        let since = latest(envelope.age);
        let waited = asked.map(|asked| now.saturating_duration_since(asked));
        let earliest = waited.and_then(|waited| since.checked_sub(waited));
        let is_other = |known: Instant| {
            // In the same life it may have been out of service, and be back.
            since + STEP < known || earliest.is_some_and(|earliest| earliest > known + STEP)
        };
        let is_same = envelope.src.generation == peer.generation;
        if envelope.src.generation > peer.generation || is_same && peer.since.is_some_and(is_other)
        {
            peer.generation = envelope.src.generation;
            peer.since = Some(since);
        }
        if peer.heard < asked {
            peer.heard = asked;
            peer.is_unheard = false;
        }
        let served = Some(latest(envelope.served)).filter(|_| envelope.served > 0);
        let is_earlier = served.map(|served| served + STEP) < peer.served;
        if peer.served.is_none() || served.is_some() && is_earlier {
            peer.served = served;
        }
        let is_news = before != (peer.generation, peer.since, peer.served);
        self.is_unshown |= is_news;
        if was_cut_off {
            self.restart(now);
            self.introduce(now, node);
        }
        self.learn(envelope.src);
        self.heed(now, envelope, asked);
        match envelope.content {
            Content::Facts => self.take_facts(now, message),
            Content::Versions => self.take_versions(now, node, message),
            Content::Leave => self.take_leave(envelope.src),
            Content::View => self.take_view(now, message),
            Content::Swim if message.is_empty() => {}
            Content::Swim => self.take_message(now, envelope, message),
        }
        self.look(now);
        self.compare_views(now, node, envelope.digest);
        self.compare_facts(now, node, envelope.facts);
        let Some(peer) = self.peer(node) else {
            return;
        };
        // One that does not know that it has been declared dead learns it from any answer.
        let dead =
            peer.sight.state == State::Down && peer.answered_until.is_none_or(|until| until <= now);
        if dead {
            peer.answered_until = Some(now + ANSWER_GAP);
        }
        if envelope.question || dead {
            self.send(now, node, false, &[]);
        }
    }

    /// A node that speaks itself is alive in the life in which it does.
    pub(super) fn learn(&mut self, src: Id) {
        let known = self.peer(src.node).map(|peer| peer.sight);
        let is_news = known.is_some_and(|known| match known.state {
            State::Unknown => true,
            State::Alive | State::Suspect | State::Down => known.generation < src.generation,
        });
        if is_news {
            let alive = foca::Member::new(src, 0, foca::State::Alive);
            self.apply(alive, true);
        }
    }

    /// Hands a message to foca, without what it says of nodes that are not in the list.
    fn take_message(&mut self, now: Instant, envelope: &Envelope, message: &[u8]) {
        let me = self.foca.identity().node;
        let peers = self.peers.as_ref();
        let known = |of| of == me || peers.is_some_and(|peers| peers.contains_key(&of));
        match only_known(message, envelope.src, known) {
            Some(message) => {
                let before = *self.foca.identity();
                let done = self.foca.handle_data(&message, &mut self.effects);
                self.note(done);
                self.came_back(now, before);
            }
            None => self.counters.malformed += 1,
        }
    }

    /// How the sender sees us: alive, which renews the fence; suspect, to which we object; dead, or
    /// in a life that we do not know, after which we come back in the next one.
    fn heed(&mut self, now: Instant, envelope: &Envelope, asked: Option<Instant>) {
        let me = *self.foca.identity();
        let sight = envelope.sight;
        if sight.generation > me.generation {
            self.live_as(now, me.silent(sight.generation.saturating_add(1)));
            return;
        }
        if sight.generation < me.generation {
            return;
        }
        let state = match sight.state {
            State::Unknown => return,
            State::Alive => {
                let peer = self.peer(envelope.src.node);
                if let (Some(peer), Some(asked)) = (peer, asked)
                    && peer.answered < Some(asked)
                {
                    let before = peer.answered.replace(asked);
                    if peer.is_voter() && peer.is_live() {
                        self.quorum.renew(before, asked);
                    }
                }
                return;
            }
            State::Suspect => {
                self.trouble(now, self.config.grace);
                foca::State::Suspect
            }
            State::Down => foca::State::Down,
        };
        let heard = foca::Member::new(me, sight.incarnation, state);
        self.apply(heard, true);
        self.came_back(now, me);
        // Whatever foca sends carries the objection, or the new life.
        let done = self.foca.announce(envelope.src, &mut self.effects);
        self.note(done);
    }

    /// When the latest datagram of ours was sent that its sender had; `None` for none.
    fn asked(&self, now: Instant, envelope: &Envelope) -> Option<Instant> {
        let echo = Duration::from_micros(envelope.echo_stamp);
        let asked = self.epoch.checked_add(echo);
        asked.filter(|asked| envelope.echo_stamp > 0 && *asked <= now)
    }

    /// Begins this life.
    pub(super) fn live_as(&mut self, now: Instant, me: Id) {
        let before = *self.foca.identity();
        let done = self.foca.change_identity(me, &mut self.effects);
        self.note(done);
        self.came_back(now, before);
    }

    /// If this is a new life: the others have to be known, and to know us, before we answer.
    pub(super) fn came_back(&mut self, now: Instant, before: Id) {
        if *self.foca.identity() != before {
            self.counters.returns += 1;
            self.since = now;
            self.begin_without_votes(now);
            self.joining_until = Some(now + self.config.join);
            // foca begins to ask again only when it looks at its members.
            let none = std::iter::empty();
            let done = self.foca.apply_many(none, false, &mut self.effects);
            self.note(done);
        }
    }
}
