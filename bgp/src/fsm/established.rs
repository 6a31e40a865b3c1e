//! RFC 4271 §8.2.2, Established state.

use std::time::Instant;

use super::steps::{dump, fail, hold_deadline, keepalive_deadline, lost, notified, stop};
use super::{Environment, Input, Output, State};
use crate::Notification;
use crate::message::Message;
use crate::peer::session::Session;
use crate::peer::{ConnId, DownReason};

pub(super) fn handle(
    now: Instant,
    conn: ConnId,
    session: Box<Session>,
    (hold, keepalive): (Option<Instant>, Option<Instant>),
    input: Input,
    env: &mut Environment<'_>,
) -> State {
    let since = Some(session.since);
    match input {
        Input::Start => State::Established {
            conn,
            session,
            hold,
            keepalive,
        },
        Input::Keepalive | Input::Update | Input::RouteRefresh => State::Established {
            conn,
            hold: hold_deadline(now, &session.negotiated),
            session,
            keepalive,
        },
        Input::KeepaliveTimerExpires => {
            env.send(conn, Message::Keepalive);
            State::Established {
                conn,
                keepalive: keepalive_deadline(now, &session.negotiated, env),
                session,
                hold,
            }
        }
        Input::TcpFails(reason) => lost(now, reason, since, env),
        Input::Stop(reason) => stop(now, conn, reason, since, env),
        Input::CollisionDump => {
            let state = dump(conn, env);
            let dumped = Notification::CONNECTION_COLLISION_RESOLUTION;
            env.output(Output::Down(DownReason::Sent(dumped)));
            state
        }
        Input::HoldTimerExpires => fail(now, conn, Notification::HOLD_TIMER_EXPIRED, since, env),
        Input::SendHoldTimerExpires => {
            fail(now, conn, Notification::SEND_HOLD_TIMER_EXPIRED, since, env)
        }
        Input::AutomaticStop(error) | Input::MessageError(error) => {
            fail(now, conn, error, since, env)
        }
        Input::Notification(received) => notified(now, conn, received, since, env),
        // RFC 6608 §3.
        Input::Open(_) => {
            let error = Notification::UNEXPECTED_MESSAGE_IN_ESTABLISHED;
            fail(now, conn, error, since, env)
        }
        Input::ConnectRetryTimerExpires | Input::IdleHoldTimerExpires | Input::TcpConnected(_) => {
            fail(now, conn, Notification::FSM_ERROR, since, env)
        }
    }
}
