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
    let spec = json!({"externalTrafficPolicy": "Local", "ipFamilyPolicy": "RequireDualStack"});
    fabric.service("web", spec);
    let mut pods = vec![fabric.pod("web", 0), fabric.pod("web", 1)];
    let vips = fabric.vips(1);
    fabric.assign("web", &vips);
    for vip in vips {
        fabric.await_kernel_hops(vip, &[0, 1]);
        fabric.await_answers(vip, &pods.iter().collect::<Vec<&Pod>>());
    }
    // One is left, and the router sends everybody there.
    pods[0].set_ready(false);
    for vip in vips {
        fabric.await_kernel_hops(vip, &[1]);
    }
    pods.remove(0);
    for vip in vips {
        fabric.await_answers(vip, &[&pods[0]]);
    }
    // Any node takes connections for it, and kube-proxy brings them to the Pod.
    fabric.change("web", &json!({"externalTrafficPolicy": "Cluster"}));
    for vip in vips {
        fabric.await_kernel_hops(vip, &[0, 1]);
        fabric.await_answers(vip, &[&pods[0]]);
    }
}
