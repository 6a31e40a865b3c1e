//! The six states of RFC 4271 §8.2.2 and their timers.

use std::time::{Duration, Instant};

use crate::message::open::Open;
use crate::negotiated::Negotiated;
use crate::peer::ConnId;
use crate::peer::session::Session;

/// The hold timer until the peer's OPEN is in: "a large value", 4 minutes (RFC 4271 §8.2.2).
pub const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);

/// A state of RFC 4271 §8.2.2.
#[derive(Debug)]
pub enum State {
    /// Nothing runs.
    Idle {
        /// IdleHoldTimer (RFC 4271 §8.1.1): start again then. `None`: wait for `Start`.
        idle_hold: Option<Instant>,
    },
    /// A TCP connection is being made.
    Connect {
        /// The attempt.
        conn: ConnId,
        /// ConnectRetryTimer: give the attempt up and make another.
        connect_retry: Instant,
    },
    /// Waiting for the peer to connect.
    Active {
        /// ConnectRetryTimer: connect then. `None`: never, the peer has to.
        connect_retry: Option<Instant>,
    },
    /// TCP stands, our OPEN is sent.
    OpenSent {
        /// The connection.
        conn: ConnId,
        /// The OPEN as sent, to negotiate with.
        sent: Box<Open>,
        /// HoldTimer, [`LARGE_HOLD_TIME`].
        hold: Instant,
    },
    /// Both OPENs are in, the peer's KEEPALIVE is not.
    OpenConfirm {
        /// The connection.
        conn: ConnId,
        /// What the OPENs agree on.
        negotiated: Box<Negotiated>,
        /// HoldTimer; `None` when the hold time is 0.
        hold: Option<Instant>,
        /// KeepaliveTimer; `None` when the hold time is 0.
        keepalive: Option<Instant>,
    },
    /// Routes flow.
    Established {
        /// The connection.
        conn: ConnId,
        /// What the session knows, both RIBs among it.
        session: Box<Session>,
        /// HoldTimer; `None` when the hold time is 0.
        hold: Option<Instant>,
        /// KeepaliveTimer; `None` when the hold time is 0.
        keepalive: Option<Instant>,
    },
}

/// The names of RFC 4271 §8.2.2, in the order a session goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum StateName {
    /// Idle.
    Idle,
    /// Active.
    Active,
    /// Connect.
    Connect,
    /// OpenSent.
    OpenSent,
    /// OpenConfirm.
    OpenConfirm,
    /// Established.
    Established,
}

impl std::fmt::Display for StateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// A timer that can be the next to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Timer {
    /// IdleHoldTimer (RFC 4271 §8.1.3, Event 13).
    IdleHold,
    /// ConnectRetryTimer (Event 9).
    ConnectRetry,
    /// HoldTimer (Event 10).
    Hold,
    /// KeepaliveTimer (Event 11).
    Keepalive,
    /// SendHoldTimer (RFC 9687, Event 29).
    SendHold,
}
