//! How a peer's two state machines are fed, and what becomes of their output.

use std::time::Instant;

use super::connection::{Connection, Link};
use super::{
    Action, ConnId, Direction, DownReason, Heard, MAX_CLOSING, MIN_ACCEPT_INTERVAL, Peer, Slot,
    open,
};
use crate::Family;
use crate::Notification;
use crate::collision::{self, Speaker};
use crate::fsm::{Environment, Fsm, Input, Output, State, StateName};
use crate::message::Message;
use crate::message::open::{Expectations, Open};
use crate::message::refresh::{RouteRefresh, Subtype};
use crate::message::update::Update;

impl Peer {
    /// Gives one input to one machine, and carries out what it asks for.
    pub(super) fn input(&mut self, now: Instant, slot: Slot, input: Input) {
        let sent = match &self.fallback {
            Some(open) => open.clone(),
            None => open::open(&self.config, self.restarting),
        };
        let connection = match (slot, &mut self.secondary) {
            (Slot::Primary, _) => &mut self.primary,
            (Slot::Secondary, Some(secondary)) => secondary,
            (Slot::Secondary, None) => return,
        };
        let was_established = connection.is_established();
        let link = connection.link;
        let local = link.map_or_else(Default::default, |link| {
            link.interface.with_session(link.local.ip())
        });
        let mut outputs = Vec::new();
        let mut environment = Environment {
            config: &self.config,
            open: &sent,
            retry: &mut self.retry,
            next_conn: &mut self.next_conn,
            local,
            outputs: &mut outputs,
        };
        connection.fsm.handle(now, input, &mut environment);
        for output in outputs {
            self.carry_out(now, slot, output, was_established);
        }
        let connection = match (slot, &mut self.secondary) {
            (Slot::Secondary, Some(secondary)) => secondary,
            (Slot::Secondary | Slot::Primary, _) => &mut self.primary,
        };
        if !connection.is_live() {
            connection.unlink();
        }
    }

    fn carry_out(&mut self, now: Instant, slot: Slot, output: Output, was_established: bool) {
        match output {
            Output::Connect(conn) => self.actions.push_back(Action::Connect(conn)),
            Output::CancelConnect(conn) => self.actions.push_back(Action::CancelConnect(conn)),
            Output::Send(_, message) => {
                let connection = match (slot, &mut self.secondary) {
                    (Slot::Secondary, Some(secondary)) => secondary,
                    (Slot::Secondary | Slot::Primary, _) => &mut self.primary,
                };
                if connection.queue(&message) {
                    self.counters.sent.count(&message);
                }
            }
            Output::Close(conn) => {
                let connection = match (slot, &mut self.secondary) {
                    (Slot::Secondary, Some(secondary)) => secondary,
                    (Slot::Secondary | Slot::Primary, _) => &mut self.primary,
                };
                let last = connection.take_outbox();
                self.close(conn, last);
            }
            Output::Up => self.up(slot),
            Output::Down(reason) => self.down(now, slot, reason, was_established),
        }
    }

    fn close(&mut self, conn: ConnId, last: bytes::BytesMut) {
        if self.closing.len() == MAX_CLOSING {
            self.closing.pop_front();
        }
        self.closing.push_back((conn, last));
        self.actions.push_back(Action::Close(conn));
    }

    fn up(&mut self, slot: Slot) {
        self.counters.established += 1;
        self.restarting = false;
        let connection = match (slot, &mut self.secondary) {
            (Slot::Secondary, Some(secondary)) => secondary,
            (Slot::Secondary | Slot::Primary, _) => &mut self.primary,
        };
        let Some(session) = connection.fsm.session_mut() else {
            return;
        };
        if let Some(routes) = &self.routes {
            session.adj_out.set_routes(routes);
        }
        let negotiated = Box::new(session.negotiated.clone());
        self.actions.push_back(Action::Up(negotiated));
    }

    fn down(&mut self, now: Instant, slot: Slot, reason: DownReason, was_established: bool) {
        self.counters.dropped += u64::from(was_established);
        self.choose_open(slot, &reason);
        self.last_error = Some((now, reason.clone()));
        let other = self.connection(slot.other());
        // An attempt that fails beside another that goes on is no news.
        if was_established || !other.is_some_and(Connection::is_live) {
            self.actions.push_back(Action::Down(reason));
        }
    }

    /// RFC 5492 §3: a peer that cannot read optional parameters is asked again without, and with
    /// them again after that. What counts is the OPEN of this connection: both connections of a
    /// peer may be refused, and one that never had an OPEN tells nothing.
    fn choose_open(&mut self, slot: Slot, reason: &DownReason) {
        let refused = match reason {
            DownReason::Received(notification) => {
                notification.is_same_error(&Notification::UNSUPPORTED_OPTIONAL_PARAMETER)
            }
            DownReason::Sent(_) | DownReason::Tcp(_) | DownReason::Stopped(_) => false,
        };
        let connection = self.connection(slot);
        match connection.and_then(|connection| connection.capabilities_sent) {
            Some(true) if refused => self.fallback = open::without_capabilities(&self.config),
            Some(true) | None => {}
            Some(false) => self.fallback = None,
        }
    }

    pub(super) fn is_connecting(&self, conn: ConnId) -> bool {
        match self.primary.fsm.state() {
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
        if self.slot_of(link.conn).is_some() {
            return;
        }
        match link.direction {
            Direction::Outgoing if self.is_connecting(link.conn) => {
                self.primary.link = Some(link);
                self.input(now, Slot::Primary, Input::TcpConnected(link.conn));
            }
            // Nobody waits for it any more.
            Direction::Outgoing => self.close(link.conn, bytes::BytesMut::new()),
            Direction::Incoming => self.accepted(now, link),
        }
    }

    fn accepted(&mut self, now: Instant, link: Link) {
        self.end_idle_hold(now);
        let secondary_waits = self
            .secondary
            .as_ref()
            .is_none_or(|secondary| secondary.fsm.name() == StateName::OpenSent);
        match self.primary.fsm.name() {
            StateName::Active => {
                self.primary.link = Some(link);
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
                self.secondary = Some(secondary);
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
        } = self.primary.fsm.state()
        else {
            return;
        };
        let early = self
            .accepted_in_idle
            .is_some_and(|last| now.saturating_duration_since(last) < MIN_ACCEPT_INTERVAL);
        if !early {
            self.accepted_in_idle = Some(now);
            self.primary.fsm = Fsm::in_state(State::Active {
                connect_retry: Some(*at),
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
        let session = self.primary.fsm.session();
        session.is_some_and(|session| session.negotiated.peer_graceful_restart.is_some())
    }

    /// One message that could be read.
    pub(super) fn message(&mut self, now: Instant, slot: Slot, message: Message<'_>) {
        self.counters.received.count(&message);
        match message {
            Message::Open(open) => self.open_received(now, slot, open),
            Message::Update(update) => self.update_received(now, slot, &update),
            Message::Notification(notification) => {
                self.input(now, slot, Input::Notification(notification));
            }
            Message::Keepalive => self.input(now, slot, Input::Keepalive),
            Message::RouteRefresh(refresh) => self.refresh_received(now, slot, refresh),
        }
    }

    /// Ends a connection whose octets make no sense.
    pub(super) fn break_off(&mut self, now: Instant, slot: Slot, conn: ConnId, input: Input) {
        let silent = matches!(input, Input::TcpFails(_));
        self.input(now, slot, input);
        if silent {
            self.close(conn, bytes::BytesMut::new());
        }
    }

    fn update_received(&mut self, now: Instant, slot: Slot, update: &Update<'_>) {
        self.input(now, slot, Input::Update);
        let connection = match (slot, &mut self.secondary) {
            (Slot::Secondary, Some(secondary)) => secondary,
            (Slot::Secondary | Slot::Primary, _) => &mut self.primary,
        };
        let Some(session) = connection.fsm.session_mut() else {
            return;
        };
        self.counters.count_errors(update);
        if let Err(over_limit) = session.adj_in.update(update) {
            self.input(now, slot, Input::AutomaticStop(over_limit));
        }
    }

    /// RFC 2918 §4, RFC 7313 §4. What is not a request for a family of ours is ignored: we keep
    /// nothing that BoRR and EoRR could mark as stale.
    fn refresh_received(&mut self, now: Instant, slot: Slot, refresh: RouteRefresh) {
        self.input(now, slot, Input::RouteRefresh);
        let connection = match (slot, &mut self.secondary) {
            (Slot::Secondary, Some(secondary)) => secondary,
            (Slot::Secondary | Slot::Primary, _) => &mut self.primary,
        };
        let family = Family::from_afi_safi(refresh.family);
        match (connection.fsm.session_mut(), family, refresh.subtype) {
            (Some(session), Some(family), Subtype::Request) => session.adj_out.refresh(family),
            (_, _, Subtype::Request | Subtype::Begin | Subtype::End | Subtype::Unknown(_)) => {}
        }
    }

    /// Event 19, and collision detection (RFC 4271 §6.8) before it.
    fn open_received(&mut self, now: Instant, slot: Slot, open: Open) {
        self.heard = open.asn().map(|asn| Heard {
            asn,
            identifier: open.identifier,
        });
        let waits = self
            .connection(slot)
            .is_some_and(|connection| connection.fsm.name() == StateName::OpenSent);
        let expected = Expectations {
            local_as: self.config.local_as,
            identifier: self.config.identifier,
            peer_as: self.config.peer_as,
            role: self.config.role,
        };
        if waits && open.check(&expected).is_ok() && !self.survives_collision(now, slot, &open) {
            self.counters.collisions += 1;
            self.input(now, slot, Input::CollisionDump);
            return;
        }
        self.input(now, slot, Input::Open(Box::new(open)));
    }

    /// Whether the connection on which this OPEN came stays. If so, the other one is closed where
    /// only one of them can stay.
    fn survives_collision(&mut self, now: Instant, slot: Slot, open: &Open) -> bool {
        let other = slot.other();
        let (Some(this), Some(rival)) = (self.connection(slot), self.connection(other)) else {
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
                        self.close(conn, bytes::BytesMut::new());
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

    /// Brings the two machines back in order after an event.
    pub(super) fn settle(&mut self, now: Instant) {
        let Some(secondary) = &self.secondary else {
            self.wake_primary(now);
            return;
        };
        match secondary.fsm.state() {
            State::Idle { .. } | State::Active { .. } | State::Connect { .. } => {
                let idle_hold = secondary.fsm.poll_timeout().map(|(at, _)| at);
                self.secondary = None;
                self.hold_primary(idle_hold);
                self.wake_primary(now);
            }
            State::OpenSent { .. } | State::OpenConfirm { .. } | State::Established { .. } => {
                self.promote(now);
            }
        }
    }

    /// The second connection failed after an OPEN: the peer is damped as a whole, unless the
    /// first one has come as far.
    fn hold_primary(&mut self, idle_hold: Option<Instant>) {
        let Some(at) = idle_hold else {
            return;
        };
        if let State::Connect { conn, .. } = self.primary.fsm.state() {
            self.actions.push_back(Action::CancelConnect(*conn));
        }
        if !self.primary.is_live() && self.started {
            self.primary.fsm = Fsm::in_state(State::Idle {
                idle_hold: Some(at),
            });
        }
    }

    /// The second connection takes the first place when that is vacant, or when it is Established
    /// and the first one has no OPEN out.
    fn promote(&mut self, now: Instant) {
        let established = self
            .secondary
            .as_ref()
            .is_some_and(Connection::is_established);
        let vacant = match self.primary.fsm.state() {
            State::Idle { .. } => true,
            State::Connect { .. } | State::Active { .. } => established,
            State::OpenSent { .. } | State::OpenConfirm { .. } | State::Established { .. } => false,
        };
        if vacant {
            self.input(now, Slot::Primary, Input::CollisionDump);
            if let Some(secondary) = self.secondary.take() {
                self.primary = secondary;
            }
        }
    }

    /// A machine that was put to rest for the sake of the other starts again when that is gone.
    fn wake_primary(&mut self, now: Instant) {
        let rests = matches!(self.primary.fsm.state(), State::Idle { idle_hold: None });
        if rests && self.started {
            let at = now + self.retry.after_failed_connect();
            self.primary.fsm = Fsm::in_state(State::Idle {
                idle_hold: Some(at),
            });
        }
    }
}
