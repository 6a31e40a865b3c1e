//! 13 nodes, 4 of them NotReady,SchedulingDisabled, and an address was announced by one of the four.

use std::collections::BTreeSet;

use integration::bird::Bird;
use integration::kube::fabric::Plan;
use integration::kube::node::Node;
use integration::kube::{ControlPlane, NEEDS};
use integration::wait::SOON;
use integration::{Lab, wait};
use serde_json::json;

fn set_out(node: &Node, out: bool) {
    let ready = if out { "False" } else { "True" };
    node.set_ready(ready);
    node.set_unschedulable(out);
}

#[test]
fn nodes_that_are_not_ready_never_announce_while_better_ones_do() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let cluster = ControlPlane::start_without_heartbeats(&lab);
    let fabric = Plan::of(&cluster, &lab, 13).establish::<Bird>();
    let all: Vec<usize> = (0..13).collect();
    for node in &fabric.nodes[9..] {
        set_out(node, true);
    }
    let _pods = fabric.serve("web", 1, &[0, 12], json!({}));
    fabric.await_hops(fabric.vip(1), &all[..9]);
    let _local = fabric.serve(
        "local",
        2,
        &[1, 11],
        json!({"externalTrafficPolicy": "Local"}),
    );
    fabric.await_hops(fabric.vip(2), &[1]);
    // One more: it withdraws at once, and the others keep what they have.
    fabric.nodes[0].set_ready("Unknown");
    fabric.await_hops(fabric.vip(1), &all[1..9]);
    fabric.nodes[0].set_ready("True");
    fabric.await_hops(fabric.vip(1), &all[..9]);
    // Those that recover are back.
    for node in &fabric.nodes[9..] {
        set_out(node, false);
    }
    fabric.await_hops(fabric.vip(1), &all);
    fabric.await_hops(fabric.vip(2), &[1, 11]);
}

#[test]
fn a_node_that_recovers_is_back_once_and_nobody_else_moves() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let cluster = ControlPlane::start_without_heartbeats(&lab);
    let fabric = Plan::of(&cluster, &lab, 2).establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    fabric.await_kernel_hops(fabric.vip(1), &[0, 1]);
    let witness = fabric.witness();
    fabric.nodes[1].set_ready("False");
    fabric.await_kernel_hops(fabric.vip(1), &[0]);
    fabric.nodes[1].set_ready("True");
    fabric.await_kernel_hops(fabric.vip(1), &[0, 1]);
    let _late = fabric.serve("late", 2, &[0], json!({}));
    fabric.await_hops(fabric.vip(2), &[0, 1]);
    // One change each way.
    let changes = witness.history_of(fabric.vip(1));
    let deleted = changes.iter().filter(|change| change.hops == 0);
    assert!(changes.len() <= 4 && deleted.count() <= 2, "{changes:#?}");
}

#[test]
fn a_cluster_whose_nodes_are_all_out_does_not_go_dark() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let cluster = ControlPlane::start_without_heartbeats(&lab);
    let fabric = Plan::of(&cluster, &lab, 2).establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    fabric.nodes.iter().for_each(|node| set_out(node, true));
    let expected = BTreeSet::from([0, 1]);
    wait::eventually("all are out", SOON, || {
        let nodes = fabric.speakers[0].status("nodes")?;
        let out = nodes.to_string().matches("\"class\":\"out\"").count();
        (out == 2).then_some(()).ok_or_else(|| nodes.to_string())
    });
    wait::eventually_equal("both announce", SOON, &expected, || {
        fabric.hops(fabric.vip(1))
    });
    // One is merely cordoned: it is better.
    fabric.nodes[1].set_ready("True");
    fabric.await_hops(fabric.vip(1), &[1]);
}
