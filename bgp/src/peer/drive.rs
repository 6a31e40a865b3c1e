//! How a peer's state machines are fed, and what becomes of their output.

use std::time::Instant;

use bytes::BytesMut;

use super::connection::Connection;
use super::slots::Slot;
use super::{Action, ConnId, DownReason, MAX_CLOSING, Peer, open};
use crate::Notification;
use crate::fsm::{Environment, Fsm, Input, Output, State};

impl Peer {
    /// Gives one input to one machine, and carries out what it asks for.
    pub(super) fn input(&mut self, now: Instant, slot: Slot, input: Input) {
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        let was_established = connection.is_established();
        let link = connection.link;
        let local = link.map_or_else(Default::default, |link| {
            link.interface.with_session(link.local.ip())
        });
        let mut outputs = Vec::new();
        let mut environment = Environment {
            config: &self.config,
            open: &self.open,
            retry: &mut self.retry,
            next_conn: &mut self.next_conn,
            local,
            outputs: &mut outputs,
        };
        connection.fsm.handle(now, input, &mut environment);
        for output in outputs {
            self.carry_out(now, slot, output, was_established);
        }
        let connection = self.slots.get_mut(slot);
        if let Some(ended) = connection.filter(|connection| !connection.is_live()) {
            ended.unlink();
        }
    }

    fn carry_out(&mut self, now: Instant, slot: Slot, output: Output, was_established: bool) {
        match output {
            Output::Connect(conn) => self.actions.push_back(Action::Connect(conn)),
            Output::CancelConnect(conn) => self.actions.push_back(Action::CancelConnect(conn)),
            Output::Send(_, message) => {
                let connection = self.slots.get_mut(slot);
                if connection.is_some_and(|connection| connection.queue(&message)) {
                    self.counters.sent.count(&message);
                }
            }
            Output::Close(conn) => {
                let connection = self.slots.get_mut(slot);
                let last = connection.map(Connection::take_outbox);
                self.close(conn, last.unwrap_or_default());
            }
            Output::Up => self.up(slot),
            Output::Down(reason) => self.down(now, slot, reason, was_established),
        }
    }

    /// Ends a connection whose octets make no sense.
    pub(super) fn break_off(&mut self, now: Instant, slot: Slot, conn: ConnId, input: Input) {
        let silent = matches!(input, Input::TcpFails(_));
        self.input(now, slot, input);
        if silent {
            self.close(conn, BytesMut::new());
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, last: BytesMut) {
        if self.closing.len() == MAX_CLOSING {
            self.closing.pop_front();
        }
        self.closing.push_back((conn, last));
        self.actions.push_back(Action::Close(conn));
    }

    fn up(&mut self, slot: Slot) {
        self.counters.established += 1;
        self.restarting = false;
        self.open = open::open(&self.config, self.restarting);
        let Some(session) = self.slots.session_mut(slot) else {
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
        match reason {
            DownReason::Sent(_) | DownReason::Received(_) => {
                self.last_notification = Some(reason.clone());
            }
            DownReason::Tcp(_) | DownReason::Stopped(_) if was_established => {
                self.last_notification = None;
            }
            DownReason::Tcp(_) | DownReason::Stopped(_) => {}
        }
        self.last_error = Some((now, reason.clone()));
        let other = self.slots.get(slot.other());
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
        let connection = self.slots.get(slot);
        match connection.and_then(|connection| connection.capabilities_sent) {
            Some(true) if refused => {
                if let Some(bare) = open::without_capabilities(&self.config) {
                    self.open = bare;
                }
            }
            Some(true) | None => {}
            Some(false) => self.open = open::open(&self.config, self.restarting),
        }
    }

    /// Brings the two machines back in order after an event.
    pub(super) fn settle(&mut self, now: Instant) {
        let Some(secondary) = self.slots.secondary() else {
            self.wake_primary(now);
            return;
        };
        match secondary.fsm.state() {
            State::Idle { .. } | State::Active { .. } | State::Connect { .. } => {
                let idle_hold = secondary.fsm.poll_timeout().map(|(at, _)| at);
                self.slots.remove_secondary();
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
        let primary = self.slots.primary_mut();
        if let State::Connect { conn, .. } = primary.fsm.state() {
            self.actions.push_back(Action::CancelConnect(*conn));
        }
        if !primary.is_live() && self.started {
            primary.fsm = Fsm::in_state(State::Idle {
                idle_hold: Some(at),
            });
        }
    }

    /// The second connection takes the first place when that is vacant, or when it is Established
    /// and the first one has no OPEN out.
    fn promote(&mut self, now: Instant) {
        let established = self
            .slots
            .secondary()
            .is_some_and(Connection::is_established);
        let vacant = match self.slots.primary().fsm.state() {
            State::Idle { .. } => true,
            State::Connect { .. } | State::Active { .. } => established,
            State::OpenSent { .. } | State::OpenConfirm { .. } | State::Established { .. } => false,
        };
        if vacant {
            self.input(now, Slot::Primary, Input::CollisionDump);
            self.slots.promote();
        }
    }

    /// A machine that was put to rest for the sake of the other starts again when that is gone.
    fn wake_primary(&mut self, now: Instant) {
        let primary = self.slots.primary_mut();
        let rests = matches!(primary.fsm.state(), State::Idle { idle_hold: None });
        if rests && self.started {
            let at = now + self.retry.after_failed_connect();
            primary.fsm = Fsm::in_state(State::Idle {
                idle_hold: Some(at),
            });
        }
    }
}
