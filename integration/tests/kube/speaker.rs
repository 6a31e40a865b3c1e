//! `herald speaker` in a cluster: what it announces of Services, Pods and Nodes as they change.

mod configuration;
mod health;
mod outages;
mod peers;
mod restarts;
mod traffic;

use std::collections::BTreeSet;
use std::net::IpAddr;

use integration::bird::Bird;
use integration::gobgp::GoBgp;
use integration::kube::fabric::{Fabric, OUR_AS, PEER, Plan};
use integration::kube::shared::Shared;
use integration::router::{Route, Router};
use integration::wait::{SOON, eventually_equal};
use serde_json::{Value, json};

/// A route of a node's, with nothing but what must be there.
fn plain(vip: IpAddr, next_hop: IpAddr) -> Route {
    Route {
        prefix: vip.into(),
        next_hop,
        as_path: vec![OUR_AS],
        communities: BTreeSet::new(),
        large_communities: BTreeSet::new(),
        med: None,
        local_pref: None,
    }
}

fn await_routes<R: Router>(fabric: &Fabric<R>, expected: &[Route]) {
    let mut expected = expected.to_vec();
    expected.sort();
    eventually_equal("the router's routes", SOON, &expected, || {
        fabric.router.routes()
    });
}

fn local() -> Value {
    json!({"externalTrafficPolicy": "Local"})
}

#[test]
fn a_service_is_announced_while_one_of_its_pods_is_ready() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<GoBgp>();
    let next_hop = fabric.nodes[0].addresses()[0];
    let pods = fabric.serve("web", 1, &[0], json!({}));
    await_routes(&fabric, &[plain(fabric.vip(1), next_hop)]);
    pods[0].set_ready(false);
    await_routes(&fabric, &[]);
    pods[0].set_ready(true);
    await_routes(&fabric, &[plain(fabric.vip(1), next_hop)]);
    // Another address: the old one goes.
    fabric.assign("web", &[fabric.vip(2)]);
    await_routes(&fabric, &[plain(fabric.vip(2), next_hop)]);
    let times = format!("herald_bgp_update_duration_seconds_count{{peer=\"{PEER}\"}}");
    let counted = fabric.speakers[0].metric(&times);
    assert!(counted >= Some(4.0), "{counted:?}");
    cluster
        .delete("Service", &fabric.namespace, "web")
        .expect("gone");
    await_routes(&fabric, &[]);
}

#[test]
fn both_families_of_a_dual_stack_service_are_announced() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<GoBgp>();
    fabric.service("web", json!({"ipFamilyPolicy": "RequireDualStack"}));
    let _pod = fabric.pod("web", 0);
    let [v4, v6] = fabric.vips(1);
    fabric.assign("web", &[v4, v6]);
    let [next_v4, next_v6] = fabric.nodes[0].addresses();
    await_routes(&fabric, &[plain(v4, next_v4), plain(v6, next_v6)]);
}

#[test]
fn cluster_is_announced_by_every_node_and_local_by_those_with_a_ready_pod() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 3).establish::<Bird>();
    let pods = fabric.serve("web", 1, &[0, 2], local());
    let vip = fabric.vip(1);
    fabric.await_hops(vip, &[0, 2]);
    pods[0].set_ready(false);
    fabric.await_hops(vip, &[2]);
    fabric.change("web", &json!({"externalTrafficPolicy": "Cluster"}));
    fabric.await_hops(vip, &[0, 1, 2]);
    fabric.change("web", &local());
    fabric.await_hops(vip, &[2]);
    let _late = fabric.pod("web", 1);
    fabric.await_hops(vip, &[1, 2]);
}

#[test]
fn a_pod_that_terminates_keeps_its_node_while_it_still_serves() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    let pods = fabric.serve("web", 1, &[0], local());
    fabric.await_hops(fabric.vip(1), &[0]);
    pods[0].terminate();
    let other = fabric.serve("other", 2, &[0], local());
    // What was announced after it has come: so has what it changed.
    fabric.await_hops(fabric.vip(2), &[0]);
    fabric.await_hops(fabric.vip(1), &[0]);
    pods[0].set_ready(false);
    fabric.await_hops(fabric.vip(1), &[]);
    drop(other);
}

#[test]
fn a_status_with_a_foreign_address_is_never_announced() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    let forged: IpAddr = "198.51.100.7".parse().expect("an address");
    fabric.service("forged", json!({}));
    let _forger = fabric.pod("forged", 0);
    fabric.assign("forged", &[forged]);
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0]);
    let legal = BTreeSet::from([format!("{}/32", fabric.vip(1))]);
    assert_eq!(fabric.prefixes(), legal);
    let entry = fabric.speakers[0].entry("services", "forged");
    let entry = entry.expect("an entry");
    assert_eq!(entry["notAnnounced"], "ipNotAllowed", "{entry:#}");
    // Nor does its own right address bring the foreign one along.
    fabric.assign("forged", &[forged, fabric.vip(2)]);
    fabric.assign("web", &[fabric.vip(3)]);
    fabric.await_hops(fabric.vip(3), &[0]);
    let foreign = format!("{forged}/32");
    assert!(!fabric.prefixes().contains(&foreign));
}

#[test]
fn services_of_another_class_are_left_alone() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    let other = json!({"loadBalancerClass": "example.com/other"});
    let _other = fabric.serve("other", 1, &[0], other);
    let none = json!({"loadBalancerClass": null});
    let _none = fabric.serve("none", 2, &[0], none);
    let _ours = fabric.serve("ours", 3, &[0], json!({}));
    fabric.await_hops(fabric.vip(3), &[0]);
    let ours = BTreeSet::from([format!("{}/32", fabric.vip(3))]);
    assert_eq!(fabric.prefixes(), ours);
}

#[test]
fn without_a_class_of_its_own_a_speaker_takes_services_without_one() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 1);
    plan.all = true;
    let fabric = plan.establish::<Bird>();
    let other = json!({"loadBalancerClass": "example.com/other"});
    let _other = fabric.serve("other", 1, &[0], other);
    let _none = fabric.serve("none", 2, &[0], json!({}));
    fabric.await_hops(fabric.vip(2), &[0]);
    let ours = BTreeSet::from([format!("{}/32", fabric.vip(2))]);
    assert_eq!(fabric.prefixes(), ours);
}
