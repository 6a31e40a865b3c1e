//! One TCP connection of a peer: its state machine, and what waits to be sent on it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::status::ConnectionStatus;
use super::{ConnId, Direction, LocalAddresses, PeerConfig};
use crate::codec::{self, Rules};
use crate::fsm::{Fsm, StateName, Timer};
use crate::message::Message;

/// Most octets of messages other than UPDATEs that wait on one connection. KEEPALIVEs do not
/// pile up, so only requests of the user for refreshes can reach it.
const MAX_OUTBOX: usize = 8 * 4096;
/// RFC 9687 §5: the default is the greater of 8 minutes and twice the hold time.
const MIN_SEND_HOLD: Duration = Duration::from_secs(8 * 60);

/// Where a TCP connection goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) conn: ConnId,
    pub(super) direction: Direction,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) interface: LocalAddresses,
    /// When TCP stood.
    pub(super) opened: Instant,
}

/// One state machine and its connection, if there is one.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) fsm: Fsm,
    pub(super) link: Option<Link>,
    /// OPEN, KEEPALIVE, NOTIFICATION and ROUTE-REFRESH not yet taken by the caller.
    outbox: BytesMut,
    /// Whether the OPEN sent had capabilities; `None` before one is.
    pub(super) capabilities_sent: Option<bool>,
    /// SendHoldTimer (RFC 9687 §4): runs while the caller has octets that it cannot send.
    send_hold: Option<Instant>,
}

impl Connection {
    pub(super) fn with_fsm(fsm: Fsm) -> Connection {
        Connection {
            fsm,
            ..Connection::default()
        }
    }

    pub(super) fn is_conn(&self, conn: ConnId) -> bool {
        self.fsm.open_conn() == Some(conn)
    }

    /// Whether an OPEN has gone out and the end is not in sight.
    pub(super) fn is_live(&self) -> bool {
        self.fsm.name() >= StateName::OpenSent
    }

    pub(super) fn is_established(&self) -> bool {
        self.fsm.name() == StateName::Established
    }

    pub(super) fn direction(&self) -> Option<Direction> {
        self.link.map(|link| link.direction)
    }

    /// What the codec goes by: everything negotiated, from Established on.
    pub(super) fn rules(&self) -> Rules {
        self.fsm
            .session()
            .map_or_else(Rules::default, |session| session.rules)
    }

    /// Queues a message. Returns whether it was: a KEEPALIVE behind another message would tell
    /// the peer nothing new.
    pub(super) fn queue(&mut self, message: &Message<'_>) -> bool {
        let redundant = matches!(message, Message::Keepalive)
            && self.fsm.session().is_some()
            && !self.outbox.is_empty();
        let urgent = matches!(message, Message::Notification(_));
        if let Message::Open(open) = message {
            self.capabilities_sent = Some(!open.capabilities.is_empty());
        }
        if redundant || (self.outbox.len() >= MAX_OUTBOX && !urgent) {
            return false;
        }
        codec::encode(message, &Rules::default(), &mut self.outbox).is_ok()
    }

    pub(super) fn take_outbox(&mut self) -> BytesMut {
        std::mem::take(&mut self.outbox)
    }

    /// The caller has taken octets to send.
    pub(super) fn octets_taken(&mut self, now: Instant, config: &PeerConfig) {
        if self.send_hold.is_none() {
            self.send_hold = Some(now + self.send_hold_time(config));
        }
    }

    /// The socket has taken octets; `pending` more wait with the caller.
    pub(super) fn octets_sent(&mut self, now: Instant, pending: usize, config: &PeerConfig) {
        self.send_hold = match pending {
            0 => None,
            _ => Some(now + self.send_hold_time(config)),
        };
    }

    pub(super) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let send_hold = self.send_hold.filter(|_| self.is_live());
        let send_hold = send_hold.map(|at| (at, Timer::SendHold));
        let timers = self.fsm.poll_timeout().into_iter().chain(send_hold);
        timers.min_by_key(|(at, _)| *at)
    }

    pub(super) fn status(&self) -> Option<ConnectionStatus> {
        let link = self.link.filter(|_| self.is_live())?;
        Some(ConnectionStatus {
            conn: link.conn,
            direction: link.direction,
            local: link.local,
            remote: link.remote,
        })
    }

    /// The connection is gone; the machine goes on without one.
    pub(super) fn unlink(&mut self) {
        self.link = None;
        self.capabilities_sent = None;
        self.send_hold = None;
        self.outbox.clear();
    }

    fn send_hold_time(&self, config: &PeerConfig) -> Duration {
        let hold_time = self
            .fsm
            .session()
            .map_or(config.hold_time, |session| session.negotiated.hold_time);
        let twice = hold_time.duration().unwrap_or_default() * 2;
        config.send_hold_time.unwrap_or(MIN_SEND_HOLD.max(twice))
    }
}
