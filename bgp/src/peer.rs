//! A neighbour: its configuration, at most two connections, retry, and the API the daemon drives.

mod accept;
mod config;
mod connection;
mod drive;
mod event;
mod messages;
mod open;
pub mod retry;
pub mod session;
mod slots;
mod status;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};

pub use config::{LocalAddresses, PeerAs, PeerConfig, Role};
pub use event::{Action, ConnId, Direction, DownReason, Event, StopReason};
pub use status::{ConnectionStatus, Counters, Heard, MessageCounters, PeerStatus};

use crate::adj_in::AdjIn;
use crate::fsm::{Input, StateName, Timer};
use crate::message::open::Open;
use crate::message::refresh::{RouteRefresh, Subtype};
use crate::message::{Message, notification::Notification};
use crate::{Family, RouteSet, codec};
use connection::Connection;
use retry::Retry;
use session::Session;
use slots::{Slot, Slots};

/// [`Peer::poll_transmit`] stops once it has given this many octets; the last message may go over
/// it by its own length.
pub const TRANSMIT_CHUNK: usize = 64 * 1024;
/// Connections that are closed, with a last message that the caller has not fetched yet.
const MAX_CLOSING: usize = 8;
/// Timers that one call of [`Peer::handle_timeout`] serves.
const MAX_TIMEOUTS: usize = 8;

/// A neighbour as a value: events, octets and the time go in; octets and actions come out.
///
/// After any call that takes `now`, ask [`Peer::poll_action`] until it has nothing,
/// [`Peer::poll_transmit`] for every connection whose socket can take octets, and
/// [`Peer::poll_timeout`] for when to call [`Peer::handle_timeout`]. `now` never goes back.
#[derive(Debug)]
pub struct Peer {
    config: PeerConfig,
    slots: Slots,
    closing: VecDeque<(ConnId, BytesMut)>,
    actions: VecDeque<Action>,
    routes: Option<Arc<RouteSet>>,
    retry: Retry,
    next_conn: ConnId,
    started: bool,
    /// When the peer's own connection last ended an IdleHoldTimer early.
    accepted_in_idle: Option<Instant>,
    /// The R bit is due (RFC 4724 §4.1).
    restarting: bool,
    /// The OPEN for the next connection: without capabilities after a peer has said that it
    /// cannot read them (RFC 5492 §3).
    open: Open,
    counters: Counters,
    last_error: Option<(Instant, DownReason)>,
    /// As in [`PeerStatus`].
    last_notification: Option<DownReason>,
    /// What the last OPEN said, acceptable or not.
    heard: Option<Heard>,
}

impl Peer {
    /// A peer that waits for [`Event::Start`]. `entropy` seeds the jitter of its timers: two peers
    /// should have different ones.
    pub fn new(config: PeerConfig, entropy: u64, _now: Instant) -> Peer {
        Peer {
            retry: Retry::new(config.connect_retry_time, entropy),
            restarting: config.restarting,
            open: open::open(&config, config.restarting),
            config,
            slots: Slots::default(),
            closing: VecDeque::new(),
            actions: VecDeque::new(),
            routes: None,
            next_conn: ConnId::OUTGOING,
            started: false,
            accepted_in_idle: None,
            counters: Counters::default(),
            last_error: None,
            last_notification: None,
            heard: None,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Start => {
                self.started = true;
                self.retry.reset();
                self.input(now, Slot::Primary, Input::Start);
            }
            Event::Stop(reason) => {
                self.started &= reason.restarts();
                self.input(now, Slot::Secondary, Input::Stop(reason.clone()));
                self.input(now, Slot::Primary, Input::Stop(reason));
            }
            Event::Connected {
                conn,
                direction,
                local,
                remote,
                interface,
            } => self.connected(
                now,
                connection::Link {
                    conn,
                    direction,
                    local,
                    remote,
                    interface,
                    opened: now,
                },
            ),
            Event::ConnectFailed { conn, reason } => {
                if self.is_connecting(conn) {
                    self.input(now, Slot::Primary, Input::TcpFails(reason));
                }
            }
            Event::Closed { conn, reason } => {
                self.closing.retain(|(closing, _)| *closing != conn);
                if let Some(slot) = self.slots.slot_of(conn) {
                    self.input(now, slot, Input::TcpFails(reason));
                }
            }
            Event::BfdDown => {
                for slot in [Slot::Secondary, Slot::Primary] {
                    if self.slots.get(slot).is_some_and(Connection::is_live) {
                        self.input(now, slot, Input::AutomaticStop(Notification::BFD_DOWN));
                    }
                }
            }
            Event::RequestRefresh(family) => self.request_refresh(family),
        }
        self.settle(now);
    }

    /// Takes octets that arrived on a connection: every whole message at the front of `buf` is
    /// consumed, what is left waits there for more. The work is bounded by the length of `buf`,
    /// which should be a few times [`codec::MAX_EXTENDED_LENGTH`] at most. Octets of a connection
    /// that is closed are thrown away.
    pub fn receive(&mut self, now: Instant, conn: ConnId, buf: &mut BytesMut) {
        while !buf.is_empty() {
            let Some(slot) = self.slots.slot_of(conn) else {
                buf.clear();
                break;
            };
            let rules = self
                .slots
                .get(slot)
                .map_or_else(Default::default, Connection::rules);
            match codec::decode(buf, &rules) {
                Ok(None) => break,
                Ok(Some((message, length))) => {
                    self.message(now, slot, message);
                    buf.advance(length);
                }
                Err(error) => {
                    let input = match codec::is_notification(buf) {
                        // RFC 4271 §6.4: an error in a NOTIFICATION is not answered.
                        true => Input::TcpFails(format!("unreadable NOTIFICATION: {error}")),
                        false => Input::MessageError(error),
                    };
                    self.break_off(now, slot, conn, input);
                }
            }
        }
        self.settle(now);
    }

    /// Replaces the whole desired Adj-RIB-Out. Until the first call the peer gets no routes and no
    /// End-of-RIB, so that a restart does not make it drop what it has kept (RFC 4724 §4.2).
    pub fn set_routes(&mut self, _now: Instant, routes: Arc<RouteSet>) {
        for connection in self.slots.iter_mut() {
            if let Some(session) = connection.fsm.session_mut() {
                session.adj_out.set_routes(&routes);
            }
        }
        self.routes = Some(routes);
    }

    /// Serves the timers that have expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..MAX_TIMEOUTS {
            let due = self.slots.timers().filter(|(at, ..)| *at <= now);
            let Some((_, timer, slot)) = due.min_by_key(|(at, ..)| *at) else {
                break;
            };
            let input = match timer {
                Timer::IdleHold => Input::IdleHoldTimerExpires,
                Timer::ConnectRetry => Input::ConnectRetryTimerExpires,
                Timer::Hold => Input::HoldTimerExpires,
                Timer::Keepalive => Input::KeepaliveTimerExpires,
                Timer::SendHold => Input::SendHoldTimerExpires,
            };
            self.input(now, slot, input);
            self.settle(now);
        }
    }

    /// When to call [`Peer::handle_timeout`], and which timer that is for. `None`: not before
    /// something else happens.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let timers = self.slots.timers().map(|(at, timer, _)| (at, timer));
        timers.min_by_key(|(at, _)| *at)
    }

    /// Appends octets to send on a connection to `out`, about [`TRANSMIT_CHUNK`] at most, and
    /// returns whether there were any. To be called when the socket can take more, so that
    /// routes that change meanwhile are sent once. Report progress to [`Peer::transmitted`].
    ///
    /// After [`Action::Close`] it gives what should still be sent, once.
    pub fn poll_transmit(&mut self, now: Instant, conn: ConnId, out: &mut BytesMut) -> bool {
        let start = out.len();
        if let Some(at) = self
            .closing
            .iter()
            .position(|(closing, _)| *closing == conn)
        {
            if let Some((_, last)) = self.closing.remove(at) {
                out.extend_from_slice(&last);
            }
            return out.len() > start;
        }
        let Some(connection) = self.slots.find_mut(conn) else {
            return false;
        };
        out.extend_from_slice(&connection.take_outbox());
        if let Some(session) = connection.fsm.session_mut() {
            let written = session.adj_out.write(out, start + TRANSMIT_CHUNK);
            self.counters.sent.update += written.updates;
            self.counters.sent.route_refresh += written.refreshes;
        }
        let some = out.len() > start;
        if some {
            connection.octets_taken(now, &self.config);
        }
        some
    }

    /// The socket has taken octets that [`Peer::poll_transmit`] gave; `pending` of them still wait
    /// with the caller. Without such a call for the send hold time, while octets wait, the session
    /// ends (RFC 9687).
    pub fn transmitted(&mut self, now: Instant, conn: ConnId, pending: usize) {
        if let Some(connection) = self.slots.find_mut(conn) {
            connection.octets_sent(now, pending, &self.config);
        }
    }

    /// What the caller has to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The connections that may have octets to send: at most two.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> + '_ {
        let connections = self.slots.iter();
        connections.filter_map(|connection| connection.fsm.open_conn())
    }

    /// The states of its machines, one or two: more than [`Peer::state`] only while two
    /// connections collide. At most one is Established.
    pub fn machine_states(&self) -> impl Iterator<Item = StateName> + '_ {
        self.slots.states()
    }

    /// What the peer has sent, while Established.
    pub fn adj_in(&self) -> Option<&AdjIn> {
        Some(&self.slots.best().fsm.session()?.adj_in)
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &PeerConfig {
        &self.config
    }

    /// Who the peer said it is in its last OPEN, acceptable or not: what a person needs to know
    /// of a peer that is refused.
    pub fn heard(&self) -> Option<Heard> {
        self.heard
    }

    /// The state of the connection that is furthest.
    pub fn state(&self) -> StateName {
        self.slots.best().fsm.name()
    }

    /// Whether an Established peer has not been given all UPDATEs yet that its Adj-RIB-Out asks for.
    pub fn is_pending(&self) -> bool {
        let session = self.slots.best().fsm.session();
        session.is_some_and(|session| session.adj_out.is_pending())
    }

    /// A snapshot for people and metrics. Takes time proportional to the routes.
    pub fn status(&self, now: Instant) -> PeerStatus {
        let best = self.slots.best();
        let session = best.fsm.session();
        let adj_out = session.map(|session| &session.adj_out);
        let advertised = |family| adj_out.map_or(0, |adj_out| adj_out.advertised(family));
        PeerStatus {
            state: best.fsm.name(),
            connection: best.status(),
            negotiated: session.map(|session| session.negotiated.clone()),
            uptime: session.map(|session| now.saturating_duration_since(session.since)),
            next_timer: self.poll_timeout(),
            last_error: self.last_error.clone(),
            last_notification: self.last_notification.clone(),
            heard: self.heard,
            failures: self.retry.failures(),
            received: session.map(|session| session.adj_in.received()),
            advertised: Family::ALL.map(advertised),
            pending: self.is_pending(),
            unsent: adj_out.map_or_else(Vec::new, |adj_out| adj_out.unsent()),
            counters: self.counters,
        }
    }

    /// RFC 2918 §3, towards the peer.
    fn request_refresh(&mut self, family: Family) {
        let Some(connection) = self.slots.established_mut() else {
            return;
        };
        let Some(Session { negotiated, .. }) = connection.fsm.session() else {
            return;
        };
        if negotiated.route_refresh && negotiated.families.contains(&family) {
            let message = Message::RouteRefresh(RouteRefresh {
                family: family.afi_safi(),
                subtype: Subtype::Request,
            });
            if connection.queue(&message) {
                self.counters.sent.count(&message);
            }
        }
    }
}
