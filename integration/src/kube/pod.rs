//! A Pod without a kubelet: its status is what the test says.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::client::{Client, Patch};
use super::node::Node;
use crate::tcp::Server;

/// A Pod on a node. On a node with a machine, a server at its addresses answers each connection
/// with the Pod's name, until dropped. The object stays.
#[derive(Debug)]
pub struct Pod {
    client: Client,
    namespace: String,
    name: String,
    addresses: [IpAddr; 2],
    _servers: Vec<Server>,
}

impl Pod {
    /// Makes a Pod that runs and is Ready; `labels` as Services select it.
    pub fn run(
        client: &Client,
        node: &Node,
        namespace: &str,
        name: &str,
        labels: &Value,
        port: u16,
    ) -> Pod {
        let pod = Pod::start(client, node, namespace, name, labels, port);
        pod.set_ready(true);
        pod
    }

    /// As [`Pod::run`]; it is not Ready yet.
    pub fn start(
        client: &Client,
        node: &Node,
        namespace: &str,
        name: &str,
        labels: &Value,
        port: u16,
    ) -> Pod {
        let created = client.create(&json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {
                "nodeName": node.name(),
                "containers": [{
                    "name": "server",
                    "image": "none",
                    "ports": [{"containerPort": port}],
                }],
            },
        }));
        created.unwrap_or_else(|failure| panic!("{namespace}/{name}: {failure}"));
        let addresses = node.pod_addresses();
        let server =
            |address: IpAddr| Server::start(node.netns(), SocketAddr::new(address, port), name);
        let servers = match node.has_machine() {
            true => addresses.map(server).into(),
            false => Vec::new(),
        };
        let pod = Pod {
            client: client.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            addresses,
            _servers: servers,
        };
        let [v4, v6] = addresses;
        pod.change_status(&json!({
            "phase": "Running",
            "podIP": v4,
            "podIPs": [{"ip": v4}, {"ip": v6}],
        }));
        pod.set_ready(false);
        pod
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its addresses, IPv4 and IPv6.
    pub fn addresses(&self) -> [IpAddr; 2] {
        self.addresses
    }

    /// Sets its Ready condition.
    pub fn set_ready(&self, ready: bool) {
        let status = match ready {
            true => "True",
            false => "False",
        };
        let conditions = ["Ready", "ContainersReady"];
        let conditions = conditions.map(|name| json!({"type": name, "status": status}));
        self.change_status(&json!({ "conditions": conditions }));
    }

    /// Asks it to end: it is terminating, with its condition as it is, until
    /// [`Pod::delete`], as no kubelet ends it.
    pub fn terminate(&self) {
        let path = format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.name);
        let path = format!("{path}?gracePeriodSeconds=3600");
        self.client
            .request("DELETE", &path, None)
            .unwrap_or_else(|failure| panic!("{}: {failure}", self.name));
    }

    /// Deletes the object at once; its server goes on until the Pod is dropped.
    pub fn delete(&self) {
        self.client
            .delete("Pod", &self.namespace, &self.name)
            .unwrap_or_else(|failure| panic!("{}: {failure}", self.name));
    }

    fn change_status(&self, status: &Value) {
        let name = format!("{}/status", self.name);
        let change = json!({ "status": status });
        self.client
            .patch("Pod", &self.namespace, &name, Patch::Strategic, &change)
            .unwrap_or_else(|failure| panic!("{}: {failure}", self.name));
    }
}
