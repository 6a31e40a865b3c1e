//! A whole cluster on one machine: a control plane with a scheduler, and nodes with a kubelet.
//!
//! Where [`crate::kube`] has Nodes and Pods that a test writes, here containers run. A
//! [`node::Node`] has a network of its own on the control plane's bridge, containerd, the CNI
//! plugin `bridge`, kubelet and kube-proxy. Images come from archives, not from a registry.
//!
//! [`residue::Residue`] is what all this leaves on the machine: nothing.

pub mod cgroup;
pub mod fib;
pub mod images;
pub mod node;
pub mod program;
pub mod residue;

mod config;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kube::client::Patch;
use crate::kube::{ControlPlane, NEEDS as KUBE_NEEDS};
use crate::lab::{Lab, Need, skip};
use crate::process::Process;
use crate::wait;
use images::Images;
use node::Node;

/// What a test with such a cluster needs, besides what one with an API server does.
const NEEDS: &[Need] = &[
    Need::Gobgp,
    Need::Program("containerd", "containerd"),
    Need::Program("runc", "runc"),
    Need::Program("/usr/lib/cni/bridge", "containernetworking-plugins"),
    Need::Program("unshare", "util-linux"),
];

/// How long nodes may take to be Ready, or Pods. Half a minute is usual; a machine may be busy.
pub const READY: Duration = Duration::from_secs(240);

/// A running cluster, gone when dropped.
#[derive(Debug)]
pub struct Cluster {
    // In this order: each is a client of the next.
    nodes: Vec<Node>,
    scheduler: Option<Process>,
    /// Its API server.
    pub control_plane: ControlPlane,
    /// The test's own lab.
    pub lab: Lab,
}

impl Cluster {
    /// The lab of a test with a cluster, and the images for it; `None` where the machine cannot,
    /// as [`Lab::open`].
    pub fn prepare() -> Option<(Lab, &'static Images)> {
        let lab = Lab::open(&[KUBE_NEEDS, NEEDS].concat())?;
        match images::images() {
            Ok(images) => Some((lab, images)),
            Err(reason) => {
                skip(lab.test(), &reason);
                None
            }
        }
    }

    /// Starts one with nodes of these names, which have these archives of images besides the lab's
    /// own, and waits until all are Ready.
    ///
    /// # Panics
    ///
    /// If they do not get Ready; logs are in the lab's folder.
    pub fn start(lab: Lab, images: &Images, archives: &[PathBuf], names: &[&str]) -> Cluster {
        let control_plane = ControlPlane::start(&lab);
        let mut cluster = Cluster {
            nodes: Vec::new(),
            scheduler: None,
            control_plane,
            lab,
        };
        cluster.scheduler = Some(cluster.start_scheduler());
        cluster.publish_apiserver();
        let mut archives = archives.to_vec();
        archives.push(images.archive().to_path_buf());
        for (number, name) in (1..).zip(names) {
            let node = Node::start(
                &cluster.lab,
                &cluster.control_plane,
                number,
                name,
                &archives,
            );
            cluster.nodes.push(node);
        }
        cluster.join_pods();
        cluster.await_nodes();
        cluster
    }

    /// Its nodes that have not been lost.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn node(&self, name: &str) -> &Node {
        let found = self.nodes.iter().find(|node| node.name() == name);
        found.unwrap_or_else(|| panic!("there is no node {name}"))
    }

    /// Power off for a node: all that runs there ends at once, and its link goes. Its object stays.
    pub fn lose(&mut self, name: &str) {
        self.nodes.retain(|node| node.name() != name);
    }

    /// Makes a node one of the control plane: its label, and the taint that keeps others away.
    pub fn make_control_plane(&self, name: &str) {
        let role = "node-role.kubernetes.io/control-plane";
        let change = json!({
            "metadata": {"labels": {role: ""}},
            "spec": {"taints": [{"key": role, "effect": "NoSchedule"}]},
        });
        let changed = self
            .control_plane
            .patch("Node", "", name, Patch::Strategic, &change);
        changed.unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// Waits until a Deployment or DaemonSet runs as it is specified now, everywhere.
    pub fn await_rollout(&self, kind: &str, namespace: &str, name: &str) {
        let what = format!("{kind} {namespace}/{name} is rolled out");
        wait::eventually(&what, READY, || {
            let object = self.control_plane.get(kind, namespace, name);
            let object = object.map_err(|failure| failure.to_string())?;
            match is_rolled_out(&object) {
                true => Ok(()),
                false => Err(format!(
                    "{:#}\n{}",
                    object["status"],
                    self.pods(namespace).join("\n")
                )),
            }
        });
    }

    /// A line for each Pod of a namespace: name, node, phase, and why containers wait.
    pub fn pods(&self, namespace: &str) -> Vec<String> {
        let pods = self.control_plane.list("Pod", namespace);
        let line = |pod: &Value| {
            let status = &pod["status"];
            let states = status["containerStatuses"].as_array();
            let states: Vec<String> = states
                .into_iter()
                .flatten()
                .map(|container| container["state"].to_string())
                .collect();
            format!(
                "{} on {}: {} {}",
                pod["metadata"]["name"],
                pod["spec"]["nodeName"],
                status["phase"],
                states.join(" ")
            )
        };
        pods.unwrap_or_default().iter().map(line).collect()
    }

    fn start_scheduler(&self) -> Process {
        let mut command = Command::new(self.control_plane.program("kube-scheduler"));
        command
            .arg("--kubeconfig")
            .arg(self.control_plane.admin_kubeconfig())
            .args(["--leader-elect=false", "--secure-port=0"])
            .current_dir(self.lab.folder("scheduler"));
        let log = self.lab.log("kube-scheduler");
        Process::spawn_bounded(self.control_plane.netns(), &log, command)
    }

    /// The Service `kubernetes`, by which Pods reach the API server, gets its endpoint: the API
    /// server of the lab leaves that to others.
    fn publish_apiserver(&self) {
        let (address, port) = self.control_plane.endpoint();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "protocol": "TCP", "port": port}],
        });
        let created = self.control_plane.create(&slice);
        created.unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Every node, and the API server, routes to the Pods of each other node.
    fn join_pods(&self) {
        let others = || self.nodes.iter().map(Node::netns);
        for node in &self.nodes {
            let route = format!("route add {} via {}", node.pods(), node.address());
            let own = node.netns().name();
            others()
                .chain([self.control_plane.netns()])
                .filter(|netns| netns.name() != own)
                .for_each(|netns| drop(netns.ip(&route)));
        }
    }

    fn await_nodes(&self) {
        for node in &self.nodes {
            let what = format!("the node {} is Ready", node.name());
            let object = ("Node", "", node.name());
            self.control_plane
                .wait_until(&what, READY, object, |object| {
                    (ready(object) == Some("True")).then_some(())
                });
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                eprintln!("{}", node.log_tails());
            }
        }
    }
}

/// The status of a node's Ready condition.
pub fn ready(node: &Value) -> Option<&str> {
    let conditions = node["status"]["conditions"].as_array()?;
    let ready = conditions
        .iter()
        .find(|condition| condition["type"] == "Ready");
    ready?["status"].as_str()
}

/// By the rules of `kubectl rollout status`, and with all Pods available.
fn is_rolled_out(object: &Value) -> bool {
    let status = &object["status"];
    let count = |name: &str| status[name].as_i64().unwrap_or(0);
    let seen = status["observedGeneration"].as_i64() >= object["metadata"]["generation"].as_i64();
    let wanted = object["spec"]["replicas"].as_i64();
    let counts = match wanted {
        Some(replicas) => {
            count("updatedReplicas") == replicas
                && count("replicas") == replicas
                && count("availableReplicas") == replicas
        }
        None => {
            let desired = count("desiredNumberScheduled");
            desired > 0
                && count("updatedNumberScheduled") == desired
                && count("numberAvailable") == desired
        }
    };
    seen && counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_over_when_all_that_are_wanted_are_new_and_available() {
        let object = |generation: i64, updated: i64, available: i64| {
            json!({
                "metadata": {"generation": generation},
                "spec": {},
                "status": {
                    "observedGeneration": 2,
                    "desiredNumberScheduled": 3,
                    "updatedNumberScheduled": updated,
                    "numberAvailable": available,
                },
            })
        };
        assert!(is_rolled_out(&object(2, 3, 3)));
        for other in [object(3, 3, 3), object(2, 2, 3), object(2, 3, 2), json!({})] {
            assert!(!is_rolled_out(&other), "{other:#}");
        }
    }
}
