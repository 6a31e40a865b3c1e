//! TCP connections: which are taken, and which of two stays (RFC 4271 §6.8).

use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::connection::{Connection, Link};
use super::slots::Slot;
use super::{ConnId, Direction, Peer};
use crate::Notification;
use crate::collision::{self, Speaker};
use crate::fsm::{Fsm, Input, State, StateName};
use crate::message::Message;
use crate::message::open::Open;

/// While an error is waited out, the peer's own connections are taken this often at most.
const MIN_ACCEPT_INTERVAL: Duration = Duration::from_secs(1);

impl Peer {
    pub(super) fn is_connecting(&self, conn: ConnId) -> bool {
        match self.slots.primary().fsm.state() {
            State::Connect { conn: wanted, .. } => *wanted == conn,
            State::Idle { .. }
            | State::Active { .. }
            | State::OpenSent { .. }
            | State::OpenConfirm { .. }
            | State::Established { .. } => false,
        }
    }

    /// A TCP connection stands: Events 16 and 17, or a second machine for it, or it is refused.
    pub(super) fn connected(&mut self, now: Instant, link: Link) {
        if self.slots.slot_of(link.conn).is_some() {
            return;
        }
        match link.direction {
            Direction::Outgoing if self.is_connecting(link.conn) => {
                self.slots.primary_mut().link = Some(link);
                self.input(now, Slot::Primary, Input::TcpConnected(link.conn));
            }
            // Nobody waits for it any more.
            Direction::Outgoing => self.close(link.conn, BytesMut::new()),
            Direction::Incoming => self.accepted(now, link),
        }
    }

    fn accepted(&mut self, now: Instant, link: Link) {
        self.end_idle_hold(now);
        let secondary_waits = self
            .slots
            .secondary()
            .is_none_or(|secondary| secondary.fsm.name() == StateName::OpenSent);
        match self.slots.primary().fsm.name() {
            StateName::Active => {
                self.slots.primary_mut().link = Some(link);
                self.input(now, Slot::Primary, Input::TcpConnected(link.conn));
            }
            // RFC 4271 §6.8: beside an Established session the new connection goes, except where
            // it tells that the old one is dead (RFC 4724 §5).
            StateName::Established if !self.peer_restarts_gracefully() => self.refuse(link.conn),
            StateName::Connect
            | StateName::OpenSent
            | StateName::OpenConfirm
            | StateName::Established
                if secondary_waits =>
            {
                // The peer has opened yet another one: it has given up the last.
                self.input(now, Slot::Secondary, Input::CollisionDump);
                let active = State::Active {
                    connect_retry: None,
                };
                let mut secondary = Connection::with_fsm(Fsm::in_state(active));
                secondary.link = Some(link);
                self.slots.set_secondary(secondary);
                self.input(now, Slot::Secondary, Input::TcpConnected(link.conn));
            }
            // RFC 4271 §8.2.2, Idle: refuses all incoming connections.
            StateName::Idle
            | StateName::Connect
            | StateName::OpenSent
            | StateName::OpenConfirm
            | StateName::Established => self.refuse(link.conn),
        }
    }

    /// RFC 4271 §8.2.2 has Idle refuse connections. Two peers that both wait out an error would
    /// refuse each other for ever longer, so the peer's own connection ends our wait, at most once
    /// in [`MIN_ACCEPT_INTERVAL`]: a peer that loops is served at a bounded pace.
    fn end_idle_hold(&mut self, now: Instant) {
        let State::Idle {
            idle_hold: Some(at),
        } = *self.slots.primary().fsm.state()
        else {
            return;
        };
        let early = self
            .accepted_in_idle
            .is_some_and(|last| now.saturating_duration_since(last) < MIN_ACCEPT_INTERVAL);
        if !early {
            self.accepted_in_idle = Some(now);
            self.slots.primary_mut().fsm = Fsm::in_state(State::Active {
                connect_retry: Some(at),
            });
        }
    }

    /// Cease/5 (RFC 4486 §4), and close.
    fn refuse(&mut self, conn: ConnId) {
        let mut rejected = Connection::default();
        let message = Message::Notification(Notification::CONNECTION_REJECTED);
        if rejected.queue(&message) {
            self.counters.sent.count(&message);
        }
        self.counters.refused += 1;
        self.close(conn, rejected.take_outbox());
    }

    fn peer_restarts_gracefully(&self) -> bool {
        let session = self.slots.primary().fsm.session();
        session.is_some_and(|session| session.negotiated.peer_graceful_restart.is_some())
    }

    /// Whether the connection on which this OPEN came stays. If so, the other one is closed where
    /// only one of them can stay.
    pub(super) fn survives_collision(&mut self, now: Instant, slot: Slot, open: &Open) -> bool {
        let other = slot.other();
        let (Some(this), Some(rival)) = (self.slots.get(slot), self.slots.get(other)) else {
            return true;
        };
        let wins = self.wins_by_identifier(this, rival, open);
        match rival.fsm.state() {
            // Not known yet whether the rival is the same speaker: its OPEN will decide.
            State::Idle { .. }
            | State::Connect { .. }
            | State::Active { .. }
            | State::OpenSent { .. } => true,
            State::OpenConfirm { .. } => {
                if wins {
                    self.counters.collisions += 1;
                    self.input(now, other, Input::CollisionDump);
                }
                wins
            }
            State::Established { session, .. } => {
                let opened = this.link.map(|link| link.opened);
                if opened.is_some_and(|opened| opened > session.since) {
                    // Opened later, so it is not a collision: the peer has restarted (RFC 4724
                    // §5), or `accepted` would have refused it. No NOTIFICATION is sent.
                    let conn = rival.fsm.open_conn();
                    let reason = "the peer has restarted and opened a new connection".to_owned();
                    self.input(now, other, Input::TcpFails(reason));
                    if let Some(conn) = conn {
                        self.close(conn, BytesMut::new());
                    }
                    return true;
                }
                // Both were open before the rival became Established. The peer has most likely
                // seen our OPEN here while the rival was in OpenConfirm, and gone by identifiers.
                if wins {
                    self.counters.collisions += 1;
                    self.input(now, other, Input::CollisionDump);
                }
                wins
            }
        }
    }

    fn wins_by_identifier(&self, this: &Connection, rival: &Connection, open: &Open) -> bool {
        let local = Speaker {
            identifier: self.config.identifier,
            asn: self.config.local_as,
        };
        let remote = Speaker {
            identifier: open.identifier,
            asn: open.asn().unwrap_or(self.config.local_as),
        };
        match (this.direction(), rival.direction()) {
            // The peer opened both: it has given up the older one.
            (ours, theirs) if ours == theirs => true,
            (ours, _) => ours == Some(collision::winner(local, remote)),
        }
    }
}
