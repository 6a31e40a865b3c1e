//! RFC 4271 §8.2.2, Connect state.

use std::time::Instant;

use super::steps::{begin_connect, hold_in_idle, send_open, stopped, wait_to_connect};
use super::{Environment, Input, Output, State};
use crate::peer::ConnId;

pub(super) fn handle(
    now: Instant,
    conn: ConnId,
    connect_retry: Instant,
    input: Input,
    env: &mut Environment<'_>,
) -> State {
    match input {
        Input::Start => State::Connect {
            conn,
            connect_retry,
        },
        Input::TcpConnected(conn) => send_open(now, conn, env),
        Input::TcpFails(reason) => wait_to_connect(now, reason, env),
        Input::ConnectRetryTimerExpires => {
            env.output(Output::CancelConnect(conn));
            begin_connect(now, env)
        }
        Input::Stop(reason) => {
            env.output(Output::CancelConnect(conn));
            stopped(now, reason, None, env)
        }
        Input::CollisionDump => {
            env.output(Output::CancelConnect(conn));
            State::Idle { idle_hold: None }
        }
        Input::AutomaticStop(_)
        | Input::HoldTimerExpires
        | Input::KeepaliveTimerExpires
        | Input::IdleHoldTimerExpires
        | Input::Open(_)
        | Input::MessageError(_)
        | Input::Notification(_)
        | Input::Keepalive
        | Input::Update
        | Input::RouteRefresh
        | Input::SendHoldTimerExpires => {
            env.output(Output::CancelConnect(conn));
            hold_in_idle(now, None, env)
        }
    }
}
