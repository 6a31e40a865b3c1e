//! One node: its membership, its elections, what it holds, and how it answers, as
//! `daemon/src/links.rs` puts them together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald::membership::core::{Core, Transmit};
use herald::membership::{Addresses, Config, Facts, Keyring, Live, Standing};
use herald::parts::holding::{self, Holding, Trust};
use herald::parts::{ACQUAINTED_WITHIN, LinkView, OtherOwner};
use l2::MacAddr;
use l2::responder::{
    Action, AddressSet, Event, Fence, Interface, InterfaceKind, Received, Responder,
};
use plan::World;
use plan::elect::Elector;
use plan::health::{self, Class, Why};
use plan::tenure::{Presence, Returned, Tenure};
use plan::world;
use rand::Rng;
use rand::rngs::SmallRng;

use crate::world::{node_name, number, vip_number};

/// The one interface of each node.
const INTERFACE: u32 = 2;
const INTERFACE_NAME: &str = "eth0";
/// A round begins at most so long after what it is for.
const ROUND_WITHIN: u64 = 3_000;

/// A node that runs.
pub struct Node {
    name: Arc<str>,
    mac: MacAddr,
    core: Core,
    elector: Elector,
    tenure: Tenure,
    presence: Option<Presence>,
    holding: Holding,
    responder: Responder,
    view: LinkView,
    world: World,
    macs: BTreeMap<Arc<str>, BTreeSet<MacAddr>>,
    fence: Fence,
    acquainted_by: Instant,
    seen: (Arc<Live>, Standing, bool),
    /// The next round.
    round_at: Option<Instant>,
    given: Arc<AddressSet>,
    leaving: bool,
    /// The numbers of the addresses that it answers for while its fence is open.
    pub claimed: Arc<BTreeSet<usize>>,
    rng: SmallRng,
}

/// What comes out of a node.
#[derive(Default)]
pub struct Output {
    /// Datagrams.
    pub datagrams: Vec<Transmit>,
    /// Frames.
    pub frames: Vec<Vec<u8>>,
}

/// Where a node hears the others.
pub fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 1, (node / 256) as u8, (node % 256) as u8], 7946))
}

/// The node that is heard there; the reverse of [`address`].
pub fn node_at(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(at) => {
            let [.., high, low] = at.octets();
            Some(usize::from(high) * 256 + usize::from(low))
        }
        IpAddr::V6(_) => None,
    }
}

/// As `addresses` of `daemon/src/links.rs`.
fn peers(world: &World) -> Addresses {
    let all = world.nodes.values();
    let is_out = |node: &world::Node| node.ready != world::Ready::True;
    let all_out = all.clone().all(|node| is_out(node));
    let counted = all.filter(|node| all_out || !is_out(node));
    let hears =
        |node: &Arc<world::Node>| (Arc::clone(&node.name), vec![address(number(&node.name))]);
    counted.map(hears).collect()
}

/// The key of all.
pub fn keys() -> Option<Keyring> {
    Keyring::parse(b"the shared key of a simulation, of 32 octets and more").ok()
}

impl Node {
    /// Starts a node. `None` only if the cipher cannot be set up.
    pub fn start(
        number: usize,
        world: &World,
        generation: u64,
        mut rng: SmallRng,
        now: Instant,
    ) -> Option<Node> {
        let name = node_name(number);
        let mac = MacAddr::new(2, 0, 0, 0, (number / 256) as u8, (number % 256) as u8);
        let mut core = Core::new(
            Config::default(),
            &name,
            keys()?,
            rng.random(),
            generation,
            now,
        )?;
        core.set_peers(now, &peers(world));
        let mut tenure = Tenure::default();
        let mut round_at = now;
        if number.is_multiple_of(2) {
            // A speaker's first round may come before its membership has begun.
            let unheard = world.nodes.keys();
            let unheard = unheard.map(|node| (Arc::clone(node), Presence::InService(None)));
            tenure.next(now, &unheard.collect());
            round_at += Duration::from_micros(ROUND_WITHIN);
        }
        let (facts, _) = Facts::new([(INTERFACE_NAME.into(), mac)]);
        core.set_facts(now, Arc::new(facts));
        let mut responder = Responder::new(l2::responder::Config::default(), rng.random());
        let interface = Interface {
            index: INTERFACE,
            name: INTERFACE_NAME.into(),
            mac,
            addresses: BTreeSet::new(),
            up: true,
            kind: InterfaceKind::Ethernet,
        };
        let left_out = responder.set_interfaces(now, &[interface]);
        debug_assert_eq!(left_out, 0);
        Some(Node {
            elector: Elector::new(&name, health::Options::default()),
            tenure,
            presence: None,
            holding: Holding::default(),
            responder,
            view: LinkView::default(),
            world: world.clone(),
            macs: BTreeMap::new(),
            fence: Fence::Closed,
            acquainted_by: now + ACQUAINTED_WITHIN,
            seen: (Arc::clone(core.live()), core.standing(), false),
            round_at: Some(round_at),
            given: Arc::default(),
            leaving: false,
            claimed: Arc::default(),
            name,
            mac,
            core,
            rng,
        })
    }

    /// The API server has news.
    pub fn set_world(&mut self, now: Instant, world: &World) {
        self.core.set_peers(now, &peers(world));
        let links = Arc::clone(&self.world.links);
        self.world = world.clone();
        self.world.links = links;
        self.wake_at(Some(now));
    }

    /// It ends: as `Links::stop`.
    pub fn leave(&mut self, now: Instant) -> Output {
        self.leaving = true;
        self.core.leave(now);
        self.holding.leave(now);
        self.wake_at(Some(now));
        self.finish(now)
    }

    /// A datagram arrives.
    pub fn receive_datagram(&mut self, now: Instant, from: usize, datagram: &[u8]) -> Output {
        self.core.receive(now, address(from), datagram);
        self.finish(now)
    }

    /// A frame arrives.
    pub fn receive_frame(&mut self, now: Instant, frame: &[u8]) -> Output {
        let received = Received {
            interface: INTERFACE,
            vlan: None,
            frame,
        };
        self.responder.receive(now, received);
        self.finish(now)
    }

    /// What is due is done.
    pub fn handle_timeout(&mut self, now: Instant) -> Output {
        self.core.handle_timeout(now);
        if self.round_at.is_some_and(|at| at <= now) {
            self.round_at = None;
            // The fence takes effect before and without a round.
            self.hand_on_fence(now);
            self.round(now);
        }
        if self.responder.poll_timeout().is_some_and(|at| at <= now) {
            self.responder.handle_timeout(now);
        }
        self.finish(now)
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let all = [
            self.core.poll_timeout(),
            self.responder.poll_timeout(),
            self.round_at,
        ];
        all.into_iter().flatten().min()
    }

    /// Until when it answers; `None`: it does not.
    pub fn answers_until(&self, now: Instant) -> Option<Instant> {
        match self.fence {
            Fence::Closed => None,
            Fence::Until(at) => (now < at).then_some(at),
            Fence::Open => Some(now + Duration::from_secs(3_600)),
        }
    }

    /// Whether it has a majority.
    pub fn rules(&self) -> bool {
        self.core.standing() == Standing::Majority
    }

    /// As the Responder says it.
    pub fn is_answered(&self, now: Instant, vip: usize) -> bool {
        self.responder
            .is_answered(now, INTERFACE, crate::world::vip(vip))
    }

    fn hand_on_fence(&mut self, now: Instant) {
        let fence = self.core.fence();
        if fence != self.fence {
            self.fence = fence;
            self.responder.answers_until(now, fence);
        }
    }

    fn finish(&mut self, now: Instant) -> Output {
        self.hand_on_fence(now);
        let mut news = false;
        while let Some(action) = self.responder.poll_action() {
            match action {
                Action::State { address, state, .. } => {
                    let Some(number) = vip_number(address) else {
                        continue;
                    };
                    news = true;
                    self.view.states.insert((address, INTERFACE), state);
                    let claimed = Arc::make_mut(&mut self.claimed);
                    match state.is_answered() && self.given.contains_key(&address) {
                        true => claimed.insert(number),
                        false => claimed.remove(&number),
                    };
                }
                Action::OtherOwner { address, by, .. } => {
                    news = true;
                    let owner = OtherOwner { by, at: now };
                    self.view.other_owners.insert((address, INTERFACE), owner);
                }
                Action::JoinGroup { .. } | Action::LeaveGroup { .. } => {}
            }
        }
        let (live, standing, was_open) = &self.seen;
        let is_open = self.answers_until(now).is_some();
        let is_same = Arc::ptr_eq(live, self.core.live())
            && *standing == self.core.standing()
            && *was_open == is_open;
        if !is_same {
            self.seen = (Arc::clone(self.core.live()), self.core.standing(), is_open);
        }
        if news || !is_same {
            let at = now + Duration::from_micros(self.rng.random_range(0..ROUND_WITHIN));
            self.wake_at(Some(at));
        }
        let datagrams = std::iter::from_fn(|| self.core.poll_transmit()).collect();
        let frames = std::iter::from_fn(|| self.responder.poll_transmit(now));
        let frames = frames.map(|transmit| transmit.frame.to_vec()).collect();
        Output { datagrams, frames }
    }

    /// As `Links::next`.
    fn round(&mut self, now: Instant) {
        let live = Arc::clone(self.core.live());
        if !self.leaving {
            self.world.liveness = live.liveness();
            self.know(now, &live);
        }
        let elections = self.elector.next(&self.world);
        if now < self.acquainted_by && !self.is_acquainted(&live) {
            self.wake_at(Some(self.acquainted_by));
        }
        let facts = holding::Facts {
            elections: &elections,
            owners: &self.world.links.owners,
            view: &self.view,
            trust: self.trust(now),
            joins: live.joins(&self.name),
            is_outdated: false,
        };
        let next = self.holding.next(now, facts);
        let own = BTreeSet::from([self.mac]);
        let speakers = self.macs.values().flatten().copied();
        let speakers: BTreeSet<MacAddr> = speakers.filter(|mac| !own.contains(mac)).collect();
        self.responder.set_speakers(now, &Arc::new(speakers));
        self.given = next.addresses;
        let refused = self.responder.set_addresses(now, &self.given);
        debug_assert_eq!(refused, []);
        let given = &self.given;
        let is_given = |number: &usize| given.contains_key(&crate::world::vip(*number));
        if !self.claimed.iter().all(is_given) {
            Arc::make_mut(&mut self.claimed).retain(is_given);
        }
        for address in next.announce {
            self.responder.handle(now, Event::Announce(address));
        }
        self.wake_at(next.due);
    }

    /// As `Links::know`.
    fn know(&mut self, now: Instant, live: &Live) {
        let mut interfaces: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
        for (node, speaker) in &live.nodes {
            if let Some(facts) = &speaker.facts {
                let told = facts.interfaces();
                interfaces.insert(Arc::clone(node), told.keys().cloned().collect());
            }
        }
        for (node, facts) in live.facts() {
            let told = facts.interfaces().values();
            self.macs.insert(Arc::clone(node), told.copied().collect());
        }
        let presence = |node: &Arc<str>| {
            let health = health::judge(node, &self.world, health::Options::default());
            match (health.class, health.why) {
                (Class::InService, _) => {
                    Presence::InService(live.nodes.get(node).map(|node| node.since))
                }
                (_, Why::SpeakerNotLive) => Presence::Dead,
                (Class::Leaving | Class::Out | Class::Excluded, _) => Presence::Out,
            }
        };
        let nodes = self.world.nodes.keys();
        let presence: BTreeMap<Arc<str>, Presence> = nodes
            .map(|node| (Arc::clone(node), presence(node)))
            .collect();
        let own = presence.get(&self.name).copied();
        let was_out = self.presence == Some(Presence::Out);
        if was_out && matches!(own, Some(Presence::InService(_))) {
            self.core.is_back_in_service(now);
        }
        self.presence = own;
        let Returned {
            nodes,
            arriving,
            until,
        } = self.tenure.next(now, &presence);
        self.wake_at(until);
        let known = world::Links {
            interfaces,
            returned: nodes,
            arriving,
            owners: self.world.links.owners.clone(),
        };
        if *self.world.links != known {
            self.world.links = Arc::new(known);
        }
    }

    /// As `Links::is_acquainted`.
    fn is_acquainted(&self, live: &Live) -> bool {
        live.nodes.values().all(|speaker| speaker.facts.is_some())
    }

    /// As `Links::trust`.
    fn trust(&self, now: Instant) -> Trust {
        if now < self.acquainted_by && !self.is_acquainted(self.core.live()) {
            return Trust::None;
        }
        match self.core.standing() {
            _ if self.answers_until(now).is_none() => Trust::None,
            Standing::Minority => Trust::None,
            Standing::Half => Trust::Probe,
            Standing::Majority => Trust::Full,
        }
    }

    fn wake_at(&mut self, at: Option<Instant>) {
        self.round_at = self.round_at.into_iter().chain(at).min();
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let live = self.core.live().nodes.keys();
        write!(
            f,
            "{} {:?} fence {:?} sees {:?} claims {:?} returned {:?}",
            self.name,
            self.core.standing(),
            self.fence,
            live.collect::<Vec<_>>(),
            self.claimed,
            self.world.links.returned
        )
    }
}
