//! Services and EndpointSlices, posted as fast as the API server takes them.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use integration::kube::client::Client;
use serde_json::{Value, json};

/// Requests at the same time, each on a connection of its own.
pub const CONNECTIONS: usize = 16;
/// How often one object is posted before that is an error.
const ATTEMPTS: usize = 5;

/// A Service of type LoadBalancer without a selector: nobody but the load balancer has to do with
/// it. There are fewer node ports than Services.
pub fn service(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": false,
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    })
}

/// The EndpointSlice of a Service: one ready endpoint.
pub fn slice(namespace: &str, name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-a"),
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{
            "addresses": ["10.244.200.1"],
            "nodeName": node,
            "conditions": {"ready": true, "serving": true, "terminating": false},
        }],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    })
}

/// Creates the objects of all numbers; when the last was answered.
///
/// # Panics
///
/// If one is refused each time.
pub fn create(
    client: &Client,
    numbers: Range<usize>,
    object: impl Fn(usize) -> Value + Sync,
) -> Instant {
    let next = AtomicUsize::new(numbers.start);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Instant::now();
            }
            create_one(client, &object(number));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().filter_map(|worker| worker.join().ok());
        let ends: Vec<Instant> = ends.collect();
        assert!(ends.len() == CONNECTIONS, "objects could not be created");
        ends.into_iter().max().unwrap_or_else(Instant::now)
    })
}

fn create_one(client: &Client, object: &Value) {
    for attempt in 1..=ATTEMPTS {
        match client.create(object) {
            Ok(_) => return,
            // It was created by an attempt whose answer was lost.
            Err(failure) if failure.reason == "AlreadyExists" && attempt > 1 => return,
            Err(failure) if attempt == ATTEMPTS => panic!("{failure}: {object}"),
            Err(failure) => eprintln!("again: {failure}"),
        }
    }
}
