//! Nodes on one segment, and the network between them, on a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plan::World;
use plan::world::{Failback, Ready};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::node::{Node, Output, node_at};
use crate::watch::Watch;
use crate::world::{node_name, world};
use herald::parts::holding::LEAVE;

/// What the sockets of a frozen node hold.
const SOCKET: usize = 256;
/// A frame reaches all stations of the segment after so many microseconds.
const FRAME_TAKES: u64 = 60;

/// Looks at whether all is well again are so far apart.
const STEP: Duration = Duration::from_millis(20);

/// What the API server says reaches a node within so many microseconds.
const NEWS_TAKE: u64 = 60_000;

/// The nodes and what is between them.
pub struct Cluster {
    /// Now.
    pub now: Instant,
    /// What must hold.
    pub watch: Watch,
    /// Part of all datagrams that is lost.
    pub loss: f64,
    slots: Vec<Slot>,
    /// When something is to be done with which node.
    agenda: BTreeSet<(Instant, usize)>,
    /// Datagrams do not pass: from, to.
    cut: BTreeSet<(usize, usize)>,
    /// Nor do frames.
    cut_frames: BTreeSet<(usize, usize)>,
    wire: BinaryHeap<Reverse<OnTheWire>>,
    sent: u64,
    world: World,
    rng: SmallRng,
}

impl Slot {
    /// When something is to be done with it.
    fn due(&self) -> Option<Instant> {
        let told = self.told.front().map(|(at, _)| *at);
        let awake = [self.due, told, self.ends_at];
        let awake = awake.into_iter().filter(|_| !self.frozen);
        awake.chain([self.busy_until]).flatten().min()
    }
}

struct Slot {
    node: Option<Node>,
    frozen: bool,
    /// It is frozen only because its machine is busy, until then.
    busy_until: Option<Instant>,
    /// It has been told to end, and has until then to hand over.
    ends_at: Option<Instant>,
    /// It has ended gracefully, and has not been started anew.
    has_left: bool,
    /// It has another World from then on.
    told: VecDeque<(Instant, World)>,
    /// Its link is up.
    attached: bool,
    starts: u64,
    inbox: VecDeque<Message>,
    /// When the node itself has something to do.
    due: Option<Instant>,
    /// Its entry in the agenda.
    agreed: Option<Instant>,
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
    pub fn new(nodes: usize, vips: usize, failback: Failback, seed: u64) -> Cluster {
        // Before the start there is time too.
        let now = Instant::now() + Duration::from_secs(100_000);
        let slot = || Slot {
            node: None,
            frozen: false,
            busy_until: None,
            ends_at: None,
            has_left: false,
            told: VecDeque::new(),
            attached: true,
            starts: 0,
            inbox: VecDeque::new(),
            due: None,
            agreed: None,
        };
        let mut cluster = Cluster {
            now,
            watch: Watch::new(now, nodes, vips),
            loss: 0.0,
            slots: (0..nodes).map(|_| slot()).collect(),
            agenda: BTreeSet::new(),
            cut: BTreeSet::new(),
            cut_frames: BTreeSet::new(),
            wire: BinaryHeap::new(),
            sent: 0,
            world: world(nodes, vips, failback),
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
        let rng = SmallRng::seed_from_u64(self.rng.random());
        let slot = &mut self.slots[node];
        slot.starts += 1;
        slot.has_left = false;
        slot.frozen = false;
        (slot.busy_until, slot.ends_at) = (None, None);
        slot.told.clear();
        slot.inbox.clear();
        let generation = 1_000_000 + 1_000 * slot.starts;
        slot.node = Node::start(node, &self.world, generation, rng, self.now);
        self.look(node);
    }

    /// Ends a node without a word.
    pub fn kill(&mut self, node: usize) {
        self.slots[node].node = None;
        self.look(node);
    }

    /// Asks a node to end: it hands over, and is gone then.
    pub fn stop(&mut self, node: usize) {
        let now = self.now;
        let slot = &mut self.slots[node];
        let Some(running) = slot.node.as_mut().filter(|_| !slot.frozen) else {
            return;
        };
        slot.ends_at = Some(now + LEAVE);
        slot.has_left = true;
        let output = running.leave(now);
        self.send(node, output);
        self.look(node);
    }

    /// The API server says of a node whether it is Ready. The others hear of it one after another.
    pub fn set_ready(&mut self, node: usize, ready: bool) {
        let name = node_name(node);
        let nodes = Arc::make_mut(&mut self.world.nodes);
        if let Some(object) = nodes.get_mut(&name) {
            Arc::make_mut(object).ready = match ready {
                true => Ready::True,
                false => Ready::False,
            };
        }
        for number in 0..self.slots.len() {
            let takes = Duration::from_micros(self.rng.random_range(0..NEWS_TAKE));
            let slot = &mut self.slots[number];
            let at = slot
                .told
                .back()
                .map(|(at, _)| *at)
                .max(Some(self.now + takes));
            slot.told.extend(at.map(|at| (at, self.world.clone())));
            self.agree(number);
        }
    }

    /// A node's machine is busy: its processes do not run for so long.
    pub fn pause(&mut self, node: usize, time: Duration) {
        let slot = &mut self.slots[node];
        if slot.node.is_some() && !slot.frozen {
            slot.frozen = true;
            slot.busy_until = Some(self.now + time);
            self.look(node);
            self.watch.set_awake(self.now, self.has_quorum(true));
        }
    }

    /// Stops a node's processes; what arrives waits.
    pub fn freeze(&mut self, node: usize) {
        self.slots[node].frozen = self.slots[node].node.is_some();
        self.slots[node].busy_until = None;
        self.look(node);
    }

    /// Continues them: frames are read first, then datagrams, the worst order.
    pub fn thaw(&mut self, node: usize) {
        if !std::mem::take(&mut self.slots[node].frozen) {
            return;
        }
        if self.slots[node].busy_until.take().is_some() {
            self.watch.set_awake(self.now, self.has_quorum(true));
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

    /// Frames neither.
    pub fn cut_frames(&mut self, from: usize, to: usize) {
        self.cut(from, to);
        self.cut_frames.insert((from, to));
    }

    /// Everything passes again between all nodes.
    pub fn uncut(&mut self) {
        self.cut.clear();
        self.cut_frames.clear();
    }

    /// Whether a node is frozen.
    pub fn is_frozen(&self, node: usize) -> bool {
        self.slots[node].frozen
    }

    /// Everything passes again, and every node runs.
    pub fn heal(&mut self) {
        self.cut.clear();
        self.cut_frames.clear();
        self.loss = 0.0;
        for node in 0..self.slots.len() {
            if !self.is_ready(node) {
                self.set_ready(node, true);
            }
            self.attach(node, true);
            self.thaw(node);
            if self.slots[node].node.is_none() || self.slots[node].has_left {
                self.start(node);
            }
        }
    }

    /// Something has been done to nodes or network. From now on somebody could answer for every
    /// address if more than half of the nodes run and hear all of each other.
    pub fn happened(&mut self) {
        let has_candidate = self.has_quorum(false) && self.loss == 0.0;
        self.watch.happened(self.now, has_candidate);
        self.watch.set_awake(self.now, self.has_quorum(true));
    }

    /// Whether more than half of the nodes run and hear all of each other, and are `awake` now. Of a
    /// large cluster with many cuts one such group may be overlooked.
    fn has_quorum(&self, awake: bool) -> bool {
        let is_awake = |node: &usize| !awake || self.slots[*node].busy_until.is_none();
        let nodes = self.slots.len();
        let voters = (0..nodes).filter(|node| self.is_voter(*node)).count();
        (0..nodes).any(|first| {
            let mut group: Vec<usize> = Vec::new();
            for node in (first..nodes).chain(0..first) {
                let is_with_all = group.iter().all(|other| self.is_connected(node, *other));
                let is_one = self.is_voter(node) && is_awake(&node);
                if is_with_all && is_one && self.is_connected(node, node) {
                    group.push(node);
                }
            }
            2 * group.len() > voters
        })
    }

    /// Whether it counts when the others look for a majority: it is Ready, and has not left.
    fn is_voter(&self, node: usize) -> bool {
        self.is_ready(node) && !self.has_left(node)
    }

    /// Whether the API server says that it is Ready.
    pub fn is_ready(&self, node: usize) -> bool {
        let object = self.world.nodes.get(&node_name(node));
        object.is_some_and(|object| object.ready == Ready::True)
    }

    /// Whether it has been stopped, and not started again.
    pub fn has_left(&self, node: usize) -> bool {
        self.slots[node].has_left
    }

    fn passes(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to))
    }

    fn is_connected(&self, a: usize, b: usize) -> bool {
        let runs = |slot: &Slot| {
            let is_frozen = slot.frozen && slot.busy_until.is_none();
            slot.node.is_some() && slot.ends_at.is_none() && !is_frozen && slot.attached
        };
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
            let due = self.agenda.range(..=(now, usize::MAX));
            let due: BTreeSet<usize> = due.map(|(_, node)| *node).collect();
            for node in due {
                self.tell(node);
                self.wake(node);
            }
        }
        self.now = end;
        self.watch.pass(end);
    }

    /// Lets time pass until exactly one node answers for each address, and at most so much.
    pub fn run_until_settled(&mut self, most: Duration) {
        let end = self.now + most;
        while self.now < end && !self.watch.is_settled() {
            self.run(STEP);
        }
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
        let due = self.agenda.first().map(|(at, _)| *at);
        [arrival, due, self.watch.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What happens to a node of itself.
    fn tell(&mut self, number: usize) {
        let now = self.now;
        let slot = &mut self.slots[number];
        if slot.busy_until.is_some_and(|until| until <= now) {
            self.thaw(number);
        }
        let slot = &mut self.slots[number];
        if slot.frozen {
            return;
        }
        if slot.ends_at.is_some_and(|at| at <= now) {
            slot.ends_at = None;
            self.kill(number);
            return;
        }
        while let Some((_, world)) = slot.told.pop_front_if(|(at, _)| *at <= now) {
            if let Some(node) = &mut slot.node {
                node.set_world(now, &world);
            }
        }
        slot.due = slot.node.as_ref().and_then(Node::poll_timeout);
        self.agree(number);
    }

    /// Brings the agenda up to date with a node.
    fn agree(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        let due = slot.due();
        if due != slot.agreed {
            let before = std::mem::replace(&mut slot.agreed, due);
            before.map(|at| self.agenda.remove(&(at, number)));
            self.agenda.extend(due.map(|at| (at, number)));
        }
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
                    if self.cut_frames.contains(&(from, to)) {
                        continue;
                    }
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
            let to = node_at(transmit.to).filter(|to| *to < self.slots.len());
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
        let (until, claimed) = match &slot.node {
            Some(node) if runs => (node.answers_until(self.now), Arc::clone(&node.claimed)),
            Some(_) | None => (None, Arc::default()),
        };
        let rules = slot.node.as_ref().is_some_and(Node::rules);
        self.watch.node(self.now, number, until, claimed, rules);
        slot.due = slot.node.as_ref().and_then(Node::poll_timeout);
        self.agree(number);
    }
}
