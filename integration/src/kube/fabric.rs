//! A cluster's edge: nodes with a speaker each, one router that routes, and a client beyond it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use super::ControlPlane;
use super::gate::Gate;
use super::herald::{Daemon, Installation};
use super::node::{LINK, Node};
use super::pod::Pod;
use crate::kernel;
use crate::kernel::monitor::RouteMonitor;
use crate::lab::{Lab, next_number};
use crate::manifests::{advertisement, merge, peer, pool};
use crate::netns::Netns;
use crate::router::{Families, Neighbour, Router, RouterConfig};
use crate::tcp;
use crate::wait::{SOON, eventually, eventually_equal};

/// The AS of the speakers, and the router's.
pub const OUR_AS: u32 = 65001;
/// The router's AS.
pub const ROUTER_AS: u32 = 65002;
/// The BGPPeer's name.
pub const PEER: &str = "tor";
/// The IPAddressPool's name.
pub const POOL: &str = "vips";
/// The port that Pods serve, behind port 80 of a Service.
const TARGET: u16 = 8080;

/// What is to be built: change it, then [`Plan::start`].
pub struct Plan<'a> {
    /// The cluster.
    pub cluster: &'a ControlPlane,
    /// The test's own lab.
    pub lab: &'a Lab,
    /// How many nodes there are.
    pub nodes: usize,
    /// Nodes have kube-proxy.
    pub proxies: bool,
    /// The speakers speak for Services without a class.
    pub all: bool,
    /// More fields of the BGPPeer.
    pub peer: Value,
    /// The spec of the BGPAdvertisement.
    pub advertisement: Value,
    /// Changes each neighbour in the router's configuration.
    pub neighbour: fn(&mut Neighbour),
    /// Each speaker talks to the API server through a gate of its own.
    pub gates: bool,
    /// Sessions are recorded, to be replayed when a test fails.
    pub recorded: bool,
    /// More arguments of each speaker.
    pub arguments: &'a [&'a str],
}

/// A [`Plan`] that runs. Fields go in this order: daemons before the namespaces they run in.
#[derive(Debug)]
pub struct Fabric<R> {
    /// A speaker each node.
    pub speakers: Vec<Daemon>,
    /// In the same order, what is between them and the API server, if the plan has gates.
    pub gates: Vec<Gate>,
    /// The router, which runs in [`Fabric::tor`].
    pub router: R,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The router's machine.
    pub tor: Netns,
    /// A machine behind the router.
    pub client: Netns,
    /// Herald's objects.
    pub herald: Installation,
    /// The Kubernetes namespace of Services and Pods.
    pub namespace: String,
    /// Makes the fabric's addresses different from those of all others.
    number: usize,
    control: super::client::Client,
}

impl<'a> Plan<'a> {
    /// That many nodes without kube-proxy, one session by IPv4 each, both families on it.
    pub fn of(cluster: &'a ControlPlane, lab: &'a Lab, nodes: usize) -> Plan<'a> {
        Plan {
            cluster,
            lab,
            nodes,
            proxies: false,
            all: false,
            peer: json!({}),
            advertisement: json!({}),
            neighbour: |_| {},
            gates: false,
            recorded: true,
            arguments: &[],
        }
    }

    /// Builds it: nodes, router, configuration, and running speakers.
    pub fn start<R: Router>(self) -> Fabric<R> {
        let (cluster, lab) = (self.cluster, self.lab);
        let namespace = cluster.namespace("web");
        let herald = match self.all {
            true => Installation::for_all(cluster),
            false => Installation::add(cluster),
        };
        let add = |index: usize| {
            let name = format!("{namespace}-node-{}", index + 1);
            match self.proxies {
                true => Node::add(cluster, lab, &name),
                false => Node::add_machine(cluster, lab, &name),
            }
        };
        let nodes: Vec<Node> = (0..self.nodes).map(add).collect();
        let (tor, client) = (lab.netns("tor"), lab.netns("client"));
        let at = machines(cluster, &tor, &client, &nodes);
        let router = R::start(lab, &tor, &router_config(&nodes, self.neighbour));
        let more = json!({"holdTime": "9s", "connectTime": "1s", "dualStackAddressFamily": true});
        let number = next_number() % 256;
        let mut fabric = Fabric {
            speakers: Vec::new(),
            gates: Vec::new(),
            router,
            nodes,
            tor,
            client,
            herald,
            namespace,
            number,
            control: cluster.client().clone(),
        };
        let [v4, v6] = fabric.ranges();
        fabric.herald.put(pool(POOL, &[&v4, &v6]));
        fabric.herald.put(advertisement("all", self.advertisement));
        let more = merge(more, self.peer);
        fabric
            .herald
            .put(peer(PEER, OUR_AS, ROUTER_AS, &at.to_string(), more));
        for node in &fabric.nodes {
            let speaker = match self.recorded {
                true => fabric.herald.speaker(cluster, lab, node.name()),
                false => fabric.herald.speaker_unrecorded(cluster, lab, node.name()),
            };
            let mut speaker = speaker.with(self.arguments);
            if self.gates {
                fabric.gates.push(speaker.through_gate(cluster));
            }
            speaker.launch(node.netns());
            fabric.speakers.push(speaker);
        }
        fabric
    }

    /// As [`Plan::start`], and waits until every session is Established.
    pub fn establish<R: Router>(self) -> Fabric<R> {
        let fabric = self.start::<R>();
        fabric.await_established();
        fabric
    }
}

/// Joins the router to the nodes, and the client to the router. The router's address among the
/// nodes.
fn machines(cluster: &ControlPlane, tor: &Netns, client: &Netns, nodes: &[Node]) -> IpAddr {
    tor.forward();
    // All nodes hash alike but for ports: spread connections over them.
    tor.sysctl("ipv4/fib_multipath_hash_policy", "1");
    let [v4, v6] = cluster.attach(tor, "eth0");
    let near = ["10.2.0.1/24", "fd00:2::1/64", "fe80::1/64"];
    let far = ["10.2.0.2/24", "fd00:2::2/64", "fe80::2/64"];
    client.join("eth0", &far, tor, "client0", &near);
    client.ip("route add default via 10.2.0.1");
    client.ip("-6 route add default via fd00:2::1");
    for node in nodes {
        let netns = node.netns();
        netns.ip(&format!("route add default via {v4} dev {LINK}"));
        netns.ip(&format!("-6 route add default via {v6} dev {LINK}"));
    }
    v4
}

fn router_config(nodes: &[Node], change: fn(&mut Neighbour)) -> RouterConfig {
    let neighbour = |node: &Node| {
        let [address, _] = node.addresses();
        let mut neighbour = Neighbour::new(address, OUR_AS);
        neighbour.families = Families::Both;
        change(&mut neighbour);
        neighbour
    };
    RouterConfig {
        asn: ROUTER_AS,
        router_id: Ipv4Addr::new(10, 255, 255, 254),
        neighbours: nodes.iter().map(neighbour).collect(),
        networks: Vec::new(),
    }
}

impl<R: Router> Fabric<R> {
    /// The pool's two ranges.
    pub fn ranges(&self) -> [String; 2] {
        let number = self.number;
        [
            format!("10.100.{number}.0/24"),
            format!("fd00:100:{number:x}::/112"),
        ]
    }

    /// Addresses of the pool, by their last octet: IPv4 and IPv6.
    pub fn vips(&self, last: u8) -> [IpAddr; 2] {
        let number = self.number;
        let texts = [
            format!("10.100.{number}.{last}"),
            format!("fd00:100:{number:x}::{last:x}"),
        ];
        texts.map(|text| {
            text.parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"))
        })
    }

    /// The IPv4 address of the pool with that last octet.
    pub fn vip(&self, last: u8) -> IpAddr {
        self.vips(last)[0]
    }

    /// Creates a Service of the installation's class, for Pods with `app` of its name. `spec` has
    /// fields besides.
    pub fn service(&self, name: &str, spec: Value) {
        let mut service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"app": name}},
            "spec": {
                "type": "LoadBalancer",
                "selector": {"app": name},
                "ports": [{"port": 80, "targetPort": TARGET}],
            },
        });
        if let Some(class) = self.herald.class() {
            service["spec"]["loadBalancerClass"] = json!(class);
        }
        let service = merge(service, json!({ "spec": spec }));
        self.control
            .create(&service)
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// Creates any object.
    pub fn create(&self, object: &Value) {
        self.control
            .create(object)
            .unwrap_or_else(|failure| panic!("{object}: {failure}"));
    }

    /// Waits until the slices of a Service have the IPv4 addresses of exactly these Pods.
    pub fn await_addresses_of(&self, service: &str, pods: &[&Pod]) {
        let expected: BTreeSet<String> = pods
            .iter()
            .map(|pod| pod.addresses()[0].to_string())
            .collect();
        let query = format!("labelSelector=kubernetes.io%2Fservice-name%3D{service}");
        eventually_equal(&format!("endpoints of {service}"), SOON, &expected, || {
            let slices = self
                .control
                .select("EndpointSlice", &self.namespace, &query);
            let slices = slices.unwrap_or_default();
            let endpoints = slices
                .iter()
                .flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
            let addresses = endpoints.filter_map(|one| one["addresses"][0].as_str());
            addresses.map(ToOwned::to_owned).collect()
        });
    }

    /// Changes a Service's spec.
    pub fn change(&self, name: &str, spec: &Value) {
        let change = json!({ "spec": spec });
        self.control
            .patch(
                "Service",
                &self.namespace,
                name,
                super::client::Patch::Merge,
                &change,
            )
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// Writes a Service's addresses into its status, as the controller does.
    pub fn assign(&self, name: &str, addresses: &[IpAddr]) {
        let ingress: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
        let status = json!({"loadBalancer": {"ingress": ingress}});
        self.control
            .patch_status("Service", &self.namespace, name, &status)
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// A Pod of a Service on a node, Ready.
    pub fn pod(&self, service: &str, node: usize) -> Pod {
        let pod = self.start_pod(service, node);
        pod.set_ready(true);
        pod
    }

    /// A Pod of a Service on a node, not Ready yet. Its server answers with its name:
    /// `SERVICE-NODE-NUMBER`, nodes counted from 1.
    pub fn start_pod(&self, service: &str, node: usize) -> Pod {
        let name = format!("{service}-{}-{}", node + 1, next_number());
        let labels = json!({ "app": service });
        Pod::start(
            &self.control,
            &self.nodes[node],
            &self.namespace,
            &name,
            &labels,
            TARGET,
        )
    }

    /// A Service with a Pod on each of these nodes, and an address.
    pub fn serve(&self, name: &str, last: u8, nodes: &[usize], spec: Value) -> Vec<Pod> {
        self.service(name, spec);
        let pods = nodes.iter().map(|node| self.pod(name, *node)).collect();
        self.assign(name, &[self.vip(last)]);
        pods
    }

    /// Waits until the router calls every session Established.
    pub fn await_established(&self) {
        for (node, speaker) in self.nodes.iter().zip(&self.speakers) {
            eventually("the session is Established", SOON, || {
                match self.router.state(node.addresses()[0]).as_str() {
                    "Established" => Ok(()),
                    state => Err(format!(
                        "{state}\nherald: {}\n{}: {}",
                        crate::process::tail(&speaker.log()),
                        R::NAME,
                        crate::process::tail(&self.router.log())
                    )),
                }
            });
        }
    }

    /// The nodes that the router routes an address to, by their index. It has its routes from
    /// the router's Adj-RIB-In, whether or not that is best.
    pub fn hops(&self, vip: IpAddr) -> BTreeSet<usize> {
        let routes = self.router.routes();
        let of_vip = routes.iter().filter(|route| route.prefix == vip.into());
        of_vip
            .filter_map(|route| self.node_of(route.next_hop))
            .collect()
    }

    /// The nodes that the router's kernel routes an address to, by their index.
    pub fn kernel_hops(&self, vip: IpAddr) -> BTreeSet<usize> {
        let routes = kernel::routes(&self.tor);
        let hops = routes.get(&vip.into()).into_iter().flatten();
        hops.filter_map(|hop| self.node_of(*hop)).collect()
    }

    fn node_of(&self, hop: IpAddr) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes.position(|node| node.addresses().contains(&hop))
    }

    /// Waits until exactly these nodes announce an address to the router.
    pub fn await_hops(&self, vip: IpAddr, nodes: &[usize]) {
        self.await_hops_within(SOON, vip, nodes);
    }

    /// As [`Fabric::await_hops`], with another limit.
    pub fn await_hops_within(&self, limit: Duration, vip: IpAddr, nodes: &[usize]) {
        let expected = BTreeSet::from_iter(nodes.iter().copied());
        eventually_equal(&format!("next hops of {vip}"), limit, &expected, || {
            self.hops(vip)
        });
    }

    /// Waits until the router's kernel routes an address to exactly these nodes.
    pub fn await_kernel_hops(&self, vip: IpAddr, nodes: &[usize]) {
        let expected = BTreeSet::from_iter(nodes.iter().copied());
        eventually(
            &format!("the kernel's next hops of {vip}"),
            SOON,
            || match self.kernel_hops(vip) {
                hops if hops == expected => Ok(()),
                _ => Err(format!("{:#?}", kernel::routes(&self.tor))),
            },
        );
    }

    /// Hears from now on what happens to routes in the router's kernel.
    pub fn witness(&self) -> RouteMonitor {
        RouteMonitor::of_all(&self.tor)
    }

    /// The prefixes that the router holds.
    pub fn prefixes(&self) -> BTreeSet<String> {
        let routes = self.router.routes().into_iter();
        routes.map(|route| route.prefix.to_string()).collect()
    }

    /// What answers at an address's port 80 to the client: the name of a Pod.
    pub fn ask(&self, vip: IpAddr) -> Result<String, String> {
        tcp::ask(&self.client, SocketAddr::new(vip, 80))
    }

    /// Waits until each of these Pods has answered the client at an address, and no other has.
    pub fn await_answers(&self, vip: IpAddr, pods: &[&Pod]) {
        let expected: BTreeSet<&str> = pods.iter().map(|pod| pod.name()).collect();
        let mut seen = BTreeSet::new();
        eventually(&format!("answers at {vip}"), SOON, || {
            let answer = self.ask(vip)?;
            assert!(expected.contains(answer.as_str()), "{answer} answers");
            seen.insert(answer);
            match seen.len() == expected.len() {
                true => Ok(()),
                false => Err(format!("only {seen:?}")),
            }
        });
    }
}
