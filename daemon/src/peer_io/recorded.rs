//! A [`bgp::Peer`] and, where it is asked for, the recording of all that goes into it.
//!
//! Only here can the Peer be changed, so no input escapes the recording. Its time is in whole
//! microseconds since the beginning, rounded up (so that a timer that has expired has expired for
//! the Peer too), recorded or not: a replay then sees exactly the times that the Peer saw.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::record::RecordedInput;
use bgp::{Action, ConnId, Event, Peer, PeerConfig, RouteSet};
use bytes::BytesMut;

use crate::record::Recorder;

/// A Peer whose inputs are recorded.
#[derive(Debug)]
pub struct RecordedPeer {
    peer: Peer,
    begun: Instant,
    recorder: Option<Recorder>,
    /// Octets to send were taken at this time, in microseconds, from this connection. Whether the
    /// socket takes them all at once, which is recorded as one call, is not known yet.
    polled: Option<(u64, ConnId)>,
}

/// What it says of itself.
impl Deref for RecordedPeer {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl RecordedPeer {
    /// A new Peer; the recorder has its configuration and entropy already.
    pub fn new(
        config: PeerConfig,
        entropy: u64,
        now: Instant,
        recorder: Option<Recorder>,
    ) -> RecordedPeer {
        RecordedPeer {
            peer: Peer::new(config, entropy, now),
            begun: now,
            recorder,
            polled: None,
        }
    }

    /// [`Peer::handle`].
    pub fn handle(&mut self, now: Instant, event: Event) {
        let now = self.record(now, || RecordedInput::Event(event.clone()));
        self.peer.handle(now, event);
    }

    /// [`Peer::receive`]; the last `new` octets of `buf` have come since the call before.
    pub fn receive(&mut self, now: Instant, conn: ConnId, buf: &mut BytesMut, new: usize) {
        let at_us = self.microseconds(now);
        self.record_polled();
        if let Some(recorder) = &mut self.recorder {
            let old = buf.len().saturating_sub(new);
            recorder.received(at_us, conn, &buf[old..]);
        }
        self.peer.receive(self.instant(at_us), conn, buf);
    }

    /// [`Peer::set_routes`].
    pub fn set_routes(&mut self, now: Instant, routes: Arc<RouteSet>) {
        let now = self.record(now, || RecordedInput::Routes(Arc::clone(&routes)));
        self.peer.set_routes(now, routes);
    }

    /// [`Peer::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.record(now, || RecordedInput::Timeout);
        self.peer.handle_timeout(now);
    }

    /// [`Peer::poll_transmit`]. That there was nothing to send is not recorded.
    pub fn poll_transmit(&mut self, now: Instant, conn: ConnId, out: &mut BytesMut) -> bool {
        let at_us = self.microseconds(now);
        let some = self.peer.poll_transmit(self.instant(at_us), conn, out);
        self.record_polled();
        self.polled = some.then_some((at_us, conn));
        some
    }

    /// [`Peer::transmitted`].
    pub fn transmitted(&mut self, now: Instant, conn: ConnId, pending: usize) {
        let at_us = self.microseconds(now);
        let input = match self.polled == Some((at_us, conn)) && pending == 0 {
            true => {
                self.polled = None;
                RecordedInput::Transmit(conn)
            }
            false => {
                self.record_polled();
                RecordedInput::Transmitted { conn, pending }
            }
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.input(at_us, input);
        }
        self.peer.transmitted(self.instant(at_us), conn, pending);
    }

    /// [`Peer::poll_action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        self.peer.poll_action()
    }

    /// Ends the recording; all of it is in its file then.
    pub async fn finish(mut self) {
        self.record_polled();
        if let Some(recorder) = self.recorder {
            recorder.finish().await;
        }
    }

    fn record(&mut self, now: Instant, input: impl FnOnce() -> RecordedInput) -> Instant {
        let at_us = self.microseconds(now);
        self.record_polled();
        if let Some(recorder) = &mut self.recorder {
            recorder.input(at_us, input());
        }
        self.instant(at_us)
    }

    /// Something else happens before the socket has taken all.
    fn record_polled(&mut self) {
        let polled = self.polled.take();
        if let Some((at_us, conn)) = polled
            && let Some(recorder) = &mut self.recorder
        {
            recorder.input(at_us, RecordedInput::PollTransmit(conn));
        }
    }

    fn microseconds(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.begun).as_nanos();
        u64::try_from(passed.div_ceil(1_000)).unwrap_or(u64::MAX)
    }

    fn instant(&self, at_us: u64) -> Instant {
        self.begun + Duration::from_micros(at_us)
    }
}

#[cfg(test)]
mod tests {
    use bgp::peer::PeerAs;
    use bgp::{Asn, BgpIdentifier};

    use super::*;

    #[test]
    fn the_peers_time_is_in_whole_microseconds_and_never_before_the_clocks() {
        let asn = Asn::new(65001).expect("not zero");
        let identifier = BgpIdentifier::new([10, 0, 0, 1].into()).expect("not zero");
        let config = PeerConfig::new(asn, PeerAs::External, identifier);
        let begun = Instant::now();
        let peer = RecordedPeer::new(config, 7, begun, None);
        for (passed, expected) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (2_000_000, 2_000)] {
            let now = begun + Duration::from_nanos(passed);
            let at_us = peer.microseconds(now);
            assert_eq!(at_us, expected, "{passed} ns");
            assert!(peer.instant(at_us) >= now);
        }
    }
}
