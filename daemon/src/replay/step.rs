//! One input and what came of it.

use std::fmt;

use bgp::ConnId;
use bgp::fsm::StateName;
use bgp::record::{RecordedInput, Replayed};
use serde::Serialize;
use serde_json::value::RawValue;

use super::conversation::{Conversations, From};

/// One step of a replay.
#[derive(Debug, Serialize)]
pub(super) struct Step<'a> {
    /// Microseconds since the beginning.
    at_us: u64,
    input: &'a RecordedInput,
    /// Messages that the input completes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    received: Vec<Box<RawValue>>,
    actions: Vec<String>,
    sent: Vec<Sent>,
    state: StateName,
    #[serde(skip)]
    before: Option<StateName>,
}

/// A message and where it goes.
#[derive(Debug, Serialize)]
struct Sent {
    conn: ConnId,
    message: Box<RawValue>,
}

impl<'a> Step<'a> {
    /// The step after which the state was `before`.
    pub(super) fn new(
        input: &'a RecordedInput,
        replayed: Replayed,
        before: Option<StateName>,
        conversations: &mut Conversations,
    ) -> Step<'a> {
        let received = match input {
            RecordedInput::Received { conn, octets } => {
                conversations.take(*conn, From::Peer, &octets_of(octets))
            }
            RecordedInput::Event(_)
            | RecordedInput::Routes(_)
            | RecordedInput::Timeout
            | RecordedInput::Transmit(_)
            | RecordedInput::PollTransmit(_)
            | RecordedInput::Transmitted { .. } => Vec::new(),
        };
        let mut sent = Vec::new();
        for (conn, octets) in &replayed.sent {
            let messages = conversations.take(*conn, From::Us, &octets_of(octets));
            sent.extend(messages.into_iter().map(|message| Sent {
                conn: *conn,
                message,
            }));
        }
        Step {
            at_us: replayed.at_us,
            input,
            received,
            actions: replayed.actions,
            sent,
            state: replayed.state,
            before,
        }
    }
}

/// Digits to octets; that they are digits has been seen to by the replay.
fn octets_of(digits: &str) -> Vec<u8> {
    let value = |digit: &u8| {
        char::from(*digit)
            .to_digit(16)
            .and_then(|v| u8::try_from(v).ok())
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    let octet = |pair: &[u8]| match pair {
        [high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    };
    pairs.filter_map(octet).collect()
}

/// Seconds and the input; below it what came of it, a line each.
impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest) = (self.at_us / 1_000_000, self.at_us % 1_000_000);
        writeln!(f, "{seconds:>5}.{rest:06}  {}", Input(self.input))?;
        for message in &self.received {
            line(f, "received", &message.get())?;
        }
        for action in &self.actions {
            line(f, "action", action)?;
        }
        for sent in &self.sent {
            line(f, "sent", &sent.message.get())?;
        }
        match self.before == Some(self.state) {
            true => Ok(()),
            false => line(f, "state", &self.state),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, value: &dyn fmt::Display) -> fmt::Result {
    writeln!(f, "              {what:<9} {value}")
}

/// An input in a few words; the messages in it are shown by themselves.
struct Input<'a>(&'a RecordedInput);

impl fmt::Display for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RecordedInput::Event(event) => match serde_json::to_string(event) {
                Ok(event) => write!(f, "event {event}"),
                Err(_) => write!(f, "event {event:?}"),
            },
            RecordedInput::Received { conn, octets } => {
                write!(f, "receive on {}: {} octets", conn.0, octets.len() / 2)
            }
            RecordedInput::Routes(routes) => write!(f, "set routes: {}", routes.len()),
            RecordedInput::Timeout => f.write_str("timeout"),
            RecordedInput::Transmit(conn) => write!(f, "transmit on {}", conn.0),
            RecordedInput::PollTransmit(conn) => {
                write!(f, "transmit on {}, not all at once", conn.0)
            }
            RecordedInput::Transmitted { conn, pending } => {
                write!(f, "transmitted on {}: {pending} octets wait", conn.0)
            }
        }
    }
}
