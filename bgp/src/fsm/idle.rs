//! RFC 4271 §8.2.2, Idle state.

use std::time::Instant;

use super::steps::begin_connect;
use super::{Environment, Input, State};

pub(super) fn handle(
    now: Instant,
    idle_hold: Option<Instant>,
    input: Input,
    env: &mut Environment<'_>,
) -> State {
    match input {
        Input::Start | Input::IdleHoldTimerExpires => start(now, env),
        Input::Stop(reason) if reason.restarts() => State::Idle { idle_hold },
        Input::Stop(_) | Input::CollisionDump => State::Idle { idle_hold: None },
        Input::AutomaticStop(_)
        | Input::ConnectRetryTimerExpires
        | Input::HoldTimerExpires
        | Input::KeepaliveTimerExpires
        | Input::TcpConnected(_)
        | Input::TcpFails(_)
        | Input::Open(_)
        | Input::MessageError(_)
        | Input::Notification(_)
        | Input::Keepalive
        | Input::Update
        | Input::RouteRefresh
        | Input::SendHoldTimerExpires => State::Idle { idle_hold },
    }
}

/// Events 1, 3, 6 and 13, and their passive kin 4, 5 and 7.
fn start(now: Instant, env: &mut Environment<'_>) -> State {
    match env.config.passive {
        true => State::Active {
            connect_retry: None,
        },
        false => begin_connect(now, env),
    }
}
