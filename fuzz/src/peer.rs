//! The `peer` target: a neighbour that does anything, in any order.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::fsm::StateName;
use bgp::peer::{Direction, LocalAddresses, PeerAs, StopReason};
use bgp::{Action, Asn, BgpIdentifier, ConnId, Event, Family, Peer, PeerConfig, RouteSet};
use bytes::BytesMut;

/// Steps of one input, at most.
const MAX_STEPS: usize = 4_096;

/// Each octet says what happens next: an event, the passing of time, or how many of the following
/// octets arrive on a connection. After each step what must always hold is checked.
pub fn peer(input: &[u8]) {
    let Some(mut neighbour) = Neighbour::new() else {
        return;
    };
    let mut rest = input;
    for _ in 0..MAX_STEPS {
        let Some((step, after)) = rest.split_first() else {
            break;
        };
        rest = neighbour.step(*step, after);
        neighbour.check();
    }
}

struct Neighbour {
    peer: Peer,
    start: Instant,
    elapsed: Duration,
    incoming: u64,
    /// Connections that stand, each with octets that wait to be read.
    open: Vec<(ConnId, BytesMut)>,
    /// Outgoing attempts that have no outcome yet.
    connecting: BTreeSet<ConnId>,
    sent: BytesMut,
    /// What the actions have said so far: the last of `Up` and `Down` was `Up`.
    up: bool,
}

impl Neighbour {
    fn new() -> Option<Neighbour> {
        let identifier = BgpIdentifier::new(Ipv4Addr::new(198, 51, 100, 1))?;
        let mut config = PeerConfig::new(Asn::new(65_001)?, PeerAs::External, identifier);
        config.max_prefixes = Some(100);
        config.keep_routes = true;
        // Only differences count: the clock is read once and then moved by hand.
        let start = Instant::now();
        Some(Neighbour {
            peer: Peer::new(config, 7, start),
            start,
            elapsed: Duration::ZERO,
            incoming: 0,
            open: Vec::new(),
            connecting: BTreeSet::new(),
            sent: BytesMut::new(),
            up: false,
        })
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    /// Does what `step` says and returns what is left of the input.
    fn step<'a>(&mut self, step: u8, rest: &'a [u8]) -> &'a [u8] {
        let now = self.now();
        let argument = usize::from(step >> 4);
        match step & 0x0f {
            0 => self.peer.handle(now, Event::Start),
            1 => self.peer.handle(now, Event::Stop(stop_reason(argument))),
            2 => self.accept(),
            3 => self.outcome(argument),
            4 => self.close(argument),
            5 => self.peer.handle(now, Event::BfdDown),
            6 => self
                .peer
                .handle(now, Event::RequestRefresh(Family::Ipv6Unicast)),
            7 => self.peer.set_routes(now, routes(argument)),
            8 => self.wait(Duration::from_millis(1 << argument)),
            9 => self.wait_for_timer(),
            10 => self.transmit(argument),
            length => return self.receive(argument, (usize::from(length) - 10) * 40, rest),
        }
        rest
    }

    fn accept(&mut self) {
        self.incoming += 1;
        let conn = ConnId(self.incoming);
        self.connected(conn, Direction::Incoming);
    }

    /// An attempt to connect succeeds, or fails.
    fn outcome(&mut self, argument: usize) {
        let Some(conn) = self.connecting.pop_first() else {
            return;
        };
        if argument.is_multiple_of(2) {
            return self.connected(conn, Direction::Outgoing);
        }
        let reason = "connection refused".to_owned();
        self.peer
            .handle(self.now(), Event::ConnectFailed { conn, reason });
    }

    fn connected(&mut self, conn: ConnId, direction: Direction) {
        self.open.push((conn, BytesMut::new()));
        let event = Event::Connected {
            conn,
            direction,
            local: SocketAddr::from((Ipv4Addr::new(198, 51, 100, 1), 179)),
            remote: SocketAddr::from((Ipv4Addr::new(198, 51, 100, 2), 179)),
            interface: LocalAddresses::default(),
        };
        self.peer.handle(self.now(), event);
    }

    fn close(&mut self, argument: usize) {
        if self.open.is_empty() {
            return;
        }
        let (conn, _) = self.open.remove(argument % self.open.len());
        let reason = "closed by peer".to_owned();
        self.peer.handle(self.now(), Event::Closed { conn, reason });
    }

    fn wait(&mut self, time: Duration) {
        self.elapsed += time;
        self.peer.handle_timeout(self.now());
    }

    fn wait_for_timer(&mut self) {
        if let Some((at, _)) = self.peer.poll_timeout() {
            self.wait(at.saturating_duration_since(self.now()));
        }
    }

    fn transmit(&mut self, argument: usize) {
        let now = self.now();
        let Some((conn, _)) = self.open.get(argument % self.open.len().max(1)) else {
            return;
        };
        let conn = *conn;
        self.sent.clear();
        if self.peer.poll_transmit(now, conn, &mut self.sent) {
            self.peer.transmitted(now, conn, 0);
        }
    }

    fn receive<'a>(&mut self, argument: usize, length: usize, rest: &'a [u8]) -> &'a [u8] {
        let (octets, rest) = rest.split_at(length.min(rest.len()));
        let now = self.now();
        let count = self.open.len().max(1);
        if let Some((conn, buffer)) = self.open.get_mut(argument % count) {
            buffer.extend_from_slice(octets);
            self.peer.receive(now, *conn, buffer);
        }
        rest
    }

    /// Takes the actions, and checks what must hold after any step.
    fn check(&mut self) {
        while let Some(action) = self.peer.poll_action() {
            match action {
                Action::Connect(conn) => assert!(self.connecting.insert(conn), "used twice"),
                Action::CancelConnect(conn) => assert!(self.connecting.remove(&conn)),
                Action::Close(conn) => {
                    self.sent.clear();
                    self.peer
                        .poll_transmit(self.start + self.elapsed, conn, &mut self.sent);
                    self.open.retain(|(open, _)| *open != conn);
                }
                Action::Up(_) => {
                    assert!(!self.up, "up twice");
                    self.up = true;
                }
                Action::Down(_) => self.up = false,
            }
        }
        // One read may bring a session up and end it; what counts is where that leaves it.
        assert_eq!(self.up, self.peer.state() == StateName::Established);
        assert!(self.peer.connections().count() <= 2);
        for conn in self.peer.connections() {
            assert!(
                self.open.iter().any(|(open, _)| *open == conn),
                "{conn:?} is not open"
            );
        }
        if let Some((at, timer)) = self.peer.poll_timeout() {
            let longest = Duration::from_secs(66_000);
            assert!(at <= self.now() + longest, "{timer:?} is too far away");
        }
    }
}

fn stop_reason(argument: usize) -> StopReason {
    match argument % 5 {
        0 => StopReason::AdministrativeShutdown("maintenance".to_owned()),
        1 => StopReason::PeerDeconfigured,
        2 => StopReason::AdministrativeReset("again".to_owned()),
        3 => StopReason::OtherConfigurationChange,
        _ => StopReason::Restart,
    }
}

/// So many routes of either family.
fn routes(count: usize) -> Arc<RouteSet> {
    let attributes = Arc::default();
    let prefix = |index: usize| {
        let octet = u8::try_from(index).unwrap_or(u8::MAX);
        let v4 = std::net::IpAddr::from([203, 0, 113, octet]);
        let v6 = std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(octet)]);
        [v4, v6].map(|address| (address.into(), Arc::clone(&attributes)))
    };
    Arc::new((0..count).flat_map(prefix).collect())
}
