//! RFC 4271 §8.2.2, OpenConfirm state.

use std::time::Instant;

use super::steps::{dump, fail, hold_deadline, keepalive_deadline, lost, notified, stop};
use super::{Environment, Input, Output, State};
use crate::Notification;
use crate::message::Message;
use crate::negotiated::Negotiated;
use crate::peer::ConnId;
use crate::peer::session::Session;

pub(super) fn handle(
    now: Instant,
    conn: ConnId,
    negotiated: Box<Negotiated>,
    (hold, keepalive): (Option<Instant>, Option<Instant>),
    input: Input,
    env: &mut Environment<'_>,
) -> State {
    match input {
        Input::Start => State::OpenConfirm {
            conn,
            negotiated,
            hold,
            keepalive,
        },
        Input::Keepalive => {
            env.retry.established();
            env.output(Output::Up);
            State::Established {
                conn,
                hold: hold_deadline(now, &negotiated),
                keepalive,
                session: Box::new(Session::new(now, *negotiated, env.local, env.config)),
            }
        }
        Input::KeepaliveTimerExpires => {
            env.send(conn, Message::Keepalive);
            State::OpenConfirm {
                conn,
                keepalive: keepalive_deadline(now, &negotiated, env),
                negotiated,
                hold,
            }
        }
        Input::TcpFails(reason) => lost(now, reason, None, env),
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
        Input::Open(_) | Input::Update | Input::RouteRefresh => {
            let error = Notification::UNEXPECTED_MESSAGE_IN_OPEN_CONFIRM;
            fail(now, conn, error, None, env)
        }
        Input::ConnectRetryTimerExpires | Input::IdleHoldTimerExpires | Input::TcpConnected(_) => {
            fail(now, conn, Notification::FSM_ERROR, None, env)
        }
    }
}
