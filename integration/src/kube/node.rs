//! A node: an object, a namespace with kube-proxy, and no kubelet.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Patch};
use super::failure::Failure;
use super::heartbeat::Heartbeat;
use super::{ControlPlane, FIRST_NODE, FIRST_POD, PODS, addresses};
use crate::lab::Lab;
use crate::netns::Netns;
use crate::process::Process;
use crate::wait;

/// A node's link to the nodes' network.
pub const LINK: &str = "kube0";
/// How long kube-proxy may take to begin.
const PROXY_READY: Duration = Duration::from_secs(120);

/// A node of the cluster, taken away when dropped.
#[derive(Debug)]
pub struct Node {
    name: String,
    number: u16,
    client: Client,
    heartbeat: Option<Heartbeat>,
    proxy: Option<Process>,
    netns: Option<Netns>,
    pods: AtomicU16,
}

impl Node {
    /// Adds a node that is Ready and has a heartbeat: its object alone, for tests of decisions.
    pub fn add_object(control_plane: &ControlPlane, name: &str) -> Node {
        let number = control_plane.next_node();
        let node = Node {
            name: name.to_owned(),
            number,
            client: control_plane.client().clone(),
            heartbeat: Some(Heartbeat::start(control_plane.client().clone(), name)),
            proxy: None,
            netns: None,
            pods: AtomicU16::new(0),
        };
        let created = node.client.create(&json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            }},
        }));
        created.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let mut listed: Vec<Value> = node
            .addresses()
            .iter()
            .map(|address| json!({"type": "InternalIP", "address": address}))
            .collect();
        listed.push(json!({"type": "Hostname", "address": name}));
        node.change_status(&json!({
            "addresses": listed,
            "capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
        }));
        node.set_ready("True");
        node
    }

    /// As [`Node::add_object`], and its machine: a namespace on the nodes' network that forwards,
    /// without kube-proxy.
    pub fn add_machine(control_plane: &ControlPlane, lab: &Lab, name: &str) -> Node {
        let mut node = Node::add_object(control_plane, name);
        let netns = lab.netns(name);
        netns.forward();
        control_plane.attach_as(&netns, LINK, node.number);
        node.netns = Some(netns);
        node
    }

    /// As [`Node::add_machine`], with kube-proxy in nftables mode, which has written its first rules.
    pub fn add(control_plane: &ControlPlane, lab: &Lab, name: &str) -> Node {
        let mut node = Node::add_machine(control_plane, lab, name);
        let log = lab.log(&format!("kube-proxy-{name}"));
        let proxy = kube_proxy(control_plane, node.netns(), &log, name);
        node.proxy = Some(proxy);
        node
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its addresses on the nodes' network, IPv4 and IPv6.
    pub fn addresses(&self) -> [IpAddr; 2] {
        addresses(self.number)
    }

    /// Its machine.
    ///
    /// # Panics
    ///
    /// If it has none.
    pub fn netns(&self) -> &Netns {
        let netns = self.netns.as_ref();
        netns.unwrap_or_else(|| panic!("{} is an object alone", self.name))
    }

    /// Whether it is more than an object.
    pub fn has_machine(&self) -> bool {
        self.netns.is_some()
    }

    /// kube-proxy's tables there, as `nft` prints them; empty where there are none yet.
    pub fn rules(&self) -> String {
        rules(self.netns())
    }

    /// Drops what the API server sends to the node, or no longer: neither is told.
    pub fn set_deaf(&self, control_plane: &ControlPlane, deaf: bool) {
        let (address, port) = control_plane.endpoint();
        let family = match address {
            IpAddr::V4(_) => "ip",
            IpAddr::V6(_) => "ip6",
        };
        let nft = |command: &str| self.netns().run("nft", &[command]);
        if !deaf {
            nft("delete table inet deaf");
            return;
        }
        nft("add table inet deaf");
        nft("add chain inet deaf input { type filter hook input priority 0; }");
        nft(&format!(
            "add rule inet deaf input {family} saddr {address} tcp sport {port} drop"
        ));
    }

    /// Sets its Ready condition: `True`, `False` or `Unknown`. The node-lifecycle controller leaves
    /// it while the heartbeat goes on.
    pub fn set_ready(&self, status: &str) {
        self.set_condition("Ready", status);
    }

    /// Sets one of its conditions, such as `NetworkUnavailable`.
    pub fn set_condition(&self, condition: &str, status: &str) {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let now = now.to_string();
        self.change_status(&json!({"conditions": [{
            "type": condition,
            "status": status,
            "reason": "SetByTest",
            "message": "",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }]}));
    }

    /// `kubectl cordon`, or `uncordon`.
    pub fn set_unschedulable(&self, unschedulable: bool) {
        self.change(&json!({"spec": {"unschedulable": unschedulable}}));
    }

    /// Adds labels, or with null removes them: `{"zone": "a"}`.
    pub fn set_labels(&self, labels: &Value) {
        self.change(&json!({"metadata": {"labels": labels}}));
    }

    /// Merges a change into the object; lists by their keys ([`Patch::Strategic`]).
    pub fn change(&self, change: &Value) {
        self.patch(&self.name, change)
            .unwrap_or_else(|failure| panic!("{}: {failure}", self.name));
    }

    fn change_status(&self, status: &Value) {
        let name = format!("{}/status", self.name);
        self.patch(&name, &json!({ "status": status }))
            .unwrap_or_else(|failure| panic!("{}: {failure}", self.name));
    }

    fn patch(&self, name: &str, change: &Value) -> Result<Value, Failure> {
        self.client
            .patch("Node", "", name, Patch::Strategic, change)
    }

    /// The kubelet falls silent: after the grace period, the node-lifecycle controller makes the
    /// node Unknown.
    pub fn stop_heartbeat(&mut self) {
        self.heartbeat = None;
    }

    /// The kubelet is back. What it says about the node is [`Node::set_ready`].
    pub fn start_heartbeat(&mut self) {
        self.heartbeat = Some(Heartbeat::start(self.client.clone(), &self.name));
    }

    /// Addresses for the next Pod there, on its link: every node and every router on the nodes'
    /// network reaches them.
    pub(super) fn pod_addresses(&self) -> [IpAddr; 2] {
        let pod = self.pods.fetch_add(1, Ordering::Relaxed);
        let row = (self.number - FIRST_NODE).checked_mul(PODS);
        let number = row.and_then(|row| FIRST_POD.checked_add(row)?.checked_add(pod));
        let number = number.filter(|_| pod < PODS);
        let found = addresses(number.unwrap_or_else(|| panic!("no addresses are left")));
        if let Some(netns) = &self.netns {
            let [v4, v6] = found;
            netns.add_address(LINK, &format!("{v4}/32"));
            netns.add_address(LINK, &format!("{v6}/128"));
        }
        found
    }
}

/// Starts kube-proxy in nftables mode for a node of that name, and waits for its first rules.
pub(crate) fn kube_proxy(
    control_plane: &ControlPlane,
    netns: &Netns,
    log: &Path,
    name: &str,
) -> Process {
    let mut command = Command::new(control_plane.program("kube-proxy"));
    command
        .arg("--kubeconfig")
        .arg(control_plane.proxy_kubeconfig())
        .args(["--proxy-mode=nftables", "--hostname-override", name])
        // A root without CAP_SYS_RESOURCE cannot raise these; 0 leaves them.
        .args(["--conntrack-max-per-core=0", "--conntrack-min=0"])
        .arg("--conntrack-tcp-timeout-established=0")
        .arg("--conntrack-tcp-timeout-close-wait=0")
        .args(["--healthz-bind-address=127.0.0.1:10256"])
        .args(["--metrics-bind-address=127.0.0.1:10249"])
        .args(["--config-sync-period=10s"])
        .current_dir(control_plane.folder());
    let mut proxy = Process::spawn_bounded(netns, log, command);
    wait::eventually("kube-proxy has written its rules", PROXY_READY, || {
        if !proxy.is_running() {
            panic!("it ended: {}", crate::process::tail(&proxy.log()));
        }
        match rules(netns) {
            rules if rules.contains("service-ips") => Ok(()),
            _ => Err(crate::process::tail(&proxy.log())),
        }
    });
    proxy
}

/// kube-proxy's tables in a namespace.
fn rules(netns: &Netns) -> String {
    let list = |family: &str| {
        let table = ["list", "table", family, "kube-proxy"];
        netns
            .enter(|| crate::command::output("nft", &table))
            .unwrap_or_default()
    };
    list("ip") + &list("ip6")
}

impl Drop for Node {
    fn drop(&mut self) {
        self.heartbeat = None;
        // An API server that is gone has no nodes.
        let _ = self.client.delete("Node", "", &self.name);
    }
}
