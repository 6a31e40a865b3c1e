//! One address on one interface: the state machine of RFC 5227 and RFC 4862 §5.4.

use std::time::{Duration, Instant};

use pnet_base::MacAddr;

use super::address::{Address, Claim, OnConflict};
use super::config::{
    ANNOUNCE_INTERVAL, ANNOUNCE_NUM, CALM_AFTER, CONFLICT_OVER_AFTER, Config, DEFENCE_HEARD_AFTER,
    DEFEND_INTERVAL, FIRST_QUARANTINE, FIRST_YIELD, FIRST_YIELDS, MAX_QUARANTINE, Probing, YIELD,
};
use super::event::{AddressCounters, AddressState};
use super::queue::Purpose;
use super::random::Random;

/// Doublings after which a quarantine is over [`MAX_QUARANTINE`], and a wait over [`YIELD`].
const MAX_DOUBLINGS: u32 = 5;

/// One address on one interface.
#[derive(Debug)]
pub(super) struct Entry {
    state: State,
    on_conflict: OnConflict,
    handing_over: bool,
    /// It is left to other speakers as [`Claim::Divided`] says.
    is_divided: bool,
    /// It is left to any that claims it ([`Address::yields`]).
    yields: bool,
    /// How often it has been left to them since it was last ours.
    left: u32,
    /// Quarantines since it was last calm, and when the last began.
    quarantines: (u32, Option<Instant>),
    /// What the caller has last been told.
    pub(super) reported: Option<AddressState>,
    /// Another owner, of whom the caller has not been told yet.
    pub(super) other_owner: Option<MacAddr>,
    pub(super) counters: AddressCounters,
}

#[derive(Clone, Debug)]
enum State {
    /// Says nothing and hears nothing, and goes on with what it was doing.
    Silent(Silence, Resume),
    /// `sent` probes are out; the next, or the claim, comes at `next`.
    Probing { sent: u8, next: Instant },
    /// Ours. `announced` of the first announcements are out; the next, or the next refresh, comes
    /// at `next`.
    Claimed {
        announced: u8,
        next: Option<Instant>,
        contest: Option<Contest>,
    },
    /// A stranger has it.
    Quarantined(Quarantine),
}

/// Why nothing may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Fenced,
    InterfaceDown,
    OwnAddress,
}

/// How to go on after a silence.
#[derive(Clone, Copy, Debug)]
enum Resume {
    Probe,
    Announce,
    Quarantine(Quarantine),
}

#[derive(Clone, Copy, Debug)]
struct Quarantine {
    by: MacAddr,
    until: Instant,
}

/// A stranger claims an address that is ours.
#[derive(Clone, Copy, Debug)]
struct Contest {
    by: MacAddr,
    heard: Instant,
    defended: Instant,
    /// It was heard after the defence, which is due again.
    again: bool,
}

impl Contest {
    fn due(&self) -> Instant {
        match self.again {
            true => self.defended + DEFEND_INTERVAL,
            false => self.heard + CONFLICT_OVER_AFTER,
        }
    }
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Send {
    Probe,
    Announcement,
    /// The one announcement that RFC 5227 §2.4 allows.
    Defence,
}

/// What the steps of an entry depend on.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a Config,
    pub(super) random: &'a mut Random,
}

impl Entry {
    /// One that says nothing until it may. `claimed`: the address is ours on another interface.
    pub(super) fn new(address: &Address, claimed: bool) -> Entry {
        let resume = match (address.claim, claimed) {
            (Claim::FirstEver, false) | (Claim::Divided, _) => Resume::Probe,
            (Claim::FirstEver, true) | (Claim::TakenOver, _) => Resume::Announce,
        };
        Entry {
            state: State::Silent(Silence::Fenced, resume),
            on_conflict: address.on_conflict,
            handing_over: address.handing_over,
            is_divided: address.claim == Claim::Divided,
            yields: address.yields,
            left: 0,
            quarantines: (0, None),
            reported: None,
            other_owner: None,
            counters: AddressCounters::default(),
        }
    }

    /// Takes what the desired set says of the address now.
    pub(super) fn set(&mut self, now: Instant, address: &Address) {
        self.on_conflict = address.on_conflict;
        let is_divided = address.claim == Claim::Divided;
        let was_divided = std::mem::replace(&mut self.is_divided, is_divided);
        self.yields = address.yields;
        let kept = self.handing_over && !address.handing_over;
        self.handing_over = address.handing_over;
        if kept || was_divided && !is_divided && self.is_claimed() {
            // The one that was to have it, or another one of as many nodes, may have announced it.
            self.again(now);
        }
        let undisturbed = self.quarantines.0 == 0;
        if address.claim == Claim::TakenOver && undisturbed {
            match self.state {
                State::Probing { .. } => self.state = claimed(now),
                State::Silent(silence, Resume::Probe) => {
                    self.state = State::Silent(silence, Resume::Announce);
                }
                State::Silent(..) | State::Claimed { .. } | State::Quarantined(_) => {}
            }
        }
    }

    /// Takes whether anything may be said now.
    pub(super) fn permit(&mut self, may: Result<(), Silence>, context: &mut Context<'_>) {
        self.state = match (may, &self.state) {
            (Err(silence), State::Silent(_, resume)) => State::Silent(silence, *resume),
            (Err(silence), State::Probing { .. }) => State::Silent(silence, Resume::Probe),
            (Err(silence), State::Claimed { .. }) => State::Silent(silence, Resume::Announce),
            (Err(silence), State::Quarantined(quarantine)) => {
                State::Silent(silence, Resume::Quarantine(*quarantine))
            }
            (Ok(()), State::Silent(_, resume)) => match *resume {
                Resume::Probe => probing(self.is_divided, context),
                // It has not answered meanwhile, so that another one may have found nobody.
                Resume::Announce if self.is_divided => probing(true, context),
                Resume::Announce => claimed(context.now),
                Resume::Quarantine(quarantine) => State::Quarantined(quarantine),
            },
            (Ok(()), State::Probing { .. } | State::Claimed { .. } | State::Quarantined(_)) => {
                return;
            }
        };
    }

    /// Announces anew what is ours, and probes anew what is being probed.
    pub(super) fn again(&mut self, now: Instant) {
        match &mut self.state {
            State::Probing { sent, next } => (*sent, *next) = (0, now),
            State::Claimed {
                announced, next, ..
            } => (*announced, *next) = (0, Some(now)),
            State::Silent(..) | State::Quarantined(_) => {}
        }
    }

    /// `by` has turned out to be one of our speakers, and no stranger.
    pub(super) fn forgive(&mut self, is_speaker: impl Fn(MacAddr) -> bool, now: Instant) {
        match &mut self.state {
            State::Claimed { contest, .. } => {
                contest.take_if(|contest| is_speaker(contest.by));
            }
            State::Quarantined(quarantine) if is_speaker(quarantine.by) => {
                quarantine.until = now;
                self.quarantines = (0, None);
            }
            State::Silent(_, Resume::Quarantine(quarantine)) if is_speaker(quarantine.by) => {
                quarantine.until = now;
                self.quarantines = (0, None);
            }
            State::Silent(..) | State::Probing { .. } | State::Quarantined(_) => {}
        }
    }

    /// When [`Entry::timeout`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Silent(..) => None,
            State::Probing { next, .. } => Some(*next),
            State::Claimed { next, contest, .. } => {
                let contest = contest.as_ref().map(Contest::due);
                next.iter().copied().chain(contest).min()
            }
            State::Quarantined(quarantine) => Some(quarantine.until),
        }
    }

    /// Serves the timer, which has expired.
    pub(super) fn timeout(&mut self, context: &mut Context<'_>) -> Option<Send> {
        let now = context.now;
        match &mut self.state {
            State::Silent(..) => None,
            State::Probing { sent, .. } if *sent >= times(self.is_divided, context).num => {
                self.left = 0;
                self.state = claimed(now);
                self.announce(context)
            }
            State::Probing { sent, next } => {
                *sent += 1;
                *next = now + after_probe(*sent, self.is_divided, context);
                Some(Send::Probe)
            }
            State::Claimed { next, contest, .. } => {
                if let Some(found) = contest.filter(|contest| contest.due() <= now) {
                    *contest = found.again.then_some(Contest {
                        defended: now,
                        again: false,
                        ..found
                    });
                    // A conflict that is over is followed by an announcement too: a cache may hold
                    // the stranger.
                    return Some(Send::Defence);
                }
                match next.is_some_and(|next| next <= now) {
                    true => self.announce(context),
                    false => None,
                }
            }
            State::Quarantined(_) => {
                self.state = probing(self.is_divided, context);
                None
            }
        }
    }

    /// The next announcement, of which the time has come.
    fn announce(&mut self, context: &mut Context<'_>) -> Option<Send> {
        let State::Claimed {
            announced, next, ..
        } = &mut self.state
        else {
            return None;
        };
        if self.handing_over {
            *next = None;
            return None;
        }
        let refresh = context.config.refresh;
        let wait = match *announced + 1 {
            1..ANNOUNCE_NUM => Some(ANNOUNCE_INTERVAL),
            // The first refresh has a random phase.
            ANNOUNCE_NUM => refresh.map(|refresh| context.random.up_to(refresh)),
            _ => refresh.map(|refresh| context.random.jitter(refresh)),
        };
        *announced = announced.saturating_add(1).min(ANNOUNCE_NUM);
        *next = wait.map(|wait| context.now + wait);
        Some(Send::Announcement)
    }

    /// Somebody else, `by`, uses the address: an ARP packet with it as the sender protocol address
    /// (RFC 5227 §2.1.1, §2.4), a Neighbor Advertisement for it (RFC 4862 §5.4.4), or a
    /// solicitation from it.
    pub(super) fn claimed_by(
        &mut self,
        by: MacAddr,
        is_speaker: bool,
        ours: MacAddr,
        context: &mut Context<'_>,
    ) -> Option<Send> {
        let now = context.now;
        match &mut self.state {
            State::Silent(..) => None,
            State::Probing { .. } | State::Claimed { .. } if is_speaker || self.handing_over => {
                self.other_owner = Some(by);
                match self.state {
                    State::Probing { .. } if is_speaker && (self.is_divided || self.yields) => {
                        self.leave_to_speaker(context);
                    }
                    // One of our nodes has it, and has probed it then: it hands it over, and will
                    // not answer for as long as probing takes.
                    State::Probing { sent: 1.., .. } if is_speaker && !self.handing_over => {
                        self.state = claimed(now);
                        return self.announce(context);
                    }
                    State::Claimed { .. } if is_speaker && self.must_leave(by < ours) => {
                        self.leave_to_speaker(context);
                    }
                    State::Probing { .. }
                    | State::Claimed { .. }
                    | State::Silent(..)
                    | State::Quarantined(_) => {}
                }
                None
            }
            State::Probing { .. } => {
                self.counters.conflicts += 1;
                self.quarantine(by, context);
                None
            }
            State::Claimed { contest, .. } => {
                self.counters.conflicts += 1;
                let Some(contest) = contest else {
                    *contest = Some(Contest {
                        by,
                        heard: now,
                        defended: now,
                        again: false,
                    });
                    return Some(Send::Defence);
                };
                (contest.by, contest.heard) = (by, now);
                let since = now.saturating_duration_since(contest.defended);
                if since >= DEFEND_INTERVAL {
                    (contest.defended, contest.again) = (now, false);
                    return Some(Send::Defence);
                }
                contest.again = true;
                if self.on_conflict == OnConflict::GiveUp && since >= DEFENCE_HEARD_AFTER {
                    // RFC 5227 §2.4 (b), after a defence that could be heard.
                    self.quarantine(by, context);
                }
                None
            }
            State::Quarantined(quarantine) => {
                self.counters.conflicts += 1;
                quarantine.by = by;
                None
            }
        }
    }

    /// Somebody else probes the address while we do: neither may have it (RFC 5227 §2.1.1,
    /// RFC 4862 §5.4.3). One that is ours is defended by the answer that its probe gets.
    pub(super) fn probed_by(
        &mut self,
        by: MacAddr,
        is_speaker: bool,
        ours: MacAddr,
        context: &mut Context<'_>,
    ) {
        match &self.state {
            State::Probing { .. } if is_speaker && self.is_divided && by < ours => {
                self.leave_to_speaker(context);
            }
            State::Probing { .. } if !is_speaker && !self.handing_over => {
                self.counters.conflicts += 1;
                self.quarantine(by, context);
            }
            State::Probing { .. }
            | State::Silent(..)
            | State::Claimed { .. }
            | State::Quarantined(_) => {}
        }
    }

    /// Whether other speakers may answer for it unheard.
    pub(super) fn is_divided(&self) -> bool {
        self.is_divided
    }

    /// Whether it is left to a speaker that claims it as well.
    fn must_leave(&self, is_lower: bool) -> bool {
        !self.handing_over && self.yields || self.is_divided && is_lower
    }

    /// Begins to probe anew, some time later. What has been left already stays so: its owner says
    /// again and again that it has it.
    fn leave_to_speaker(&mut self, context: &mut Context<'_>) {
        if self.left > 0 && matches!(self.state, State::Probing { sent: 0, .. }) {
            return;
        }
        self.left = self.left.saturating_add(1);
        let doublings = self.left.saturating_sub(FIRST_YIELDS).min(MAX_DOUBLINGS);
        let wait = (FIRST_YIELD * (1 << doublings)).min(YIELD);
        self.state = State::Probing {
            sent: 0,
            next: context.now + context.random.jitter(wait),
        };
    }

    fn quarantine(&mut self, by: MacAddr, context: &mut Context<'_>) {
        let now = context.now;
        let (before, last) = self.quarantines;
        let calm = |last| now.saturating_duration_since(last) >= CALM_AFTER;
        let before = if last.is_some_and(calm) { 0 } else { before };
        self.quarantines = (before.saturating_add(1), Some(now));
        let doubled: Duration = FIRST_QUARANTINE * (1 << before.min(MAX_DOUBLINGS));
        let wait = context.random.jitter(doubled.min(MAX_QUARANTINE));
        self.state = State::Quarantined(Quarantine {
            by,
            until: now + wait,
        });
    }

    /// Whether a frame of the purpose may go out now.
    pub(super) fn may_send(&self, purpose: Purpose) -> bool {
        match (&self.state, purpose) {
            (State::Probing { .. }, Purpose::Probe) => true,
            (State::Claimed { .. }, Purpose::Announcement) => !self.handing_over,
            (State::Claimed { .. }, Purpose::Answer) => true,
            (State::Probing { .. }, Purpose::Announcement | Purpose::Answer)
            | (State::Claimed { .. }, Purpose::Probe)
            | (State::Silent(..) | State::Quarantined(_), _) => false,
        }
    }

    /// Whether it is ours, even while nothing may be said.
    pub(super) fn is_claimed(&self) -> bool {
        match self.state {
            State::Claimed { .. } | State::Silent(_, Resume::Announce) => true,
            State::Silent(..) | State::Probing { .. } | State::Quarantined(_) => false,
        }
    }

    /// How it is.
    pub(super) fn state(&self) -> AddressState {
        match &self.state {
            State::Silent(Silence::Fenced, _) => AddressState::Fenced,
            State::Silent(Silence::InterfaceDown, _) => AddressState::InterfaceDown,
            State::Silent(Silence::OwnAddress, _) => AddressState::OwnAddress,
            State::Probing { .. } => AddressState::Probing,
            State::Claimed { contest: None, .. } => AddressState::Claimed,
            State::Claimed {
                contest: Some(Contest { by, .. }),
                ..
            } => AddressState::Contested { by: *by },
            State::Quarantined(Quarantine { by, .. }) => AddressState::Quarantined { by: *by },
        }
    }
}

/// The times of probes.
fn times<'a>(is_divided: bool, context: &Context<'a>) -> &'a Probing {
    match is_divided {
        true => &context.config.divided,
        false => &context.config.probing,
    }
}

/// The beginning of [`State::Probing`].
fn probing(is_divided: bool, context: &mut Context<'_>) -> State {
    let wait = times(is_divided, context).wait;
    State::Probing {
        sent: 0,
        next: context.now + context.random.up_to(wait),
    }
}

/// The beginning of [`State::Claimed`]: it is announced at once.
fn claimed(now: Instant) -> State {
    State::Claimed {
        announced: 0,
        next: Some(now),
        contest: None,
    }
}

/// The wait after the probe with this number, from 1.
fn after_probe(sent: u8, is_divided: bool, context: &mut Context<'_>) -> Duration {
    let times = times(is_divided, context);
    match sent >= times.num {
        true => times.announce_wait,
        false => context.random.between(times.min, times.max),
    }
}
