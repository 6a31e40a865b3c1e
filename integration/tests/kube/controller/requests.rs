//! Services that ask for something: addresses, a pool, families.

use integration::kube::balancer::Balancer;
use integration::kube::shared::Shared;
use serde_json::{Value, json};

use super::annotated;

#[test]
fn requested_addresses_and_pools_are_given_by_each_way_to_ask() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("open", &["10.51.0.0/28"], json!({}));
    balancer.pool("closed", &["10.51.1.0/28"], json!({"autoAssign": false}));
    let rows = [
        (
            "by-annotation",
            annotated(json!({"metallb.io/loadBalancerIPs": "10.51.0.7"})),
            "10.51.0.7",
        ),
        (
            "by-old-annotation",
            annotated(json!({"metallb.universe.tf/loadBalancerIPs": "10.51.0.8"})),
            "10.51.0.8",
        ),
        (
            "by-field",
            json!({"spec": {"loadBalancerIP": "10.51.0.9"}}),
            "10.51.0.9",
        ),
        (
            "by-pool",
            annotated(json!({"metallb.io/address-pool": "closed"})),
            "10.51.1.0",
        ),
        (
            "of-closed",
            annotated(json!({"metallb.io/loadBalancerIPs": "10.51.1.5"})),
            "10.51.1.5",
        ),
        ("no-wish", json!({}), "10.51.0.0"),
    ];
    for (name, more, _) in &rows {
        balancer.service(name, more.clone());
    }
    for (name, _, address) in &rows {
        balancer.await_addresses(name, &[address]);
    }
    // Another wish, another address.
    balancer.change(
        "by-annotation",
        &annotated(json!({"metallb.io/loadBalancerIPs": "10.51.1.9"})),
    );
    balancer.await_addresses("by-annotation", &["10.51.1.9"]);
    balancer.change(
        "no-wish",
        &annotated(json!({"metallb.io/address-pool": "closed"})),
    );
    balancer.await_addresses("no-wish", &["10.51.1.1"]);
}

#[test]
fn what_cannot_be_given_stays_pending_with_the_reason() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.51.2.0/28"], json!({"avoidBuggyIPs": true}));
    balancer.service("holder", json!({}));
    balancer.await_addresses("holder", &["10.51.2.1"]);
    let ip = |ip: &str| annotated(json!({"metallb.io/loadBalancerIPs": ip}));
    let both = json!({
        "metadata": {"annotations": {"metallb.io/loadBalancerIPs": "10.51.2.3"}},
        "spec": {"loadBalancerIP": "10.51.2.4"},
    });
    let rows = [
        ("foreign", ip("198.51.100.1"), "198.51.100.1"),
        ("taken", ip("10.51.2.1"), "holder"),
        ("buggy", ip("10.51.2.0"), "10.51.2.0"),
        ("wrong-family", ip("fd00:51::1"), "fd00:51::1"),
        ("no-address", ip("here"), "here"),
        (
            "no-pool",
            annotated(json!({"metallb.io/address-pool": "nowhere"})),
            "nowhere",
        ),
        ("both-ways", both, "loadBalancerIP"),
    ];
    for (name, more, _) in &rows {
        balancer.service(name, more.clone());
    }
    for (name, _, word) in &rows {
        balancer.await_pending(name, word);
        balancer.await_event(name, "", word);
    }
    balancer.service("good", json!({}));
    balancer.await_addresses("good", &["10.51.2.2"]);
}

/// A Service of these families, if it may have them.
fn families(policy: &str, families: &[&str]) -> Value {
    json!({"spec": {"ipFamilyPolicy": policy, "ipFamilies": families}})
}

#[test]
fn families_come_as_the_policy_says() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("a-v4", &["10.51.4.0/28"], json!({}));
    balancer.pool("b-dual", &["10.51.5.0/28", "fd00:51:5::/124"], json!({}));
    let [v4, v6] = ["IPv4", "IPv6"];
    let rows: [(&str, Value, &[&str]); 5] = [
        ("single", families("SingleStack", &[v4]), &["10.51.4.0"]),
        (
            "single-v6",
            families("SingleStack", &[v6]),
            &["fd00:51:5::"],
        ),
        (
            "prefer",
            families("PreferDualStack", &[v4, v6]),
            &["10.51.5.0", "fd00:51:5::1"],
        ),
        (
            "prefer-v6",
            families("PreferDualStack", &[v6, v4]),
            &["10.51.5.1", "fd00:51:5::2"],
        ),
        (
            "require",
            families("RequireDualStack", &[v4, v6]),
            &["10.51.5.2", "fd00:51:5::3"],
        ),
    ];
    for (name, more, expected) in rows {
        balancer.service(name, more);
        balancer.await_addresses(name, expected);
    }
}

#[test]
fn a_second_family_comes_when_it_can_and_the_first_address_stays() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.51.6.0/28"], json!({}));
    let [v4, v6] = ["IPv4", "IPv6"];
    balancer.service("prefer", families("PreferDualStack", &[v4, v6]));
    balancer.service("require", families("RequireDualStack", &[v4, v6]));
    balancer.await_addresses("prefer", &["10.51.6.0"]);
    balancer.await_pending("require", "IPv6");
    let both = ["10.51.6.0/28", "fd00:51:6::/124"];
    balancer.pool("pool", &both, json!({}));
    balancer.await_addresses("prefer", &["10.51.6.0", "fd00:51:6::"]);
    balancer.await_addresses("require", &["10.51.6.1", "fd00:51:6::1"]);
}

#[test]
fn a_reason_that_stays_the_same_is_told_anew_when_it_is_about_something_else() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.service("require", families("RequireDualStack", &["IPv4", "IPv6"]));
    balancer.await_pending("require", "IPv4");
    balancer.pool("pool", &["10.51.6.16/28"], json!({}));
    balancer.await_pending("require", "IPv6");
}
