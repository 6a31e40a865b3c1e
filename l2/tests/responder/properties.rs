//! What holds after any order of events.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::MacAddr;
use l2::responder::{
    Address, AddressSet, AddressState, Claim, Config, Event, Fence, Interface, InterfaceKind,
    Interfaces, OnConflict, Received, Responder,
};
use proptest::prelude::*;

use crate::common::frames::{self, ASKER, claim, probe, question};
use crate::common::{ETH0, ETH1, SPEAKER, STRANGER, eth, ip};

const VIPS: [&str; 4] = ["203.0.113.7", "203.0.113.8", "2001:db8::7", "2001:db8:1::7"];

#[derive(Clone, Debug)]
enum Happening {
    Addresses(Vec<Option<Address>>),
    Interfaces(Vec<(bool, InterfaceKind, u8)>),
    Speakers(bool),
    Fence(Fence, u64),
    Hear(u32, Option<u16>, Vec<u8>),
    Event(Event),
    /// Time passes; the timers are served when they are due, or nothing is.
    Time(u64, bool),
    Fetch,
}

fn address() -> impl Strategy<Value = Address> {
    let claims = [Claim::FirstEver, Claim::TakenOver, Claim::Divided];
    let claim = prop::sample::select(claims.to_vec());
    let policy = prop_oneof![Just(OnConflict::GiveUp), Just(OnConflict::Defend)];
    let on_eth1: Arc<_> = Arc::new([Arc::from("eth1")].into());
    let interfaces = prop_oneof![Just(Interfaces::All), Just(Interfaces::Named(on_eth1))];
    let [handing_over, yields] = [prop::bool::weighted(0.2), prop::bool::weighted(0.2)];
    let parts = (claim, policy, interfaces, handing_over, yields);
    parts.prop_map(
        |(claim, on_conflict, interfaces, handing_over, yields)| Address {
            interfaces,
            claim,
            on_conflict,
            handing_over,
            yields,
        },
    )
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let by = prop::sample::select(vec![STRANGER, SPEAKER, ASKER, eth(ETH0).mac, eth(ETH1).mac]);
    let kind = prop_oneof![Just(0), Just(1), Just(2)];
    let good = (kind, by, prop::sample::select(VIPS.to_vec()));
    let good = good.prop_map(|(kind, by, vip)| match kind {
        0 => question(vip),
        1 => probe(by, vip),
        _ => claim(by, vip),
    });
    let spoilt = (good.clone(), 0..90_usize, any::<u8>()).prop_map(|(mut frame, at, octet)| {
        if let Some(found) = frame.get_mut(at) {
            *found = octet;
        }
        frame
    });
    let any = prop::collection::vec(any::<u8>(), 0..100);
    prop_oneof![6 => good, 2 => spoilt, 1 => any]
}

fn happening() -> impl Strategy<Value = Happening> {
    let kind = prop_oneof![
        6 => Just(InterfaceKind::Ethernet),
        1 => Just(InterfaceKind::Enslaved),
        1 => Just(InterfaceKind::WithoutArp),
    ];
    let interface = (prop::bool::weighted(0.8), kind, 0..2_u8);
    let fence = prop_oneof![Just(Fence::Closed), Just(Fence::Open)];
    let event = prop_oneof![
        Just(Event::NotifyPeers { interface: ETH0 }),
        prop::sample::select(VIPS.to_vec()).prop_map(|vip| Event::Announce(ip(vip))),
    ];
    let vlan = prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(7))];
    let addresses = prop::collection::vec(prop::option::weighted(0.7, address()), VIPS.len());
    prop_oneof![
        3 => addresses.prop_map(Happening::Addresses),
        2 => prop::collection::vec(interface, 0..3).prop_map(Happening::Interfaces),
        1 => any::<bool>().prop_map(Happening::Speakers),
        1 => fence.prop_map(|fence| Happening::Fence(fence, 0)),
        1 => (0..3_000_u64).prop_map(|ms| Happening::Fence(Fence::Closed, ms)),
        8 => (ETH0..ETH1 + 2, vlan, frame()).prop_map(|(i, v, f)| Happening::Hear(i, v, f)),
        1 => event.prop_map(Happening::Event),
        6 => (0..30_000_u64, prop::bool::weighted(0.8)).prop_map(|(ms, run)| Happening::Time(ms, run)),
        3 => Just(Happening::Fetch),
    ]
}

/// A Responder and what it may say, as its caller knows it.
struct Caller {
    responder: Responder,
    now: Instant,
    fence: Fence,
    addresses: Arc<AddressSet>,
    interfaces: Vec<Interface>,
    /// Whether frames are fetched at once.
    eager: bool,
}

impl Caller {
    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    fn new(entropy: u64, eager: bool) -> Caller {
        Caller {
            responder: Responder::new(Config::default(), entropy),
            now: Instant::now(),
            fence: Fence::Closed,
            addresses: Arc::default(),
            interfaces: Vec::new(),
            eager,
        }
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::Addresses(addresses) => {
                let wanted = VIPS.iter().zip(addresses);
                let wanted = wanted.filter_map(|(vip, address)| Some((ip(vip), address?)));
                self.addresses = Arc::new(wanted.collect());
                assert_eq!(self.responder.set_addresses(now, &self.addresses), []);
            }
            Happening::Interfaces(shapes) => {
                let shape = |((up, kind, mac), index)| {
                    let MacAddr(a, b, c, d, _, f) = eth(index).mac;
                    let mac = MacAddr(a, b, c, d, mac, f);
                    Interface {
                        up,
                        kind,
                        mac,
                        ..eth(index)
                    }
                };
                self.interfaces = shapes.into_iter().zip(ETH0..).map(shape).collect();
                assert_eq!(self.responder.set_interfaces(now, &self.interfaces), 0);
            }
            Happening::Speakers(known) => {
                let speakers = known.then_some(SPEAKER).into_iter().collect();
                self.responder.set_speakers(now, &Arc::new(speakers));
            }
            Happening::Fence(fence, ms) => {
                self.fence = match ms {
                    0 => fence,
                    ms => Fence::Until(now + Duration::from_millis(ms)),
                };
                self.responder.answers_until(now, self.fence);
            }
            Happening::Hear(interface, vlan, frame) => {
                let received = Received {
                    interface,
                    vlan,
                    frame: &frame,
                };
                self.responder.receive(now, received);
            }
            Happening::Event(event) => self.responder.handle(now, event),
            Happening::Time(ms, true) => self.run(now + Duration::from_millis(ms)),
            Happening::Time(ms, false) => self.now += Duration::from_millis(ms),
            Happening::Fetch => self.fetch(),
        }
        if self.eager {
            self.fetch();
        }
    }

    fn run(&mut self, end: Instant) {
        for _ in 0..100_000 {
            let due = self.responder.poll_timeout();
            let Some(at) = due.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            self.responder.handle_timeout(self.now);
            if self.eager {
                self.fetch();
            }
            let next = self.responder.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.now),
                "a timer that never ends"
            );
        }
        panic!("timers without end");
    }

    /// Fetches everything, and checks that each frame may be sent now.
    fn fetch(&mut self) {
        while self.responder.poll_action().is_some() {}
        while let Some(transmit) = self.responder.poll_transmit(self.now) {
            match self.fence {
                Fence::Open => {}
                Fence::Until(at) => assert!(self.now < at, "behind the fence"),
                Fence::Closed => panic!("behind the fence"),
            }
            let said = frames::describe(&transmit.frame);
            let words: Vec<&str> = said.split(' ').collect();
            let address = ip(words[1]);
            let wanted = self.addresses.get(&address).expect("in the set");
            let interface = self.interfaces.iter();
            let mut interface = interface.filter(|i| i.index == transmit.interface && i.up);
            let interface = interface.next().expect("an interface that is up");
            assert_eq!(interface.kind, InterfaceKind::Ethernet);
            assert_eq!(transmit.frame.source(), interface.mac);
            assert!(selects(&wanted.interfaces, &interface.name), "{said}");
            let announces = words[0].starts_with("announce");
            assert!(!(announces && wanted.handing_over), "{said}");
            let state = self.responder.state(transmit.interface, address);
            let probes = words[0].ends_with("probe");
            let answered = self
                .responder
                .is_answered(self.now, transmit.interface, address);
            assert_eq!(answered, !probes, "{said}");
            let is_right = match state.expect("it is known") {
                AddressState::Probing => probes,
                AddressState::Claimed | AddressState::Contested { .. } => !probes,
                AddressState::Fenced
                | AddressState::InterfaceDown
                | AddressState::OwnAddress
                | AddressState::Quarantined { .. } => false,
            };
            assert!(is_right, "{said} while {state:?}");
        }
    }

    /// Nobody disturbs any longer.
    fn heal(&mut self) {
        let address = Address::new(Claim::FirstEver);
        self.happen(Happening::Interfaces(vec![(
            true,
            InterfaceKind::Ethernet,
            0,
        )]));
        self.happen(Happening::Addresses(vec![Some(address); VIPS.len()]));
        self.happen(Happening::Fence(Fence::Open, 0));
        self.fetch();
        self.eager = true;
        // The longest quarantine, the probes, and the end of a conflict.
        self.run(self.now + Duration::from_secs(302 + 60));
    }
}

fn selects(interfaces: &Interfaces, name: &Arc<str>) -> bool {
    match interfaces {
        Interfaces::All => true,
        Interfaces::Named(names) => names.contains(name),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// At every frame it is checked that the fence is open, that the address is in the set and for
    /// that interface, that the interface is up and has that MAC, and that the state allows it.
    #[test]
    fn whatever_happens_nothing_is_said_that_must_not_be_and_in_the_end_it_answers(
        happenings in prop::collection::vec(happening(), 0..60),
        entropy in any::<u64>(),
        eager in any::<bool>(),
    ) {
        let mut caller = Caller::new(entropy, eager);
        for happening in happenings {
            caller.happen(happening);
        }
        caller.heal();
        for vip in VIPS {
            let state = caller.responder.state(ETH0, ip(vip));
            prop_assert_eq!(state, Some(AddressState::Claimed));
            let frame = question(vip);
            let received = Received { interface: ETH0, vlan: None, frame: &frame };
            caller.responder.receive(caller.now, received);
            let answer = caller.responder.poll_transmit(caller.now).expect("an answer");
            prop_assert_eq!(frames::describe(&answer.frame), frames::answer(vip));
        }
    }

    /// After an address has left the set no frame speaks for it, whatever is heard.
    #[test]
    fn an_address_that_was_released_is_never_spoken_for_again(
        before in prop::collection::vec(happening(), 0..30),
        after in prop::collection::vec((frame(), 0..5_000_u64), 0..30),
    ) {
        let mut caller = Caller::new(1, true);
        caller.heal();
        for happening in before {
            caller.happen(happening);
        }
        caller.eager = false;
        caller.happen(Happening::Fence(Fence::Open, 0));
        caller.happen(Happening::Addresses(vec![None; VIPS.len()]));
        for (frame, ms) in after {
            caller.happen(Happening::Hear(ETH0, None, frame));
            caller.happen(Happening::Time(ms, true));
            prop_assert_eq!(caller.responder.poll_transmit(caller.now), None);
        }
        let none: Vec<IpAddr> = caller.responder.addresses().map(|a| a.address).collect();
        prop_assert_eq!(none, Vec::<IpAddr>::new());
    }
}
