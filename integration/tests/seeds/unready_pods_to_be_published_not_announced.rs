//! `publishNotReadyAddresses: true`, and Pods that are not Ready: its slices say ready=true and
//! serving=false, and the Service was not announced.

use integration::bird::Bird;
use integration::kube::fabric::{Fabric, Plan};
use integration::kube::shared::Shared;
use serde_json::{Value, json};

fn published(policy: &str) -> Value {
    json!({"publishNotReadyAddresses": true, "externalTrafficPolicy": policy})
}

#[test]
fn a_service_that_publishes_unready_pods_is_announced_from_the_start() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 2).establish::<Bird>();
    fabric.service("cluster", published("Cluster"));
    fabric.service("local", published("Local"));
    let _pods = ["cluster", "local"].map(|name| fabric.start_pod(name, 1));
    fabric.assign("cluster", &[fabric.vip(1)]);
    fabric.assign("local", &[fabric.vip(2)]);
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    fabric.await_hops(fabric.vip(2), &[1]);
}

#[test]
fn a_service_that_publishes_unready_pods_stays_announced_while_pods_are_replaced() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    fabric.service("web", published("Local"));
    let old = fabric.pod("web", 0);
    fabric.assign("web", &[fabric.vip(1)]);
    fabric.await_hops(fabric.vip(1), &[0]);
    fabric.await_kernel_hops(fabric.vip(1), &[0]);
    let witness = fabric.witness();
    // Each Pod waits for the other: neither is Ready for a while.
    let new = fabric.start_pod("web", 0);
    old.set_ready(false);
    fabric.await_addresses_of("web", &[&old, &new]);
    old.delete();
    fabric.await_addresses_of("web", &[&new]);
    new.set_ready(true);
    // What was announced after it has come: so has all before.
    let _late = fabric.serve("late", 2, &[0], json!({}));
    fabric.await_hops(fabric.vip(2), &[0]);
    assert_eq!(witness.history_of(fabric.vip(1)), []);
}

/// Ready and serving of an endpoint, and whether it is usable.
const TABLE: [(Option<bool>, Option<bool>, bool); 9] = [
    (None, None, true),
    (None, Some(true), true),
    (None, Some(false), true),
    (Some(true), None, true),
    (Some(true), Some(true), true),
    (Some(true), Some(false), true),
    (Some(false), Some(true), true),
    (Some(false), Some(false), false),
    (Some(false), None, false),
];

/// A Service without a selector, and its slice as somebody wrote it.
fn write(
    fabric: &Fabric<Bird>,
    name: &str,
    policy: &str,
    ready: Option<bool>,
    serving: Option<bool>,
) {
    let spec = json!({"selector": null, "externalTrafficPolicy": policy});
    fabric.service(name, spec);
    let conditions = json!({"ready": ready, "serving": serving});
    let mut conditions = conditions.as_object().cloned().unwrap_or_default();
    conditions.retain(|_, value| !value.is_null());
    fabric.create(&json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": fabric.namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{
            "addresses": ["10.244.200.1"],
            "nodeName": fabric.nodes[0].name(),
            "conditions": conditions,
        }],
        "ports": [{"port": 8080}],
    }));
}

#[test]
fn an_endpoint_is_usable_if_it_is_ready_or_serving_or_says_nothing() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    for (policy, first) in [("Cluster", 10), ("Local", 30)] {
        for (last, (ready, serving, _)) in (first..).zip(TABLE) {
            let name = format!("{}-{last}", policy.to_lowercase());
            write(&fabric, &name, policy, ready, serving);
            fabric.assign(&name, &[fabric.vip(last)]);
        }
    }
    // The last that is assigned is announced after all others.
    write(&fabric, "end", "Cluster", None, None);
    fabric.assign("end", &[fabric.vip(60)]);
    fabric.await_hops(fabric.vip(60), &[0]);
    for first in [10, 30] {
        for (last, (ready, serving, usable)) in (first..).zip(TABLE) {
            let announced = !fabric.hops(fabric.vip(last)).is_empty();
            assert_eq!(announced, usable, "{ready:?} {serving:?}");
        }
    }
}
