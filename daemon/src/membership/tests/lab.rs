//! A network of [`Core`]s on a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::responder::Fence;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::super::core::{Core, Standing, Transmit};
use super::super::{Addresses, Config, Keyring};

/// What a frozen node's socket holds.
const SOCKET: usize = 256;
/// Time goes on in these steps where everything is looked at.
pub const STEP: Duration = Duration::from_millis(5);

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A node of the lab.
pub struct Node {
    pub core: Option<Core>,
    pub frozen: bool,
    inbox: VecDeque<(SocketAddr, Vec<u8>)>,
    starts: u64,
}

/// When it arrives, its number, from, to, octets.
type OnTheWire = (Instant, u64, usize, usize, Vec<u8>);

/// The network.
pub struct Lab {
    pub now: Instant,
    pub start: Instant,
    pub rng: SmallRng,
    pub nodes: Vec<Node>,
    pub config: Config,
    pub loss: f64,
    /// From, to.
    pub cut: BTreeSet<(usize, usize)>,
    /// Everything that was ever sent, if wanted.
    pub tape: Option<Vec<(usize, usize, Vec<u8>)>>,
    wire: BinaryHeap<Reverse<OnTheWire>>,
    sent: u64,
    /// What each node believed last.
    believed: BTreeMap<usize, BTreeSet<usize>>,
    /// When any other node last held one alive, between looks too.
    pub held_alive: BTreeMap<usize, Instant>,
    /// When a node lost a live one, and which.
    pub losses: Vec<(Instant, usize, usize)>,
}

pub fn keys(text: &str) -> Keyring {
    Keyring::parse(text.as_bytes()).expect("keys long enough")
}

pub const KEY: &str = "the first shared key, of more than 32 octets";

pub fn name(node: usize) -> String {
    format!("node-{node}")
}

pub fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (node / 256) as u8, (node % 256) as u8], 7946))
}

pub fn list(nodes: usize) -> Addresses {
    (0..nodes)
        .map(|n| (Arc::from(name(n)), vec![address(n)]))
        .collect()
}

impl Lab {
    /// All nodes are started and know each other.
    pub fn running(nodes: usize, seed: u64) -> Lab {
        let mut lab = Lab::empty(nodes, seed);
        (0..nodes).for_each(|node| lab.start(node));
        lab.run(ms(1_500));
        assert!(
            (0..nodes).all(|n| lab.live(n).len() == nodes),
            "all know all"
        );
        lab
    }

    pub fn empty(nodes: usize, seed: u64) -> Lab {
        let now = Instant::now() + Duration::from_secs(1000);
        let node = || Node {
            core: None,
            frozen: false,
            inbox: VecDeque::new(),
            starts: 0,
        };
        Lab {
            now,
            start: now,
            rng: SmallRng::seed_from_u64(seed),
            nodes: (0..nodes).map(|_| node()).collect(),
            config: Config::default(),
            loss: 0.0,
            cut: BTreeSet::new(),
            tape: None,
            wire: BinaryHeap::new(),
            sent: 0,
            believed: BTreeMap::new(),
            held_alive: BTreeMap::new(),
            losses: Vec::new(),
        }
    }

    /// Starts a node; again, if it ran before.
    pub fn start(&mut self, node: usize) {
        self.start_with(node, 1_000_000, keys(KEY));
    }

    pub fn start_with(&mut self, node: usize, generation: u64, keys: Keyring) {
        let seed = self.rng.random();
        self.nodes[node].starts += 1;
        let generation = generation + 1000 * self.nodes[node].starts;
        let config = self.config.clone();
        let core = Core::new(config, &name(node), keys, seed, generation, self.now);
        let mut core = core.expect("the cipher works");
        core.set_peers(self.now, &list(self.nodes.len()));
        self.nodes[node].core = Some(core);
        self.nodes[node].inbox.clear();
        self.believed.remove(&node);
        self.flush(node);
    }

    pub fn kill(&mut self, node: usize) {
        self.nodes[node].core = None;
    }

    pub fn freeze(&mut self, node: usize) {
        self.nodes[node].frozen = true;
    }

    /// It reads what has arrived, then does what is due.
    pub fn thaw(&mut self, node: usize) {
        self.nodes[node].frozen = false;
        for (from, datagram) in std::mem::take(&mut self.nodes[node].inbox) {
            self.deliver(node, from, &datagram);
        }
    }

    /// What has arrived for a frozen node is lost.
    pub fn lose_inbox(&mut self, node: usize) {
        self.nodes[node].inbox.clear();
    }

    /// Cuts two nodes apart.
    pub fn part(&mut self, a: usize, b: usize) {
        self.cut.extend([(a, b), (b, a)]);
    }

    /// Cuts a node off from all others.
    pub fn isolate(&mut self, node: usize) {
        (0..self.nodes.len())
            .filter(|n| *n != node)
            .for_each(|n| self.part(node, n));
    }

    pub fn core(&mut self, node: usize) -> &mut Core {
        self.nodes[node].core.as_mut().expect("it runs")
    }

    /// Whom a node believes alive.
    pub fn live(&self, node: usize) -> BTreeSet<usize> {
        let Some(core) = &self.nodes[node].core else {
            return BTreeSet::new();
        };
        let number = |name: &Arc<str>| name.trim_start_matches("node-").parse().expect("a number");
        core.live().nodes.keys().map(number).collect()
    }

    /// Whether a node's fence is open at this instant. A frozen one answers nothing.
    pub fn is_open(&self, node: usize) -> bool {
        match self.nodes[node].core.as_ref().map(Core::fence) {
            Some(Fence::Open) => true,
            Some(Fence::Until(until)) => self.now < until,
            Some(Fence::Closed) | None => false,
        }
    }

    /// How a node stands that runs.
    pub fn standing(&self, node: usize) -> Standing {
        let core = self.nodes[node].core.as_ref();
        core.map_or(Standing::Minority, Core::standing)
    }

    /// Lets time pass, in steps.
    pub fn run(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    /// Lets time pass until something is true; how long it took. Panics after `most` unless
    /// nothing is waited for.
    pub fn wait(&mut self, most: Duration, done: impl FnMut(&Lab) -> bool) -> Duration {
        let begun = self.now;
        assert!(
            self.until(most, done),
            "not within {most:?}: {:?}",
            self.nodes.iter().map(|n| &n.core).collect::<Vec<_>>()
        );
        self.now - begun
    }

    pub fn until(&mut self, time: Duration, mut done: impl FnMut(&Lab) -> bool) -> bool {
        let end = self.now + time;
        while self.now < end {
            let step = (self.now + STEP).min(end);
            self.advance(step);
            if done(self) {
                return true;
            }
        }
        false
    }

    /// Does what happens up to a moment, in order.
    fn advance(&mut self, end: Instant) {
        loop {
            let arrival = self.wire.peek().map(|Reverse((at, ..))| *at);
            let timer = self.next_timer();
            match (arrival, timer) {
                (Some(at), _) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                    let Some(Reverse((at, _, from, to, datagram))) = self.wire.pop() else {
                        return;
                    };
                    self.now = self.now.max(at);
                    self.arrive(from, to, datagram);
                }
                (_, Some((due, node))) if due <= end => {
                    self.now = self.now.max(due);
                    let now = self.now;
                    self.core(node).handle_timeout(now);
                    self.flush(node);
                }
                (_, _) => break,
            }
        }
        self.now = end;
    }

    fn next_timer(&self) -> Option<(Instant, usize)> {
        let due = |(index, node): (usize, &Node)| {
            let core = node.core.as_ref().filter(|_| !node.frozen)?;
            Some((core.poll_timeout()?, index))
        };
        self.nodes.iter().enumerate().filter_map(due).min()
    }

    fn arrive(&mut self, from: usize, to: usize, datagram: Vec<u8>) {
        if self.nodes[to].frozen {
            if self.nodes[to].inbox.len() < SOCKET {
                self.nodes[to].inbox.push_back((address(from), datagram));
            }
        } else {
            self.deliver(to, address(from), &datagram);
        }
    }

    pub fn deliver(&mut self, to: usize, from: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        if let Some(core) = &mut self.nodes[to].core {
            core.receive(now, from, datagram);
            self.flush(to);
        }
    }

    /// Sends what a node wants sent, and notes whom it has lost.
    pub fn flush(&mut self, node: usize) {
        while let Some(Transmit { to, datagram }) = self.core(node).poll_transmit() {
            let Some(to) = (0..self.nodes.len()).find(|n| address(*n) == to) else {
                continue;
            };
            if let Some(tape) = &mut self.tape {
                tape.push((node, to, datagram.clone()));
            }
            let lost = self.loss > 0.0 && self.rng.random_bool(self.loss);
            if lost || self.cut.contains(&(node, to)) {
                continue;
            }
            let delay = Duration::from_micros(self.rng.random_range(100..2_000));
            self.sent += 1;
            self.wire
                .push(Reverse((self.now + delay, self.sent, node, to, datagram)));
        }
        let live = self.live(node);
        let others = live.iter().filter(|other| **other != node);
        self.held_alive
            .extend(others.map(|other| (*other, self.now)));
        let before = self.believed.insert(node, live.clone()).unwrap_or_default();
        for lost in before.difference(&live) {
            self.losses.push((self.now, node, *lost));
        }
    }
}
