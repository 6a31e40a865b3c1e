//! Three nodes behind one router that routes, and a client beyond it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use integration::herald::Herald;
use integration::manifests::{advertisement, endpoint_slice, local, node, peer, pool, service};
use integration::router::{Families, Neighbour, Router, RouterConfig};
use integration::tcp::{Server, ask};
use integration::wait::{SOON, eventually_equal};
use integration::{Lab, Netns, kernel};
use serde_json::{Value, json};

use crate::scene::{VIP_1, VIP_V6, ip};

/// A test of each case, for one router that puts routes into the kernel.
macro_rules! every_case {
    ($router:ty) => {
        crate::fabric::every_case! { $router;
            three_nodes_share_an_address_by_ecmp,
            a_client_reaches_a_backend_on_a_node,
            a_client_reaches_a_backend_on_another_node_when_one_dies,
            a_node_whose_link_is_cut_is_left_by_the_hold_time,
            only_nodes_with_an_endpoint_attract_local_traffic,
        }
    };
    ($router:ty; $($case:ident,)*) => {
        $(#[test]
        fn $case() {
            crate::fabric::$case::<$router>();
        })*
    };
}
pub(crate) use every_case;

const NODES: [u8; 3] = [1, 2, 3];
const PORT: u16 = 80;

/// Fields go in this order: daemons before the namespaces they run in.
struct Fabric<R> {
    heralds: Vec<Herald>,
    servers: Vec<Server>,
    _router: R,
    _nodes: Vec<Netns>,
    tor: Netns,
    client: Netns,
    _lab: Lab,
}

pub fn three_nodes_share_an_address_by_ecmp<R: Router>() {
    let Some(fabric) = Fabric::<R>::start(&[]) else {
        return;
    };
    fabric.await_hops(VIP_1, &[1, 2, 3]);
    fabric.await_hops(VIP_V6, &[1, 2, 3]);
}

pub fn a_client_reaches_a_backend_on_a_node<R: Router>() {
    let Some(fabric) = Fabric::<R>::start(&[]) else {
        return;
    };
    for vip in [VIP_1, VIP_V6] {
        fabric.await_hops(vip, &[1, 2, 3]);
        let answer = ask(&fabric.client, SocketAddr::new(ip(vip), PORT));
        let names = NODES.map(name);
        assert!(
            names.iter().any(|name| answer == Ok(name.clone())),
            "{answer:?}"
        );
    }
}

pub fn a_client_reaches_a_backend_on_another_node_when_one_dies<R: Router>() {
    let Some(mut fabric) = Fabric::<R>::start(&[]) else {
        return;
    };
    fabric.await_hops(VIP_1, &[1, 2, 3]);
    for dead in [0, 1] {
        fabric.heralds[dead].kill();
    }
    // Their backends, one a family, are gone too: an answer can only come from the third.
    fabric.servers.drain(..4);
    fabric.await_hops(VIP_1, &[3]);
    fabric.await_hops(VIP_V6, &[3]);
    let server = SocketAddr::new(ip(VIP_1), PORT);
    assert_eq!(ask(&fabric.client, server), Ok(name(3)));
}

pub fn a_node_whose_link_is_cut_is_left_by_the_hold_time<R: Router>() {
    let Some(fabric) = Fabric::<R>::start(&[]) else {
        return;
    };
    fabric.await_hops(VIP_1, &[1, 2, 3]);
    // The far end of the pair: the node loses its carrier, the router its frames.
    fabric.tor.ip("link set port2 nomaster");
    fabric.await_hops(VIP_1, &[1, 3]);
    fabric.tor.ip("link set port2 master fabric0");
    fabric.await_hops(VIP_1, &[1, 2, 3]);
}

pub fn only_nodes_with_an_endpoint_attract_local_traffic<R: Router>() {
    let endpoints = endpoint_slice("web", &["node-2"]);
    let Some(fabric) = Fabric::<R>::start(&[local(web()), endpoints]) else {
        return;
    };
    fabric.await_hops(VIP_1, &[2]);
    let moved = endpoint_slice("web", &["node-1", "node-3"]);
    fabric
        .heralds
        .iter()
        .for_each(|herald| herald.write(&moved));
    fabric.await_hops(VIP_1, &[1, 3]);
    fabric.await_hops(VIP_V6, &[1, 3]);
}

impl<R: Router> Fabric<R> {
    /// `objects` are written after the usual ones, and replace those of the same name.
    fn start(objects: &[Value]) -> Option<Fabric<R>> {
        let lab = Lab::open(R::NEEDS)?;
        let tor = lab.netns("tor");
        tor.forward();
        tor.bridge(
            "fabric0",
            &["10.1.0.254/24", "fd00:1::fe/64", "fe80::fe/64"],
        );
        // All nodes hash alike but for ports: spread connections over them.
        tor.sysctl("ipv4/fib_multipath_hash_policy", "1");
        let nodes: Vec<Netns> = NODES.map(|n| add_node(&lab, &tor, n)).into();
        let client = lab.netns("client");
        client.join(
            "eth0",
            &["10.2.0.2/24", "fd00:2::2/64"],
            &tor,
            "client0",
            &["10.2.0.1/24", "fd00:2::1/64"],
        );
        client.ip("route add default via 10.2.0.1");
        client.ip("-6 route add default via fd00:2::1");
        let router = R::start(&lab, &tor, &router_config());
        let heralds = NODES.map(|n| {
            let node = &nodes[usize::from(n) - 1];
            let all = [usual_objects(), objects.to_vec()].concat();
            Herald::start(&lab, node, &name(n), &all)
        });
        let servers = NODES.iter().flat_map(|n| {
            let node = &nodes[usize::from(*n) - 1];
            [VIP_1, VIP_V6]
                .map(|vip| Server::start(node, SocketAddr::new(ip(vip), PORT), &name(*n)))
        });
        Some(Fabric {
            servers: servers.collect(),
            heralds: heralds.into(),
            _router: router,
            _nodes: nodes,
            tor,
            client,
            _lab: lab,
        })
    }

    /// Waits until the router's kernel routes an address to exactly these nodes.
    fn await_hops(&self, vip: &str, nodes: &[u8]) {
        let expected = BTreeSet::from_iter(nodes.iter().copied());
        eventually_equal(
            "the router's kernel has these next hops",
            SOON,
            &expected,
            || {
                let routes = kernel::routes(&self.tor);
                let hops = routes.get(&ip(vip).into());
                // The last octet is the node, in each of its addresses.
                hops.into_iter()
                    .flatten()
                    .map(|hop| match hop {
                        std::net::IpAddr::V4(hop) => hop.octets()[3],
                        std::net::IpAddr::V6(hop) => hop.octets()[15],
                    })
                    .collect()
            },
        );
    }
}

fn name(n: u8) -> String {
    format!("node-{n}")
}

/// A node: on the bridge, with the addresses of the Service on its loopback, where kube-proxy
/// would have rules.
fn add_node(lab: &Lab, tor: &Netns, n: u8) -> Netns {
    let node = lab.netns(&name(n));
    let addresses = [
        format!("10.1.0.{n}/24"),
        format!("fd00:1::{n}/64"),
        format!("fe80::{n}/64"),
    ];
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let port = format!("port{n}");
    node.join("eth0", &addresses, tor, &port, &[]);
    tor.ip(&format!("link set {port} master fabric0"));
    node.add_address("lo", &format!("{VIP_1}/32"));
    node.add_address("lo", &format!("{VIP_V6}/128"));
    node.ip("route add default via 10.1.0.254");
    node.ip("-6 route add default via fd00:1::fe");
    node
}

fn web() -> Value {
    service("web", &[VIP_1, VIP_V6])
}

fn usual_objects() -> Vec<Value> {
    let more = json!({"holdTime": "3s", "connectTime": "1s", "dualStackAddressFamily": true});
    let mut objects: Vec<Value> = NODES
        .iter()
        .map(|n| {
            node(
                &name(*n),
                &[&format!("10.1.0.{n}"), &format!("fd00:1::{n}")],
            )
        })
        .collect();
    objects.extend([
        pool("vips", &["10.100.0.0/16", "fd00:100::/112"]),
        advertisement("all", json!({})),
        peer("tor", 65001, 65002, "10.1.0.254", more),
        web(),
        endpoint_slice("web", &["node-1", "node-2", "node-3"]),
    ]);
    objects
}

fn router_config() -> RouterConfig {
    let neighbour = |n: u8| {
        let mut neighbour = Neighbour::new(ip(&format!("10.1.0.{n}")), 65001);
        neighbour.families = Families::Both;
        neighbour.hold_time = 3;
        neighbour
    };
    RouterConfig {
        asn: 65002,
        router_id: Ipv4Addr::new(10, 255, 255, 254),
        neighbours: NODES.map(neighbour).into(),
        networks: Vec::new(),
    }
}
