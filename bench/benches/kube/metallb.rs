//! MetalLB's native mode, where it can be run: its own programs and definitions, the same cluster
//! and router.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use integration::Lab;
use integration::bird::Bird;
use integration::kernel::monitor::RouteMonitor;
use integration::kube::ControlPlane;
use integration::kube::fabric::{OUR_AS, PEER, POOL, ROUTER_AS};
use integration::kube::node::{LINK, Node};
use integration::manifests::{advertisement, peer, pool};
use integration::netns::{Handle, Netns};
use integration::process::{Process, Usage};
use integration::router::{Neighbour, Router, RouterConfig};
use integration::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::scene::{NODES, RANGE, Scene, control_plane};

/// Where its configuration is.
const HOME: &str = "metallb-system";
/// Where its `config/crd/bases` is.
const DEFINITIONS: &str = "METALLB_CRDS";

/// MetalLB's programs and definitions.
pub struct Programs {
    controller: PathBuf,
    speaker: PathBuf,
    definitions: PathBuf,
}

impl Programs {
    /// `metallb-controller` and `metallb-speaker` on PATH, and the folder of its definitions.
    ///
    /// # Errors
    /// What is missing.
    pub fn find() -> Result<Programs, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |name: &str| {
            let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
            let found = places.find(|program| program.is_file());
            found.ok_or(format!("{name} is not on PATH"))
        };
        let definitions = std::env::var_os(DEFINITIONS).unwrap_or_default();
        let definitions = PathBuf::from(definitions);
        let missing = format!("{DEFINITIONS} does not name the folder config/crd/bases");
        Ok(Programs {
            controller: find("metallb-controller")?,
            speaker: find("metallb-speaker")?,
            definitions: definitions.is_dir().then_some(definitions).ok_or(missing)?,
        })
    }
}

/// MetalLB in a cluster. Fields go in this order.
pub struct MetalLb {
    routes: RouteMonitor,
    controller: Process,
    speakers: [Process; NODES],
    _router: Bird,
    nodes: [Node; NODES],
    _tor: Netns,
    namespace: String,
    cluster: ControlPlane,
}

impl MetalLb {
    /// Starts it, and waits until every session is up.
    pub fn start(lab: &Lab, programs: &Programs) -> MetalLb {
        let cluster = control_plane(lab);
        let namespace = cluster.namespace("web");
        let nodes = [1, 2]
            .map(|number| Node::add_machine(&cluster, lab, &format!("{namespace}-node-{number}")));
        let tor = lab.netns("tor");
        tor.forward();
        let [at, _] = cluster.attach(&tor, "eth0");
        for node in &nodes {
            let route = format!("route add default via {at} dev {LINK}");
            node.netns().ip(&route);
        }
        let config = RouterConfig {
            asn: ROUTER_AS,
            router_id: Ipv4Addr::new(10, 255, 255, 254),
            neighbours: nodes.iter().map(neighbour).collect(),
            networks: Vec::new(),
        };
        let router = Bird::start(lab, &tor, &config);
        configure(&cluster, programs, &at.to_string());
        let range = RANGE.parse().unwrap_or_default();
        let routes = RouteMonitor::start(&tor, range, NODES);
        let controller = start_controller(lab, &cluster, programs);
        let speakers = [0, 1].map(|node| start_speaker(lab, &cluster, programs, &nodes[node]));
        for node in &nodes {
            let [address, _] = node.addresses();
            eventually("the session is Established", SOON, || {
                match router.state(address).as_str() {
                    "Established" => Ok(()),
                    state => Err(format!("{state}: {}", controller.log())),
                }
            });
        }
        MetalLb {
            routes,
            controller,
            speakers,
            _router: router,
            nodes,
            _tor: tor,
            namespace,
            cluster,
        }
    }
}

fn neighbour(node: &Node) -> Neighbour {
    let [address, _] = node.addresses();
    Neighbour::new(address, OUR_AS)
}

/// Its definitions and its configuration: the same pool, peer and advertisement as Herald's.
fn configure(cluster: &ControlPlane, programs: &Programs, router: &str) {
    cluster.apply_files(&programs.definitions);
    let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}});
    // Nobody else makes it: there is no controller manager.
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": HOME},
    });
    let objects = [
        pool(POOL, &[RANGE]),
        peer(PEER, OUR_AS, ROUTER_AS, router, json!({})),
        advertisement("all", json!({})),
    ];
    put(cluster, &home);
    put(cluster, &account);
    for mut object in objects {
        object["metadata"]["namespace"] = json!(HOME);
        put(cluster, &object);
    }
}

fn put(cluster: &ControlPlane, object: &Value) {
    let made = cluster.apply(object);
    made.unwrap_or_else(|failure| panic!("{object}: {failure}"));
}

/// It asks for the Pod that it is.
fn pod(cluster: &ControlPlane, name: &str) {
    let container = json!({"name": "metallb", "image": "none.invalid/none"});
    put(
        cluster,
        &json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": HOME},
            "spec": {"containers": [container], "automountServiceAccountToken": false},
        }),
    );
}

fn start_controller(lab: &Lab, cluster: &ControlPlane, programs: &Programs) -> Process {
    let mut command = Command::new(&programs.controller);
    command.args(["--webhook-mode", "disabled", "--disable-cert-rotation"]);
    start(lab, cluster, cluster.netns(), "metallb-controller", command)
}

fn start_speaker(lab: &Lab, cluster: &ControlPlane, programs: &Programs, node: &Node) -> Process {
    let mut command = Command::new(&programs.speaker);
    command.args(["--node-name", node.name()]);
    let name = format!("metallb-speaker-{}", node.name());
    start(lab, cluster, node.netns(), &name, command)
}

/// As the administrator.
fn start(
    lab: &Lab,
    cluster: &ControlPlane,
    netns: &Handle,
    name: &str,
    mut command: Command,
) -> Process {
    pod(cluster, name);
    let kubeconfig: OsString = cluster.admin_kubeconfig().into();
    command
        .args(["--namespace", HOME, "--pod-name", name])
        .env("METALLB_BGP_TYPE", "native")
        .env("KUBECONFIG", kubeconfig);
    Process::spawn_bounded(netns, &lab.log(name), command)
}

impl Scene for MetalLb {
    const NAME: &str = "MetalLB";

    fn cluster(&self) -> &ControlPlane {
        &self.cluster
    }

    fn routes(&self) -> &RouteMonitor {
        &self.routes
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn node(&self) -> &str {
        self.nodes[0].name()
    }

    fn controller(&self) -> Usage {
        self.controller.usage()
    }

    fn speakers(&self) -> [Usage; NODES] {
        self.speakers.each_ref().map(Process::usage)
    }
}
