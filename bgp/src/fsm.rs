//! The finite state machine of RFC 4271 §8, one for each connection of a peer.
//!
//! A transition takes a state, the time and one [`Input`], and gives the next state and a list of
//! [`Output`]s. States own their data: a timer exists only in the states in which it can run.
//!
//! Each state has a file of its own with what it makes of every input; what several of them have in
//! common is in `steps`.
//!
//! Where RFC 4271 leaves a choice, or later documents correct it:
//! * DelayOpen is off, so Events 12 and 20 do not exist. DampPeerOscillations is on: Idle after
//!   an error has a growing IdleHoldTimer, after which the machine starts by itself (Event 13).
//! * A connection that could not be made leads to Active, not to Idle, so that the peer's own
//!   connection is not refused meanwhile (as RFC 4271 §8.2.2 has it with DelayOpen on).
//! * While the IdleHoldTimer runs, the peer's own connection is taken, at a bounded pace: see
//!   [`crate::peer`].
//! * A NOTIFICATION is never answered with one (RFC 4271 §6.4), in no state.

mod active;
mod connect;
mod established;
mod idle;
mod input;
mod open_confirm;
mod open_sent;
mod output;
mod state;
mod steps;

use std::time::Instant;

pub use input::Input;
pub use output::{Environment, Output};
pub use state::{LARGE_HOLD_TIME, State, StateName, Timer};

use crate::peer::ConnId;
use crate::peer::session::Session;

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
            State::Idle { idle_hold } => idle::handle(now, idle_hold, input, env),
            State::Connect {
                conn,
                connect_retry,
            } => connect::handle(now, conn, connect_retry, input, env),
            State::Active { connect_retry } => active::handle(now, connect_retry, input, env),
            State::OpenSent { conn, sent, hold } => {
                open_sent::handle(now, conn, sent, hold, input, env)
            }
            State::OpenConfirm {
                conn,
                negotiated,
                hold,
                keepalive,
            } => open_confirm::handle(now, conn, negotiated, (hold, keepalive), input, env),
            State::Established {
                conn,
                session,
                hold,
                keepalive,
            } => established::handle(now, conn, session, (hold, keepalive), input, env),
        };
    }
}

impl Default for Fsm {
    fn default() -> Fsm {
        Fsm::new()
    }
}
