//! How a Node is decides whether it announces, and what it says with it.

use std::collections::BTreeSet;

use integration::gobgp::GoBgp;

use super::*;

/// GRACEFUL_SHUTDOWN (RFC 8326).
const GRACEFUL_SHUTDOWN: &str = "65535:0";
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

#[test]
fn a_node_without_network_or_that_is_excluded_is_withdrawn_and_comes_back() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 2).establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0, 1], json!({}));
    let _local = fabric.serve("local", 2, &[1], local());
    let await_hops = |web: &[usize], local: &[usize]| {
        fabric.await_hops(fabric.vip(1), web);
        fabric.await_hops(fabric.vip(2), local);
    };
    await_hops(&[0, 1], &[1]);
    let node = &fabric.nodes[1];
    node.set_condition("NetworkUnavailable", "True");
    await_hops(&[0], &[]);
    node.set_condition("NetworkUnavailable", "False");
    await_hops(&[0, 1], &[1]);
    node.set_labels(&json!({EXCLUDE: ""}));
    await_hops(&[0], &[]);
    node.set_labels(&json!({EXCLUDE: null}));
    await_hops(&[0, 1], &[1]);
}

#[test]
fn a_cordoned_node_asks_routers_to_use_others_and_announces_on() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 2).establish::<GoBgp>();
    let _pods = fabric.serve("web", 1, &[0, 1], json!({}));
    let route = |node: usize, cordoned: bool| {
        let mut route = plain(fabric.vip(1), fabric.nodes[node].addresses()[0]);
        let community = cordoned.then(|| GRACEFUL_SHUTDOWN.to_owned());
        route.communities = BTreeSet::from_iter(community);
        route
    };
    await_routes(&fabric, &[route(0, false), route(1, false)]);
    fabric.nodes[0].set_unschedulable(true);
    await_routes(&fabric, &[route(0, true), route(1, false)]);
    fabric.nodes[0].set_unschedulable(false);
    await_routes(&fabric, &[route(0, false), route(1, false)]);
}
