//! Nodes on one segment, and the network between them, on a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plan::World;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::node::{Node, Output, address};
use crate::watch::Watch;
use crate::world::world;

/// What the sockets of a frozen node hold.
const SOCKET: usize = 256;
/// A frame reaches all stations of the segment after so many microseconds.
const FRAME_TAKES: u64 = 60;

/// The nodes and what is between them.
pub struct Cluster {
    /// Now.
    pub now: Instant,
    /// What must hold.
    pub watch: Watch,
    /// Part of all datagrams that is lost.
    pub loss: f64,
    slots: Vec<Slot>,
    /// Datagrams do not pass: from, to.
    cut: BTreeSet<(usize, usize)>,
    wire: BinaryHeap<Reverse<OnTheWire>>,
    sent: u64,
    world: World,
    rng: SmallRng,
}

struct Slot {
    node: Option<Node>,
    frozen: bool,
    /// Its link is up.
    attached: bool,
    starts: u64,
    inbox: VecDeque<Message>,
    due: Option<Instant>,
}

/// When it arrives, its number, where to (a frame: everywhere), and what.
type OnTheWire = (Instant, u64, Option<usize>, Message);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Datagram(usize, Arc<[u8]>),
    Frame(usize, Arc<[u8]>),
}

impl Cluster {
    /// Nodes that have all just started.
    pub fn new(nodes: usize, vips: usize, seed: u64) -> Cluster {
        // Before the start there is time too.
        let now = Instant::now() + Duration::from_secs(100_000);
        let slot = || Slot {
            node: None,
            frozen: false,
            attached: true,
            starts: 0,
            inbox: VecDeque::new(),
            due: None,
        };
        let mut cluster = Cluster {
            now,
            watch: Watch::new(now, nodes, vips),
            loss: 0.0,
            slots: (0..nodes).map(|_| slot()).collect(),
            cut: BTreeSet::new(),
            wire: BinaryHeap::new(),
            sent: 0,
            world: world(nodes, vips),
            rng: SmallRng::seed_from_u64(seed),
        };
        (0..nodes).for_each(|node| cluster.start(node));
        cluster
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.slots.len()
    }

    /// Starts a node; anew, if it runs.
    pub fn start(&mut self, node: usize) {
        let nodes = self.slots.len();
        let rng = SmallRng::seed_from_u64(self.rng.random());
        let slot = &mut self.slots[node];
        slot.starts += 1;
        slot.frozen = false;
        slot.inbox.clear();
        let generation = 1_000_000 + 1_000 * slot.starts;
        slot.node = Node::start(node, nodes, &self.world, generation, rng, self.now);
        self.slots[node].due = Some(self.now);
        self.look(node);
    }

    /// Ends a node without a word.
    pub fn kill(&mut self, node: usize) {
        self.slots[node].node = None;
        self.look(node);
    }

    /// Stops a node's processes; what arrives waits.
    pub fn freeze(&mut self, node: usize) {
        self.slots[node].frozen = self.slots[node].node.is_some();
        self.look(node);
    }

    /// Continues them: frames are read first, then datagrams, the worst order.
    pub fn thaw(&mut self, node: usize) {
        if !std::mem::take(&mut self.slots[node].frozen) {
            return;
        }
        let waiting = std::mem::take(&mut self.slots[node].inbox);
        let (frames, datagrams): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|message| matches!(message, Message::Frame(..)));
        for message in frames.into_iter().chain(datagrams) {
            self.arrive(node, message);
        }
        self.look(node);
    }

    /// The node's link goes down, or up.
    pub fn attach(&mut self, node: usize, attached: bool) {
        self.slots[node].attached = attached;
        self.look(node);
    }

    /// Datagrams no longer pass from one node to another.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Everything passes again, and every node runs.
    pub fn heal(&mut self) {
        self.cut.clear();
        self.loss = 0.0;
        for node in 0..self.slots.len() {
            self.attach(node, true);
            self.thaw(node);
            if self.slots[node].node.is_none() {
                self.start(node);
            }
        }
    }

    /// Something has been done to nodes or network. From now on somebody could answer for every
    /// address if more than half of the nodes are connected with each other, and with nobody else:
    /// one that only some of them can reach is known as alive and is elected, and has no majority
    /// itself before it is calm.
    pub fn happened(&mut self) {
        let nodes = 0..self.slots.len();
        let with = |node: usize| -> BTreeSet<usize> {
            let others = nodes.clone();
            others
                .filter(|other| self.is_connected(node, *other))
                .collect()
        };
        let has_candidate = nodes.clone().any(|node| {
            let side = with(node);
            let is_closed = side.iter().all(|other| with(*other) == side);
            let reaches_out = side.iter().any(|inside| {
                let outside = nodes.clone().filter(|other| !side.contains(other));
                let mut running = outside.filter(|other| self.is_connected(*other, *other));
                running.any(|other| self.passes(*inside, other) || self.passes(other, *inside))
            });
            2 * side.len() > self.slots.len() && is_closed && !reaches_out
        });
        self.watch
            .happened(self.now, has_candidate && self.loss == 0.0);
    }

    fn passes(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to))
    }

    fn is_connected(&self, a: usize, b: usize) -> bool {
        let runs = |slot: &Slot| slot.node.is_some() && !slot.frozen && slot.attached;
        runs(&self.slots[a]) && runs(&self.slots[b]) && self.passes(a, b) && self.passes(b, a)
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.watch.pass(self.now);
            let now = self.now;
            while let Some(Reverse((.., to, message))) = self
                .wire
                .peek()
                .is_some_and(|Reverse((at, ..))| *at <= now)
                .then(|| self.wire.pop())
                .flatten()
            {
                self.deliver(to, message);
            }
            for node in 0..self.slots.len() {
                self.wake(node);
            }
        }
        self.now = end;
        self.watch.pass(end);
    }

    /// What the Responders say agrees with what is watched. `false` is a defect of the simulation.
    pub fn is_watched_rightly(&self, vips: usize) -> bool {
        (0..vips).all(|vip| {
            let answering = self.watch.answering(vip);
            self.slots.iter().enumerate().all(|(number, slot)| {
                let runs = !slot.frozen && slot.attached;
                let node = slot.node.as_ref().filter(|_| runs);
                let answers = node.is_some_and(|node| node.is_answered(self.now, vip));
                answers == answering.contains(&number)
            })
        })
    }

    /// How the nodes are, for people.
    pub fn describe(&self) -> String {
        let slots = self.slots.iter().enumerate();
        let lines = slots.map(|(number, slot)| {
            let (frozen, attached) = (slot.frozen, slot.attached);
            format!(
                "  {number}: frozen {frozen} attached {attached} {:?}\n",
                slot.node
            )
        });
        lines.collect::<String>() + &format!("  cut {:?} loss {}", self.cut, self.loss)
    }

    fn next(&self) -> Option<Instant> {
        let arrival = self.wire.peek().map(|Reverse((at, ..))| *at);
        let due = self.slots.iter().filter(|slot| !slot.frozen);
        let due = due.filter_map(|slot| slot.due).min();
        [arrival, due, self.watch.next()]
            .into_iter()
            .flatten()
            .min()
    }

    fn wake(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        if slot.frozen || slot.due.is_none_or(|due| due > self.now) {
            return;
        }
        if let Some(node) = &mut slot.node {
            let output = node.handle_timeout(self.now);
            self.send(number, output);
        }
        self.look(number);
    }

    fn deliver(&mut self, to: Option<usize>, message: Message) {
        match (to, &message) {
            (Some(to), _) => self.arrive(to, message),
            (None, Message::Frame(from, _) | Message::Datagram(from, _)) => {
                let from = *from;
                for to in (0..self.slots.len()).filter(|to| *to != from) {
                    self.arrive(to, message.clone());
                }
            }
        }
    }

    fn arrive(&mut self, to: usize, message: Message) {
        let slot = &mut self.slots[to];
        if !slot.attached {
            return;
        }
        if slot.frozen {
            if slot.inbox.len() < SOCKET {
                slot.inbox.push_back(message);
            }
            return;
        }
        let Some(node) = &mut slot.node else { return };
        let output = match message {
            Message::Datagram(from, octets) => node.receive_datagram(self.now, from, &octets),
            Message::Frame(_, octets) => node.receive_frame(self.now, &octets),
        };
        self.send(to, output);
        self.look(to);
    }

    fn send(&mut self, from: usize, output: Output) {
        let is_attached = self.slots[from].attached;
        for transmit in output.datagrams {
            let to = (0..self.slots.len()).find(|to| address(*to) == transmit.to);
            let is_lost = self.loss > 0.0 && self.rng.random_bool(self.loss);
            let Some(to) =
                to.filter(|to| is_attached && !is_lost && !self.cut.contains(&(from, *to)))
            else {
                continue;
            };
            let takes = self.rng.random_range(100..2_000);
            self.put(
                takes,
                Some(to),
                Message::Datagram(from, transmit.datagram.into()),
            );
        }
        for frame in output.frames {
            if is_attached {
                self.put(FRAME_TAKES, None, Message::Frame(from, frame.into()));
            }
        }
    }

    fn put(&mut self, takes: u64, to: Option<usize>, message: Message) {
        self.sent += 1;
        let at = self.now + Duration::from_micros(takes);
        self.wire.push(Reverse((at, self.sent, to, message)));
    }

    /// Tells the watch how a node is.
    fn look(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        let runs = !slot.frozen && slot.attached;
        let none = BTreeSet::new();
        let (until, claimed) = match &slot.node {
            Some(node) if runs => (node.answers_until(self.now), &node.claimed),
            Some(_) | None => (None, &none),
        };
        let rules = slot.node.as_ref().is_some_and(Node::rules);
        self.watch.node(self.now, number, until, claimed, rules);
        slot.due = slot.node.as_ref().and_then(Node::poll_timeout);
    }
}
