//! What transitions of several states have in common: how a connection begins, and how it ends.

use std::time::Instant;

use super::{Environment, LARGE_HOLD_TIME, Output, State};
use crate::Notification;
use crate::message::Message;
use crate::negotiated::Negotiated;
use crate::peer::{ConnId, DownReason, StopReason};

pub(super) fn begin_connect(now: Instant, env: &mut Environment<'_>) -> State {
    let conn = *env.next_conn;
    *env.next_conn = ConnId(conn.0.wrapping_add(1));
    env.output(Output::Connect(conn));
    State::Connect {
        conn,
        connect_retry: now + env.retry.attempt_time(),
    }
}

pub(super) fn send_open(now: Instant, conn: ConnId, env: &mut Environment<'_>) -> State {
    let sent = Box::new(env.open.clone());
    env.send(conn, Message::Open(env.open.clone()));
    State::OpenSent {
        conn,
        sent,
        hold: now + LARGE_HOLD_TIME,
    }
}

/// Event 18 before an OPEN is in: to Active, with a growing ConnectRetryTimer.
pub(super) fn wait_to_connect(now: Instant, reason: String, env: &mut Environment<'_>) -> State {
    env.output(Output::Down(DownReason::Tcp(reason)));
    let wait = env.retry.after_failed_connect();
    State::Active {
        connect_retry: (!env.config.passive).then(|| now + wait),
    }
}

pub(super) fn hold_deadline(now: Instant, negotiated: &Negotiated) -> Option<Instant> {
    negotiated.hold_time.duration().map(|time| now + time)
}

pub(super) fn keepalive_deadline(
    now: Instant,
    negotiated: &Negotiated,
    env: &mut Environment<'_>,
) -> Option<Instant> {
    let time = negotiated.keepalive_time?;
    Some(now + env.retry.keepalive(time))
}

/// Events 2 and 8 with a connection: Cease, unless the stop is to be silent.
pub(super) fn stop(
    now: Instant,
    conn: ConnId,
    reason: StopReason,
    since: Option<Instant>,
    env: &mut Environment<'_>,
) -> State {
    if let Some(notification) = reason.notification() {
        env.send(conn, Message::Notification(notification));
    }
    env.output(Output::Close(conn));
    stopped(now, reason, since, env)
}

pub(super) fn stopped(
    now: Instant,
    reason: StopReason,
    since: Option<Instant>,
    env: &mut Environment<'_>,
) -> State {
    let restarts = reason.restarts();
    env.output(Output::Down(DownReason::Stopped(reason)));
    match restarts {
        true => hold_in_idle(now, since, env),
        false => State::Idle { idle_hold: None },
    }
}

/// Event 23: Cease/7. The other connection goes on, so this machine rests.
pub(super) fn dump(conn: ConnId, env: &mut Environment<'_>) -> State {
    let notification = Notification::CONNECTION_COLLISION_RESOLUTION;
    env.send(conn, Message::Notification(notification));
    env.output(Output::Close(conn));
    State::Idle { idle_hold: None }
}

/// An error of ours to report: NOTIFICATION, close, Idle.
pub(super) fn fail(
    now: Instant,
    conn: ConnId,
    error: Notification,
    since: Option<Instant>,
    env: &mut Environment<'_>,
) -> State {
    env.send(conn, Message::Notification(error.clone()));
    env.output(Output::Close(conn));
    env.output(Output::Down(DownReason::Sent(error)));
    hold_in_idle(now, since, env)
}

/// Events 24 and 25. No answer (RFC 4271 §6.4).
pub(super) fn notified(
    now: Instant,
    conn: ConnId,
    received: Notification,
    since: Option<Instant>,
    env: &mut Environment<'_>,
) -> State {
    env.output(Output::Close(conn));
    env.output(Output::Down(DownReason::Received(received)));
    hold_in_idle(now, since, env)
}

/// Event 18 after the OPEN.
pub(super) fn lost(
    now: Instant,
    reason: String,
    since: Option<Instant>,
    env: &mut Environment<'_>,
) -> State {
    env.output(Output::Down(DownReason::Tcp(reason)));
    hold_in_idle(now, since, env)
}

pub(super) fn hold_in_idle(
    now: Instant,
    since: Option<Instant>,
    env: &mut Environment<'_>,
) -> State {
    State::Idle {
        idle_hold: Some(now + env.retry.after_error(now, since)),
    }
}
