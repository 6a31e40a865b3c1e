//! `herald controller` in a cluster, and the Services of one namespace that it gives addresses to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::ControlPlane;
use super::client::{Client, Patch};
use super::herald::{Daemon, Installation};
use crate::lab::Lab;
use crate::manifests::{merge, pool};
use crate::wait::{SOON, eventually, eventually_equal};

/// A controller that runs beside the API server.
#[derive(Debug)]
pub struct Balancer<'a> {
    /// The replicas; most tests have one.
    pub replicas: Vec<Daemon>,
    /// Herald's objects.
    pub herald: Installation,
    /// The Kubernetes namespace of its Services.
    pub namespace: String,
    cluster: &'a ControlPlane,
}

impl<'a> Balancer<'a> {
    /// Installs Herald and starts one replica.
    pub fn start(cluster: &'a ControlPlane, lab: &Lab) -> Balancer<'a> {
        Balancer::with_replicas(cluster, lab, 1, &[])
    }

    /// Installs Herald and starts that many replicas, with more arguments for each.
    pub fn with_replicas(
        cluster: &'a ControlPlane,
        lab: &Lab,
        count: usize,
        arguments: &[&str],
    ) -> Balancer<'a> {
        let herald = Installation::add(cluster);
        let replica = |index: usize| {
            let identity = format!("controller-{}", index + 1);
            let mut daemon = herald
                .controller(cluster, lab, &identity)
                .with(&["--identity", &identity])
                .with(arguments);
            daemon.launch(cluster.netns());
            daemon
        };
        Balancer {
            replicas: (0..count).map(replica).collect(),
            namespace: cluster.namespace("web"),
            cluster,
            herald,
        }
    }

    /// Starts a replica, or starts it again.
    pub fn launch(&mut self, replica: usize) {
        self.replicas[replica].launch(self.cluster.netns());
    }

    /// Applies a pool with these addresses; `spec` has fields besides.
    pub fn pool(&self, name: &str, addresses: &[&str], spec: Value) {
        let pool = merge(pool(name, addresses), json!({ "spec": spec }));
        self.herald.put(pool);
    }

    /// Waits until the first replica knows these pools: a Service that is created after them may be
    /// heard of before them.
    pub fn await_pools(&self, names: &[&str]) {
        for name in names {
            eventually(&format!("pool {name} is known"), SOON, || {
                self.replicas[0].entry("pools", name)
            });
        }
    }

    /// Creates a Service. `more` is merged into it: annotations, labels, spec.
    pub fn service(&self, name: &str, more: Value) {
        self.cluster
            .create(&self.manifest(name, more))
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// What [`Balancer::service`] creates.
    pub fn manifest(&self, name: &str, more: Value) -> Value {
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": self.herald.class(),
                "allocateLoadBalancerNodePorts": false,
                "selector": {"app": name},
                "ports": [{"name": "http", "port": 80}],
            },
        });
        merge(service, more)
    }

    /// Merges a change into a Service.
    pub fn change(&self, name: &str, change: &Value) {
        self.cluster
            .patch("Service", &self.namespace, name, Patch::Merge, change)
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// Deletes a Service.
    pub fn delete(&self, name: &str) {
        self.cluster
            .delete("Service", &self.namespace, name)
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// A Service as it is.
    pub fn get(&self, name: &str) -> Value {
        let service = self.cluster.get("Service", &self.namespace, name);
        service.unwrap_or_else(|failure| panic!("{name}: {failure}"))
    }

    /// The addresses of a Service.
    pub fn addresses(&self, name: &str) -> Vec<String> {
        addresses(&self.get(name))
    }

    /// Waits until a Service has exactly these addresses.
    pub fn await_addresses(&self, name: &str, expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        eventually_equal(&format!("addresses of {name}"), SOON, &expected, || {
            self.addresses(name)
        });
    }

    /// Waits until a Service has some address; it.
    pub fn await_any(&self, name: &str) -> IpAddr {
        eventually(&format!("{name} has an address"), SOON, || {
            let service = self.get(name);
            let found = addresses(&service).into_iter().next();
            let found = found.and_then(|address| address.parse().ok());
            found.ok_or_else(|| service["status"].to_string())
        })
    }

    /// Waits until the condition of a Service that lacks an address says that; it holds none.
    pub fn await_pending(&self, name: &str, words: &str) {
        eventually(&format!("{name} is pending: {words}"), SOON, || {
            let service = self.get(name);
            let condition = condition(&service);
            let says = condition["message"].as_str().unwrap_or_default();
            match condition["status"] == "False" && says.contains(words) {
                true if addresses(&service).is_empty() => Ok(()),
                _ => Err(service["status"].to_string()),
            }
        });
    }

    /// Waits until there is an Event of that reason about a Service, of any if that is empty, whose
    /// note has these words.
    pub fn await_event(&self, name: &str, reason: &str, words: &str) {
        eventually(&format!("{reason} of {name}"), SOON, || {
            let events = events(self.cluster, &self.get(name));
            let said = |(known, note): &&(String, String)| {
                (reason.is_empty() || known == reason) && note.contains(words)
            };
            match events.iter().find(said) {
                Some(_) => Ok(()),
                None => Err(format!("{events:#?}")),
            }
        });
    }

    /// The reasons of all Events about a Service.
    pub fn event_reasons(&self, name: &str) -> BTreeSet<String> {
        let events = events(self.cluster, &self.get(name));
        events.into_iter().map(|(reason, _)| reason).collect()
    }
}

/// The addresses in a Service's status.
pub fn addresses(service: &Value) -> Vec<String> {
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array();
    let addresses = ingress.into_iter().flatten();
    let texts = addresses.filter_map(|entry| entry["ip"].as_str());
    texts.map(ToOwned::to_owned).collect()
}

/// The condition `AddressAssigned` of a Service; null where there is none.
pub fn condition(service: &Value) -> Value {
    let conditions = service["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let found = conditions.find(|one| one["type"] == "herald.io/AddressAssigned");
    found.cloned().unwrap_or_default()
}

/// Reasons and notes of the Events about an object.
fn events(client: &Client, object: &Value) -> Vec<(String, String)> {
    let events = client.events_of(object).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pairs = events.iter();
    let pairs = pairs.map(|event| (text(&event["reason"]), text(&event["message"])));
    pairs.collect()
}
