//! The decisions of an election, as a value: what was seen and when goes in, what to do next comes
//! out. No clock, no requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Config;
use super::record::Record;
use crate::kube::backoff::jittered;
use crate::kube::leadership::Leadership;

/// What to do, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing before that.
    Wait(Instant),
    /// Read the Lease.
    Look,
    /// Make it: there is none.
    Create,
    /// Take it: this one is free.
    Acquire(Record),
    /// Renew it: this one is ours.
    Renew(Record),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Somebody was faster, or it was deleted.
    Outdated,
    /// It may have been done, or not.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Elector {
    identity: Arc<str>,
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
    seen: Seen,
    held: Option<Held>,
    /// Not before that is the API server asked.
    not_before: Option<Instant>,
    /// The next request is a look, whatever else is known.
    look: bool,
    /// Refusals in a row.
    refused: u32,
}

/// We hold the Lease.
#[derive(Debug)]
struct Held {
    /// Until then we may write.
    until: Instant,
    /// Its version when it became ours.
    since: Arc<str>,
    /// When we were told that it is.
    acquired: Instant,
}

/// What is known of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// There is none. The one that was there could be held until then, by somebody else.
    Absent {
        held_until: Option<Instant>,
    },
    /// The record, since when nobody did anything to it, and when it was seen last.
    Present {
        record: Record,
        since: Instant,
        heard: Instant,
    },
}

impl Elector {
    pub(super) fn new(identity: Arc<str>, config: &Config) -> Elector {
        Elector {
            identity,
            lease_duration: config.lease_duration,
            renew_deadline: config.renew_deadline,
            retry_period: config.retry_period,
            seen: Seen::Nothing,
            held: None,
            not_before: None,
            look: true,
            refused: 0,
        }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn leadership(&self) -> Leadership {
        let record = match &self.seen {
            Seen::Present { record, .. } => Some(record),
            Seen::Nothing | Seen::Absent { .. } => None,
        };
        Leadership {
            holder: record.and_then(|record| record.holder.clone()),
            until: self.deadline(),
            since: self.held.as_ref().map(|held| Arc::clone(&held.since)),
            acquired: self.held.as_ref().map(|held| held.acquired),
            transitions: record.map_or(0, |record| record.transitions),
        }
    }

    /// When leadership ends unless it is renewed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until)
    }

    /// Ends our leadership if its time is over.
    pub(super) fn lapse(&mut self, now: Instant) {
        self.held.take_if(|held| held.until <= now);
    }

    /// Ends our leadership. The Lease is ours still, if it was: to give back.
    pub(super) fn abdicate(&mut self) -> Option<Record> {
        self.held = None;
        match &self.seen {
            Seen::Present { record, .. } if self.is_ours(record) => Some(record.clone()),
            Seen::Nothing | Seen::Absent { .. } | Seen::Present { .. } => None,
        }
    }

    /// The Lease as it was read or watched.
    pub(super) fn saw(&mut self, now: Instant, record: Record) {
        let mut since = now;
        if let Seen::Present {
            record: known,
            since: known_since,
            ..
        } = &self.seen
        {
            if record.is_older_than(known) {
                return;
            }
            if record.is_same_renewal(known) {
                since = *known_since;
            }
        }
        if !self.is_ours(&record) {
            self.held = None;
            if record.holder.is_some() {
                self.refused = 0;
            }
        }
        self.look = false;
        self.seen = Seen::Present {
            record,
            since,
            heard: now,
        };
    }

    /// This is what was deleted.
    pub(super) fn saw_deletion(&mut self, record: &Record) {
        match &self.seen {
            Seen::Present { record: known, .. } if record.is_older_than(known) => {}
            Seen::Nothing | Seen::Absent { .. } | Seen::Present { .. } => self.saw_none(),
        }
    }

    /// There is no Lease.
    pub(super) fn saw_none(&mut self) {
        let held_until = match &self.seen {
            Seen::Nothing => None,
            Seen::Absent { held_until } => *held_until,
            Seen::Present { record, since, .. } => {
                let others = record.holder.is_some() && !self.is_ours(record);
                others.then(|| *since + self.duration_of(record))
            }
        };
        self.held = None;
        self.look = false;
        self.seen = Seen::Absent { held_until };
    }

    /// A write of ours, sent then, was accepted and led to this.
    pub(super) fn wrote(&mut self, sent: Instant, now: Instant, record: Record) {
        self.refused = 0;
        self.not_before = Some(sent + jittered(self.retry_period));
        let (since, acquired) = match self.held.take() {
            Some(held) => (held.since, held.acquired),
            None => (Arc::clone(&record.resource_version), now),
        };
        self.saw(now, record);
        if matches!(&self.seen, Seen::Present { record, .. } if self.is_ours(record)) {
            let until = sent + self.renew_deadline;
            self.held = (now < until).then_some(Held {
                until,
                since,
                acquired,
            });
        }
    }

    /// A request of ours that began then was not, or not in time.
    pub(super) fn refused(&mut self, began: Instant, refusal: Refusal) {
        self.refused = self.refused.saturating_add(1);
        self.look = true;
        // Who was too late looks what is there now: at once, the first time.
        let at_once = refusal == Refusal::Outdated && self.refused == 1;
        self.not_before = (!at_once).then(|| began + jittered(self.retry_period));
    }

    /// What to do now.
    pub(super) fn step(&self, now: Instant) -> Step {
        if let Some(not_before) = self.not_before
            && now < not_before
            && !self.was_given_back()
        {
            return Step::Wait(not_before);
        }
        if self.look {
            return Step::Look;
        }
        match &self.seen {
            Seen::Nothing => Step::Look,
            Seen::Absent { held_until } => match held_until {
                Some(until) if now < *until => Step::Wait(*until),
                Some(_) | None => Step::Create,
            },
            Seen::Present {
                record,
                since,
                heard,
            } => {
                if self.is_ours(record) {
                    return Step::Renew(record.clone());
                }
                let expiry = *since + self.duration_of(record);
                if record.holder.is_none() || expiry <= now {
                    return Step::Acquire(record.clone());
                }
                let silence = *heard + self.retry_period * 6 / 5;
                match silence <= now {
                    true => Step::Look,
                    false => Step::Wait(silence.min(expiry)),
                }
            }
        }
    }

    /// Then it is taken without waiting for the next turn.
    fn was_given_back(&self) -> bool {
        let free = matches!(&self.seen, Seen::Present { record, .. } if record.holder.is_none());
        free && !self.look && self.refused == 0
    }

    fn is_ours(&self, record: &Record) -> bool {
        record.holder.as_ref() == Some(&self.identity)
    }

    /// How long after its last renewal a Lease is still held: what its holder says.
    fn duration_of(&self, record: &Record) -> Duration {
        record.duration.unwrap_or(self.lease_duration)
    }
}
