//! RFC 4271 §8.2.2, OpenSent state.

use std::time::Instant;

use super::steps::{
    dump, fail, hold_deadline, keepalive_deadline, notified, stop, wait_to_connect,
};
use super::{Environment, Input, State};
use crate::Notification;
use crate::message::Message;
use crate::message::open::Open;
use crate::negotiated::Negotiated;
use crate::peer::{ConnId, PeerConfig};

pub(super) fn handle(
    now: Instant,
    conn: ConnId,
    sent: Box<Open>,
    hold: Instant,
    input: Input,
    env: &mut Environment<'_>,
) -> State {
    match input {
        Input::Start => State::OpenSent { conn, sent, hold },
        Input::Open(received) => match negotiate(&sent, &received, env.config) {
            Ok(negotiated) => confirm_open(now, conn, negotiated, env),
            Err(error) => fail(now, conn, error, None, env),
        },
        Input::TcpFails(reason) => wait_to_connect(now, reason, env),
        Input::Stop(reason) => stop(now, conn, reason, None, env),
        Input::CollisionDump => dump(conn, env),
        Input::HoldTimerExpires => fail(now, conn, Notification::HOLD_TIMER_EXPIRED, None, env),
        Input::SendHoldTimerExpires => {
            fail(now, conn, Notification::SEND_HOLD_TIMER_EXPIRED, None, env)
        }
        Input::AutomaticStop(error) | Input::MessageError(error) => {
            fail(now, conn, error, None, env)
        }
        Input::Notification(received) => notified(now, conn, received, None, env),
        // RFC 6608 §3.
        Input::Keepalive | Input::Update | Input::RouteRefresh => {
            let error = Notification::UNEXPECTED_MESSAGE_IN_OPEN_SENT;
            fail(now, conn, error, None, env)
        }
        Input::ConnectRetryTimerExpires
        | Input::KeepaliveTimerExpires
        | Input::IdleHoldTimerExpires
        | Input::TcpConnected(_) => fail(now, conn, Notification::FSM_ERROR, None, env),
    }
}

fn negotiate(
    sent: &Open,
    received: &Open,
    config: &PeerConfig,
) -> Result<Box<Negotiated>, Notification> {
    received.check(&config.expectations())?;
    Negotiated::new(sent, received, config.keepalive_time).map(Box::new)
}

/// Event 19 in OpenSent.
fn confirm_open(
    now: Instant,
    conn: ConnId,
    negotiated: Box<Negotiated>,
    env: &mut Environment<'_>,
) -> State {
    env.send(conn, Message::Keepalive);
    State::OpenConfirm {
        conn,
        hold: hold_deadline(now, &negotiated),
        keepalive: keepalive_deadline(now, &negotiated, env),
        negotiated,
    }
}
