//! The cluster, its router, and a client behind that.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use integration::cluster::Cluster;
use integration::cluster::fib::Fib;
use integration::cluster::images::Images;
use integration::cluster::node::Node;
use integration::cluster::program::Program;
use integration::documents;
use integration::gobgp::GoBgp;
use integration::kernel::monitor::RouteMonitor;
use integration::router::{Neighbour, Router, RouterConfig};
use integration::wait::{LATER, SOON, eventually, eventually_equal};
use integration::{Lab, Netns, http};

pub const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];
/// Of the control plane: it runs a speaker, and no Pods of the Deployment.
const MASTER: &str = NODES[0];
const OWN_ASN: u32 = 64512;
const ROUTER_ASN: u32 = 64513;
pub const NAMESPACE: &str = "herald-system";
/// The page that says how herald gets into a cluster.
const DOCUMENT: &str = "docs/kubernetes.md";

pub struct Scene {
    // Before the router that it asks.
    pub _fib: Fib,
    /// What happens to the router's routes.
    pub routes: RouteMonitor,
    pub router: Arc<GoBgp>,
    pub client: Netns,
    router_netns: Netns,
    pub cluster: Cluster,
    /// Those that have not run yet.
    scripts: RefCell<BTreeMap<String, String>>,
}

impl Scene {
    pub fn start(lab: Lab, images: &Images, herald: PathBuf) -> Scene {
        let cluster = Cluster::start(lab, images, &[herald], &NODES);
        cluster.make_control_plane(MASTER);
        let (router_netns, client) = outside(&cluster);
        let neighbours = cluster.nodes().iter().map(neighbour).collect();
        let config = RouterConfig {
            asn: ROUTER_ASN,
            router_id: [10, 244, 0, 254].into(),
            neighbours,
            networks: Vec::new(),
        };
        let router = Arc::new(GoBgp::start(&cluster.lab, &router_netns, &config));
        let asked = Arc::clone(&router);
        let routes = RouteMonitor::of_all(&router_netns);
        let fib = Fib::start(&router_netns, move || asked.routes());
        Scene {
            _fib: fib,
            routes,
            router,
            client,
            router_netns,
            cluster,
            scripts: documents::scripts(DOCUMENT).into(),
        }
    }

    /// What the document says under a heading; what that prints.
    pub fn run_script(&self, heading: &str) -> String {
        let script = self.scripts.borrow_mut().remove(heading);
        let script = script.unwrap_or_else(|| panic!("{DOCUMENT} has no script in {heading}"));
        let printed = self.cluster.control_plane.script(&script);
        let pods = || self.cluster.pods(NAMESPACE).join("\n");
        printed.unwrap_or_else(|said| panic!("{heading}: {said}\n{}", pods()))
    }

    pub fn every_script_has_run(&self) {
        assert_eq!(*self.scripts.borrow(), BTreeMap::new());
    }

    /// The processes of a role, each with its node's name.
    pub fn programs(&self, role: &str) -> Vec<(String, Program)> {
        let of_node = |node: &Node| {
            let programs = Program::all(node, "herald").into_iter();
            let name = node.name().to_owned();
            programs.map(move |program| (name.clone(), program))
        };
        let all = self.cluster.nodes().iter().flat_map(of_node);
        all.filter(|(_, program)| program.argument(1).as_deref() == Some(role))
            .collect()
    }

    /// Waits until the router's kernel routes an address to exactly these nodes.
    pub fn await_hops(&self, address: &str, names: &[&str]) {
        let nodes = names.iter().map(|name| self.cluster.node(name).address());
        let expected: BTreeSet<IpAddr> = nodes.collect();
        let what = format!("the router has the next hops {names:?} to {address}");
        eventually_equal(&what, LATER, &expected, || {
            let routes = integration::kernel::routes(&self.router_netns);
            routes.get(&ip(address).into()).cloned().unwrap_or_default()
        });
    }

    /// Waits until exactly the Pods on these nodes have answered the client at an address.
    pub fn await_answers(&self, address: &str, names: &[&str]) {
        let expected: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut answered = BTreeSet::new();
        eventually(&format!("{names:?} answer at {address}"), SOON, || {
            let (_, name) = http::get(&self.client, server(address), "/")?;
            assert!(expected.contains(&name), "{name} answers");
            answered.insert(name);
            match answered == expected {
                true => Ok(()),
                false => Err(format!("{answered:?}")),
            }
        });
    }

    pub fn router_address(&self) -> IpAddr {
        let text = self.router_netns.ip("-json -4 address show dev nodes0");
        let rows: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        ip(rows[0]["addr_info"][0]["local"]
            .as_str()
            .expect("an address"))
    }
}

/// The Service's port at an address.
pub fn server(address: &str) -> SocketAddr {
    SocketAddr::new(ip(address), 80)
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The router on the nodes' network, and the client behind it.
fn outside(cluster: &Cluster) -> (Netns, Netns) {
    let router = cluster.lab.netns("router");
    router.forward();
    // Spreads connections over the nodes by their ports, too.
    router.sysctl("ipv4/fib_multipath_hash_policy", "1");
    let [address, _] = cluster.control_plane.attach(&router, "nodes0");
    let client = cluster.lab.netns("client");
    client.join(
        "eth0",
        &["10.2.0.2/24"],
        &router,
        "client0",
        &["10.2.0.1/24"],
    );
    client.ip("route add default via 10.2.0.1");
    for node in cluster.nodes() {
        node.netns()
            .ip(&format!("route add 10.2.0.0/24 via {address}"));
    }
    (router, client)
}

fn neighbour(node: &Node) -> Neighbour {
    Neighbour {
        passive: true,
        graceful_restart: true,
        ..Neighbour::new(node.address(), OWN_ASN)
    }
}
