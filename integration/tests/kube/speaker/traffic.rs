//! A client behind the router, whose connection reaches a Pod through kube-proxy.

use std::net::SocketAddr;

use integration::bird::Bird;
use integration::kube::fabric::Plan;
use integration::kube::pod::Pod;
use integration::kube::shared::Shared;
use integration::udp;
use integration::wait::{SOON, eventually_equal};
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

#[test]
fn a_service_of_tcp_and_udp_is_reached_by_both() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 1);
    plan.proxies = true;
    let fabric = plan.establish::<Bird>();
    let port = |protocol: &str| json!({"name": protocol.to_lowercase(), "protocol": protocol, "port": 80, "targetPort": 8080});
    let ports = json!({"ports": [port("TCP"), port("UDP")]});
    let pods = fabric.serve("web", 1, &[0], ports);
    let vip = fabric.vip(1);
    let [address, _] = pods[0].addresses();
    let netns = fabric.nodes[0].netns();
    let _server = udp::Server::start(netns, SocketAddr::new(address, 8080), pods[0].name());
    fabric.await_kernel_hops(vip, &[0]);
    fabric.await_answers(vip, &[&pods[0]]);
    let answer = || udp::ask(&fabric.client, SocketAddr::new(vip, 80));
    eventually_equal("the answer", SOON, &Ok(pods[0].name().to_owned()), answer);
}
