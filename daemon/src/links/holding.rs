//! Which addresses this node answers for, and how: what an election decided, made into an
//! [`AddressSet`], with the times between one owner and the next.
//!
//! A value without a clock, a socket or a task. Its bound is the number of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use l2::responder::{Address, AddressSet, AddressState, Claim, Interfaces, OnConflict};
use plan::elect::{self, Elections, Here};

use crate::link_io::LinkView;

/// An address that another node was elected for is answered for this long, unless that node is heard
/// before. The other one may have heard of its election two rounds of gossip earlier: together it is
/// as long as the fence of a node that died, and two never answer for longer than that.
pub const HAND_OVER: Duration = Duration::from_millis(160);
/// The same for a node that stops, which tells all others at once.
pub const LEAVE: Duration = Duration::from_millis(240);
/// A claim that was heard so long before the address was given away is that of its next owner, which
/// has heard of the election before this node has.
pub const HEARD_BEFORE: Duration = Duration::from_millis(500);
/// After another speaker has claimed what was given to this node: if it is still so by then, one of
/// the two has not heard of the other's election, and the caches of the segment are set right.
pub const REPEAT_AFTER: Duration = Duration::from_millis(100);
/// Between two such announcements of one address.
pub const REPEAT_EVERY: Duration = Duration::from_secs(10);

/// What is answered for, and since when.
#[derive(Debug, Default)]
pub struct Holding {
    held: BTreeMap<IpAddr, Held>,
    /// What was elected when that was last remembered.
    known: Elections,
    /// Who else was last elected for an address.
    others: BTreeMap<IpAddr, Arc<str>>,
    /// What this node has claimed, and so has probed before, or others had before it began; as long
    /// as somebody is elected for it.
    had: BTreeSet<IpAddr>,
    /// It has been trusted once.
    begun: bool,
    /// The node stops: it takes nothing any more.
    leaving: bool,
}

#[derive(Debug)]
struct Held {
    address: Address,
    /// When it was given to another node.
    given_away: Option<Instant>,
    /// When it was last announced because another speaker had claimed it.
    repeated: Option<Instant>,
}

/// What decides.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who was elected.
    pub elections: &'a Elections,
    /// Who is known to have answered, from before this node began.
    pub owners: &'a OrdMap<IpAddr, Arc<str>>,
    /// What was heard on the segments.
    pub view: &'a LinkView,
    /// How far this node may trust that it knows who else answers.
    pub trust: Trust,
    /// Other nodes have been there for longer than this one: whatever there is when it begins, they
    /// have probed.
    pub joins: bool,
    /// Others may have heard of what this node has not: what another speaker claims is left to it.
    pub is_outdated: bool,
}

/// How far this node may trust that nobody else answers for what it was elected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It knows of all who might.
    Full,
    /// As many nodes as there are here may be alive elsewhere: whatever is claimed is probed before,
    /// and left to whichever of them has it ([`Claim::Divided`]).
    Probe,
    /// Nothing may be claimed.
    None,
}

/// What comes of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// All that is to be answered for.
    pub addresses: Arc<AddressSet>,
    /// What is to be announced anew.
    pub announce: Vec<IpAddr>,
    /// When to ask again, although nothing has changed.
    pub due: Option<Instant>,
}

impl Holding {
    /// What is to be answered for at `now`, which never goes back.
    pub fn next(&mut self, now: Instant, facts: Facts<'_>) -> Next {
        if facts.trust == Trust::None {
            self.held.clear();
            return Next::default();
        }
        self.remember_states(facts);
        if !std::mem::replace(&mut self.begun, true) && facts.joins {
            let elected = facts.elections.by_address.keys();
            self.had.extend(elected.copied());
        }
        let mut next = Next::default();
        if !self.leaving {
            self.take(facts);
        }
        self.give_away(now, facts, &mut next);
        self.repeat(now, facts, &mut next);
        self.remember(facts.elections);
        let set = self.held.iter();
        let set = set.map(|(address, held)| (*address, held.address.clone()));
        next.addresses = Arc::new(set.collect());
        next
    }

    /// This node stops: all that it answers for goes to others, as they take it.
    pub fn leave(&mut self, now: Instant) {
        self.leaving = true;
        for held in self.held.values_mut() {
            held.give_away(now);
        }
    }

    /// What this node was elected for.
    fn take(&mut self, facts: Facts<'_>) {
        for address in &facts.elections.here {
            let elected = facts.elections.by_address.get(address);
            let here = elected.and_then(|elected| elected.here.as_ref());
            let Some(here) = here else { continue };
            let (interfaces, on_conflict) = (interfaces(here), on_conflict(here));
            let known = self.others.contains_key(address)
                || self.had.contains(address)
                || facts.owners.contains_key(address);
            if let Some(held) = self.held.get_mut(address) {
                let before = held.address.claim;
                held.address.claim = match (facts.trust, before) {
                    (Trust::Full, Claim::Divided) => Claim::TakenOver,
                    (Trust::Full, Claim::FirstEver | Claim::TakenOver) => before,
                    (Trust::Probe | Trust::None, _) => Claim::Divided,
                };
                held.given_away = None;
                held.address.handing_over = false;
                held.address.yields = facts.is_outdated;
                held.address.interfaces = interfaces;
                held.address.on_conflict = on_conflict;
                continue;
            }
            let claim = match (known, facts.trust) {
                (true, Trust::Full) => Claim::TakenOver,
                (false, Trust::Full) => Claim::FirstEver,
                (_, Trust::Probe | Trust::None) => Claim::Divided,
            };
            let held = Held {
                address: Address {
                    interfaces,
                    claim,
                    on_conflict,
                    handing_over: false,
                    yields: facts.is_outdated,
                },
                given_away: None,
                repeated: None,
            };
            self.held.insert(*address, held);
        }
    }

    /// What this node was not elected for, or no longer.
    fn give_away(&mut self, now: Instant, facts: Facts<'_>, next: &mut Next) {
        let limit = match self.leaving {
            true => LEAVE,
            false => HAND_OVER,
        };
        self.held.retain(|address, held| {
            let elected = facts.elections.by_address.get(address);
            let Some(elected) = elected else { return false };
            if elected.here.is_some() && held.given_away.is_none() {
                return true;
            }
            if elected.owner.is_none() {
                return false;
            }
            let since = held.give_away(now);
            let taken = heard(facts.view, *address).is_some_and(|at| at + HEARD_BEFORE >= since);
            let until = since + limit;
            if taken || until <= now {
                return false;
            }
            next.due = next.due.into_iter().chain([until]).min();
            true
        });
    }

    /// What another speaker claims although it is this node's.
    fn repeat(&mut self, now: Instant, facts: Facts<'_>, next: &mut Next) {
        for (address, held) in &mut self.held {
            let Some(heard) = heard(facts.view, *address) else {
                continue;
            };
            let is_old = held.repeated.is_some_and(|repeated| heard <= repeated);
            // What has been left to that speaker is not announced.
            let is_left = facts.is_outdated && !is_answered(facts.view, *address);
            if held.given_away.is_some() || is_old || is_left {
                continue;
            }
            let again = held.repeated.map(|repeated| repeated + REPEAT_EVERY);
            let at = again.into_iter().chain([heard + REPEAT_AFTER]).max();
            match at {
                Some(at) if at > now => next.due = next.due.into_iter().chain([at]).min(),
                Some(_) | None => {
                    held.repeated = Some(now);
                    next.announce.push(*address);
                }
            }
        }
    }

    fn remember_states(&mut self, facts: Facts<'_>) {
        let elected = &facts.elections.by_address;
        for ((address, _), state) in &facts.view.states {
            match state {
                AddressState::Claimed
                    if !self.had.contains(address) && elected.contains_key(address) =>
                {
                    self.had.insert(*address);
                }
                AddressState::Quarantined { .. } => {
                    self.had.remove(address);
                }
                AddressState::Claimed
                | AddressState::Contested { .. }
                | AddressState::Probing
                | AddressState::Fenced
                | AddressState::InterfaceDown
                | AddressState::OwnAddress => {}
            }
        }
    }

    /// All that is remembered is of addresses that are elected for: each was when it came, and what
    /// is elected for no more is forgotten here, in the same round or a later one.
    fn remember(&mut self, elections: &Elections) {
        let known = std::mem::replace(&mut self.known, elections.clone());
        for change in known.by_address.diff(&elections.by_address) {
            match change {
                DiffItem::Remove(address, _) => {
                    self.had.remove(address);
                    self.others.remove(address);
                }
                DiffItem::Add(address, elected)
                | DiffItem::Update {
                    new: (address, elected),
                    ..
                } => {
                    let other = elected.owner.clone().filter(|_| elected.here.is_none());
                    self.others.extend(other.map(|owner| (*address, owner)));
                }
            }
        }
    }
}

impl Held {
    /// When it was given to another node; now, if it was not.
    fn give_away(&mut self, now: Instant) -> Instant {
        self.address.handing_over = true;
        *self.given_away.get_or_insert(now)
    }
}

fn interfaces(here: &Here) -> Interfaces {
    match &here.interfaces {
        elect::Interfaces::All => Interfaces::All,
        elect::Interfaces::Named(names) => Interfaces::Named(Arc::clone(names)),
    }
}

fn on_conflict(here: &Here) -> OnConflict {
    match here.is_replaceable {
        true => OnConflict::GiveUp,
        false => OnConflict::Defend,
    }
}

/// When another speaker last claimed the address, on any interface.
fn heard(view: &LinkView, address: IpAddr) -> Option<Instant> {
    let on_all = view.other_owners.range((address, 0)..=(address, u32::MAX));
    on_all.map(|(_, owner)| owner.at).max()
}

/// Whether this node answers for the address, on any interface.
fn is_answered(view: &LinkView, address: IpAddr) -> bool {
    let mut on_all = view.states.range((address, 0)..=(address, u32::MAX));
    on_all.any(|(_, state)| state.is_answered())
}
