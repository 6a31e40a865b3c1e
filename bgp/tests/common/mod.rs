//! Two peers on a virtual clock, joined by byte streams.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod router;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::fsm::StateName;
use bgp::peer::{Direction, DownReason, LocalAddresses, PeerAs};
use bgp::{Action, Asn, BgpIdentifier, ConnId, Event, Negotiated, Peer, PeerConfig};
use bgp::{RouteAttributes, RouteSet};
use bytes::BytesMut;

/// More steps than any test needs: a loop between the peers fails instead of hanging.
const MAX_STEPS: usize = 200_000;

/// What is under way between the two.
#[derive(Debug)]
enum Delivery {
    Connected(usize),
    ConnectFailed(usize, ConnId),
    Octets(usize, usize, Vec<u8>),
    End(usize, usize),
}

/// One TCP connection: the ids it has on side 0 and on side 1.
#[derive(Debug)]
struct Wire {
    ends: [ConnId; 2],
    opened_by: usize,
    /// Not closed by this side, and its end not seen.
    open: [bool; 2],
}

/// One peer and what came out of it.
pub struct Side {
    pub peer: Peer,
    pub address: SocketAddr,
    pub interface: LocalAddresses,
    /// Whether it accepts connections.
    pub listens: bool,
    /// Whether its socket takes octets.
    pub writable: bool,
    /// Whether its octets get through at all.
    pub reaches: bool,
    pub ups: Vec<Negotiated>,
    pub downs: Vec<DownReason>,
    pub connects: Vec<Instant>,
    /// The last of its `Up` and `Down` was an `Up`.
    is_up: bool,
    /// Octets of UPDATEs and everything else it has sent.
    pub sent: Vec<u8>,
    inbox: BTreeMap<ConnId, BytesMut>,
    closed: BTreeSet<ConnId>,
}

/// Two sides, a clock and a network.
pub struct Pair {
    pub now: Instant,
    pub start: Instant,
    pub latency: Duration,
    /// Octets that arrive at once.
    pub chunk: usize,
    pub sides: [Side; 2],
    wires: Vec<Wire>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    /// Since when no timer has been served, where that is not as it should be.
    late_since: Option<Instant>,
}

impl Pair {
    /// Two peers that are started and nothing has happened yet.
    pub fn new(configs: [PeerConfig; 2]) -> Pair {
        let now = now();
        let [one, other] = configs;
        let mut pair = Pair::idle([one, other], now);
        pair.event(0, Event::Start);
        pair.event(1, Event::Start);
        pair
    }

    /// Two peers that wait for [`Event::Start`].
    pub fn idle([one, other]: [PeerConfig; 2], now: Instant) -> Pair {
        Pair {
            now,
            start: now,
            latency: Duration::from_millis(1),
            chunk: usize::MAX,
            sides: [Side::new(one, 1, now), Side::new(other, 2, now)],
            wires: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            late_since: None,
        }
    }

    /// A side loses power, so that its connections end without a word, and another one takes its
    /// place at once.
    pub fn replace(&mut self, side: usize, config: PeerConfig) {
        for wire in &mut self.wires {
            wire.open[side] = false;
        }
        let wires = &self.wires;
        self.queue.retain(|_, delivery| match delivery {
            Delivery::Connected(wire) => wires[*wire].opened_by != side,
            Delivery::ConnectFailed(of, _) => *of != side,
            Delivery::Octets(..) | Delivery::End(..) => true,
        });
        self.sides[side].peer = Peer::new(config, 9, self.now);
        self.sides[side].is_up = false;
        self.sides[side].closed.clear();
        self.sides[side].inbox.clear();
        self.event(side, Event::Start);
    }

    /// Time in which nobody looks at the peers: timers are late, octets wait.
    pub fn stall(&mut self, time: Duration) {
        self.late_since.get_or_insert(self.now);
        self.now += time;
    }

    pub fn event(&mut self, side: usize, event: Event) {
        self.sides[side].peer.handle(self.now, event);
        self.pump();
    }

    pub fn set_routes(&mut self, side: usize, routes: RouteSet) {
        self.sides[side].peer.set_routes(self.now, Arc::new(routes));
        self.pump();
    }

    /// Runs everything that happens within `time`.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.pump();
        for _ in 0..MAX_STEPS {
            match self.next_event() {
                Some(at) if at <= end => self.step(at),
                Some(_) | None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the peers do not come to rest");
    }

    pub fn run_secs(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    #[track_caller]
    pub fn assert_established(&self) {
        for side in &self.sides {
            assert_eq!(
                side.peer.state(),
                StateName::Established,
                "{:?}",
                side.downs
            );
        }
    }

    pub fn state(&self, side: usize) -> StateName {
        self.sides[side].peer.state()
    }

    /// The TCP connections end without a word, as when a router loses power and comes back.
    pub fn cut(&mut self) {
        for wire in 0..self.wires.len() {
            for side in 0..2 {
                self.close(wire, side, "connection reset by peer");
            }
        }
        self.pump();
    }

    /// What side 1 - `side` holds of the routes of `side`, in the form of `routes`.
    pub fn received_by(&self, side: usize) -> BTreeMap<String, RouteAttributes> {
        let Some(adj_in) = self.sides[side].peer.adj_in() else {
            return BTreeMap::new();
        };
        adj_in
            .routes()
            .iter()
            .map(|(prefix, received)| {
                let attributes = RouteAttributes {
                    next_hop: received.next_hop,
                    med: received.med,
                    local_pref: received.local_pref,
                    as_path: received.as_path.clone(),
                    communities: received.communities.clone(),
                    large_communities: received.large_communities.clone(),
                };
                (prefix.to_string(), attributes)
            })
            .collect()
    }

    /// Delivers what is due at `at` and serves timers.
    fn step(&mut self, at: Instant) {
        self.now = self.now.max(at);
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= self.now
        {
            let delivery = entry.remove();
            self.deliver(delivery);
            self.pump();
        }
        for side in &mut self.sides {
            side.peer.handle_timeout(self.now);
            if let Some((next, timer)) = side.peer.poll_timeout() {
                assert!(next > self.now, "{timer:?} has not been served");
            }
        }
        self.late_since = None;
        self.pump();
    }

    fn next_event(&self) -> Option<Instant> {
        let timers = self
            .sides
            .iter()
            .filter_map(|side| side.peer.poll_timeout());
        let timers = timers.map(|(at, _)| at);
        timers.chain(self.queue.keys().map(|(at, _)| *at)).min()
    }

    /// Carries out actions and takes octets until neither side has any.
    pub fn pump(&mut self) {
        for _ in 0..MAX_STEPS {
            let mut some = false;
            for side in 0..2 {
                while let Some(action) = self.sides[side].peer.poll_action() {
                    some = true;
                    self.act(side, action);
                }
                some |= self.transmit(side);
            }
            if !some {
                self.check();
                return;
            }
        }
        panic!("the peers never stop talking");
    }

    fn check(&self) {
        for side in &self.sides {
            let served = self.late_since.unwrap_or(self.now);
            check(&side.peer, side.is_up, served);
        }
    }

    fn act(&mut self, side: usize, action: Action) {
        match action {
            Action::Connect(conn) => self.connect(side, conn),
            Action::CancelConnect(conn) => self.queue.retain(|_, delivery| {
                !matches!(delivery, Delivery::ConnectFailed(s, c) if (*s, *c) == (side, conn))
            }),
            Action::Close(conn) => {
                let mut last = BytesMut::new();
                self.sides[side].peer.poll_transmit(self.now, conn, &mut last);
                if let Some(wire) = self.wire(side, conn) {
                    self.send(wire, side, last.to_vec());
                    self.wires[wire].open[side] = false;
                    self.schedule(Delivery::End(wire, 1 - side));
                }
                let again = self.sides[side].peer.poll_transmit(self.now, conn, &mut last);
                assert!(!again, "something to send after the last octets");
                self.sides[side].closed.insert(conn);
            }
            Action::Up(negotiated) => {
                let was_up = std::mem::replace(&mut self.sides[side].is_up, true);
                assert!(!was_up, "two sessions at once");
                self.sides[side].ups.push(*negotiated);
            }
            Action::Down(reason) => {
                self.sides[side].is_up = false;
                self.sides[side].downs.push(reason);
            }
        }
    }

    fn connect(&mut self, side: usize, conn: ConnId) {
        self.sides[side].connects.push(self.now);
        if !self.sides[1 - side].listens {
            self.schedule(Delivery::ConnectFailed(side, conn));
            return;
        }
        let mut ends = [conn; 2];
        ends[1 - side] = ConnId(self.wires.len() as u64);
        self.wires.push(Wire {
            ends,
            opened_by: side,
            open: [true; 2],
        });
        self.schedule(Delivery::Connected(self.wires.len() - 1));
    }

    fn transmit(&mut self, side: usize) -> bool {
        if !self.sides[side].writable {
            return false;
        }
        let conns: Vec<ConnId> = self.sides[side].peer.connections().collect();
        let mut some = false;
        for conn in conns {
            let mut out = BytesMut::new();
            if !self.sides[side]
                .peer
                .poll_transmit(self.now, conn, &mut out)
            {
                continue;
            }
            some = true;
            assert!(!self.sides[side].closed.contains(&conn));
            self.sides[side].peer.transmitted(self.now, conn, 0);
            if let Some(wire) = self.wire(side, conn) {
                self.send(wire, side, out.to_vec());
            }
        }
        some
    }

    fn send(&mut self, wire: usize, side: usize, octets: Vec<u8>) {
        self.sides[side].sent.extend_from_slice(&octets);
        if !octets.is_empty() && self.sides[side].reaches {
            self.schedule(Delivery::Octets(wire, 1 - side, octets));
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Connected(wire) => {
                let opener = self.wires[wire].opened_by;
                for side in [opener, 1 - opener] {
                    let direction = match side == opener {
                        true => Direction::Outgoing,
                        false => Direction::Incoming,
                    };
                    self.connected(wire, side, direction);
                    self.pump();
                }
            }
            Delivery::ConnectFailed(side, conn) => {
                let reason = "connection refused".to_owned();
                self.sides[side]
                    .peer
                    .handle(self.now, Event::ConnectFailed { conn, reason });
            }
            Delivery::Octets(wire, side, octets) => {
                for octets in octets.chunks(self.chunk) {
                    self.receive(wire, side, octets);
                    self.pump();
                }
            }
            Delivery::End(wire, side) => self.close(wire, side, "closed by peer"),
        }
    }

    fn connected(&mut self, wire: usize, side: usize, direction: Direction) {
        let event = Event::Connected {
            conn: self.wires[wire].ends[side],
            direction,
            local: self.sides[side].address,
            remote: self.sides[1 - side].address,
            interface: self.sides[side].interface,
        };
        self.sides[side].peer.handle(self.now, event);
    }

    fn receive(&mut self, wire: usize, side: usize, octets: &[u8]) {
        let conn = self.wires[wire].ends[side];
        if !self.wires[wire].open[side] {
            return;
        }
        let now = self.now;
        let side = &mut self.sides[side];
        let buf = side.inbox.entry(conn).or_default();
        buf.extend_from_slice(octets);
        side.peer.receive(now, conn, buf);
    }

    fn close(&mut self, wire: usize, side: usize, reason: &str) {
        if std::mem::replace(&mut self.wires[wire].open[side], false) {
            let conn = self.wires[wire].ends[side];
            let reason = reason.to_owned();
            let event = Event::Closed { conn, reason };
            self.sides[side].peer.handle(self.now, event);
            self.schedule(Delivery::End(wire, 1 - side));
        }
    }

    fn wire(&self, side: usize, conn: ConnId) -> Option<usize> {
        let has = |wire: &Wire| wire.ends[side] == conn && wire.open[side];
        self.wires.iter().position(has)
    }

    fn schedule(&mut self, delivery: Delivery) {
        self.sequence += 1;
        let at = self.now + self.latency;
        self.queue.insert((at, self.sequence), delivery);
    }
}

/// What holds at every step. Timers that expired before `served` have been served.
fn check(peer: &Peer, is_up: bool, served: Instant) {
    let states: Vec<StateName> = peer.machine_states().collect();
    let established = states.iter().filter(|s| **s == StateName::Established);
    assert!(established.count() <= 1, "{states:?}");
    assert_eq!(peer.state() == StateName::Established, is_up, "{states:?}");
    assert!(peer.connections().count() <= 2);
    if let Some((at, timer)) = peer.poll_timeout() {
        assert!(at >= served, "{timer:?} was set in the past");
    }
}

impl Side {
    fn new(config: PeerConfig, number: u8, now: Instant) -> Side {
        Side {
            peer: Peer::new(config, u64::from(number), now),
            address: SocketAddr::from(([10, 0, 0, number], 179)),
            interface: LocalAddresses::default(),
            listens: true,
            writable: true,
            reaches: true,
            ups: Vec::new(),
            downs: Vec::new(),
            connects: Vec::new(),
            is_up: false,
            sent: Vec::new(),
            inbox: BTreeMap::new(),
            closed: BTreeSet::new(),
        }
    }
}

/// The time at which a test begins; from there on it is virtual.
#[expect(
    clippy::disallowed_methods,
    reason = "any time will do, and there is no other way to make one"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// AS 65001 at 10.0.0.1 and AS 65002 at 10.0.0.2; both keep what they receive.
pub fn external() -> [PeerConfig; 2] {
    [config(65001, 65002, 1), config(65002, 65001, 2)]
}

/// Both in AS 65001.
pub fn internal() -> [PeerConfig; 2] {
    [config(65001, 65001, 1), config(65001, 65001, 2)]
}

pub fn config(local_as: u32, peer_as: u32, number: u8) -> PeerConfig {
    let identifier = BgpIdentifier::new([10, 0, 0, number].into()).expect("not zero");
    PeerConfig {
        keep_routes: true,
        ..PeerConfig::new(asn(local_as), PeerAs::Exactly(asn(peer_as)), identifier)
    }
}

pub fn asn(number: u32) -> Asn {
    Asn::new(number).expect("not zero")
}

/// Routes with the given MED each.
pub fn routes(list: &[(&str, u32)]) -> RouteSet {
    let route = |(prefix, med): &(&str, u32)| {
        let attributes = RouteAttributes {
            med: Some(*med),
            ..RouteAttributes::default()
        };
        (prefix.parse().expect("a prefix"), Arc::new(attributes))
    };
    list.iter().map(route).collect()
}

/// `count` host routes 10.x.y.z/32 that share their attributes.
pub fn many(count: u32) -> RouteSet {
    let attributes = Arc::new(RouteAttributes::default());
    (0..count)
        .map(|index| {
            let address = std::net::Ipv4Addr::from(0x0a80_0000 + index);
            let net = ipnet::Ipv4Net::new(address, 32).expect("at most 32");
            (net.into(), Arc::clone(&attributes))
        })
        .collect()
}
