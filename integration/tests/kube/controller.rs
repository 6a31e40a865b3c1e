//! `herald controller` in a cluster: which addresses Services get, keep and lose, and what is said
//! of it.

mod leaders;
mod pools;
mod requests;
mod sharing;

use integration::kube::balancer::{Balancer, addresses, condition};
use integration::kube::shared::Shared;
use integration::wait::{SOON, eventually, eventually_equal};
use serde_json::{Value, json};

/// Annotations of a Service.
fn annotated(annotations: Value) -> Value {
    json!({"metadata": {"annotations": annotations}})
}

#[test]
fn a_service_gets_an_address_and_is_told_so() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.50.0.8-10.50.0.9"], json!({}));
    balancer.service("web", json!({}));
    balancer.await_addresses("web", &["10.50.0.8"]);
    balancer.await_event("web", "IPAllocated", "10.50.0.8");
    let service = balancer.get("web");
    assert_eq!(condition(&service)["status"], "True", "{service:#}");
    let annotations = &service["metadata"]["annotations"];
    assert_eq!(annotations["metallb.io/ip-allocated-from-pool"], "pool");
    // It is freed for others.
    balancer.change(
        "web",
        &json!({"spec": {"type": "ClusterIP", "loadBalancerClass": null}}),
    );
    balancer.await_addresses("web", &[]);
    eventually_equal("what is left of it", SOON, &Value::Null, || {
        balancer.get("web")["metadata"]["annotations"].clone()
    });
    balancer.service("next", json!({}));
    balancer.await_addresses("next", &["10.50.0.8"]);
}

#[test]
fn metrics_tell_what_is_heard_and_written_and_how_long_that_takes() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.50.3.0/24"], json!({}));
    balancer.service("web", json!({}));
    balancer.await_addresses("web", &["10.50.3.0"]);
    balancer.await_event("web", "IPAllocated", "10.50.3.0");
    for name in [
        "herald_service_status_duration_seconds_count",
        "herald_service_status_duration_seconds_bucket{le=\"30\"}",
        "herald_api_writes_total{object=\"Service\"}",
        "herald_api_writes_total{object=\"Event\"}",
        "herald_api_writes_total{object=\"IPAddressPool\"}",
        "herald_api_writes_total{object=\"ConfigurationState\"}",
        "herald_watch_changes_total{kind=\"IPAddressPool\"}",
        "metallb_k8s_client_updates_total",
    ] {
        eventually(name, SOON, || match balancer.replicas[0].metric(name) {
            Some(value) if value >= 1.0 => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
    // On a busy machine a request or two may have failed.
    let failures = "metallb_k8s_client_update_errors_total";
    assert!(balancer.replicas[0].metric(failures).is_some());
}

#[test]
fn a_service_that_waits_gets_the_address_that_another_gives_up() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.50.1.1/32"], json!({}));
    balancer.service("first", json!({}));
    balancer.await_addresses("first", &["10.50.1.1"]);
    balancer.service("second", json!({}));
    balancer.await_pending("second", "");
    balancer.await_event("second", "AllocationFailed", "");
    balancer.service("third", json!({}));
    balancer.delete("first");
    balancer.await_addresses("second", &["10.50.1.1"]);
    let ours = json!({"spec": {"type": "ClusterIP", "loadBalancerClass": null}});
    balancer.change("second", &ours);
    balancer.await_addresses("third", &["10.50.1.1"]);
}

#[test]
fn a_restarted_controller_changes_no_address() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.50.2.1-10.50.2.2"], json!({}));
    for name in ["d", "c"] {
        balancer.service(name, json!({}));
        balancer.await_any(name);
    }
    for name in ["a", "b"] {
        balancer.service(name, json!({}));
        balancer.await_pending(name, "");
    }
    let watch = cluster
        .watch("Service", &balancer.namespace)
        .expect("a watch");
    for _ in 0..3 {
        balancer.replicas[0].terminate();
        balancer.launch(0);
        balancer.replicas[0].await_ready();
    }
    balancer.service("last", json!({}));
    balancer.await_pending("last", "");
    assert_eq!(balancer.addresses("d"), ["10.50.2.1"]);
    assert_eq!(balancer.addresses("c"), ["10.50.2.2"]);
    for name in ["c", "d"] {
        let changes = watch.history_of(name);
        assert!(changes.is_empty(), "{name}: {changes:#?}");
    }
    for change in ["a", "b"].iter().flat_map(|name| watch.history_of(name)) {
        assert_eq!(addresses(&change.object), [""; 0]);
    }
}

#[test]
fn services_of_no_class_or_another_get_nothing() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.pool("pool", &["10.50.3.0/28"], json!({}));
    let class = |class: Value| json!({"spec": {"loadBalancerClass": class}});
    balancer.service("none", class(Value::Null));
    balancer.service("other", class(json!("example.com/other")));
    balancer.service("ours", json!({}));
    balancer.await_any("ours");
    for name in ["none", "other"] {
        let service = balancer.get(name);
        assert_eq!(service["status"], json!({"loadBalancer": {}}), "{name}");
    }
    // Nor is what another load balancer gave taken away.
    let theirs = json!({"loadBalancer": {"ingress": [{"ip": "10.50.3.9"}]}});
    balancer.change(
        "other",
        &annotated(json!({"metallb.io/ip-allocated-from-pool": "theirs"})),
    );
    cluster
        .patch_status("Service", &balancer.namespace, "other", &theirs)
        .expect("a status");
    balancer.service("later", json!({}));
    balancer.await_any("later");
    assert_eq!(balancer.addresses("other"), ["10.50.3.9"]);
}
