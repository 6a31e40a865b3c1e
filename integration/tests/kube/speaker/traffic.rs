//! A client behind the router, whose connection reaches a Pod through kube-proxy.

use integration::bird::Bird;
use integration::kube::fabric::Plan;
use integration::kube::pod::Pod;
use integration::kube::shared::Shared;
use serde_json::json;

#[test]
fn a_client_behind_the_router_reaches_pods_where_they_are() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 2);
    plan.proxies = true;
    let fabric = plan.establish::<Bird>();
    fabric.service("web", json!({"externalTrafficPolicy": "Local"}));
    let mut pods = vec![fabric.pod("web", 0), fabric.pod("web", 1)];
    let vip = fabric.vip(1);
    fabric.assign("web", &[vip]);
    fabric.await_kernel_hops(vip, &[0, 1]);
    fabric.await_answers(vip, &pods.iter().collect::<Vec<&Pod>>());
    // One is left, and the router sends everybody there.
    pods[0].set_ready(false);
    fabric.await_hops(vip, &[1]);
    pods.remove(0);
    fabric.await_answers(vip, &[&pods[0]]);
    // Any node takes connections for it, and kube-proxy brings them to the Pod.
    fabric.change("web", &json!({"externalTrafficPolicy": "Cluster"}));
    fabric.await_hops(vip, &[0, 1]);
    fabric.await_answers(vip, &[&pods[0]]);
}
