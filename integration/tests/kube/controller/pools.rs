//! Pools: whom they serve, in which order, and what happens when they change.

use integration::kube::balancer::Balancer;
use integration::kube::client::Patch;
use integration::kube::shared::Shared;
use integration::wait::{SOON, eventually_equal};
use serde_json::{Value, json};

fn labelled(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

#[test]
fn a_pool_serves_the_namespaces_and_services_that_it_is_for() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    let here = &balancer.namespace;
    let tier = |tier: &str| json!([{"matchLabels": {"tier": tier}}]);
    let pools = [
        (
            "elsewhere",
            "10.52.0.0/28",
            json!({"namespaces": ["elsewhere"], "priority": 1}),
        ),
        (
            "by-label",
            "10.52.1.0/28",
            json!({"serviceSelectors": tier("gold"), "priority": 1}),
        ),
        (
            "both",
            "10.52.2.0/28",
            json!({"namespaces": [here], "serviceSelectors": tier("silver"), "priority": 2}),
        ),
        (
            "by-team",
            "10.52.3.0/28",
            json!({"namespaceSelectors": [{"matchLabels": {"team": "a"}}], "priority": 3}),
        ),
    ];
    for (name, range, allocation) in pools {
        balancer.pool(name, &[range], json!({ "serviceAllocation": allocation }));
    }
    balancer.pool("rest", &["10.52.4.0/28"], json!({}));
    balancer.await_pools(&["elsewhere", "by-label", "both", "by-team", "rest"]);
    balancer.service("gold", labelled(json!({"tier": "gold"})));
    balancer.await_addresses("gold", &["10.52.1.0"]);
    balancer.service("silver", labelled(json!({"tier": "silver"})));
    balancer.await_addresses("silver", &["10.52.2.0"]);
    balancer.service("plain", json!({}));
    balancer.await_addresses("plain", &["10.52.4.0"]);
    let team = json!({"metadata": {"labels": {"team": "a"}}});
    cluster
        .patch("Namespace", "", here, Patch::Merge, &team)
        .expect("a label");
    balancer.service("teams", json!({}));
    balancer.await_addresses("teams", &["10.52.3.0"]);
    // Asking for it is no way around whom a pool is for.
    balancer.service(
        "greedy",
        super::annotated(json!({"metallb.io/address-pool": "elsewhere"})),
    );
    balancer.await_pending("greedy", "elsewhere");
}

#[test]
fn a_pool_that_goes_takes_its_addresses_and_another_replaces_them() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("a", &["10.52.8.1/32"], json!({}));
    balancer.pool("b", &["10.52.9.1/32"], json!({}));
    balancer.service("one", json!({}));
    balancer.await_addresses("one", &["10.52.8.1"]);
    balancer.service("two", json!({}));
    balancer.await_addresses("two", &["10.52.9.1"]);
    balancer.herald.delete("IPAddressPool", "a");
    balancer.await_pending("one", "");
    balancer.await_event("one", "ClearAssignment", "10.52.8.1");
    balancer.pool("c", &["10.52.10.1/32"], json!({}));
    balancer.await_addresses("one", &["10.52.10.1"]);
    // An address that is in another pool now is kept.
    balancer.herald.delete("IPAddressPool", "b");
    balancer.pool("d", &["10.52.9.0/28"], json!({}));
    balancer.await_any("two");
    balancer.herald.delete("IPAddressPool", "c");
    balancer.herald.delete("IPAddressPool", "d");
    balancer.await_addresses("one", &[]);
    balancer.await_addresses("two", &[]);
}

#[test]
fn a_pools_status_counts_what_is_given_and_what_is_left() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.52.12.0/30", "fd00:52:12::/126"], json!({}));
    let await_status = |expected: Value| {
        eventually_equal("the pool's counters", SOON, &expected, || {
            let pool = cluster.get("IPAddressPool", balancer.herald.namespace(), "pool");
            pool.expect("the pool")["status"].clone()
        });
    };
    let status = |v4: u8, v6: u8| {
        json!({
            "assignedIPv4": v4, "assignedIPv6": v6,
            "availableIPv4": 4 - v4, "availableIPv6": 4 - v6,
        })
    };
    await_status(status(0, 0));
    balancer.service(
        "one",
        json!({"spec": {"ipFamilyPolicy": "RequireDualStack"}}),
    );
    await_status(status(1, 1));
    balancer.service("two", json!({}));
    await_status(status(2, 1));
    balancer.delete("one");
    await_status(status(1, 0));
}
