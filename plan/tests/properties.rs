//! What holds of every world: generated ones, small enough that names, addresses, keys and ports
//! collide.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use plan::alloc::{Allocator, Options, Sharing, Timestamp, allocate_at};
use plan::announce::Verdict;
use plan::labels::{LabelSelector, Labels};
use plan::world::{
    AddressRange, Addresses, BgpAdvertisement, BgpPeer, Endpoint, EndpointSlice,
    ExternalTrafficPolicy, IpFamily, IpFamilyPolicy, Node, ObjectName, PeerAsn, Pool,
    PoolSelection, Protocol, Ready, Service, ServiceAllocation,
};
use plan::{World, allocate, announce, health};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_address_has_several_holders_only_where_all_of_them_may_share_it(world in worlds()) {
        let options = Options { sharing_grace: Duration::ZERO, ..Options::default() };
        let after = world.with(&allocate_at(&world, at(0), &Sharing::default(), options));
        for (_, one, other) in sharers(&after) {
            prop_assert!(may_share(one, other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_second_round_changes_nothing(world in worlds()) {
        let after = world.with(&allocate(&world));
        prop_assert_eq!(after.with(&allocate(&after)), after);
    }

    #[test]
    fn sharers_disagree_no_longer_than_the_grace_period_and_never_have_one_port(
        world in worlds(),
        edits in vec((0..90_u64, 0..6_usize, services("x")), 0..12),
    ) {
        let grace = Options::default().sharing_grace;
        let (mut world, mut now, mut sharing) = (world, 0, Sharing::default());
        let mut since: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for (seconds, who, new) in edits {
            now += seconds;
            edit(&mut world, who, new);
            let allocation = allocate_at(&world, at(now), &sharing, Options::default());
            let same = allocate_at(&world.clone(), at(now), &sharing, Options::default());
            prop_assert_eq!(&allocation, &same);
            world = world.with(&allocation);
            sharing = allocation.sharing;
            let again = allocate_at(&world, at(now), &sharing, Options::default());
            prop_assert_eq!(world.with(&again), world.clone());
            let mut disagree = BTreeMap::new();
            for (address, one, other) in sharers(&world) {
                prop_assert!(one.ports.iter().all(|port| !other.ports.contains(port)));
                if !may_share(one, other) {
                    disagree.insert(address, *since.get(&address).unwrap_or(&now));
                }
            }
            let longest = disagree.values().map(|since| now - since).max();
            prop_assert!(longest.is_none_or(|longest| longest < grace.as_secs()));
            prop_assert_eq!(allocation.deadline, disagree.values().min().map(|since| {
                at(since + grace.as_secs())
            }));
            since = disagree;
        }
    }

    #[test]
    fn an_allocator_that_goes_from_world_to_world_gives_what_is_given_from_nothing(
        worlds in vec(worlds(), 1..3),
        edits in vec((0..90_u64, vec((0..6_usize, services("x"), 0..6_u8), 0..4)), 0..12),
    ) {
        let options = Options::default();
        let mut allocator = Allocator::new(options);
        let (mut now, mut sharing) = (0, Sharing::default());
        // Each goes on with what it remembers itself: that may be another picture of the same.
        let mut rounds = |world: &World, now: u64| {
            let expected = allocate_at(world, at(now), &sharing, options);
            let found = allocator.next(world, at(now));
            sharing = expected.sharing;
            let expected = (expected.notable, expected.deadline);
            let same = (&found.notable, &found.deadline) == (&expected.0, &expected.1);
            (same, found, expected)
        };
        for mut world in worlds {
            let (same, found, expected) = rounds(&world, now);
            prop_assert!(same, "{found:#?} {expected:#?}");
            world = world.with(&found);
            for (seconds, changes) in &edits {
                now += seconds;
                for (who, new, how) in changes {
                    change(&mut world, *who, new.clone(), *how);
                }
                let (same, found, expected) = rounds(&world, now);
                prop_assert!(same, "{found:#?} {expected:#?}");
                // Now and then what was given is not written, or late.
                if now % 3 != 0 {
                    world = world.with(&found);
                }
            }
        }
    }

    #[test]
    fn nobody_loses_an_address_while_the_others_change_within_the_grace_period(
        first in services("x"),
        edits in vec((0..10_u64, 0..4_usize, services("x")), 0..12),
    ) {
        let vip: IpAddr = Ipv4Addr::new(10, 0, 0, 0).into();
        let mut world = shared(first, vip);
        let (mut now, mut sharing) = (0, Sharing::default());
        for (seconds, who, new) in edits {
            let allocation = allocate_at(&world, at(now), &sharing, Options::default());
            world = world.with(&allocation);
            sharing = allocation.sharing;
            for service in world.services.values() {
                prop_assert_eq!(service.assigned.as_slice(), &[vip]);
            }
            now += seconds;
            let old = world.services.values().nth(who).expect("one of four").clone();
            let new = Service {
                external_traffic_policy: new.external_traffic_policy,
                selector: new.selector,
                sharing_key: new.sharing_key,
                ..old.as_ref().clone()
            };
            world.services.insert(old.name.clone(), Arc::new(new));
        }
    }

    #[test]
    fn a_newcomer_takes_nothing_from_those_who_hold(world in worlds(), new in services("new")) {
        let before = world.with(&allocate(&world));
        let mut grown = before.clone();
        let new = Service { assigned: Addresses::new(), ..new };
        grown.services.insert(new.name.clone(), Arc::new(new));
        let after = grown.with(&allocate(&grown));
        for (name, service) in before.services.iter() {
            prop_assert_eq!(&after.services[name].assigned, &service.assigned);
        }
    }

    #[test]
    fn those_who_hold_keep_it_when_another_goes(world in worlds(), gone in 0..6_usize) {
        let mut shrunk = world.with(&allocate(&world));
        let names: Vec<ObjectName> = shrunk.services.keys().cloned().collect();
        prop_assume!(gone < names.len());
        shrunk.services.remove(&names[gone]);
        let after = shrunk.with(&allocate(&shrunk));
        for (name, service) in shrunk.services.iter().filter(|(_, s)| !s.assigned.is_empty()) {
            prop_assert_eq!(&after.services[name].assigned, &service.assigned);
        }
    }

    #[test]
    fn nobody_who_asks_for_nothing_waits_while_an_address_is_free(world in worlds()) {
        let after = world.with(&allocate(&world));
        for service in after.services.values() {
            let asks = !service.requested_addresses.is_empty() || service.requested_pool.is_some();
            if service.wants_address && service.assigned.is_empty() && !asks {
                prop_assert_eq!(free_for(service, &after), None, "{:?}", service);
            }
        }
    }

    #[test]
    fn the_nodes_that_announce_are_those_of_the_naive_model(world in worlds()) {
        let world = world.with(&allocate(&world));
        for node in world.nodes.values() {
            let announced = announce(&node.name, &world, health::Options::default());
            for (service, verdict) in announced.services(&world) {
                let name = &service.name;
                let expected = announces(node, service, &world);
                let announced = matches!(verdict, Verdict::Announced { .. });
                prop_assert_eq!(announced, expected, "{} {}: {:?}", node.name, name, verdict);
            }
        }
    }
}

/// A time of the test.
fn at(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Each two that hold one address.
fn sharers(world: &World) -> Vec<(IpAddr, &Service, &Service)> {
    let services: Vec<&Service> = world.services.values().map(Arc::as_ref).collect();
    let mut sharers = Vec::new();
    for (position, &one) in services.iter().enumerate() {
        for &other in &services[position + 1..] {
            let common = one
                .assigned
                .iter()
                .filter(|address| other.assigned.contains(address));
            sharers.extend(common.map(|address| (*address, one, other)));
        }
    }
    sharers
}

/// A Service comes, goes, or becomes another one, with what it holds or without.
fn change(world: &mut World, who: usize, new: Service, how: u8) {
    match how {
        0 => {
            let name = world.services.keys().nth(who).cloned();
            name.and_then(|name| world.services.remove(&name));
        }
        1 => {
            let name = object(&new.name.namespace, &format!("n{who}"));
            let service = Service {
                name: name.clone(),
                ..new
            };
            world.services.insert(name, Arc::new(service));
        }
        2 => {
            let name = world.services.keys().nth(who).cloned();
            if let Some(name) = name {
                let service = Service {
                    name: name.clone(),
                    ..new
                };
                world.services.insert(name, Arc::new(service));
            }
        }
        _ => edit(world, who, new),
    }
}

/// The Service becomes another one, and keeps its name and what it holds.
fn edit(world: &mut World, who: usize, new: Service) {
    let Some(old) = world.services.values().nth(who).cloned() else {
        return;
    };
    let new = Service {
        name: old.name.clone(),
        assigned: old.assigned.clone(),
        ..new
    };
    world.services.insert(old.name.clone(), Arc::new(new));
}

/// Four Services like this one that share the address, and agree.
fn shared(like: Service, vip: IpAddr) -> World {
    let one = |index: u16| {
        let name = object("red", &format!("s{index}"));
        let service = Service {
            name: name.clone(),
            wants_address: true,
            ports: [(Protocol::Tcp, 80 + index)].into_iter().collect(),
            requested_addresses: Vec::new(),
            requested_pool: None,
            sharing_key: Some("k".into()),
            assigned: Addresses::from_slice(&[vip]),
            ..like.clone()
        };
        (name, Arc::new(service))
    };
    let pool = pool(0, (0, true, None, false));
    World {
        services: (0..4).map(one).collect(),
        pools: Arc::new([(Arc::clone(&pool.name), Arc::new(pool))].into()),
        ..World::default()
    }
}

fn may_share(one: &Service, other: &Service) -> bool {
    let backends = |s: &Service| match s.external_traffic_policy {
        ExternalTrafficPolicy::Cluster => None,
        ExternalTrafficPolicy::Local => Some(s.selector.clone()),
    };
    one.sharing_key.is_some()
        && one.sharing_key == other.sharing_key
        && backends(one) == backends(other)
        && one.ports.iter().all(|port| !other.ports.contains(port))
}

/// Every address of the pools, one by one: the first that nobody holds and the Service may have.
fn free_for(service: &Service, world: &World) -> Option<IpAddr> {
    let of_pool = |pool: &Pool| -> Vec<IpAddr> {
        let pinned = pool.service_allocation.as_ref();
        let for_service = pinned.is_none_or(|pinned| {
            let namespaces = &pinned.namespaces;
            namespaces.is_empty() || namespaces.contains(&*service.name.namespace)
        });
        let ranges = pool
            .ranges
            .iter()
            .filter(|_| pool.auto_assign && for_service);
        ranges.flat_map(addresses).collect()
    };
    let mut all = world.pools.values().flat_map(|pool| of_pool(pool));
    all.find(|address| {
        let mut others = world.services.values();
        let is_free = others.all(|other| !other.assigned.contains(address));
        is_free && !world.conflicts.contains_key(address)
    })
}

fn addresses(range: &AddressRange) -> Vec<IpAddr> {
    let (IpAddr::V4(first), IpAddr::V4(last)) = (range.first, range.last) else {
        return Vec::new();
    };
    let bits = first.to_bits()..=last.to_bits();
    bits.map(|bits| Ipv4Addr::from_bits(bits).into()).collect()
}

/// MetalLB's conditions, and the classes of health, straight from their words.
fn announces(node: &Node, service: &Service, world: &World) -> bool {
    let local = service.external_traffic_policy == ExternalTrafficPolicy::Local;
    let own = world
        .endpoint_slices
        .values()
        .filter(|slice| slice.service == service.name);
    let usable = own
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| endpoint.ready != Some(false) || endpoint.serving == Some(true));
    let usable: Vec<Option<&str>> = usable.map(|endpoint| endpoint.node.as_deref()).collect();
    let endpoint = match local {
        true => usable.contains(&Some(&*node.name)),
        false => !usable.is_empty(),
    };
    let excluded = |node: &Node| node.network_unavailable;
    let out = |node: &Node| node.out_of_service || node.ready != Ready::True;
    let selected = |node: &Node| {
        world.bgp_advertisements.values().any(|ad| {
            ad.node_selectors
                .iter()
                .all(|selector| selector.matches(&node.labels))
        }) && world.peers.values().any(|peer| {
            peer.node_selectors
                .iter()
                .all(|selector| selector.matches(&node.labels))
        })
    };
    let better = world
        .nodes
        .values()
        .any(|other| !excluded(other) && !out(other) && selected(other));
    let healthy = !excluded(node) && (!out(node) || (!local && !better));
    service.wants_address && !service.assigned.is_empty() && selected(node) && endpoint && healthy
}

// Worlds.

fn worlds() -> impl Strategy<Value = World> {
    let services = btree_map("[a-f]", services("x"), 0..6);
    let slices = btree_map("[a-f]", vec(endpoints(), 0..3), 0..6);
    let nodes = btree_map("n[1-3]", nodes(), 0..4);
    let pools = vec(
        (
            0..4_u8,
            any::<bool>(),
            option::of(option::of(1..3_u32)),
            any::<bool>(),
        ),
        0..3,
    );
    let sessions = (
        option::of(racks()),
        option::of(racks()),
        option::of(racks()),
    );
    let conflicts = btree_map(any_address(), Just(Arc::from("02:00:00:00:00:09")), 0..3);
    (services, slices, nodes, pools, sessions, conflicts).prop_map(
        |(services, slices, nodes, pools, (ad_rack, other_rack, peer_rack), conflicts)| {
            let services = services.into_iter().map(|(name, service)| {
                let name = object(&service.name.namespace, &name);
                (name.clone(), Arc::new(Service { name, ..service }))
            });
            let services: BTreeMap<_, _> = services.collect();
            let slices = slices.into_iter().map(|(service, endpoints)| {
                let service = object("red", &service);
                let slice = EndpointSlice {
                    service: service.clone(),
                    name: "s".into(),
                    endpoints,
                };
                ((service, Arc::from("s")), Arc::new(slice))
            });
            let nodes = nodes.into_iter().map(|(name, node)| {
                let name: Arc<str> = name.into();
                (Arc::clone(&name), Arc::new(Node { name, ..node }))
            });
            let pools = pools
                .into_iter()
                .zip(0..)
                .map(|(pool, index)| self::pool(index, pool));
            let ads = [advertisement("a", ad_rack), advertisement("b", other_rack)];
            let peer = peer(peer_rack);
            World {
                conflicts: Arc::new(conflicts),
                services: services.into_iter().collect(),
                endpoint_slices: slices.collect(),
                nodes: Arc::new(nodes.collect()),
                pools: Arc::new(pools.map(|p| (Arc::clone(&p.name), Arc::new(p))).collect()),
                peers: Arc::new([(Arc::clone(&peer.name), Arc::new(peer))].into()),
                bgp_advertisements: Arc::new(
                    ads.into_iter()
                        .map(|ad| (Arc::clone(&ad.name), Arc::new(ad)))
                        .collect(),
                ),
                ..World::default()
            }
        },
    )
}

fn object(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.into(),
        name: name.into(),
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    (0..3_u8, 0..5_u8).prop_map(|(pool, host)| Ipv4Addr::new(10, 0, pool, host).into())
}

fn services(name: &'static str) -> impl Strategy<Value = Service> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        prop_oneof![9 => Just(true), 1 => Just(false)],
    );
    let wishes = (
        option::weighted(0.2, any_address()),
        option::weighted(0.2, 0..3_u8),
    );
    let shared = (option::of("[kl]"), "[xy]", vec(80..83_u16, 1..3));
    // Some addresses are held by several.
    let few = (0..2_u8).prop_map(|host| Ipv4Addr::new(10, 0, 0, host).into());
    let held = option::weighted(0.8, prop_oneof![any_address(), few]);
    (flags, wishes, shared, held).prop_map(
        move |((red, local, wants_address), (address, pool), (key, app, ports), held)| Service {
            name: object(if red { "red" } else { "blue" }, name),
            labels: Labels::NONE,
            wants_address,
            ip_families: [IpFamily::IPv4].into(),
            ip_family_policy: IpFamilyPolicy::SingleStack,
            external_traffic_policy: match local {
                true => ExternalTrafficPolicy::Local,
                false => ExternalTrafficPolicy::Cluster,
            },
            ports: ports
                .into_iter()
                .map(|port| (Protocol::Tcp, port))
                .collect(),
            selector: Labels::from([("app", app.as_str())]),
            requested_addresses: address.into_iter().collect(),
            requested_pool: pool.map(|pool| format!("p{pool}").into()),
            sharing_key: key.map(Into::into),
            request_error: None,
            assigned: held.into_iter().collect(),
            assigned_pool: None,
        },
    )
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    let conditions = (option::of(any::<bool>()), option::of(any::<bool>()));
    (option::of("n[1-3]"), conditions).prop_map(|(node, (ready, serving))| Endpoint {
        node: node.map(Into::into),
        ready,
        serving,
    })
}

fn racks() -> impl Strategy<Value = String> {
    "[ab]"
}

fn nodes() -> impl Strategy<Value = Node> {
    let ready = prop_oneof![Just(Ready::True), Just(Ready::False), Just(Ready::Unknown)];
    let rare = || prop_oneof![4 => Just(false), 1 => Just(true)];
    (racks(), ready, rare(), rare(), rare()).prop_map(|(rack, ready, no_network, cordoned, off)| {
        Node {
            name: "".into(),
            labels: Labels::from([("rack", rack.as_str())]),
            ready,
            network_unavailable: no_network,
            unschedulable: cordoned,
            out_of_service: off,
            internal_ips: Vec::new(),
        }
    })
}

fn pool(
    index: u8,
    (last, auto_assign, priority, red_only): (u8, bool, Option<Option<u32>>, bool),
) -> Pool {
    let namespaces = if red_only {
        vec!["red".to_owned()]
    } else {
        Vec::new()
    };
    Pool {
        name: format!("p{index}").into(),
        labels: Labels::NONE,
        ranges: vec![AddressRange {
            first: Ipv4Addr::new(10, 0, index, 0).into(),
            last: Ipv4Addr::new(10, 0, index, last).into(),
        }],
        auto_assign,
        avoid_buggy_ips: false,
        service_allocation: priority.map(|priority| ServiceAllocation {
            priority,
            namespaces: namespaces.into_iter().collect(),
            ..ServiceAllocation::default()
        }),
        share_across_namespaces: true,
    }
}

fn of_rack(rack: Option<String>) -> Vec<LabelSelector> {
    let selector = |rack| LabelSelector {
        match_labels: [("rack".to_owned(), rack)].into(),
        match_expressions: Vec::new(),
    };
    rack.into_iter().map(selector).collect()
}

fn advertisement(name: &str, rack: Option<String>) -> BgpAdvertisement {
    BgpAdvertisement {
        name: name.into(),
        aggregation_length: 32,
        aggregation_length_v6: 128,
        local_pref: None,
        med: None,
        as_path_prepend: 0,
        communities: Vec::new(),
        pools: PoolSelection::default(),
        node_selectors: of_rack(rack),
        peers: Default::default(),
        service_selectors: Vec::new(),
    }
}

fn peer(rack: Option<String>) -> BgpPeer {
    BgpPeer {
        name: "tor".into(),
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
        node_selectors: of_rack(rack),
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
