//! One peer on a virtual clock, and a router at the other end that says what a test writes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bgp::codec::{self, Rules};
use bgp::fsm::StateName;
use bgp::message::open::Open;
use bgp::peer::{Counters, Direction, DownReason, LocalAddresses};
use bgp::{Action, BgpIdentifier, ConnId, Event, HoldTime, Message, Notification};
use bgp::{Peer, PeerConfig};
use bytes::{Buf, BytesMut};

use super::now;

/// Timers that pass before the next attempt to connect: fewer than ten do.
const MAX_TIMERS: usize = 100;

/// The router: AS and capabilities are those of the OPEN it sends.
pub struct Router {
    pub peer: Peer,
    pub now: Instant,
    pub downs: Vec<DownReason>,
    /// Connections that the peer has asked for and that are neither made nor given up.
    wanted: Vec<ConnId>,
    /// Octets from the peer that the test has not read.
    inbox: BTreeMap<ConnId, BytesMut>,
    incoming: u64,
    /// The last of its `Up` and `Down` was an `Up`.
    is_up: bool,
}

impl Router {
    /// A router whose peer has just been started.
    pub fn new(config: PeerConfig) -> Router {
        let now = now();
        let mut router = Router {
            peer: Peer::new(config, 1, now),
            now,
            downs: Vec::new(),
            wanted: Vec::new(),
            inbox: BTreeMap::new(),
            incoming: 0,
            is_up: false,
        };
        router.event(Event::Start);
        router
    }

    /// A session that is Established: the router answers the peer's OPEN with `open`.
    pub fn established(config: PeerConfig, open: &Open) -> (Router, ConnId) {
        let mut router = Router::new(config);
        let conn = router.accept();
        router.establish(conn, open);
        assert_eq!(router.state(), StateName::Established, "{:?}", router.downs);
        router.octets(conn);
        (router, conn)
    }

    /// OPEN and KEEPALIVE on a connection.
    pub fn establish(&mut self, conn: ConnId, open: &Open) {
        self.say(conn, &Message::Open(open.clone()));
        self.say(conn, &Message::Keepalive);
    }

    /// Waits for the peer's next attempt to connect, and accepts it.
    pub fn accept(&mut self) -> ConnId {
        let conn = self.next_attempt();
        self.connected(conn, Direction::Outgoing);
        conn
    }

    /// Accepts an attempt to connect that is under way, if there is one.
    pub fn accept_now(&mut self) -> Option<ConnId> {
        let conn = self.wanted.pop()?;
        self.connected(conn, Direction::Outgoing);
        Some(conn)
    }

    /// Waits for the peer's next attempt to connect, and refuses it.
    pub fn refuse(&mut self) {
        let conn = self.next_attempt();
        let reason = "connection refused".to_owned();
        self.event(Event::ConnectFailed { conn, reason });
    }

    /// Opens a connection to the peer.
    pub fn connect(&mut self) -> ConnId {
        self.incoming += 1;
        let conn = ConnId(self.incoming);
        self.connected(conn, Direction::Incoming);
        conn
    }

    /// Closes a connection.
    pub fn close(&mut self, conn: ConnId) {
        let reason = "closed by peer".to_owned();
        self.event(Event::Closed { conn, reason });
    }

    /// Lets time pass, with every timer served when it expires.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..MAX_TIMERS {
            let next = self.peer.poll_timeout().map(|(at, _)| at);
            let Some(at) = next.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = at;
            self.peer.handle_timeout(at);
            self.pump();
        }
        panic!("the peer does not come to rest");
    }

    pub fn event(&mut self, event: Event) {
        self.peer.handle(self.now, event);
        self.pump();
    }

    /// Sends one message, written with what no two routers have agreed on.
    pub fn say(&mut self, conn: ConnId, message: &Message<'_>) {
        let mut octets = BytesMut::new();
        codec::encode(message, &Rules::default(), &mut octets).expect("it fits");
        self.write(conn, &octets);
    }

    /// Sends octets.
    pub fn write(&mut self, conn: ConnId, octets: &[u8]) {
        let mut buf = BytesMut::from(octets);
        self.peer.receive(self.now, conn, &mut buf);
        assert!(buf.is_empty(), "{} octets are left", buf.len());
        self.pump();
    }

    /// Sends octets that need not be whole messages; what waits for more of them is lost.
    pub fn say_anything(&mut self, conn: ConnId, octets: &[u8]) {
        let mut buf = BytesMut::from(octets);
        self.peer.receive(self.now, conn, &mut buf);
        self.pump();
    }

    /// Octets that the peer has sent since the last call.
    pub fn octets(&mut self, conn: ConnId) -> BytesMut {
        self.inbox.remove(&conn).unwrap_or_default()
    }

    /// Messages that the peer has sent since the last call.
    pub fn messages(&mut self, conn: ConnId, rules: &Rules) -> Vec<Message<'static>> {
        let mut octets = self.octets(conn);
        let mut messages = Vec::new();
        while !octets.is_empty() {
            let decoded = codec::decode(&octets, rules).expect("a valid message");
            let (message, length) = decoded.expect("a whole message");
            messages.push(message.into_owned());
            octets.advance(length);
        }
        messages
    }

    /// The OPEN that the peer has sent.
    pub fn open(&mut self, conn: ConnId) -> Open {
        let messages = self.messages(conn, &Rules::default());
        let mut opens = messages.into_iter().filter_map(|message| match message {
            Message::Open(open) => Some(open),
            Message::Update(_)
            | Message::Notification(_)
            | Message::Keepalive
            | Message::RouteRefresh(_) => None,
        });
        opens.next().expect("an OPEN")
    }

    /// The NOTIFICATION that the peer has sent, if it has.
    pub fn notification(&mut self, conn: ConnId) -> Option<Notification> {
        let messages = self.messages(conn, &Rules::default());
        messages.into_iter().find_map(|message| match message {
            Message::Notification(notification) => Some(notification),
            Message::Open(_)
            | Message::Update(_)
            | Message::Keepalive
            | Message::RouteRefresh(_) => None,
        })
    }

    pub fn state(&self) -> StateName {
        self.peer.state()
    }

    pub fn counters(&self) -> Counters {
        self.peer.status(self.now).counters
    }

    /// IPv4 and IPv6 prefixes that the peer says it holds.
    pub fn received(&self) -> (usize, usize) {
        let received = self.peer.status(self.now).received.expect("a session");
        (received.ipv4, received.ipv6)
    }

    fn next_attempt(&mut self) -> ConnId {
        for _ in 0..MAX_TIMERS {
            if let Some(conn) = self.wanted.pop() {
                return conn;
            }
            let (at, _) = self.peer.poll_timeout().expect("it tries again");
            self.now = at;
            self.peer.handle_timeout(at);
            self.pump();
        }
        panic!("the peer does not connect");
    }

    fn connected(&mut self, conn: ConnId, direction: Direction) {
        let interface = LocalAddresses {
            ipv6: "2001:db8::1".parse().ok(),
            ..LocalAddresses::default()
        };
        self.event(Event::Connected {
            conn,
            direction,
            local: SocketAddr::from(([10, 0, 0, 1], 179)),
            remote: SocketAddr::from(([10, 0, 0, 2], 179)),
            interface,
        });
    }

    pub fn pump(&mut self) {
        let conns: Vec<ConnId> = self.peer.connections().collect();
        for conn in conns {
            self.read(conn);
        }
        while let Some(action) = self.peer.poll_action() {
            match action {
                Action::Connect(conn) => self.wanted.push(conn),
                Action::CancelConnect(conn) => self.wanted.retain(|wanted| *wanted != conn),
                Action::Close(conn) => self.read(conn),
                Action::Up(_) => {
                    let was_up = std::mem::replace(&mut self.is_up, true);
                    assert!(!was_up, "two sessions at once");
                }
                Action::Down(reason) => {
                    self.is_up = false;
                    self.downs.push(reason);
                }
            }
        }
        super::check(&self.peer, self.is_up, self.now);
    }

    fn read(&mut self, conn: ConnId) {
        let inbox = self.inbox.entry(conn).or_default();
        self.peer.poll_transmit(self.now, conn, inbox);
        self.peer.transmitted(self.now, conn, 0);
    }
}

/// The router's OPEN: BGP Identifier 10.0.0.2, and no capability but these.
pub fn open(my_as: u16, capabilities: Vec<bgp::capability::Capability>) -> Open {
    Open {
        my_as,
        hold_time: HoldTime::DEFAULT,
        identifier: BgpIdentifier::new([10, 0, 0, 2].into()).expect("not zero"),
        capabilities,
    }
}

/// An UPDATE of attributes and NLRI as they stand on the wire.
pub fn update(attributes: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    let length = u16::try_from(23 + attributes.len() + nlri.len()).expect("a message");
    let attributes_length = u16::try_from(attributes.len()).expect("a message");
    let mut octets = vec![0xff; 16];
    octets.extend(length.to_be_bytes());
    octets.extend([2, 0, 0]);
    octets.extend(attributes_length.to_be_bytes());
    octets.extend(attributes);
    octets.extend(nlri);
    octets
}
