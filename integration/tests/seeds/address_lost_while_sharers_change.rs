//! Two Services shared an address and both went from policy Cluster to Local, one after the other:
//! the first lost its address and stayed pending.

use integration::kube::balancer::{Balancer, addresses};
use integration::kube::shared::Shared;
use serde_json::{Value, json};

const VIP: &str = "10.57.0.1";

fn sharer(port: u16) -> Value {
    json!({
        "metadata": {"annotations": {"metallb.io/allow-shared-ip": "key"}},
        "spec": {"selector": {"app": "a"}, "ports": [{"name": "only", "port": port}]},
    })
}

fn policy(policy: &str) -> Value {
    json!({"spec": {"externalTrafficPolicy": policy}})
}

/// Sharers of one address, the only one that there is.
fn sharers<'a>(cluster: &'a Shared, names: &[&str], arguments: &[&str]) -> Balancer<'a> {
    let balancer = Balancer::with_replicas(cluster, &cluster.lab, 1, arguments);
    balancer.pool("pool", &[&format!("{VIP}/32")], json!({}));
    for (port, name) in (80..).zip(names) {
        balancer.service(name, sharer(port));
        balancer.await_addresses(name, &[VIP]);
    }
    balancer
}

#[test]
fn sharers_that_change_one_after_the_other_never_lose_their_address() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let names = ["a", "b", "c"];
    let balancer = sharers(&cluster, &names, &[]);
    let watch = cluster
        .watch("Service", &balancer.namespace)
        .expect("a watch");
    let orders = [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]];
    for (order, to) in orders.iter().zip(["Local", "Cluster", "Local"]) {
        for name in order {
            balancer.change(name, &policy(to));
            // The controller has seen it, before the next one changes.
            let mark = format!("mark-{}-{name}-{}", to.to_lowercase(), order[0]);
            balancer.service(&mark, json!({}));
            balancer.await_pending(&mark, "");
        }
    }
    for name in names {
        for change in watch.history_of(name) {
            assert_eq!(addresses(&change.object), [VIP], "{:#}", change.object);
        }
    }
}

#[test]
fn the_last_to_differ_loses_the_address_after_the_grace_period_and_is_told_why() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = sharers(&cluster, &["a", "b"], &["--sharing-grace", "3s"]);
    balancer.change("b", &policy("Local"));
    balancer.await_event("b", "SharingMismatch", "externalTrafficPolicy");
    balancer.await_addresses("b", &[]);
    balancer.await_event("b", "ClearAssignment", "a");
    assert_eq!(balancer.addresses("a"), [VIP]);
    // They agree again: at once it is there, with nothing else touched.
    balancer.change("a", &policy("Local"));
    balancer.await_addresses("b", &[VIP]);
    assert_eq!(balancer.addresses("a"), [VIP]);
}

#[test]
fn a_service_that_newly_asks_for_a_share_that_conflicts_is_refused() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = sharers(&cluster, &["a", "b"], &[]);
    let mut late = sharer(90);
    late["spec"]["externalTrafficPolicy"] = json!("Local");
    balancer.service("late", late);
    balancer.await_pending("late", "");
    assert_eq!(balancer.addresses("a"), [VIP]);
    assert_eq!(balancer.addresses("b"), [VIP]);
}
