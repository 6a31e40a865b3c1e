//! A session as a recording: everything that went into a [`Peer`], to be fed to one again.
//!
//! One JSON object a line. The first is [`Recorded::Begin`]; times are microseconds since it. A
//! peer is a value, so the same inputs give the same outputs: a recording of what a user saw is a
//! test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use crate::fsm::StateName;
use crate::peer::DownReason;
use crate::{Action, ConnId, Event, Peer, PeerConfig, RouteSet};

/// The version of the format that is written. Version 2 has [`RecordedInput::PollTransmit`] and
/// [`RecordedInput::Transmitted`] beside [`RecordedInput::Transmit`]; recordings of version 1 are
/// read, too.
pub const VERSION: u32 = 2;
/// Most outputs that a replay takes after one input; a peer gives far fewer.
const MAX_OUTPUTS: usize = 100_000;

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recorded {
    /// [`Peer::new`].
    Begin {
        /// The format's version; 1 where it is not said.
        #[serde(default = "first_version")]
        version: u32,
        /// The configuration.
        config: Box<PeerConfig>,
        /// The seed of the jitter.
        entropy: u64,
    },
    /// One call of a method of [`Peer`].
    Input {
        /// Microseconds since the beginning.
        at_us: u64,
        /// Which, and with what.
        input: RecordedInput,
    },
}

impl Recorded {
    /// The first line, of the current version.
    pub fn begin(config: PeerConfig, entropy: u64) -> Recorded {
        Recorded::Begin {
            version: VERSION,
            config: Box::new(config),
            entropy,
        }
    }

    /// Whether this build reads a recording that begins so.
    ///
    /// # Errors
    /// It is of a later version.
    pub fn check_version(&self) -> Result<(), ReplayError> {
        match self {
            Recorded::Begin { version, .. } if *version > VERSION => {
                Err(ReplayError::UnknownVersion(*version))
            }
            Recorded::Begin { .. } | Recorded::Input { .. } => Ok(()),
        }
    }
}

fn first_version() -> u32 {
    1
}

/// A call that changes a [`Peer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordedInput {
    /// [`Peer::handle`].
    Event(Event),
    /// [`Peer::receive`].
    Received {
        /// The connection.
        conn: ConnId,
        /// The octets that arrived, in hexadecimal digits.
        octets: String,
    },
    /// [`Peer::set_routes`].
    Routes(Arc<RouteSet>),
    /// [`Peer::handle_timeout`].
    Timeout,
    /// [`Peer::poll_transmit`], and at once [`Peer::transmitted`] of all that it gave.
    Transmit(ConnId),
    /// [`Peer::poll_transmit`], and the socket did not take all that it gave at once.
    PollTransmit(ConnId),
    /// [`Peer::transmitted`]: the socket has taken octets after a [`RecordedInput::PollTransmit`].
    Transmitted {
        /// The connection.
        conn: ConnId,
        /// How many octets still waited for the socket.
        pending: usize,
    },
}

impl RecordedInput {
    /// Octets that arrived.
    pub fn received(conn: ConnId, octets: &[u8]) -> RecordedInput {
        RecordedInput::Received {
            conn,
            octets: to_hex(octets),
        }
    }
}

/// What a replayed peer did after one input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Microseconds since the beginning.
    pub at_us: u64,
    /// The state after the input.
    pub state: StateName,
    /// Octets to send, in hexadecimal digits, each with its connection.
    pub sent: Vec<(ConnId, String)>,
    /// Actions, in order, for people.
    pub actions: Vec<String>,
}

/// A recording that cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It does not begin with [`Recorded::Begin`].
    NoBeginning,
    /// It is of a version after [`VERSION`].
    UnknownVersion(u32),
    /// A second one stands at this line, counted from 1.
    SecondBeginning(usize),
    /// Octets at this line are not pairs of hexadecimal digits.
    NotHexadecimal(usize),
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplayError::NoBeginning => f.write_str("line 1: a recording begins with `begin`"),
            ReplayError::UnknownVersion(version) => write!(
                f,
                "line 1: the recording is of version {version}, and this build reads versions up to \
                 {VERSION}: use the build that wrote it"
            ),
            ReplayError::SecondBeginning(line) => write!(f, "line {line}: a second `begin`"),
            ReplayError::NotHexadecimal(line) => {
                write!(f, "line {line}: octets are pairs of hexadecimal digits")
            }
        }
    }
}

impl std::error::Error for ReplayError {}

/// Feeds a recording through a new [`Peer`], and tells what that did after each input. `start`
/// stands for the time of the beginning; any will do.
pub fn replay(
    recording: &[Recorded],
    start: Instant,
) -> Result<(Peer, Vec<Replayed>), ReplayError> {
    let Some((begin, inputs)) = recording.split_first() else {
        return Err(ReplayError::NoBeginning);
    };
    begin.check_version()?;
    let Recorded::Begin {
        config, entropy, ..
    } = begin
    else {
        return Err(ReplayError::NoBeginning);
    };
    let mut peer = Peer::new(PeerConfig::clone(config), *entropy, start);
    let mut buffers = std::collections::BTreeMap::new();
    let mut replayed = Vec::with_capacity(inputs.len());
    for (index, recorded) in inputs.iter().enumerate() {
        let line = index + 2;
        let Recorded::Input { at_us, input } = recorded else {
            return Err(ReplayError::SecondBeginning(line));
        };
        let now = start + Duration::from_micros(*at_us);
        let mut sent = Vec::new();
        match input {
            RecordedInput::Event(event) => peer.handle(now, event.clone()),
            RecordedInput::Received { conn, octets } => {
                let octets = from_hex(octets).ok_or(ReplayError::NotHexadecimal(line))?;
                let buffer: &mut BytesMut = buffers.entry(*conn).or_default();
                buffer.extend_from_slice(&octets);
                peer.receive(now, *conn, buffer);
            }
            RecordedInput::Routes(routes) => peer.set_routes(now, Arc::clone(routes)),
            RecordedInput::Timeout => peer.handle_timeout(now),
            RecordedInput::Transmit(conn) => {
                sent.extend(polled(&mut peer, now, *conn));
                peer.transmitted(now, *conn, 0);
            }
            RecordedInput::PollTransmit(conn) => sent.extend(polled(&mut peer, now, *conn)),
            RecordedInput::Transmitted { conn, pending } => {
                peer.transmitted(now, *conn, *pending);
            }
        }
        let actions = std::iter::from_fn(|| peer.poll_action()).take(MAX_OUTPUTS);
        let actions = actions.map(|action| describe(&action)).collect();
        replayed.push(Replayed {
            at_us: *at_us,
            state: peer.state(),
            sent,
            actions,
        });
    }
    Ok((peer, replayed))
}

/// What the peer has to send on a connection, if anything.
fn polled(peer: &mut Peer, now: Instant, conn: ConnId) -> Option<(ConnId, String)> {
    let mut out = BytesMut::new();
    let some = peer.poll_transmit(now, conn, &mut out);
    some.then(|| (conn, to_hex(&out)))
}

fn describe(action: &Action) -> String {
    match action {
        Action::Connect(conn) => format!("connect {}", conn.0),
        Action::Close(conn) => format!("close {}", conn.0),
        Action::CancelConnect(conn) => format!("cancel connect {}", conn.0),
        Action::Up(negotiated) => format!("up, peer AS {}", negotiated.peer_as),
        Action::Down(DownReason::Sent(sent)) => format!("down, sent {sent}"),
        Action::Down(DownReason::Received(received)) => format!("down, received {received}"),
        Action::Down(DownReason::Tcp(reason)) => format!("down, {reason}"),
        Action::Down(DownReason::Stopped(reason)) => format!("down, stopped: {reason:?}"),
    }
}

fn to_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits
        .chars()
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::PeerAs;
    use crate::{Asn, BgpIdentifier};

    #[test]
    fn a_recording_survives_json_and_replays_to_the_same_outputs() {
        let recording = recording();
        let read: Vec<Recorded> = recording
            .iter()
            .map(|line| serde_json::to_string(line).expect("it has a JSON form"))
            .map(|line| serde_json::from_str(&line).expect("it is read back"))
            .collect();
        assert_eq!(read, recording);
        let now = now();
        let (_, one) = replay(&read, now).expect("a recording");
        let (_, other) = replay(&recording, now + Duration::from_secs(9)).expect("a recording");
        assert_eq!(one, other);
        assert_eq!(one[0].actions, [format!("connect {}", ConnId::OUTGOING.0)]);
        assert_eq!(one[1].state, StateName::Active);
    }

    #[test]
    fn a_recording_that_makes_no_sense_says_at_which_line() {
        let mut broken = recording();
        broken.push(Recorded::Input {
            at_us: 5,
            input: RecordedInput::Received {
                conn: ConnId(1),
                octets: "ff0".to_owned(),
            },
        });
        let error = replay(&broken, now()).err();
        assert_eq!(error, Some(ReplayError::NotHexadecimal(4)));
        assert_eq!(replay(&[], now()).err(), Some(ReplayError::NoBeginning));
    }

    #[test]
    fn a_recording_of_the_first_version_is_read_and_of_a_later_one_refused() {
        let json = |recorded: &Recorded| serde_json::to_value(recorded).expect("a JSON form");
        let mut begin = json(&recording()[0]);
        assert_eq!(begin["begin"]["version"], VERSION);
        begin["begin"]["version"] = (VERSION + 1).into();
        let later: Recorded = serde_json::from_value(begin.clone()).expect("a line");
        let error = replay(&[later], now()).err();
        assert_eq!(error, Some(ReplayError::UnknownVersion(VERSION + 1)));
        let fields = begin["begin"].as_object_mut().expect("fields");
        fields.remove("version");
        let first: Recorded = serde_json::from_value(begin).expect("a line");
        assert!(matches!(first, Recorded::Begin { version: 1, .. }));
        assert!(replay(&[first], now()).is_ok());
    }

    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    fn now() -> Instant {
        Instant::now()
    }

    fn recording() -> Vec<Recorded> {
        let asn = Asn::new(65001).expect("not zero");
        let identifier = BgpIdentifier::new([10, 0, 0, 1].into()).expect("not zero");
        let config = PeerConfig::new(asn, PeerAs::External, identifier);
        let input = |at_us, event| Recorded::Input {
            at_us,
            input: RecordedInput::Event(event),
        };
        let conn = ConnId::OUTGOING;
        let reason = "connection refused".to_owned();
        vec![
            Recorded::begin(config, 7),
            input(0, Event::Start),
            input(900, Event::ConnectFailed { conn, reason }),
        ]
    }
}
