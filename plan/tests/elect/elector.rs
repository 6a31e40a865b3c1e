//! An `Elector` that goes from World to World names the owners that one from nothing names.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plan::World;
use plan::elect::{Elections, Elector, Interfaces, election_of};
use plan::health;
use plan::labels::Labels;
use plan::world::{
    Addresses, ExternalTrafficPolicy, Failback, L2Advertisement, Links, ObjectName, Service,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::worlds::{advertise, edit, endpoints_of, live, named, node, service, world};

/// One edit of the World.
#[derive(Clone, Debug)]
enum Edit {
    /// A Service with these last octets of addresses, Local or not, asked for or not.
    Service(usize, Option<(Vec<u8>, bool, bool)>),
    /// An endpoint of a Service: here, or elsewhere.
    Endpoints(usize, bool),
    Cordon(bool),
    Returned(bool),
    /// Those of the nodes that are alive.
    Live(Vec<bool>),
    /// Those of the nodes that nothing else edits that there are.
    Nodes(Vec<bool>),
    /// The last octet of an address that another node has as its own.
    NodeAddress(Option<u8>),
    Label(bool),
    Advertisement(Advertised),
    Nothing,
}

/// What the one L2Advertisement says.
#[derive(Clone, Copy, Debug)]
enum Advertised {
    All,
    OtherPool,
    SomeServices,
    LabelledNodes,
    NeverBack,
}

/// More than are kept of an address by their hashes.
const NODES: [&str; 18] = [
    "iris1", "iris2", "iris3", "iris4", "iris5", "iris6", "iris7", "iris8", "iris9", "rose1",
    "rose2", "rose3", "rose4", "rose5", "rose6", "rose7", "rose8", "rose9",
];
/// Those that other edits are about.
const EDITED: [&str; 3] = ["iris1", "iris2", "iris4"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn from_world_to_world_it_names_who_is_named_from_nothing(rounds in vec(vec(edits(), 0..5), 1..10)) {
        let mut world = world(&NODES);
        let mut elector = elector();
        for edits in rounds {
            edits.into_iter().for_each(|edit| apply(edit, &mut world));
            let elections = elector.next(&world);
            prop_assert_eq!(&elections, &self::elector().next(&world));
            one_owner_for_all_that_goes_together(&elections, &world);
        }
    }
}

/// Whatever is shared with whatever: no Service has two owners.
fn one_owner_for_all_that_goes_together(elections: &Elections, world: &World) {
    for (name, service) in &world.services {
        let owners = service.assigned.iter();
        let owners: Vec<_> = owners
            .map(|address| elections.by_address.get(address).map(|e| e.owner.clone()))
            .collect();
        assert!(
            owners.windows(2).all(|two| two[0] == two[1]),
            "{name}: {owners:?}"
        );
        let options = health::Options::default();
        let explained = election_of(world, name, Some("iris1"), options);
        let explained = explained.map(|election| election.owner);
        assert_eq!(owners.first().cloned().flatten(), explained, "{name}");
    }
}

#[test]
fn the_owner_knows_where_it_answers_and_whether_another_address_would_do() {
    let mut world = world(&["iris1"]);
    let mut elector = elector();
    for asked in [false, true] {
        apply(Edit::Service(0, Some((vec![1], false, asked))), &mut world);
        let elections = elector.next(&world);
        let here = elections.by_address.values().next();
        let here = here.and_then(|elected| elected.here.as_ref());
        assert_eq!(here.map(|here| here.is_replaceable), Some(!asked));
    }
}

#[test]
fn an_owner_that_gets_a_label_answers_on_the_interfaces_for_that_too() {
    let mut world = world(&["iris1"]);
    apply(Edit::Service(0, Some((vec![1], false, false))), &mut world);
    let on = |name: &str, selectors: &[&str], interface: &str| L2Advertisement {
        name: name.into(),
        node_selectors: selectors.iter().map(|name| named(name)).collect(),
        interfaces: [interface.into()].into(),
        ..world.l2_advertisements["ad"].as_ref().clone()
    };
    let ads = [on("all", &[], "eth0"), on("some", &["some"], "eth1")];
    let ads = ads.map(|ad| (Arc::clone(&ad.name), Arc::new(ad)));
    world.l2_advertisements = Arc::new(ads.into());
    let mut elector = elector();
    for (labelled, names) in [(false, vec!["eth0"]), (true, vec!["eth0", "eth1"])] {
        apply(Edit::Label(labelled), &mut world);
        let elections = elector.next(&world);
        let here = elections.by_address.values().next();
        let here = here
            .and_then(|elected| elected.here.clone())
            .expect("it is the owner");
        let names = names.into_iter().map(Arc::from).collect();
        assert_eq!(here.interfaces, Interfaces::Named(Arc::new(names)));
    }
}

#[test]
fn nobody_is_elected_once_the_only_node_that_may_answer_is_no_more() {
    let mut world = world(&["iris1", "iris3"]);
    apply(Edit::Service(0, Some((vec![1], false, false))), &mut world);
    apply(Edit::Advertisement(Advertised::LabelledNodes), &mut world);
    let mut elector = elector();
    let owner = |elections: Elections| {
        let elected = elections.by_address.values().next();
        elected.and_then(|elected| elected.owner.clone())
    };
    assert_eq!(owner(elector.next(&world)), Some("iris3".into()));
    Arc::make_mut(&mut world.nodes).remove("iris3");
    assert_eq!(owner(elector.next(&world)), None);
}

#[test]
fn without_an_l2_advertisement_nobody_is_elected() {
    let mut world = world(&["iris1"]);
    apply(Edit::Service(0, Some((vec![1], false, false))), &mut world);
    let mut elector = elector();
    assert_eq!(elector.next(&world).by_address.len(), 1);
    world.l2_advertisements = Arc::default();
    assert_eq!(elector.next(&world), Elections::default());
    assert!(election_of(&world, &name(0), None, health::Options::default()).is_none());
}

fn elector() -> Elector {
    Elector::new("iris1", health::Options::default())
}

fn edits() -> impl Strategy<Value = Edit> {
    let service = (vec(0..6_u8, 0..3), any::<bool>(), any::<bool>());
    let advertised = prop_oneof![
        4 => Just(Advertised::All),
        1 => Just(Advertised::OtherPool),
        1 => Just(Advertised::SomeServices),
        1 => Just(Advertised::LabelledNodes),
        1 => Just(Advertised::NeverBack),
    ];
    prop_oneof![
        8 => (0..5_usize, option::of(service)).prop_map(|(index, what)| Edit::Service(index, what)),
        4 => (0..5_usize, any::<bool>()).prop_map(|(index, here)| Edit::Endpoints(index, here)),
        1 => any::<bool>().prop_map(Edit::Cordon),
        1 => any::<bool>().prop_map(Edit::Returned),
        4 => vec(any::<bool>(), NODES.len()).prop_map(Edit::Live),
        2 => vec(proptest::bool::weighted(0.1), NODES.len()).prop_map(Edit::Live),
        2 => vec(any::<bool>(), NODES.len()).prop_map(Edit::Nodes),
        1 => option::of(0..6_u8).prop_map(Edit::NodeAddress),
        1 => any::<bool>().prop_map(Edit::Label),
        1 => advertised.prop_map(Edit::Advertisement),
        1 => Just(Edit::Nothing),
    ]
}

fn name(index: usize) -> ObjectName {
    ObjectName {
        namespace: "default".into(),
        name: match index {
            0 => "web".into(),
            other => format!("web-{other}").into(),
        },
    }
}

fn apply(edit_: Edit, world: &mut World) {
    match edit_ {
        Edit::Service(index, None) => {
            world.services.remove(&name(index));
        }
        Edit::Service(index, Some((hosts, local, asked))) => {
            let address = |host: u8| IpAddr::V4(Ipv4Addr::new(10, 20, 30, host));
            let assigned: Addresses = hosts.into_iter().map(address).collect();
            let service = Service {
                name: name(index),
                external_traffic_policy: match local {
                    true => ExternalTrafficPolicy::Local,
                    false => ExternalTrafficPolicy::Cluster,
                },
                requested_addresses: if asked { assigned.to_vec() } else { Vec::new() },
                assigned,
                ..service()
            };
            world.services.insert(name(index), Arc::new(service));
        }
        Edit::Endpoints(index, here) => {
            let nodes = if here { ["iris1"] } else { ["iris2"] };
            endpoints_of(world, &name(index), &nodes);
        }
        Edit::Cordon(cordoned) => edit(world, "iris2", |node| node.unschedulable = cordoned),
        Edit::Returned(returned) => {
            let returned = returned.then(|| Arc::from("iris3"));
            world.links = Arc::new(Links {
                returned: returned.into_iter().collect(),
                ..Links::default()
            });
        }
        Edit::Live(alive) => {
            let alive = NODES.iter().zip(alive).filter(|(_, alive)| *alive);
            world.liveness = live(&alive.map(|(name, _)| *name).collect::<Vec<_>>());
        }
        Edit::Nodes(there) => {
            let there = NODES.iter().zip(there);
            let there = there.filter(|(name, there)| *there || EDITED.contains(name));
            let there = there.map(|(name, _)| *name);
            let known = Arc::clone(&world.nodes);
            let node = |name: &str| known.get(name).cloned().unwrap_or(Arc::new(node(name)));
            let nodes = there.map(|name| (name.into(), node(name)));
            world.nodes = Arc::new(nodes.collect());
        }
        Edit::NodeAddress(host) => edit(world, "iris4", |node| {
            let address = host.map(|host| IpAddr::V4(Ipv4Addr::new(10, 20, 30, host)));
            node.internal_ips = address.into_iter().collect();
        }),
        Edit::Label(labelled) => {
            let name = if labelled { "some" } else { "none" };
            edit(world, "iris1", |node| {
                node.labels = Labels::from([("name", name)]);
            });
        }
        Edit::Advertisement(what) => advertise(world, |ad| match what {
            Advertised::All => {}
            Advertised::OtherPool => ad.pools.names = ["other".into()].into(),
            Advertised::SomeServices => ad.service_selectors = vec![named("web")],
            Advertised::LabelledNodes => {
                ad.node_selectors = vec![named("some"), named("iris3")];
            }
            Advertised::NeverBack => ad.failback = Failback::Never,
        }),
        Edit::Nothing => {}
    }
}
