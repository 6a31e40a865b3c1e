//! Kubernetes objects for a test's configuration directory.

use std::net::IpAddr;

use serde_json::{Value, json};

/// The namespace of the lab's Services.
pub const NAMESPACE: &str = "default";

/// An object in the namespace of the configuration kinds.
fn metallb(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("metallb.io/{version}"),
        "kind": kind,
        "metadata": {"name": name, "namespace": "herald-system"},
        "spec": spec,
    })
}

/// An IPAddressPool with these CIDRs or ranges.
pub fn pool(name: &str, addresses: &[&str]) -> Value {
    metallb(
        "v1beta1",
        "IPAddressPool",
        name,
        json!({"addresses": addresses}),
    )
}

/// A BGPPeer. `more` has fields besides the ASes, the address and a hold time of 9 s.
pub fn peer(name: &str, my_asn: u32, peer_asn: u32, address: &str, more: Value) -> Value {
    let spec = json!({
        "myASN": my_asn,
        "peerASN": peer_asn,
        "peerAddress": address,
        "holdTime": "9s",
    });
    metallb("v1beta2", "BGPPeer", name, merge(spec, more))
}

/// A BGPAdvertisement.
pub fn advertisement(name: &str, spec: Value) -> Value {
    metallb("v1beta1", "BGPAdvertisement", name, spec)
}

/// An L2Advertisement.
pub fn l2_advertisement(name: &str, spec: Value) -> Value {
    metallb("v1beta1", "L2Advertisement", name, spec)
}

/// A Node with its addresses.
pub fn node(name: &str, addresses: &[&str]) -> Value {
    let addresses: Vec<Value> = addresses
        .iter()
        .map(|address| json!({"type": "InternalIP", "address": address}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "addresses": addresses,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// A Service of type LoadBalancer that asks for these addresses, one a family at most.
pub fn service(name: &str, addresses: &[&str]) -> Value {
    let v4 = |address: &&str| {
        address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_ipv4())
    };
    let families: Vec<&str> = addresses
        .iter()
        .map(|address| if v4(address) { "IPv4" } else { "IPv6" })
        .collect();
    let cluster_ips: Vec<&str> = addresses
        .iter()
        .map(|address| {
            if v4(address) {
                "10.96.0.10"
            } else {
                "fd00:96::10"
            }
        })
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "annotations": {"metallb.io/loadBalancerIPs": addresses.join(",")},
        },
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": cluster_ips[0],
            "clusterIPs": cluster_ips,
            "ipFamilies": families,
            "ipFamilyPolicy": if addresses.len() > 1 { "RequireDualStack" } else { "SingleStack" },
            "externalTrafficPolicy": "Cluster",
            "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
        },
    })
}

/// The same Service with `externalTrafficPolicy: Local`.
pub fn local(service: Value) -> Value {
    merge(service, json!({"spec": {"externalTrafficPolicy": "Local"}}))
}

/// The EndpointSlice of a Service: a ready endpoint on each of these nodes.
pub fn endpoint_slice(service: &str, nodes: &[&str]) -> Value {
    let endpoints: Vec<Value> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            json!({
                "addresses": [format!("10.244.0.{}", index + 1)],
                "nodeName": node,
                "conditions": {"ready": true, "serving": true},
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-1"),
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
    })
}

/// Adds the fields of `more` to an object, those of objects inside it too.
pub fn merge(mut object: Value, more: Value) -> Value {
    match (&mut object, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                let old = fields.remove(&name).unwrap_or_default();
                fields.insert(name, merge(old, value));
            }
            object
        }
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_what_it_does_not_name() {
        let merged = merge(
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"c": 3}, "d": 4}),
        );
        assert_eq!(merged, json!({"a": {"b": 1, "c": 3}, "d": 4}));
    }
}
