//! What all nodes know of the cluster: every node may answer for every address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plan::World;
use plan::labels::Labels;
use plan::world::{
    AddressRange, Addresses, Endpoint, EndpointSlice, ExternalTrafficPolicy, Failback, IpFamily,
    IpFamilyPolicy, L2Advertisement, Node, ObjectName, Pool, PoolSelection, Protocol, Ready,
    Service,
};

/// The name of a node.
pub fn node_name(node: usize) -> Arc<str> {
    format!("node-{node}").into()
}

/// The number of a node.
pub fn number(name: &str) -> usize {
    let digits = name.trim_start_matches("node-");
    digits.parse().unwrap_or_default()
}

/// An address of a Service, by its number.
pub fn vip(number: usize) -> IpAddr {
    Ipv4Addr::from_bits(0x0a80_0000 + number as u32).into()
}

/// The number of an address of a Service.
pub fn vip_number(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(address) => address
            .to_bits()
            .checked_sub(0x0a80_0000)
            .map(|n| n as usize),
        IpAddr::V6(_) => None,
    }
}

/// So many nodes, and Services that have an address each.
pub fn world(nodes: usize, vips: usize, failback: Failback) -> World {
    let pool = Pool {
        name: "public".into(),
        labels: Labels::NONE,
        ranges: vec![AddressRange {
            first: vip(0),
            last: vip(65_535),
        }],
        auto_assign: true,
        avoid_buggy_ips: false,
        service_allocation: None,
        share_across_namespaces: false,
    };
    let advertisement = L2Advertisement {
        name: "all".into(),
        pools: PoolSelection::default(),
        node_selectors: Vec::new(),
        preferred_nodes: Vec::new(),
        interfaces: BTreeSet::new(),
        service_selectors: Vec::new(),
        failback,
    };
    let services = (0..vips).map(service);
    let slices = (0..vips).map(|number| slice(number, nodes));
    World {
        services: services
            .map(|one| (one.name.clone(), Arc::new(one)))
            .collect(),
        endpoint_slices: slices
            .map(|one| ((one.service.clone(), Arc::clone(&one.name)), Arc::new(one)))
            .collect(),
        nodes: by_name((0..nodes).map(|one| (node_name(one), node(one)))),
        pools: by_name([(Arc::clone(&pool.name), pool)]),
        l2_advertisements: by_name([(Arc::clone(&advertisement.name), advertisement)]),
        ..World::default()
    }
}

fn by_name<T>(objects: impl IntoIterator<Item = (Arc<str>, T)>) -> Arc<BTreeMap<Arc<str>, Arc<T>>> {
    let objects = objects.into_iter();
    Arc::new(objects.map(|(name, one)| (name, Arc::new(one))).collect())
}

fn service_name(number: usize) -> ObjectName {
    ObjectName {
        namespace: "default".into(),
        name: format!("service-{number:05}").into(),
    }
}

fn service(number: usize) -> Service {
    Service {
        name: service_name(number),
        labels: Labels::NONE,
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
        assigned: Addresses::from_iter([vip(number)]),
        assigned_pool: Some("public".into()),
    }
}

fn slice(number: usize, nodes: usize) -> EndpointSlice {
    EndpointSlice {
        service: service_name(number),
        name: "only".into(),
        endpoints: vec![Endpoint {
            node: Some(node_name(number % nodes)),
            ready: Some(true),
            serving: Some(true),
        }],
    }
}

fn node(number: usize) -> Node {
    Node {
        name: node_name(number),
        labels: Labels::NONE,
        ready: Ready::True,
        network_unavailable: false,
        unschedulable: false,
        out_of_service: false,
        internal_ips: Vec::new(),
    }
}
