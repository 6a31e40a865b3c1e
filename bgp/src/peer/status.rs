//! What a peer says of itself, for people and metrics.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{ConnId, Direction, DownReason};
use crate::adj_in::Received;
use crate::adj_out::Unsent;
use crate::attribute::Treatment;
use crate::fsm::{StateName, Timer};
use crate::message::Message;
use crate::message::update::Update;
use crate::negotiated::Negotiated;
use crate::{Asn, BgpIdentifier};

/// A snapshot of one [`super::Peer`].
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// The state of the connection that is furthest.
    pub state: StateName,
    /// That connection, from OpenSent on.
    pub connection: Option<ConnectionStatus>,
    /// What the OPENs agreed on, in Established.
    pub negotiated: Option<Negotiated>,
    /// How long the session has been Established.
    pub uptime: Option<Duration>,
    /// What is waited for, and when it happens: for a peer that is down, the next attempt.
    pub next_timer: Option<(Instant, Timer)>,
    /// The last reason for a session or an attempt to end, and when.
    pub last_error: Option<(Instant, DownReason)>,
    /// The last NOTIFICATION, sent or received, since a session was last lost without one. A
    /// router that has sent one may close what is tried next without a word.
    pub last_notification: Option<DownReason>,
    /// Who the peer said it is in its last OPEN, acceptable or not.
    pub heard: Option<Heard>,
    /// Errors in a row: what makes waits longer.
    pub failures: u32,
    /// Prefixes the peer has sent.
    pub received: Option<Received>,
    /// Prefixes the peer holds from us: IPv4, IPv6.
    pub advertised: [usize; 2],
    /// Whether UPDATEs are still to be sent.
    pub pending: bool,
    /// Desired routes that are not advertised on this session, and why.
    pub unsent: Vec<Unsent>,
    /// Messages over the life of the peer.
    pub counters: Counters,
}

/// Who a peer says it is, in an OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its AS.
    pub asn: Asn,
    /// Its BGP Identifier.
    pub identifier: BgpIdentifier,
}

/// One TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Its name.
    pub conn: ConnId,
    /// Who opened it.
    pub direction: Direction,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
}

/// Messages and events over the life of a peer, all connections together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Messages received.
    pub received: MessageCounters,
    /// Messages handed to the caller to send.
    pub sent: MessageCounters,
    /// Sessions that became Established.
    pub established: u64,
    /// Sessions that left Established.
    pub dropped: u64,
    /// Connections closed because another one stays (RFC 4271 §6.8).
    pub collisions: u64,
    /// Incoming connections refused.
    pub refused: u64,
    /// UPDATEs whose routes were handled as withdrawn (RFC 7606 §2).
    pub treated_as_withdraw: u64,
    /// Attributes that were discarded (RFC 7606 §2).
    pub attributes_discarded: u64,
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageCounters {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl Counters {
    /// What RFC 7606 found wrong in an UPDATE that was taken in.
    pub(super) fn count_errors(&mut self, update: &Update<'_>) {
        let withdraw = update.treatment() == Some(Treatment::TreatAsWithdraw);
        self.treated_as_withdraw += u64::from(withdraw);
        let discarded = update.errors.iter();
        let discarded = discarded.filter(|error| error.treatment == Treatment::AttributeDiscard);
        self.attributes_discarded += discarded.count() as u64;
    }
}

impl MessageCounters {
    pub(super) fn count(&mut self, message: &Message<'_>) {
        *match message {
            Message::Open(_) => &mut self.open,
            Message::Update(_) => &mut self.update,
            Message::Notification(_) => &mut self.notification,
            Message::Keepalive => &mut self.keepalive,
            Message::RouteRefresh(_) => &mut self.route_refresh,
        } += 1;
    }
}
