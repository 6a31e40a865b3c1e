//! Rounds of allocation and announcement over worlds of 1,000 and 10,000 Services, each with a port,
//! a label and an EndpointSlice of two endpoints; four peers, one advertisement for all.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use criterion::{Criterion, criterion_group, criterion_main};
use plan::alloc::{Allocator, Options, Timestamp};
use plan::announce::Announcer;
use plan::elect::Elector;
use plan::labels::Labels;
use plan::world::{
    AddressRange, Addresses, BgpAdvertisement, BgpPeer, Endpoint, EndpointSlice,
    ExternalTrafficPolicy, Failback, IpFamily, IpFamilyPolicy, L2Advertisement, Liveness, Node,
    ObjectName, PeerAsn, Pool, PoolSelection, Protocol, Ready, Service,
};
use plan::{World, allocate, announce, health};

/// From nothing: what a daemon does when it starts, or after a change of the configuration or of a
/// Node.
fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round from nothing");
    for (services, nodes) in [(1_000, 1), (1_000, 20), (10_000, 1), (10_000, 20)] {
        let world = assigned(&world(services, nodes));
        group.bench_function(format!("{services} Services, {nodes} nodes"), |bencher| {
            bencher.iter(|| round(&world));
        });
    }
    group.finish();
}

fn first(criterion: &mut Criterion) {
    let world = world(10_000, 1);
    criterion.bench_function("first allocation of 10000", |bencher| {
        bencher.iter(|| allocate(&world));
    });
}

/// One Service comes and goes: two rounds, each out of the one before, as in a daemon that runs.
fn one_new(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one Service comes and goes");
    let full = |services| assigned(&world(services, 1));
    for (name, without) in [
        ("1000 Services", full(1_000)),
        ("10000 Services", full(10_000)),
        ("10000 Services that wait for an address", waiting(10_000)),
    ] {
        let mut with = without.clone();
        let new = service(&object("service-00500-new"));
        with.services.insert(new.name.clone(), Arc::new(new));
        let mut allocator = Allocator::new(Options::default());
        let mut announcer = Announcer::new("node-0", health::Options::default());
        let mut round = |world: &World| {
            let allocation = allocator.next(world, Timestamp::UNIX_EPOCH);
            announcer.next(&world.with(&allocation))
        };
        round(&without);
        group.bench_function(name, |bencher| {
            bencher.iter(|| (round(&with), round(&without)));
        });
    }
    group.finish();
}

/// In L2 mode: elections for all addresses from nothing, and when one of the nodes dies and comes
/// back, which is two times, each out of the one before.
fn one_node(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("elections");
    for (services, nodes) in [(1_000, 3), (1_000, 50), (10_000, 50)] {
        let world = assigned(&world(services, nodes));
        let live = |dead| {
            let alive = (0..nodes).filter(|node| Some(*node) != dead);
            World {
                l2_advertisements: by_name([("all".to_owned(), l2_advertisement())]),
                liveness: Liveness::Live(alive.map(node_name).collect()),
                ..world.clone()
            }
        };
        let (all, without) = (live(None), live(Some(1)));
        let without = World {
            l2_advertisements: Arc::clone(&all.l2_advertisements),
            ..without
        };
        let elector = || Elector::new("node-0", health::Options::default());
        let size = format!("{services} Services, {nodes} nodes");
        group.bench_function(format!("from nothing, {size}"), |bencher| {
            bencher.iter(|| elector().next(&all));
        });
        let mut elector = elector();
        elector.next(&all);
        group.bench_function(format!("a node dies and comes back, {size}"), |bencher| {
            bencher.iter(|| (elector.next(&without), elector.next(&all)));
        });
    }
    group.finish();
}

/// Allocation, the World after it, and what one node announces of that.
fn round(world: &World) -> plan::Announcements {
    let world = world.with(&allocate(world));
    announce("node-0", &world, health::Options::default())
}

fn assigned(world: &World) -> World {
    let assigned = world.with(&allocate(world));
    let held = |service: &Arc<Service>| service.assigned.len() == 1;
    assert!(assigned.services.values().all(held));
    assigned
}

/// Services for which there is no pool.
fn waiting(services: u32) -> World {
    World {
        pools: Arc::default(),
        ..world(services, 1)
    }
}

fn world(services: u32, nodes: u32) -> World {
    let names: Vec<String> = (0..services).map(|i| format!("service-{i:05}")).collect();
    // The controller's store keeps each name once, whichever objects bear it.
    let names: Vec<ObjectName> = names.iter().map(|name| object(name)).collect();
    let node_names: Vec<Arc<str>> = (0..nodes).map(node_name).collect();
    let services = names.iter().map(service);
    let slices = names
        .iter()
        .zip(0..)
        .map(|(name, i)| slice(name, i, &node_names));
    let pool = pool();
    World {
        services: services.map(|s| (s.name.clone(), Arc::new(s))).collect(),
        endpoint_slices: slices
            .map(|s| ((s.service.clone(), Arc::clone(&s.name)), Arc::new(s)))
            .collect(),
        nodes: by_name((0..nodes).map(|i| (format!("node-{i}"), node(i)))),
        pools: by_name([(pool.name.to_string(), pool)]),
        peers: by_name((1..=4).map(|i| (format!("tor-{i}"), peer(i)))),
        bgp_advertisements: by_name([("all".to_owned(), advertisement())]),
        ..World::default()
    }
}

fn by_name<T>(objects: impl IntoIterator<Item = (String, T)>) -> Arc<BTreeMap<Arc<str>, Arc<T>>> {
    let objects = objects.into_iter();
    Arc::new(
        objects
            .map(|(name, one)| (Arc::from(name), Arc::new(one)))
            .collect(),
    )
}

fn object(name: &str) -> ObjectName {
    static NAMESPACE: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());
    ObjectName {
        namespace: Arc::clone(&NAMESPACE),
        name: name.into(),
    }
}

fn service(name: &ObjectName) -> Service {
    Service {
        name: name.clone(),
        labels: Labels::from([("app", &*name.name)]),
        wants_address: true,
        ip_families: [IpFamily::IPv4].into(),
        ip_family_policy: IpFamilyPolicy::SingleStack,
        external_traffic_policy: ExternalTrafficPolicy::Cluster,
        ports: [(Protocol::Tcp, 443)].into_iter().collect(),
        selector: Labels::NONE,
        requested_addresses: Vec::new(),
        requested_pool: None,
        sharing_key: None,
        request_error: None,
        assigned: Addresses::new(),
        assigned_pool: None,
    }
}

fn slice(service: &ObjectName, index: u32, nodes: &[Arc<str>]) -> EndpointSlice {
    let endpoint = |at: u32| Endpoint {
        node: nodes.get((index + at) as usize % nodes.len()).cloned(),
        ready: Some(true),
        serving: Some(true),
    };
    EndpointSlice {
        service: service.clone(),
        name: format!("{}-x7k2p", service.name).into(),
        endpoints: vec![endpoint(0), endpoint(1)],
    }
}

fn node_name(index: u32) -> Arc<str> {
    format!("node-{index}").into()
}

fn node(index: u32) -> Node {
    Node {
        name: node_name(index),
        labels: Labels::from([("kubernetes.io/os", "linux")]),
        ready: Ready::True,
        network_unavailable: false,
        unschedulable: false,
        out_of_service: false,
        internal_ips: Vec::new(),
    }
}

fn pool() -> Pool {
    Pool {
        name: "public".into(),
        labels: Labels::NONE,
        ranges: vec![AddressRange {
            first: Ipv4Addr::new(10, 128, 0, 0).into(),
            last: Ipv4Addr::new(10, 128, 255, 255).into(),
        }],
        auto_assign: true,
        avoid_buggy_ips: false,
        service_allocation: None,
        share_across_namespaces: false,
    }
}

fn peer(index: u8) -> BgpPeer {
    BgpPeer {
        name: format!("tor-{index}").into(),
        my_asn: 64512,
        peer_asn: PeerAsn::Exactly(64513),
        address: Ipv4Addr::new(198, 51, 100, index).into(),
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

fn advertisement() -> BgpAdvertisement {
    BgpAdvertisement {
        name: "all".into(),
        aggregation_length: 32,
        aggregation_length_v6: 128,
        local_pref: None,
        med: None,
        as_path_prepend: 0,
        communities: Vec::new(),
        pools: PoolSelection::default(),
        node_selectors: Vec::new(),
        peers: Default::default(),
        service_selectors: Vec::new(),
    }
}

fn l2_advertisement() -> L2Advertisement {
    L2Advertisement {
        name: "all".into(),
        pools: PoolSelection::default(),
        node_selectors: Vec::new(),
        preferred_nodes: Vec::new(),
        interfaces: Default::default(),
        service_selectors: Vec::new(),
        failback: Failback::default(),
    }
}

criterion_group!(benches, whole, first, one_new, one_node);
criterion_main!(benches);
