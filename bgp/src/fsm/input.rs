//! The events of RFC 4271 §8.1.

use crate::Notification;
use crate::message::open::Open;
use crate::peer::{ConnId, StopReason};

/// What happens to one connection: the events of RFC 4271 §8.1, by their numbers there.
#[derive(Clone, Debug)]
pub enum Input {
    /// 1, 3 to 7: manual or automatic start; passive or not is in the configuration.
    Start,
    /// 2: manual stop, stays in Idle; or 8 where [`StopReason::restarts`].
    Stop(StopReason),
    /// 8: automatic stop with this NOTIFICATION; starts again after the IdleHoldTimer.
    AutomaticStop(Notification),
    /// 9.
    ConnectRetryTimerExpires,
    /// 10.
    HoldTimerExpires,
    /// 11.
    KeepaliveTimerExpires,
    /// 13.
    IdleHoldTimerExpires,
    /// 16 and 17: the TCP connection stands.
    TcpConnected(ConnId),
    /// 18: the TCP connection could not be made, or is lost; why.
    TcpFails(String),
    /// 19: an OPEN that could be read; whether it is acceptable is found out here (22).
    Open(Box<Open>),
    /// 21, 22 and 28: a message that could not be read.
    MessageError(Notification),
    /// 23: the other connection of this peer stays, this one goes.
    CollisionDump,
    /// 24 and 25.
    Notification(Notification),
    /// 26.
    Keepalive,
    /// 27.
    Update,
    /// A ROUTE-REFRESH (RFC 2918): where it is allowed, an UPDATE is.
    RouteRefresh,
    /// 29: RFC 9687 §4.
    SendHoldTimerExpires,
}
