//! Services that share an address.

use integration::kube::balancer::Balancer;
use integration::kube::shared::Shared;
use serde_json::{Value, json};

/// A Service that shares by a key, at a port.
fn sharing(key: &str, protocol: &str, port: u16) -> Value {
    json!({
        "metadata": {"annotations": {"metallb.io/allow-shared-ip": key}},
        "spec": {"ports": [{"name": "only", "protocol": protocol, "port": port}]},
    })
}

#[test]
fn services_with_one_key_share_an_address_unless_their_ports_clash() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.53.0.0/28"], json!({}));
    let rows = [
        ("dns-tcp", sharing("dns", "TCP", 53), "10.53.0.0"),
        ("other", sharing("other", "TCP", 80), "10.53.0.1"),
        ("dns-udp", sharing("dns", "UDP", 53), "10.53.0.0"),
        ("clash", sharing("dns", "TCP", 53), "10.53.0.2"),
        ("alone", sharing("", "TCP", 81), "10.53.0.3"),
    ];
    for (name, more, address) in rows {
        balancer.service(name, more);
        balancer.await_addresses(name, &[address]);
    }
}

#[test]
fn local_services_share_where_they_select_the_same_pods_and_never_with_cluster() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.53.1.1/32"], json!({}));
    let local = |port: u16, app: &str| {
        let mut service = sharing("key", "TCP", port);
        service["spec"]["externalTrafficPolicy"] = json!("Local");
        service["spec"]["selector"] = json!({ "app": app });
        service
    };
    balancer.service("first", local(80, "a"));
    balancer.await_addresses("first", &["10.53.1.1"]);
    balancer.service("same", local(81, "a"));
    balancer.await_addresses("same", &["10.53.1.1"]);
    balancer.service("other-pods", local(82, "b"));
    balancer.await_pending("other-pods", "");
    balancer.service("cluster", sharing("key", "TCP", 83));
    balancer.await_pending("cluster", "");
    assert_eq!(balancer.addresses("first"), ["10.53.1.1"]);
}
