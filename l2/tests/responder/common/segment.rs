//! Several nodes on one link with a client, on a virtual clock in steps of a millisecond.

use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::MacAddr;
use l2::responder::{
    Action, Address, Config, Fence, Interface, InterfaceKind, Received, Responder,
};

use super::frames::{ASKER, describe_any, question};
use super::{ETH0, ip, set};

/// How long a node speaks without hearing that it may, in milliseconds.
pub const FENCE: u64 = 400;
/// Linux keeps an entry of its ARP cache for so long after a change, in milliseconds.
const LOCKTIME: u64 = 1_000;

/// A node on the link.
pub struct Station {
    pub responder: Responder,
    pub mac: MacAddr,
    /// It runs. What arrives meanwhile waits in its socket.
    pub runs: bool,
    /// It is connected to the link.
    pub connected: bool,
    /// The others tell it every 100 ms that it may speak.
    pub in_touch: bool,
    /// When they last did, in milliseconds.
    pub put_off: u64,
    socket: Vec<Vec<u8>>,
    pub actions: Vec<Action>,
}

/// The link, and a client on it that never forgets.
pub struct Segment {
    pub stations: Vec<Station>,
    start: Instant,
    /// Milliseconds since the start.
    pub time: u64,
    vip: &'static str,
    /// Who has the address, as the client believes, and since when.
    pub cache: Option<(MacAddr, u64)>,
    /// Frames on the link since the last question: whose they are and what they say.
    pub seen: Vec<(MacAddr, String)>,
}

impl Segment {
    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    pub fn new(vip: &'static str, stations: u8, entropy: u64) -> Segment {
        let start = Instant::now();
        let station = |number: u8| Station {
            responder: Responder::new(Config::default(), entropy + u64::from(number)),
            mac: MacAddr(0x02, 0, 0, 0, 1, number),
            runs: true,
            connected: true,
            in_touch: true,
            put_off: 0,
            socket: Vec::new(),
            actions: Vec::new(),
        };
        let mut segment = Segment {
            stations: (1..=stations).map(station).collect(),
            start,
            time: 0,
            vip,
            cache: None,
            seen: Vec::new(),
        };
        for station in &mut segment.stations {
            let interface = Interface {
                index: ETH0,
                name: "eth0".into(),
                mac: station.mac,
                addresses: [ip("fe80::1")].into(),
                up: true,
                kind: InterfaceKind::Ethernet,
            };
            assert_eq!(station.responder.set_interfaces(start, &[interface]), 0);
        }
        segment
    }

    /// All know each other's link-layer addresses.
    pub fn acquaint(&mut self) {
        let macs: Vec<MacAddr> = self.stations.iter().map(|station| station.mac).collect();
        let now = self.now();
        for station in &mut self.stations {
            let others = macs.iter().copied().filter(|mac| *mac != station.mac);
            let others = Arc::new(others.collect());
            station.responder.set_speakers(now, &others);
        }
    }

    pub fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.time)
    }

    /// The node is to answer for the address, or not.
    pub fn give(&mut self, station: usize, address: Option<Address>) {
        let wanted: Vec<(&str, Address)> = address.map(|a| (self.vip, a)).into_iter().collect();
        let now = self.now();
        let responder = &mut self.stations[station].responder;
        assert_eq!(responder.set_addresses(now, &set(&wanted)), []);
    }

    /// Time passes, in milliseconds.
    pub fn run(&mut self, time: u64) {
        let end = self.time + time;
        while self.time < end {
            self.time = self.next().min(end);
            let now = self.now();
            let until = Fence::Until(now + Duration::from_millis(FENCE));
            let renews = self.time.is_multiple_of(100);
            for station in &mut self.stations {
                let renews = renews && station.in_touch && station.runs;
                if renews {
                    station.put_off = self.time;
                }
                station.step(now, renews.then_some(until));
            }
            self.carry(now);
        }
    }

    /// The next millisecond in which something may happen.
    fn next(&self) -> u64 {
        let tenth = (self.time / 100 + 1) * 100;
        let running = self.stations.iter().filter(|station| station.runs);
        let due = running.filter_map(|station| match station.socket.is_empty() {
            true => station.responder.poll_timeout(),
            false => Some(self.now()),
        });
        let due = due.map(|at| (at - self.start).as_micros().div_ceil(1_000) as u64);
        due.min().unwrap_or(tenth).clamp(self.time + 1, tenth)
    }

    /// The client asks; who answers within two milliseconds.
    pub fn ask(&mut self) -> Vec<MacAddr> {
        let frame = question(self.vip);
        self.seen.clear();
        for station in self.stations.iter_mut().filter(|station| station.connected) {
            station.socket.push(frame.clone());
        }
        self.run(2);
        let to_client = format!(" to {ASKER}");
        let answers = self
            .seen
            .iter()
            .filter(|(_, said)| said.contains(&to_client));
        answers.map(|(mac, _)| *mac).collect()
    }

    /// Every frame that a node sends reaches the others and the client at once.
    fn carry(&mut self, now: Instant) {
        let mut sent = Vec::new();
        for (from, station) in self.stations.iter_mut().enumerate() {
            let frames = station.fetch(now).into_iter();
            let connected = station.connected;
            sent.extend(frames.filter(|_| connected).map(|frame| (from, frame)));
        }
        for (from, frame) in sent {
            let others = self.stations.iter_mut().enumerate();
            let others = others.filter(|(to, station)| *to != from && station.connected);
            for (_, station) in others {
                station.socket.push(frame.clone());
            }
            let mac = self.stations[from].mac;
            let said = describe_any(&frame);
            if !said.contains("probe") {
                self.learn(mac);
            }
            self.seen.push((mac, said));
        }
    }

    fn learn(&mut self, mac: MacAddr) {
        let locked = |(_, since)| self.time < since + LOCKTIME;
        if !self.cache.is_some_and(locked) {
            self.cache = Some((mac, self.time));
        }
    }

    /// Whose address it is, as the client believes.
    pub fn owner(&self) -> Option<MacAddr> {
        self.cache.map(|(mac, _)| mac)
    }
}

impl Station {
    fn step(&mut self, now: Instant, fence: Option<Fence>) {
        if !self.runs {
            return;
        }
        // What has waited comes first: the worst order.
        for frame in std::mem::take(&mut self.socket) {
            let received = Received {
                interface: ETH0,
                vlan: None,
                frame: &frame,
            };
            self.responder.receive(now, received);
        }
        if let Some(fence) = fence {
            self.responder.answers_until(now, fence);
        }
        if self.responder.poll_timeout().is_some_and(|at| at <= now) {
            self.responder.handle_timeout(now);
        }
    }

    fn fetch(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if !self.runs {
            return Vec::new();
        }
        let actions = std::iter::from_fn(|| self.responder.poll_action());
        self.actions.extend(actions);
        let frames = std::iter::from_fn(|| self.responder.poll_transmit(now));
        frames.map(|transmit| transmit.frame.to_vec()).collect()
    }
}
