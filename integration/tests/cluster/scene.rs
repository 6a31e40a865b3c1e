//! The cluster, its router, and what happens there.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use integration::cluster::fib::Fib;
use integration::cluster::images::Images;
use integration::cluster::node::Node;
use integration::cluster::{Cluster, READY, ready};
use integration::gobgp::GoBgp;
use integration::router::{Neighbour, Router, RouterConfig};
use integration::wait::{LATER, SOON, eventually, eventually_equal};
use integration::{Lab, Netns, http};

use crate::requests::Requests;

/// The only address of the pool.
pub const VIP: &str = "198.51.100.1";
const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];
/// Of the control plane: it runs a speaker, and no Pods of the Deployment.
const MASTER: &str = NODES[0];
/// The one that is lost.
const LOST: &str = NODES[1];
const OWN_ASN: u32 = 64512;
const ROUTER_ASN: u32 = 64513;
const NAMESPACE: &str = "herald-system";
/// CAP_NET_BIND_SERVICE and CAP_NET_RAW (capabilities(7)), as `/proc/PID/status` writes a set.
const SPEAKER_CAPABILITIES: &str = "0000000000002400";
const NO_CAPABILITIES: &str = "0000000000000000";

pub struct Scene {
    // Before the router that it asks.
    _fib: Fib,
    _router: Arc<GoBgp>,
    client: Netns,
    router_netns: Netns,
    cluster: Cluster,
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
        let fib = Fib::start(&router_netns, move || asked.routes());
        Scene {
            _fib: fib,
            _router: router,
            client,
            router_netns,
            cluster,
        }
    }

    /// From a node that has none of them.
    pub fn pods_answer_across_nodes(&self) {
        self.cluster.control_plane.apply_yaml(DEPLOYMENT);
        self.cluster.await_rollout("Deployment", "default", "web");
        let pods = self.cluster.control_plane.list("Pod", "default");
        let mut answered = BTreeSet::new();
        for pod in pods.expect("a list") {
            let address = pod["status"]["podIP"].as_str().expect("an address");
            let server = SocketAddr::new(ip(address), 8080);
            let from = self.cluster.node(MASTER).netns();
            answered.insert(eventually("the Pod answers", SOON, || {
                http::get(from, server, "/")
            }));
        }
        let expected = [NODES[1], NODES[2]].map(|name| (200, name.to_owned()));
        assert_eq!(answered, BTreeSet::from(expected));
    }

    pub fn install_herald(&self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes/base");
        let folder = folder.canonicalize().expect("the manifests");
        let apply = ["apply", "--server-side", "-k", &folder.to_string_lossy()];
        let applied = self.cluster.control_plane.kubectl(&apply, "");
        applied.expect("applied");
        let rollouts = [
            ("Deployment", "herald-controller"),
            ("DaemonSet", "herald-speaker"),
        ];
        for (kind, name) in rollouts {
            self.cluster.await_rollout(kind, NAMESPACE, name);
        }
    }

    pub fn containers_may_do_no_more_than_they_need(&self) {
        let programs = self.cluster.nodes().iter().flat_map(processes_of_herald);
        let found: Vec<[String; 5]> = programs.collect();
        let row = |name: &str, user: &str, capabilities: &str| {
            [name, user, capabilities, "1", "2"].map(str::to_owned)
        };
        let controller = row("controller", "65532", NO_CAPABILITIES);
        let speaker = row("speaker", "0", SPEAKER_CAPABILITIES);
        let count = |row: &[String; 5]| found.iter().filter(|other| *other == row).count();
        let counts = [count(&controller), count(&speaker), found.len()];
        assert_eq!(counts, [2, 3, 5], "{found:#?}");
    }

    pub fn a_client_behind_the_router_is_served(&self) {
        let router = self.router_address();
        let configuration = CONFIGURATION.replace("ROUTER", &router.to_string());
        self.cluster.control_plane.apply_yaml(&configuration);
        self.await_hops(&NODES);
        let mut served = BTreeSet::new();
        eventually("both Pods have answered", SOON, || {
            let (_, name) = http::get(&self.client, server(), "/")?;
            served.insert(name);
            match served.len() {
                2 => Ok(()),
                _ => Err(format!("{served:?}")),
            }
        });
        for node in self.cluster.nodes() {
            let state = node.path("/var/lib/herald/speaker.json");
            eventually("the speaker has a state file", SOON, || {
                std::fs::metadata(&state).map_err(|error| error.to_string())
            });
        }
    }

    /// The router keeps the routes of a speaker that restarts (RFC 4724 §4.2).
    pub fn a_rollout_loses_no_request(&self) {
        let requests = Requests::start(&self.client, server());
        let speakers = || self.processes("speaker");
        let old = speakers();
        let restart = ["rollout", "restart", "daemonset/herald-speaker"];
        let arguments = [&restart[..], &["--namespace", NAMESPACE]].concat();
        let restarted = self.cluster.control_plane.kubectl(&arguments, "");
        restarted.expect("restarted");
        self.cluster
            .await_rollout("DaemonSet", NAMESPACE, "herald-speaker");
        let count = requests.stop();
        println!("{} requests during the rollout", count.answered);
        assert_eq!(
            count.lost,
            Vec::<String>::new(),
            "{} answered",
            count.answered
        );
        assert!(count.answered > 0);
        assert!(speakers().is_disjoint(&old), "no speaker is an old one");
        self.await_hops(&NODES);
    }

    pub fn a_lost_node_is_left_and_traffic_goes_on(&mut self) {
        self.cluster.lose(LOST);
        self.await_hops(&[NODES[0], NODES[2]]);
        let object = ("Node", "", LOST);
        let what = "the lost node is no longer Ready";
        self.cluster
            .control_plane
            .wait_until(what, READY, object, |node| {
                (ready(node) != Some("True")).then_some(())
            });
        // Its Pod is an endpoint for a moment more.
        let answered = || http::get(&self.client, server(), "/");
        eventually(
            "20 requests in a row are answered by the other",
            LATER,
            || {
                let expected = Ok((200, NODES[2].to_owned()));
                match (0..20)
                    .map(|_| answered())
                    .find(|answer| *answer != expected)
                {
                    None => Ok(()),
                    Some(other) => Err(format!("{other:?}")),
                }
            },
        );
    }

    /// Waits until the router's kernel routes the VIP to exactly these nodes.
    fn await_hops(&self, names: &[&str]) {
        let address = |name: &&str| {
            let nodes = self.cluster.nodes().iter();
            nodes
                .map(|node| (node.name(), node.address()))
                .find(|(known, _)| known == name)
        };
        let expected: BTreeSet<IpAddr> =
            names.iter().filter_map(address).map(|(_, ip)| ip).collect();
        assert_eq!(expected.len(), names.len());
        let what = format!("the router has the next hops {names:?}");
        eventually_equal(&what, LATER, &expected, || {
            let routes = integration::kernel::routes(&self.router_netns);
            routes.get(&ip(VIP).into()).cloned().unwrap_or_default()
        });
    }

    fn router_address(&self) -> IpAddr {
        let text = self.router_netns.ip("-json -4 address show dev nodes0");
        let rows: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        ip(rows[0]["addr_info"][0]["local"]
            .as_str()
            .expect("an address"))
    }

    /// Numbers of the processes of a role.
    fn processes(&self, role: &str) -> BTreeSet<String> {
        let nodes = self.cluster.nodes().iter();
        let all = nodes.flat_map(herald_pids);
        all.filter(|pid| self::role(pid).as_deref() == Some(role))
            .collect()
    }
}

fn server() -> SocketAddr {
    SocketAddr::new(ip(VIP), 80)
}

fn ip(text: &str) -> IpAddr {
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

/// Of each herald on a node: role, user, bounding set, whether it may get no new privileges, and
/// how system calls are filtered (2: by a filter).
fn processes_of_herald(node: &Node) -> Vec<[String; 5]> {
    let row = |pid: String| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))?;
            value.split('\t').next().map(str::to_owned)
        };
        Some([
            role(&pid)?,
            field("Uid")?,
            field("CapBnd")?,
            field("NoNewPrivs")?,
            field("Seccomp")?,
        ])
    };
    herald_pids(node).into_iter().filter_map(row).collect()
}

/// The first argument of a herald, such as `speaker`.
fn role(pid: &str) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    line.split('\0').nth(1).map(str::to_owned)
}

/// Processes by the name herald in the containers of a node. Each of them sees the node's
/// processes as its own namespace's children, so that this machine's numbers are what is asked.
fn herald_pids(node: &Node) -> Vec<String> {
    let parent = |pid: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("PPid:\t"))?;
        line.parse::<u32>().ok()
    };
    let is_below = |pid: &str| {
        let mut next = pid.parse::<u32>().ok();
        while let Some(pid) = next.filter(|pid| *pid > 1) {
            if pid == node.first_process() {
                return true;
            }
            next = parent(&pid.to_string());
        }
        false
    };
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    pids.filter(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name == "herald\n") && is_below(pid)
    })
    .collect()
}

/// A backend on each node that takes Pods.
pub const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        nodeTaintsPolicy: Honor
        labelSelector: {matchLabels: {app: web}}
      containers:
      - name: web
        image: localhost/herald-lab/pods:1
        imagePullPolicy: Never
        command: [/web]
        env:
        - name: NODE
          valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
        readinessProbe:
          httpGet: {path: /, port: 8080}
          periodSeconds: 1
";

const CONFIGURATION: &str = "
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: public, namespace: herald-system}
spec:
  addresses: [198.51.100.1/32]
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: public, namespace: herald-system}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: herald-system}
spec:
  myASN: 64512
  peerASN: 64513
  peerAddress: ROUTER
  holdTime: 9s
  enableGracefulRestart: true
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports:
  - {port: 80, targetPort: 8080}
";
