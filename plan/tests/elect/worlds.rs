//! Worlds: one pool, one L2Advertisement, one Service with an endpoint.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plan::World;
use plan::elect::{Election, Electorate};
use plan::health;
use plan::labels::{LabelSelector, Labels};
use plan::world::{
    AddressRange, Addresses, Endpoint, EndpointSlice, ExternalTrafficPolicy, Failback, IpFamily,
    IpFamilyPolicy, L2Advertisement, Liveness, Node, ObjectName, Pool, PoolSelection,
    PreferredNodes, Protocol, Ready, Service,
};

pub const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 20, 30, 1));

pub fn elect(world: &World, service: &Service) -> Election {
    Electorate::new(world, None, health::Options::default()).elect(VIP, &[service])
}

pub fn world(nodes: &[&str]) -> World {
    let pool = Pool {
        name: "pool".into(),
        labels: Labels::NONE,
        ranges: vec![AddressRange {
            first: Ipv4Addr::new(10, 20, 30, 0).into(),
            last: Ipv4Addr::new(10, 20, 30, 255).into(),
        }],
        auto_assign: true,
        avoid_buggy_ips: false,
        service_allocation: None,
        share_across_namespaces: false,
    };
    let nodes = nodes
        .iter()
        .map(|name| ((*name).into(), Arc::new(node(name))));
    let mut world = World {
        nodes: Arc::new(nodes.collect()),
        pools: Arc::new([("pool".into(), Arc::new(pool))].into()),
        ..World::default()
    };
    advertise(&mut world, |_| {});
    endpoints(&mut world, &["elsewhere"]);
    world
}

pub fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        labels: Labels::from([("name", name)]),
        ready: Ready::True,
        network_unavailable: false,
        unschedulable: false,
        out_of_service: false,
        internal_ips: Vec::new(),
    }
}

pub fn edit(world: &mut World, name: &str, edit: impl Fn(&mut Node)) {
    let node = Arc::make_mut(&mut world.nodes).get_mut(name);
    edit(Arc::make_mut(node.expect("a Node")));
}

pub fn advertise(world: &mut World, edit: impl Fn(&mut L2Advertisement)) {
    let mut ad = L2Advertisement {
        name: "ad".into(),
        pools: PoolSelection::default(),
        node_selectors: Vec::new(),
        preferred_nodes: Vec::new(),
        interfaces: Default::default(),
        service_selectors: Vec::new(),
        failback: Failback::default(),
    };
    edit(&mut ad);
    world.l2_advertisements = Arc::new([("ad".into(), Arc::new(ad))].into());
}

pub fn endpoints(world: &mut World, nodes: &[&str]) {
    endpoints_of(world, &service().name, nodes);
}

pub fn endpoints_of(world: &mut World, service: &ObjectName, nodes: &[&str]) {
    let endpoint = |node: &&str| Endpoint {
        node: Some((*node).into()),
        ready: Some(true),
        serving: None,
    };
    let slice = EndpointSlice {
        service: service.clone(),
        name: "web-1".into(),
        endpoints: nodes.iter().map(endpoint).collect(),
    };
    let key = (service.clone(), Arc::from("web-1"));
    world.endpoint_slices.insert(key, Arc::new(slice));
}

pub fn named(name: &str) -> LabelSelector {
    LabelSelector {
        match_labels: [("name".to_owned(), name.to_owned())].into(),
        match_expressions: Vec::new(),
    }
}

pub fn prefer(name: &str, weight: u8) -> PreferredNodes {
    PreferredNodes {
        weight,
        preference: named(name),
    }
}

pub fn live(names: &[&str]) -> Liveness {
    Liveness::Live(names.iter().map(|name| Arc::from(*name)).collect())
}

pub fn service() -> Service {
    Service {
        name: ObjectName {
            namespace: "default".into(),
            name: "web".into(),
        },
        labels: Labels::from([("name", "web")]),
        wants_address: true,
        ip_families: [IpFamily::IPv4].into(),
        ip_family_policy: IpFamilyPolicy::SingleStack,
        external_traffic_policy: ExternalTrafficPolicy::Cluster,
        ports: [(Protocol::Tcp, 80)].into_iter().collect(),
        selector: Labels::NONE,
        requested_addresses: Vec::new(),
        requested_pool: None,
        sharing_key: None,
        request_error: None,
        assigned: Addresses::from_slice(&[VIP]),
        assigned_pool: None,
    }
}
