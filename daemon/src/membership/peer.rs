//! Another node of the list, as this one knows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::envelope::{Sight, State};
use super::facts::{Differs, Version};
use super::identity::is_silent;
use super::session::Session;

/// Another node.
#[derive(Debug)]
pub struct Peer {
    /// Its name.
    pub name: Arc<str>,
    /// Where it may be reached.
    addresses: Vec<SocketAddr>,
    /// Which of them is used.
    at: usize,
    /// Its session.
    pub session: Session,
    /// How we see it.
    pub sight: Sight,
    /// The latest moment of its own clock that it has told.
    pub stamp: u64,
    /// The life of which the next is known.
    pub generation: u64,
    /// Since when it has been in that life.
    pub since: Option<Instant>,
    /// When its fence first opened, in whichever life of this run.
    pub served: Option<Instant>,
    /// When it is asked next, if it is not alive, and the wait after that.
    retry_at: Option<Instant>,
    retry: Duration,
    /// Until then no further unasked answer.
    pub answered_until: Option<Instant>,
    /// When the latest of our questions was sent that it has answered while it saw us alive.
    pub answered: Option<Instant>,
    /// When the latest of our datagrams was sent that it has had, as it has told.
    pub heard: Option<Instant>,
    /// It has been asked again and again since then, and has not answered.
    pub is_unheard: bool,
    /// Since when it has seen others alive than we do; when it is told so next.
    pub differs_since: Option<Instant>,
    /// We have declared it dead ourselves, without a majority: nobody is told, and it may be us
    /// who were cut off.
    pub is_doubtful: bool,
    /// The life in which it has left.
    pub left: Option<u64>,
    /// The latest of its facts that has been heard, from it or others.
    pub facts: Option<Version>,
    /// Since when it has had other facts of all nodes than we do.
    pub facts_differ: Option<Differs>,
}

impl Peer {
    /// A node of which nothing is known but the list's entry.
    pub fn new(name: Arc<str>, addresses: Vec<SocketAddr>, challenge: u64) -> Peer {
        Peer {
            name,
            addresses,
            at: 0,
            session: Session::new(challenge),
            sight: Sight::default(),
            stamp: 0,
            generation: 0,
            since: None,
            served: None,
            retry_at: None,
            retry: Duration::ZERO,
            answered_until: None,
            answered: None,
            heard: None,
            is_unheard: false,
            differs_since: None,
            is_doubtful: false,
            left: None,
            facts: None,
            facts_differ: None,
        }
    }

    /// Replaces where it may be reached.
    pub fn set_addresses(&mut self, addresses: &[SocketAddr]) {
        if self.addresses != addresses {
            let used = self.address();
            self.addresses = addresses.to_vec();
            self.at = 0;
            if let Some(used) = used {
                self.reached_at(used);
            }
            self.retry_at = None;
            self.retry = Duration::ZERO;
        }
    }

    /// Where it is asked; `None` if the list has no address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.get(self.at).copied()
    }

    /// It has sent something that is new and its own from there. Only addresses of the list count.
    pub fn reached_at(&mut self, from: SocketAddr) {
        if let Some(at) = self.addresses.iter().position(|address| *address == from) {
            self.at = at;
        }
    }

    /// Whether it counts as alive.
    pub fn is_live(&self) -> bool {
        match self.sight.state {
            State::Alive | State::Suspect => true,
            State::Unknown | State::Down => false,
        }
    }

    /// Whether it says of itself that it answers for nothing.
    pub fn is_silent(&self) -> bool {
        is_silent(self.sight.generation)
    }

    /// Whether it counts when this node looks for a majority.
    pub fn is_voter(&self) -> bool {
        self.left.is_none()
    }

    /// Whether it is time to ask it, if it is not alive.
    pub fn retry_is_due(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    /// It is asked now. The next time is later, and at its next address if it has never answered.
    pub fn retry(&mut self, now: Instant, first: Duration, most: Duration) {
        if !self.session.is_proven() && self.retry_at.is_some() && !self.addresses.is_empty() {
            self.at = (self.at + 1) % self.addresses.len();
        }
        self.retry = (self.retry * 2).clamp(first.min(most), most);
        self.retry_at = Some(now + self.retry);
    }

    /// Another member says how old it is in a life. What it says itself is better.
    pub fn hear_since(&mut self, generation: u64, now: Instant, age: Duration) {
        if self.generation < generation {
            self.generation = generation;
            self.since = Some(now.checked_sub(age).unwrap_or(now));
        }
    }

    /// The next time that it is not alive it is asked soon again.
    pub fn forget_retries(&mut self) {
        self.retry_at = None;
        self.retry = Duration::ZERO;
    }
}
