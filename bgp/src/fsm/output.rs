//! What a transition asks for, and what it reads and writes besides the state.

use crate::message::Message;
use crate::message::open::Open;
use crate::peer::retry::Retry;
use crate::peer::{ConnId, DownReason, LocalAddresses, PeerConfig};

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
    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push(output);
    }

    pub(super) fn send(&mut self, conn: ConnId, message: Message<'static>) {
        self.output(Output::Send(conn, Box::new(message)));
    }
}
