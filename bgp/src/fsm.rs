//! The finite state machine of RFC 4271 §8, one for each connection of a peer.
//!
//! A transition takes a state, the time and one [`Input`], and gives the next state and a list of
//! [`Output`]s. States own their data: a timer exists only in the states in which it can run.
//!
//! Where RFC 4271 leaves a choice, or later documents correct it:
//! * DelayOpen is off, so Events 12 and 20 do not exist. DampPeerOscillations is on: Idle after
//!   an error has a growing IdleHoldTimer, after which the machine starts by itself (Event 13).
//! * A connection that could not be made leads to Active, not to Idle, so that the peer's own
//!   connection is not refused meanwhile (as RFC 4271 §8.2.2 has it with DelayOpen on).
//! * While the IdleHoldTimer runs, the peer's own connection is taken, at a bounded pace: see
//!   [`crate::peer`].
//! * A NOTIFICATION is never answered with one (RFC 4271 §6.4), in no state.

use std::time::{Duration, Instant};

use crate::Notification;
use crate::message::Message;
use crate::message::open::{Expectations, Open};
use crate::negotiated::Negotiated;
use crate::peer::retry::Retry;
use crate::peer::session::Session;
use crate::peer::{ConnId, DownReason, LocalAddresses, PeerConfig, StopReason};

/// The hold timer until the peer's OPEN is in: "a large value", 4 minutes (RFC 4271 §8.2.2).
pub const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);

/// A state of RFC 4271 §8.2.2.
#[derive(Debug)]
pub enum State {
    /// Nothing runs.
    Idle {
        /// IdleHoldTimer (RFC 4271 §8.1.1): start again then. `None`: wait for [`Input::Start`].
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

/// What a transition asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a TCP connection.
    Connect(ConnId),
    /// Give up an attempt to.
    CancelConnect(ConnId),
    /// Queue a message.
    Send(ConnId, Box<Message<'static>>),
    /// Close after what is queued.
    Close(ConnId),
    /// The session is Established.
    Up,
    /// It no longer is, or an attempt has failed.
    Down(DownReason),
}

/// What transitions read and write besides the state.
#[derive(Debug)]
pub struct Environment<'a> {
    /// The neighbour.
    pub config: &'a PeerConfig,
    /// The OPEN to send on a new connection.
    pub open: &'a Open,
    /// Waits and jitter.
    pub retry: &'a mut Retry,
    /// The id of the next outgoing connection.
    pub next_conn: &'a mut ConnId,
    /// Our addresses on the connection, for the session to come.
    pub local: LocalAddresses,
    /// Filled by transitions, emptied by the caller after each.
    pub outputs: &'a mut Vec<Output>,
}

impl Environment<'_> {
    fn output(&mut self, output: Output) {
        self.outputs.push(output);
    }

    fn send(&mut self, conn: ConnId, message: Message<'static>) {
        self.output(Output::Send(conn, Box::new(message)));
    }
}

/// One connection's state machine.
#[derive(Debug)]
pub struct Fsm {
    state: State,
}

impl Fsm {
    /// A machine in Idle that waits for [`Input::Start`].
    pub fn new() -> Fsm {
        Fsm::in_state(State::Idle { idle_hold: None })
    }

    /// A machine in a given state.
    pub fn in_state(state: State) -> Fsm {
        Fsm { state }
    }

    /// The state and its data.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The session, in Established.
    pub fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Established { session, .. } => Some(session),
            State::Idle { .. }
            | State::Connect { .. }
            | State::Active { .. }
            | State::OpenSent { .. }
            | State::OpenConfirm { .. } => None,
        }
    }

    /// The session, in Established.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            State::Established { session, .. } => Some(session),
            State::Idle { .. }
            | State::Connect { .. }
            | State::Active { .. }
            | State::OpenSent { .. }
            | State::OpenConfirm { .. } => None,
        }
    }

    /// The state's name.
    pub fn name(&self) -> StateName {
        match &self.state {
            State::Idle { .. } => StateName::Idle,
            State::Connect { .. } => StateName::Connect,
            State::Active { .. } => StateName::Active,
            State::OpenSent { .. } => StateName::OpenSent,
            State::OpenConfirm { .. } => StateName::OpenConfirm,
            State::Established { .. } => StateName::Established,
        }
    }

    /// The connection over which messages flow: from OpenSent on.
    pub fn open_conn(&self) -> Option<ConnId> {
        match &self.state {
            State::OpenSent { conn, .. }
            | State::OpenConfirm { conn, .. }
            | State::Established { conn, .. } => Some(*conn),
            State::Idle { .. } | State::Connect { .. } | State::Active { .. } => None,
        }
    }

    /// The timer that expires next.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let (first, second) = match &self.state {
            State::Idle { idle_hold } => (idle_hold.map(|at| (at, Timer::IdleHold)), None),
            State::Connect { connect_retry, .. } => {
                (Some((*connect_retry, Timer::ConnectRetry)), None)
            }
            State::Active { connect_retry } => {
                (connect_retry.map(|at| (at, Timer::ConnectRetry)), None)
            }
            State::OpenSent { hold, .. } => (Some((*hold, Timer::Hold)), None),
            State::OpenConfirm {
                hold, keepalive, ..
            }
            | State::Established {
                hold, keepalive, ..
            } => (
                hold.map(|at| (at, Timer::Hold)),
                keepalive.map(|at| (at, Timer::Keepalive)),
            ),
        };
        first.into_iter().chain(second).min_by_key(|(at, _)| *at)
    }

    /// One transition.
    pub fn handle(&mut self, now: Instant, input: Input, env: &mut Environment<'_>) {
        let state = std::mem::replace(&mut self.state, State::Idle { idle_hold: None });
        self.state = match state {
            State::Idle { idle_hold } => idle(now, idle_hold, input, env),
            State::Connect {
                conn,
                connect_retry,
            } => connect(now, conn, connect_retry, input, env),
            State::Active { connect_retry } => active(now, connect_retry, input, env),
            State::OpenSent { conn, sent, hold } => open_sent(now, conn, sent, hold, input, env),
            State::OpenConfirm {
                conn,
                negotiated,
                hold,
                keepalive,
            } => open_confirm(now, conn, negotiated, (hold, keepalive), input, env),
            State::Established {
                conn,
                session,
                hold,
                keepalive,
            } => established(now, conn, session, (hold, keepalive), input, env),
        };
    }
}

impl Default for Fsm {
    fn default() -> Fsm {
        Fsm::new()
    }
}

/// RFC 4271 §8.2.2, Idle state.
fn idle(
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

fn begin_connect(now: Instant, env: &mut Environment<'_>) -> State {
    let conn = *env.next_conn;
    *env.next_conn = ConnId(conn.0.wrapping_add(1));
    env.output(Output::Connect(conn));
    State::Connect {
        conn,
        connect_retry: now + env.retry.attempt_time(),
    }
}

/// RFC 4271 §8.2.2, Connect state.
fn connect(
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

/// RFC 4271 §8.2.2, Active state.
fn active(
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

fn send_open(now: Instant, conn: ConnId, env: &mut Environment<'_>) -> State {
    let sent = Box::new(env.open.clone());
    env.send(conn, Message::Open(env.open.clone()));
    State::OpenSent {
        conn,
        sent,
        hold: now + LARGE_HOLD_TIME,
    }
}

/// Event 18 before an OPEN is in: to Active, with a growing ConnectRetryTimer.
fn wait_to_connect(now: Instant, reason: String, env: &mut Environment<'_>) -> State {
    env.output(Output::Down(DownReason::Tcp(reason)));
    let wait = env.retry.after_failed_connect();
    State::Active {
        connect_retry: (!env.config.passive).then(|| now + wait),
    }
}

/// RFC 4271 §8.2.2, OpenSent state.
fn open_sent(
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
    received.check(&Expectations {
        local_as: config.local_as,
        identifier: config.identifier,
        peer_as: config.peer_as,
        role: config.role,
    })?;
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

fn hold_deadline(now: Instant, negotiated: &Negotiated) -> Option<Instant> {
    negotiated.hold_time.duration().map(|time| now + time)
}

fn keepalive_deadline(
    now: Instant,
    negotiated: &Negotiated,
    env: &mut Environment<'_>,
) -> Option<Instant> {
    let time = negotiated.keepalive_time?;
    Some(now + env.retry.keepalive(time))
}

/// RFC 4271 §8.2.2, OpenConfirm state.
fn open_confirm(
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

/// RFC 4271 §8.2.2, Established state.
fn established(
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

/// Events 2 and 8 with a connection: Cease, unless the stop is to be silent.
fn stop(
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

fn stopped(
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
fn dump(conn: ConnId, env: &mut Environment<'_>) -> State {
    let notification = Notification::CONNECTION_COLLISION_RESOLUTION;
    env.send(conn, Message::Notification(notification));
    env.output(Output::Close(conn));
    State::Idle { idle_hold: None }
}

/// An error of ours to report: NOTIFICATION, close, Idle.
fn fail(
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
fn notified(
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
fn lost(now: Instant, reason: String, since: Option<Instant>, env: &mut Environment<'_>) -> State {
    env.output(Output::Down(DownReason::Tcp(reason)));
    hold_in_idle(now, since, env)
}

fn hold_in_idle(now: Instant, since: Option<Instant>, env: &mut Environment<'_>) -> State {
    State::Idle {
        idle_hold: Some(now + env.retry.after_error(now, since)),
    }
}
