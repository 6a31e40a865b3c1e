//! A node on a virtual clock, and what others on its link say.

pub mod frames;
pub mod segment;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::MacAddr;
use l2::responder::{
    Action, Address, AddressSet, AddressState, Claim, Config, Event, Fence, Interface,
    InterfaceKind, OnConflict, Received, Responder,
};

pub const OURS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 1);
pub const STRANGER: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x99);
pub const SPEAKER: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 2);
pub const ETH0: u32 = 2;
pub const ETH1: u32 = 3;
/// The address most tests are about, of both families.
pub const VIPS: [&str; 2] = ["203.0.113.7", "2001:db8::7"];

/// A Responder, its time, and everything it has said.
pub struct Node {
    pub responder: Responder,
    pub start: Instant,
    pub now: Instant,
    /// What was sent: milliseconds since the start, interface, [`frames::describe`].
    sent: Vec<(u64, u32, String)>,
    actions: Vec<Action>,
}

impl Node {
    /// With an open fence and `eth0`, and no refresh.
    pub fn new() -> Node {
        Node::with(Config {
            refresh: None,
            ..Config::default()
        })
    }

    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    pub fn with(config: Config) -> Node {
        let start = Instant::now();
        let mut node = Node {
            responder: Responder::new(config, 7),
            start,
            now: start,
            sent: Vec::new(),
            actions: Vec::new(),
        };
        node.interfaces(&[eth(ETH0)]);
        node.fence(Fence::Open);
        node
    }

    /// One that has answered for the address, of either family, for a while.
    pub fn owner(vip: &str, on_conflict: OnConflict) -> Node {
        let mut node = Node::new();
        let address = Address {
            on_conflict,
            ..Address::new(Claim::TakenOver)
        };
        node.addresses(&[(vip, address)]);
        node.run(10_000);
        node.sent();
        node.actions();
        node
    }

    pub fn interfaces(&mut self, interfaces: &[Interface]) {
        let left_out = self.responder.set_interfaces(self.now, interfaces);
        assert_eq!(left_out, 0);
        self.drain();
    }

    pub fn addresses(&mut self, addresses: &[(&str, Address)]) {
        let refused = self.responder.set_addresses(self.now, &set(addresses));
        assert_eq!(refused, []);
        self.drain();
    }

    pub fn speakers(&mut self, speakers: &[MacAddr]) {
        let speakers: BTreeSet<MacAddr> = speakers.iter().copied().collect();
        self.responder.set_speakers(self.now, &Arc::new(speakers));
        self.drain();
    }

    pub fn fence(&mut self, fence: Fence) {
        self.responder.answers_until(self.now, fence);
        self.drain();
    }

    pub fn event(&mut self, event: Event) {
        self.responder.handle(self.now, event);
        self.drain();
    }

    /// A frame arrives on eth0.
    pub fn hear(&mut self, frame: &[u8]) {
        self.hear_on(ETH0, None, frame);
    }

    pub fn hear_on(&mut self, interface: u32, vlan: Option<u16>, frame: &[u8]) {
        let received = Received {
            interface,
            vlan,
            frame,
        };
        self.responder.receive(self.now, received);
        self.drain();
    }

    /// Time passes, and every timer is served when it is due.
    pub fn run(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        for _ in 0..1_000_000 {
            let Some(at) = self.responder.poll_timeout().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            assert!(at >= self.now || self.responder.poll_timeout() != Some(self.now));
            self.now = self.now.max(at);
            self.responder.handle_timeout(self.now);
            self.drain();
            let still = self.responder.poll_timeout();
            assert!(still.is_none_or(|still| still > self.now), "not served");
        }
        panic!("its timers never end");
    }

    /// Time passes, and it does not run.
    pub fn freeze(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    fn drain(&mut self) {
        while let Some(action) = self.responder.poll_action() {
            self.actions.push(action);
        }
        let at = (self.now - self.start).as_millis() as u64;
        while let Some(transmit) = self.responder.poll_transmit(self.now) {
            let said = frames::describe(&transmit.frame);
            self.sent.push((at, transmit.interface, said));
        }
    }

    /// What was said since the last call.
    pub fn sent(&mut self) -> Vec<String> {
        let sent = std::mem::take(&mut self.sent);
        sent.into_iter().map(|(_, _, said)| said).collect()
    }

    /// The same with the time and the interface.
    pub fn sent_when(&mut self) -> Vec<(u64, u32, String)> {
        std::mem::take(&mut self.sent)
    }

    /// What there was to do since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The states that were told of since the last call.
    pub fn states(&mut self) -> Vec<AddressState> {
        let actions = self.actions().into_iter();
        let state = |action| match action {
            Action::State { state, .. } => Some(state),
            Action::JoinGroup { .. } | Action::LeaveGroup { .. } | Action::OtherOwner { .. } => {
                None
            }
        };
        actions.filter_map(state).collect()
    }

    pub fn state(&self, vip: &str) -> Option<AddressState> {
        self.responder.state(ETH0, ip(vip))
    }
}

/// An interface that is up, with a link-local address: `eth0`, `eth1`, …
pub fn eth(index: u32) -> Interface {
    let last = (index - 1) as u8;
    Interface {
        index,
        name: format!("eth{}", index - 2).into(),
        mac: MacAddr(
            0x02,
            0,
            0,
            0,
            0,
            last + if index == ETH0 { 0 } else { 0x10 },
        ),
        addresses: BTreeSet::from([
            ip(&format!("fe80::{index}")),
            ip(&format!("10.0.{index}.1")),
        ]),
        up: true,
        kind: InterfaceKind::Ethernet,
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn set(addresses: &[(&str, Address)]) -> Arc<AddressSet> {
    let addresses = addresses.iter();
    Arc::new(addresses.map(|(at, a)| (ip(at), a.clone())).collect())
}

pub fn taken_over() -> Address {
    Address::new(Claim::TakenOver)
}

pub fn first_ever() -> Address {
    Address::new(Claim::FirstEver)
}
