//! The membership as a value: time and datagrams go in; datagrams, a deadline, the live nodes and
//! the fence come out. It has no clock, socket or randomness of its own.
//!
//! foca does SWIM: whom to ask, when to suspect, what to tell others. Around it are the sealed
//! [`Envelope`], the sessions that keep recordings out, the suspect that is told so directly, and
//! the fence.

mod accept;
mod facts;
mod output;
mod quorum;
mod restart;
mod views;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foca::{Foca, NoCustomBroadcast};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;
use ring::hmac;

use super::config::Config;
use super::envelope::{Content, Envelope, Sight, State};
use super::facts::Version;
use super::identity::{FixedCodec, Id, NodeId};
use super::keyring::{Keyring, SessionId, SessionKey};
use super::peer::Peer;
use super::timers::{Due, Effects, Timers};
use super::{Addresses, Live};
use output::Shown;
pub use output::{Counters, Transmit};
use quorum::Quorum;
pub use quorum::Standing;
use watch::Watch;

/// Other nodes that are heeded, at most; of a longer list the last names are left out.
pub const MAX_PEERS: usize = 4096;
/// Datagrams that wait to be sent, at most; more are dropped, as a network would.
pub const MAX_TRANSMITS: usize = 1024;
/// Nodes that are not alive are asked at most so many at once.
const MAX_RETRIES: usize = 32;
/// So many others are asked at once to renew the fence.
const FENCE_QUESTIONS: usize = 3;

/// Secret randomness for one run: 32 octets from the system.
pub type Seed = [u8; 32];

/// What a datagram is to say.
struct Draft<'a> {
    question: bool,
    content: Content,
    message: &'a [u8],
    /// The challenge of a session that has not proved itself, to which this is the answer.
    unproven: Option<u64>,
}

/// One member.
pub struct Core {
    config: Config,
    foca: Foca<Id, FixedCodec, SmallRng, NoCustomBroadcast>,
    effects: Effects,
    /// foca may see its members in another way than when that was last looked at.
    is_unseen: bool,
    /// How it saw them then.
    looked: Vec<foca::Member<Id>>,
    /// What [`Core::digest`] says of the others; `None` since one of them has changed.
    digest: Option<u64>,
    timers: Timers,
    /// The next look at everything that is done every [`Config::gossip`].
    tick_at: Instant,
    name: Arc<str>,
    keys: Keyring,
    session: SessionId,
    sealer: SessionKey,
    sequence: u64,
    secret: hmac::Key,
    drawn: u64,
    rng: SmallRng,
    /// `None` before the first list.
    peers: Option<BTreeMap<NodeId, Peer>>,
    /// This node is in the list itself, or the list is empty.
    is_voter: bool,
    /// Which node has a proven session.
    sessions: BTreeMap<SessionId, NodeId>,
    transmits: VecDeque<Transmit>,
    live: Arc<Live>,
    /// What `live` was made of.
    shown: Vec<Shown>,
    /// Something of another member may have changed that `live` is made of.
    is_unshown: bool,
    /// A member may have been declared dead while most were not with this node.
    may_doubt: bool,
    /// What the others are told of this node; `None` for nothing yet.
    facts: Option<Version>,
    /// The number of the first version of them.
    first_version: u64,
    /// All versions of all nodes, as one number.
    facts_digest: u64,
    /// Moment 0 of what is told as [`Envelope::stamp`].
    epoch: Instant,
    /// When this life began.
    since: Instant,
    /// When the fence first opened.
    served: Option<Instant>,
    /// Until then not all others are known: the fence is closed. `None`: they are.
    joining_until: Option<Instant>,
    /// What changes is our own verdict, and nobody else's.
    is_judging: bool,
    /// It has just started, and has not heard yet who was declared dead before.
    has_joined: bool,
    quorum: Quorum,
    /// Whom it watches, while that has not answered.
    watch: Option<Watch>,
    left: bool,
    counters: Counters,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("me", self.foca.identity())
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// A member that knows nobody. `generation`: microseconds of the wall clock; not 0. `None` only
    /// if the cipher cannot be set up.
    pub fn new(
        config: Config,
        name: &str,
        keys: Keyring,
        seed: Seed,
        generation: u64,
        now: Instant,
    ) -> Option<Core> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        let session = half(&secret, b"session");
        let sealer = keys.sealer(session)?;
        let me = Id {
            node: NodeId::of(name),
            generation: generation | 1,
        };
        let name: Arc<str> = name.into();
        let drawn = half(&secret, b"random");
        let seeds = u128::from_be_bytes(drawn);
        let rng = |shift: u32| SmallRng::seed_from_u64((seeds >> shift) as u64);
        let mut live = Live::default();
        live.nodes.insert(
            name.clone(),
            super::LiveNode {
                generation: me.generation,
                since: now,
                served: None,
                facts: None,
            },
        );
        Some(Core {
            foca: Foca::new(me, config.for_foca(), rng(0), FixedCodec),
            effects: Effects::default(),
            is_unseen: false,
            looked: Vec::new(),
            digest: None,
            timers: Timers::default(),
            tick_at: now,
            name,
            keys,
            session,
            sealer,
            sequence: 0,
            secret,
            drawn: 0,
            rng: rng(64),
            peers: None,
            is_voter: true,
            sessions: BTreeMap::new(),
            transmits: VecDeque::new(),
            live: Arc::new(live),
            shown: Vec::new(),
            is_unshown: true,
            may_doubt: false,
            facts: None,
            first_version: me.generation,
            facts_digest: 0,
            // Moment 0 means "none".
            epoch: now.checked_sub(Duration::from_micros(1)).unwrap_or(now),
            since: now,
            served: None,
            joining_until: Some(now + config.join),
            is_judging: false,
            has_joined: false,
            quorum: Quorum::new(now),
            watch: None,
            left: false,
            counters: Counters::default(),
            config,
        })
    }

    /// Replaces the list of nodes. Whoever is no longer in it is forgotten. A node that is not in
    /// the list itself is no voter: the others do not know of it. Its addresses do not matter.
    pub fn set_peers(&mut self, now: Instant, list: &Addresses) {
        self.is_voter = list.is_empty() || list.contains_key(&self.name);
        let mut old = self.peers.take().unwrap_or_default();
        let mut peers = BTreeMap::new();
        let me = self.name.clone();
        let others = list.iter().filter(|(name, _)| **name != me);
        for (name, addresses) in others.take(MAX_PEERS) {
            let id = NodeId::of(name);
            let mut peer = match old.remove(&id) {
                Some(peer) => peer,
                None => Peer::new(name.clone(), Vec::new(), self.draw()),
            };
            peer.set_addresses(addresses);
            peers.insert(id, peer);
        }
        self.must_look_at_all();
        if self.peers.replace(peers).is_none() {
            self.begin_without_votes(now);
        }
        for (node, peer) in old {
            self.sessions.retain(|_, of| *of != node);
            let id = Id {
                node,
                generation: peer.sight.generation,
            };
            if peer.is_live() {
                let down = foca::Member::new(id, peer.sight.incarnation, foca::State::Down);
                self.apply(down, false);
            }
        }
        self.sum_facts();
        self.tick_at = self.tick_at.min(now);
        self.settle(now);
    }

    /// Replaces the keys. From now on the first of them seals.
    pub fn set_keys(&mut self, keys: Keyring) {
        if let Some(sealer) = keys.sealer(self.session) {
            self.sealer = sealer;
            self.keys = keys;
            // What was opened with a key that may be gone has to be opened anew.
            for peer in self.peers.iter_mut().flat_map(BTreeMap::values_mut) {
                peer.session.forget_key();
            }
        }
    }

    /// This node is in service again, after it was not: all are told that it has been alive, as far
    /// as elections go, since now.
    pub fn is_back_in_service(&mut self, now: Instant) {
        self.since = now;
        self.settle(now);
    }

    /// Tells the others that this member goes. From then on nothing is sent or heard.
    pub fn leave(&mut self, now: Instant) {
        if self.left {
            return;
        }
        // Twice, as one may be lost.
        for node in self.proven().repeat(2) {
            let draft = Draft {
                question: false,
                content: Content::Leave,
                message: &[],
                unproven: None,
            };
            self.send_draft(now, node, &draft);
        }
        let done = self.foca.leave_cluster(&mut self.effects);
        self.note(done);
        for _ in 0..2 {
            let done = self.foca.gossip(&mut self.effects);
            self.note(done);
        }
        self.settle(now);
        self.left = true;
    }

    /// Does what is due. What has arrived by now is to be given to [`Core::receive`] before.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(due) = self.poll_timeout().filter(|due| *due <= now) else {
            return;
        };
        if self.quorum.due.is_some_and(|due| due <= now) {
            self.settle(now);
        }
        let late = now.saturating_duration_since(due);
        if late > self.config.asleep {
            self.timers.put_off(late);
            self.watch = None;
            self.counters.asleep += 1;
        }
        self.is_judging = true;
        // Each timer sets itself again later than now, so that this ends; the bound is for a
        // defect.
        for _ in 0..MAX_TRANSMITS {
            match self.timers.take(now) {
                Some(Due::Foca(timer)) => {
                    let done = self.foca.handle_timer(timer, &mut self.effects);
                    self.note(done);
                }
                Some(Due::Verdict(suspect)) => self.declare_dead(suspect),
                None => break,
            }
            self.settle(now);
        }
        self.is_judging = false;
        if self.tick_at <= now {
            self.tick_at = now + self.config.gossip;
            self.tick(now);
        }
    }

    /// When [`Core::handle_timeout`] is to be called; `None` after [`Core::leave`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = [self.timers.next(), self.quorum.due, Some(self.tick_at)];
        let next = next.into_iter().flatten().min();
        next.filter(|_| !self.left)
    }

    /// Asks those who are not known as alive, and those who can renew the fence.
    fn tick(&mut self, now: Instant) {
        let first = self.config.retry;
        let most = match self.quorum.standing {
            // As many others may answer as well, or nobody does: they are to be found soon.
            Standing::Half | Standing::Minority => first,
            Standing::Majority => self.config.retry_most,
        };
        let mut absent = Vec::new();
        let mut suspects = Vec::new();
        for (node, peer) in self.peers.iter().flatten() {
            match peer.sight.state {
                State::Alive => {}
                State::Suspect => suspects.push(*node),
                State::Unknown | State::Down if peer.retry_is_due(now) => absent.push(*node),
                State::Unknown | State::Down => {}
            }
        }
        // Each has its turn, also where there are more than are asked at once.
        for node in absent
            .into_iter()
            .choose_multiple(&mut self.rng, MAX_RETRIES)
        {
            if let Some(peer) = self.peer(node) {
                peer.retry(now, first, most);
            }
            self.introduce(now, node);
        }
        for node in suspects {
            self.send(now, node, true, &[]);
        }
        self.watch(now);
        self.ask_for_facts(now);
        self.ask_for_votes(now);
        self.settle(now);
    }

    /// Makes a node that is not alive know of us: asks for proof of its session, or announces us.
    fn introduce(&mut self, now: Instant, node: NodeId) {
        let Some(peer) = self.peers.as_ref().and_then(|peers| peers.get(&node)) else {
            return;
        };
        if peer.session.is_proven() {
            let generation = peer.sight.generation.max(peer.generation);
            let done = self
                .foca
                .announce(Id { node, generation }, &mut self.effects);
            self.note(done);
            self.settle(now);
        } else {
            self.send(now, node, true, &[]);
        }
    }

    /// Tells foca what is known of a member; `tell`: it is to tell the others.
    fn apply(&mut self, member: foca::Member<Id>, tell: bool) {
        let member = std::iter::once(member);
        let done = self.foca.apply_many(member, tell, &mut self.effects);
        self.note(done);
    }

    /// After each call of foca: counts what it could not do.
    fn note(&mut self, done: Result<(), foca::Error>) {
        self.is_unseen = true;
        if done.is_err() {
            self.counters.protocol += 1;
        }
    }

    /// Peers are others now, or known in another way than foca knows them.
    fn must_look_at_all(&mut self) {
        self.is_unseen = true;
        self.looked.clear();
        self.has_changed();
    }

    /// Something of another member has changed that its vote, the digest or `live` is made of.
    fn has_changed(&mut self) {
        self.digest = None;
        self.quorum.is_unread = true;
        self.is_unshown = true;
    }

    /// Takes from foca what it wants done, and looks how it sees the members now.
    fn settle(&mut self, now: Instant) {
        let timers = std::mem::take(&mut self.effects.timers);
        for (timer, after) in timers {
            self.timers.set(now + after, Due::Foca(timer));
        }
        self.look(now);
        for (to, message) in std::mem::take(&mut self.effects.send) {
            self.send(now, to.node, false, &message);
        }
        let is_joining = self.joining_until.is_some() || !self.has_joined;
        let has_waited = self.joining_until.is_some_and(|until| now >= until);
        if is_joining && (has_waited || self.knows_all()) {
            self.joining_until = None;
            self.has_joined = true;
        }
        self.judge_standing(now);
        self.speak_or_be_silent(now);
        self.publish(now);
    }

    /// Copies how foca sees each node of the list, and tells new suspects at once.
    fn look(&mut self, now: Instant) {
        if !std::mem::take(&mut self.is_unseen) {
            return;
        }
        if self.foca.iter_membership_state().eq(&self.looked) {
            return;
        }
        self.looked.clear();
        let members = self.foca.iter_membership_state();
        self.looked.extend(members.cloned());
        self.has_changed();
        let mut suspects = Vec::new();
        let mut lost = false;
        let is_doubtful = self.is_judging && self.quorum.standing == Standing::Minority;
        if let Some(peers) = &mut self.peers {
            for member in &self.looked {
                let Some(peer) = peers.get_mut(&member.id().node) else {
                    continue;
                };
                let state = match member.state() {
                    foca::State::Alive => State::Alive,
                    foca::State::Suspect => State::Suspect,
                    foca::State::Down => State::Down,
                };
                if state == State::Suspect && peer.sight.state != State::Suspect {
                    suspects.push(member.id().node);
                }
                if state != peer.sight.state {
                    peer.is_doubtful = state == State::Down && is_doubtful;
                    self.may_doubt |= peer.is_doubtful;
                }
                match state {
                    State::Alive => peer.forget_retries(),
                    State::Suspect | State::Down => lost |= peer.sight.state != state,
                    State::Unknown => {}
                }
                peer.sight = Sight {
                    state,
                    generation: member.id().generation,
                    incarnation: member.incarnation(),
                };
                if peer.is_live() && peer.left < Some(peer.sight.generation) {
                    peer.left = None;
                }
            }
        }
        if lost {
            self.trouble(now, self.config.grace);
        }
        self.counters.suspicions += suspects.len() as u64;
        for node in suspects {
            self.send(now, node, true, &[]);
        }
    }

    fn knows_all(&self) -> bool {
        // Of one that is dead it is enough that others have said so; one that has left says nothing.
        let is_known = |peer: &Peer| peer.sight.state != State::Unknown || !peer.is_voter();
        let known = |peers: &BTreeMap<NodeId, Peer>| peers.values().all(is_known);
        self.peers.as_ref().is_some_and(known)
    }

    /// Seals a message of foca, or none, for a node, and puts it with those to be sent.
    fn send(&mut self, now: Instant, node: NodeId, question: bool, message: &[u8]) {
        let draft = Draft {
            question,
            content: Content::Swim,
            message,
            unproven: None,
        };
        self.send_draft(now, node, &draft);
    }

    fn send_draft(&mut self, now: Instant, node: NodeId, draft: &Draft<'_>) {
        let digest = self.digest();
        let Some(peer) = self.peers.as_ref().and_then(|peers| peers.get(&node)) else {
            return;
        };
        let Some(to) = peer.address().filter(|_| !self.left) else {
            return;
        };
        if self.transmits.len() >= MAX_TRANSMITS {
            self.counters.unsent += 1;
            return;
        }
        let envelope = Envelope {
            src: *self.foca.identity(),
            dst: node,
            question: draft.question,
            content: draft.content,
            challenge: peer.session.challenge,
            echo: draft.unproven.unwrap_or(peer.session.echo),
            stamp: self.stamp(now),
            echo_stamp: peer.stamp,
            age: micros(now.saturating_duration_since(self.since)),
            served: self
                .served
                .map_or(0, |at| micros(now.saturating_duration_since(at)).max(1)),
            facts: self.facts_digest,
            digest,
            sight: self.vote_for(peer),
        };
        let undoubted = match draft.content {
            Content::Swim => self.undoubted(draft.message),
            Content::Facts | Content::Leave | Content::View | Content::Versions => None,
        };
        let body = envelope.encode(undoubted.as_deref().unwrap_or(draft.message));
        self.sequence += 1;
        if let Some(datagram) = self.sealer.seal(self.sequence, &body) {
            self.transmits.push_back(Transmit { to, datagram });
        }
    }

    /// A moment as others echo it.
    fn stamp(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.epoch)).max(1)
    }

    /// A random number that nobody can guess.
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let drawn = half(&self.secret, &self.drawn.to_be_bytes());
        (u128::from_be_bytes(drawn) as u64).max(1)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Sixteen octets that follow from a secret and a label.
fn half(secret: &hmac::Key, label: &[u8]) -> [u8; 16] {
    let tag = hmac::sign(secret, label);
    let mut out = [0; 16];
    out.iter_mut()
        .zip(tag.as_ref())
        .for_each(|(to, from)| *to = *from);
    out
}

/// An address that datagrams come from.
pub type Source = SocketAddr;
