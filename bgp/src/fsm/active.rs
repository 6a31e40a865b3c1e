//! RFC 4271 §8.2.2, Active state.

use std::time::Instant;

use super::steps::{begin_connect, hold_in_idle, send_open, stopped};
use super::{Environment, Input, State};

pub(super) fn handle(
    now: Instant,
    connect_retry: Option<Instant>,
    input: Input,
    env: &mut Environment<'_>,
) -> State {
    match input {
        Input::Start => State::Active { connect_retry },
        Input::TcpConnected(conn) => send_open(now, conn, env),
        Input::ConnectRetryTimerExpires => begin_connect(now, env),
        Input::Stop(reason) => stopped(now, reason, None, env),
        Input::CollisionDump => State::Idle { idle_hold: None },
        Input::TcpFails(_)
        | Input::AutomaticStop(_)
        | Input::HoldTimerExpires
        | Input::KeepaliveTimerExpires
        | Input::IdleHoldTimerExpires
        | Input::Open(_)
        | Input::MessageError(_)
        | Input::Notification(_)
        | Input::Keepalive
        | Input::Update
        | Input::RouteRefresh
        | Input::SendHoldTimerExpires => hold_in_idle(now, None, env),
    }
}
