//! What holds after any order of events.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use bgp::capability::{Capability, GracefulRestart};
use bgp::fsm::StateName;
use bgp::message::refresh::{RouteRefresh, Subtype};
use bgp::peer::StopReason;
use bgp::{ConnId, Event, Family, HoldTime, Message, Notification, PeerConfig};
use common::router::{Router, open, update};
use common::{Pair, config, external, internal, many, routes};
use proptest::prelude::*;

/// Something that happens to the pair.
#[derive(Clone, Debug)]
enum Happening {
    Run(u64),
    Stall(u64),
    Die(usize),
    Routes(usize, u32),
    Mixed(usize, BTreeSet<(u8, u32)>),
    Cut,
    Writable(usize, bool),
    Reset(usize),
    Stop(usize),
    Start(usize),
    Bfd(usize),
    Refresh(usize),
    Listens(usize, bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    let side = 0..2_usize;
    prop_oneof![
        4 => (0..20_000_u64).prop_map(Happening::Run),
        2 => (0..30_000_u64).prop_map(Happening::Stall),
        1 => side.clone().prop_map(Happening::Die),
        2 => (side.clone(), 0..2_000_u32).prop_map(|(s, n)| Happening::Routes(s, n)),
        4 => (side.clone(), prop::collection::btree_set((0..20_u8, 0..3_u32), 0..20))
            .prop_map(|(s, set)| Happening::Mixed(s, set)),
        1 => Just(Happening::Cut),
        2 => (side.clone(), any::<bool>()).prop_map(|(s, w)| Happening::Writable(s, w)),
        1 => side.clone().prop_map(Happening::Reset),
        1 => side.clone().prop_map(Happening::Stop),
        2 => side.clone().prop_map(Happening::Start),
        1 => side.clone().prop_map(Happening::Bfd),
        2 => side.clone().prop_map(Happening::Refresh),
        1 => (side, any::<bool>()).prop_map(|(s, l)| Happening::Listens(s, l)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// At every step the harness checks that at most one machine is Established, that `Up` and
    /// `Down` tell when one is, that no timer is set in the past or left when it has expired,
    /// that nothing is sent after a close, and that there are at most two connections. At the
    /// end the sets agree.
    #[test]
    fn whatever_happens_the_routes_converge(
        happenings in prop::collection::vec(happening(), 0..25),
        chunk in prop_oneof![Just(1_usize), 2..100_usize, Just(usize::MAX)],
        latency in 0..50_u64,
        same_as in any::<bool>(),
        restarts in any::<bool>(),
    ) {
        let mut configs = if same_as { internal() } else { external() };
        for config in &mut configs {
            config.graceful_restart_time = restarts.then_some(120);
        }
        configs[0].hold_time = HoldTime::new(9).expect("allowed");
        let mut pair = Pair::new(configs);
        pair.chunk = chunk;
        pair.latency = Duration::from_millis(latency);
        let mut wanted = [BTreeSet::new(), BTreeSet::new()];
        for happening in happenings {
            apply(&mut pair, happening, &mut wanted);
        }
        heal(&mut pair);
        for (side, wanted) in wanted.iter().enumerate() {
            prop_assert_eq!(pair.state(side), StateName::Established, "{:?}", pair.sides[side].downs);
            prop_assert_eq!(pair.sides[side].peer.connections().count(), 1);
            let held: BTreeSet<(String, Option<u32>)> = pair
                .received_by(1 - side)
                .into_iter()
                .map(|(prefix, attributes)| (prefix, attributes.med))
                .collect();
            prop_assert_eq!(&held, wanted);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The same is checked at every step of a router that says anything at any time, on any number
    /// of connections. At the end it says what it should.
    #[test]
    fn whatever_a_router_says_it_gets_a_session_when_it_behaves(
        doings in prop::collection::vec(doing(), 0..60),
        passive in prop::bool::weighted(0.2),
        restarts in any::<bool>(),
    ) {
        let mut router = Router::new(PeerConfig {
            passive,
            graceful_restart_time: restarts.then_some(120),
            ..config(65001, 65002, 1)
        });
        let mut conns = Vec::new();
        for doing in doings {
            act(&mut router, &mut conns, doing);
        }
        for conn in conns {
            router.close(conn);
        }
        prop_assert_eq!(router.peer.connections().count(), 0);
        router.event(Event::Start);
        router.run(Duration::from_secs(2));
        let conn = match router.accept_now() {
            Some(conn) => conn,
            None => router.connect(),
        };
        router.establish(conn, &open(65002, vec![]));
        prop_assert_eq!(router.state(), StateName::Established, "{:?}", router.downs);
    }
}

/// Something that a router does.
#[derive(Clone, Debug)]
enum Doing {
    Accept,
    Connect,
    Close(usize),
    Say(usize, Saying),
    /// OPEN and KEEPALIVE.
    Establish(usize),
    Wait(u64),
    Event(Event),
}

#[derive(Clone, Debug)]
enum Saying {
    Open { identifier: u8, gracefully: bool },
    WrongAs,
    Keepalive,
    Update,
    Refresh,
    Notification,
    Nonsense(Vec<u8>),
}

fn doing() -> impl Strategy<Value = Doing> {
    let stops = [
        Event::BfdDown,
        Event::RequestRefresh(Family::Ipv4Unicast),
        Event::Stop(StopReason::PeerDeconfigured),
        Event::Stop(StopReason::Restart),
        Event::Stop(StopReason::OtherConfigurationChange),
    ];
    prop_oneof![
        6 => Just(Doing::Accept),
        6 => Just(Doing::Connect),
        2 => (0..4_usize).prop_map(Doing::Close),
        6 => (0..2_usize).prop_map(Doing::Establish),
        12 => (0..2_usize, saying()).prop_map(|(which, saying)| Doing::Say(which, saying)),
        6 => (0..2_000_u64).prop_map(Doing::Wait),
        1 => (0..300_000_u64).prop_map(Doing::Wait),
        3 => Just(Doing::Event(Event::Start)),
        1 => prop::sample::select(stops.to_vec()).prop_map(Doing::Event),
    ]
}

fn saying() -> impl Strategy<Value = Saying> {
    prop_oneof![
        6 => (0..4_u8, any::<bool>())
            .prop_map(|(identifier, gracefully)| Saying::Open { identifier, gracefully }),
        1 => Just(Saying::WrongAs),
        6 => Just(Saying::Keepalive),
        4 => Just(Saying::Update),
        4 => Just(Saying::Refresh),
        1 => Just(Saying::Notification),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Saying::Nonsense),
    ]
}

/// A router says something on its last connections, and closes one of the last four.
fn act(router: &mut Router, conns: &mut Vec<ConnId>, doing: Doing) {
    let recent = |which: usize| conns.iter().rev().nth(which).copied();
    match doing {
        Doing::Accept => conns.extend(router.accept_now()),
        Doing::Connect => conns.push(router.connect()),
        Doing::Close(which) => {
            if let Some(conn) = recent(which) {
                router.close(conn);
            }
        }
        Doing::Say(which, saying) => {
            if let Some(conn) = recent(which) {
                say(router, conn, saying);
            }
        }
        Doing::Establish(which) => {
            if let Some(conn) = recent(which) {
                router.establish(conn, &open(65002, vec![restart()]));
            }
        }
        Doing::Wait(milliseconds) => router.run(Duration::from_millis(milliseconds)),
        Doing::Event(event) => router.event(event),
    }
}

fn say(router: &mut Router, conn: ConnId, saying: Saying) {
    router.octets(conn);
    match saying {
        Saying::Open {
            identifier,
            gracefully,
        } => {
            let mut open = open(65002, vec![]);
            // Below ours, ours and above it: any of these wins some collision.
            open.identifier = bgp::BgpIdentifier::new([10, 0, 0, identifier].into()).expect("10.");
            if gracefully {
                open.capabilities.push(restart());
            }
            router.say(conn, &Message::Open(open));
        }
        Saying::WrongAs => router.say(conn, &Message::Open(open(65009, vec![]))),
        Saying::Keepalive => router.say(conn, &Message::Keepalive),
        Saying::Update => router.write(conn, &update(&[&[0x40, 1, 1, 0]], &[24, 10, 2, 0])),
        Saying::Refresh => router.say(
            conn,
            &Message::RouteRefresh(RouteRefresh {
                family: Family::Ipv4Unicast.afi_safi(),
                subtype: Subtype::Request,
            }),
        ),
        Saying::Notification => {
            router.say(conn, &Message::Notification(Notification::CEASE));
            assert_eq!(router.notification(conn), None, "RFC 4271 §6.4");
        }
        Saying::Nonsense(octets) => router.say_anything(conn, &octets),
    }
}

fn restart() -> Capability {
    Capability::GracefulRestart(GracefulRestart {
        restart_state: false,
        notification: false,
        restart_time: 120,
        families: vec![],
    })
}

fn apply(pair: &mut Pair, happening: Happening, wanted: &mut [BTreeSet<(String, Option<u32>)>; 2]) {
    match happening {
        Happening::Run(milliseconds) => pair.run(Duration::from_millis(milliseconds)),
        Happening::Stall(milliseconds) => pair.stall(Duration::from_millis(milliseconds)),
        Happening::Die(side) => die(pair, side, &mut wanted[side]),
        Happening::Routes(side, count) => want(pair, side, many(count), wanted),
        Happening::Mixed(side, set) => {
            let list: Vec<(String, u32)> = set
                .into_iter()
                .map(|(last, med)| (format!("10.7.0.{last}/32"), med))
                .collect();
            let list: Vec<(&str, u32)> = list.iter().map(|(p, med)| (p.as_str(), *med)).collect();
            want(pair, side, routes(&list), wanted);
        }
        Happening::Cut => pair.cut(),
        Happening::Writable(side, writable) => pair.sides[side].writable = writable,
        Happening::Reset(side) => {
            let reason = StopReason::AdministrativeReset("again".to_owned());
            pair.event(side, Event::Stop(reason));
        }
        Happening::Stop(side) => pair.event(side, Event::Stop(StopReason::PeerDeconfigured)),
        Happening::Start(side) => pair.event(side, Event::Start),
        Happening::Bfd(side) => pair.event(side, Event::BfdDown),
        Happening::Refresh(side) => {
            pair.event(side, Event::RequestRefresh(Family::Ipv4Unicast));
        }
        Happening::Listens(side, listens) => pair.sides[side].listens = listens,
    }
}

/// The process that takes the place of a dead one has no routes until it is given some.
fn die(pair: &mut Pair, side: usize, wanted: &mut BTreeSet<(String, Option<u32>)>) {
    wanted.clear();
    let config = pair.sides[side].peer.config().clone();
    pair.replace(side, config);
    pair.set_routes(side, bgp::RouteSet::default());
}

fn want(
    pair: &mut Pair,
    side: usize,
    set: bgp::RouteSet,
    wanted: &mut [BTreeSet<(String, Option<u32>)>; 2],
) {
    wanted[side] = set
        .iter()
        .map(|(prefix, attributes)| (prefix.to_string(), attributes.med))
        .collect();
    pair.set_routes(side, set);
}

/// Everything works again, for long enough that every wait is over.
fn heal(pair: &mut Pair) {
    for side in 0..2 {
        pair.sides[side].writable = true;
        pair.sides[side].listens = true;
        pair.event(side, Event::Start);
    }
    pair.run_secs(400);
}
