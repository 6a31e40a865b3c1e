//! An `Announcer` that goes from World to World says what `announce` says of each from nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plan::announce::Announcer;
use plan::labels::{LabelSelector, Labels};
use plan::world::{
    AddressRange, BgpAdvertisement, BgpPeer, Community, Endpoint, EndpointSlice,
    ExternalTrafficPolicy, IpFamily, IpFamilyPolicy, Node, ObjectName, PeerAsn, Pool, Ready,
    Service,
};
use plan::{World, announce, health};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// One edit of the World.
#[derive(Clone, Debug)]
enum Edit {
    Service(usize, Option<What>),
    Slice(usize, usize, Option<(bool, bool)>),
    Advertisement(usize, Option<Saying>),
    Node(bool),
    Nothing,
}

/// What is special about a Service: the last octet of its addresses, a label, and its policy.
#[derive(Clone, Debug)]
struct What {
    hosts: Vec<u8>,
    label: bool,
    local: bool,
}

/// Aggregation length, LOCAL_PREF, community, only for Services with the label, only to one peer.
type Saying = (u8, Option<u32>, Option<u32>, bool, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn from_world_to_world_it_says_what_is_said_from_nothing(rounds in vec(vec(edits(), 0..6), 1..12)) {
        let mut world = beginning();
        let mut announcer = Announcer::new("node", health::Options::default());
        for edits in rounds {
            edits.into_iter().for_each(|edit| apply(edit, &mut world));
            let expected = announce("node", &world, health::Options::default());
            prop_assert_eq!(announcer.next(&world), expected);
        }
    }
}

#[test]
fn what_is_not_touched_is_shared_with_what_was_announced_before() {
    let mut world = beginning();
    for index in 0..200 {
        let what = What {
            hosts: vec![index as u8],
            label: false,
            local: false,
        };
        apply(Edit::Service(index, Some(what)), &mut world);
        apply(Edit::Slice(index, 0, Some((true, true))), &mut world);
    }
    apply(
        Edit::Advertisement(0, Some((32, None, None, false, false))),
        &mut world,
    );
    let mut announcer = Announcer::new("node", health::Options::default());
    let before = announcer.next(&world);
    let same = announcer.next(&world.clone());
    assert!(same.verdicts.ptr_eq(&before.verdicts));
    assert!(same.peers["a"].ptr_eq(&before.peers["a"]));
    let what = What {
        hosts: vec![250],
        label: false,
        local: false,
    };
    apply(Edit::Service(7, Some(what)), &mut world);
    let after = announcer.next(&world);
    // The verdict is the same, the route is another one.
    assert!(after.verdicts.ptr_eq(&before.verdicts));
    assert_eq!(before.peers["a"].diff(&after.peers["a"]).count(), 2);
}

fn edits() -> impl Strategy<Value = Edit> {
    let what = (vec(0..6_u8, 0..3), any::<bool>(), any::<bool>());
    let what = what.prop_map(|(hosts, label, local)| What {
        hosts,
        label,
        local,
    });
    let endpoint = option::of((any::<bool>(), any::<bool>()));
    let saying = (
        prop_oneof![3 => Just(32), 1 => Just(31), 1 => Just(30)],
        option::of(prop_oneof![Just(100), Just(200)]),
        option::of(1..3_u32),
        any::<bool>(),
        any::<bool>(),
    );
    prop_oneof![
        6 => (0..5_usize, option::weighted(0.8, what)).prop_map(|(at, what)| Edit::Service(at, what)),
        6 => (0..5_usize, 0..2_usize, endpoint).prop_map(|(at, slice, to)| Edit::Slice(at, slice, to)),
        2 => (0..3_usize, option::weighted(0.8, saying)).prop_map(|(at, to)| Edit::Advertisement(at, to)),
        1 => any::<bool>().prop_map(Edit::Node),
        1 => Just(Edit::Nothing),
    ]
}

fn apply(edit: Edit, world: &mut World) {
    match edit {
        Edit::Service(at, None) => {
            world.services.remove(&service_name(at));
        }
        Edit::Service(at, Some(what)) => {
            world
                .services
                .insert(service_name(at), Arc::new(service(at, &what)));
        }
        Edit::Slice(at, slice, None) => {
            world.endpoint_slices.remove(&slice_name(at, slice));
        }
        Edit::Slice(at, slice, Some((here, ready))) => {
            let endpoint = Endpoint {
                node: Some(if here { "node" } else { "other" }.into()),
                ready: Some(ready),
                serving: None,
            };
            let (service, name) = slice_name(at, slice);
            let slice = EndpointSlice {
                service: service.clone(),
                name: Arc::clone(&name),
                endpoints: vec![endpoint],
            };
            world
                .endpoint_slices
                .insert((service, name), Arc::new(slice));
        }
        Edit::Advertisement(at, None) => {
            let ads = Arc::make_mut(&mut world.bgp_advertisements);
            ads.remove(&*format!("ad-{at}"));
        }
        Edit::Advertisement(at, Some(saying)) => {
            let ad = advertisement(at, saying);
            let ads = Arc::make_mut(&mut world.bgp_advertisements);
            ads.insert(Arc::clone(&ad.name), Arc::new(ad));
        }
        Edit::Node(cordoned) => {
            let nodes = Arc::make_mut(&mut world.nodes);
            nodes.insert("node".into(), Arc::new(node(cordoned)));
        }
        Edit::Nothing => {}
    }
}

/// A pool, two peers, a node, and an advertisement; no Service yet.
fn beginning() -> World {
    let pool = Pool {
        name: "pool".into(),
        labels: Labels::NONE,
        ranges: vec![AddressRange {
            first: address(0),
            last: address(255),
        }],
        auto_assign: true,
        avoid_buggy_ips: false,
        service_allocation: None,
        share_across_namespaces: false,
    };
    let peers = ["a", "b"].map(|name| (name.into(), Arc::new(peer(name))));
    let mut world = World {
        pools: Arc::new([("pool".into(), Arc::new(pool))].into()),
        peers: Arc::new(peers.into()),
        ..World::default()
    };
    apply(Edit::Node(false), &mut world);
    apply(
        Edit::Advertisement(0, Some((31, None, Some(1), false, false))),
        &mut world,
    );
    world
}

fn address(host: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, host).into()
}

fn service_name(at: usize) -> ObjectName {
    ObjectName {
        namespace: "default".into(),
        name: format!("s{at}").into(),
    }
}

fn slice_name(at: usize, slice: usize) -> (ObjectName, Arc<str>) {
    (service_name(at), format!("slice-{slice}").into())
}

fn service(at: usize, what: &What) -> Service {
    Service {
        name: service_name(at),
        labels: match what.label {
            true => Labels::from([("tier", "gold")]),
            false => Labels::NONE,
        },
        wants_address: true,
        ip_families: [IpFamily::IPv4].into(),
        ip_family_policy: IpFamilyPolicy::SingleStack,
        external_traffic_policy: match what.local {
            true => ExternalTrafficPolicy::Local,
            false => ExternalTrafficPolicy::Cluster,
        },
        ports: Default::default(),
        selector: Labels::NONE,
        requested_addresses: Vec::new(),
        requested_pool: None,
        sharing_key: None,
        request_error: None,
        assigned: what.hosts.iter().map(|host| address(*host)).collect(),
        assigned_pool: None,
    }
}

fn advertisement(at: usize, saying: Saying) -> BgpAdvertisement {
    let (aggregation_length, local_pref, community, labelled, one_peer) = saying;
    let selector = LabelSelector {
        match_labels: [("tier".to_owned(), "gold".to_owned())].into(),
        match_expressions: Vec::new(),
    };
    BgpAdvertisement {
        name: format!("ad-{at}").into(),
        aggregation_length,
        aggregation_length_v6: 128,
        local_pref,
        med: None,
        as_path_prepend: 0,
        communities: community.into_iter().map(Community::Standard).collect(),
        pools: Default::default(),
        node_selectors: Vec::new(),
        peers: one_peer.then(|| "b".into()).into_iter().collect(),
        service_selectors: labelled.then_some(selector).into_iter().collect(),
    }
}

fn node(cordoned: bool) -> Node {
    Node {
        name: "node".into(),
        labels: Labels::NONE,
        ready: Ready::True,
        network_unavailable: false,
        unschedulable: cordoned,
        out_of_service: false,
        internal_ips: Vec::new(),
    }
}

fn peer(name: &str) -> BgpPeer {
    BgpPeer {
        name: name.into(),
        my_asn: 64512,
        peer_asn: PeerAsn::Exactly(64513),
        address: Ipv4Addr::new(198, 51, 100, 1).into(),
        zone: None,
        port: 179,
        source_address: None,
        hold_time: None,
        keepalive_time: None,
        connect_time: None,
        router_id: None,
        node_selectors: Vec::new(),
        password: None,
        ebgp_multihop: false,
        ttl_security: None,
        passive: false,
        families: [IpFamily::IPv4].into(),
        graceful_restart: false,
        graceful_restart_time: 120,
        long_lived_stale_time: 0,
    }
}
