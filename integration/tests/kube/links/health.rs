//! How a Node is, as the API server says, decides whether it answers.

use super::*;

const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// Waits until another node than that answers for both addresses.
fn await_other(segment: &Segment, witness: &Witness, addresses: [IpAddr; 2], than: usize) {
    let other = segment.await_other(witness, addresses[0], than);
    segment.await_owner(witness, addresses[1], other);
}

fn await_both(segment: &Segment, witness: &Witness, addresses: [IpAddr; 2], owner: usize) {
    for address in addresses {
        segment.await_owner(witness, address, owner);
    }
}

#[test]
fn an_address_leaves_a_node_as_the_api_server_says_and_comes_back_with_it() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    let (addresses, witness) = web(&segment, &cluster.lab);
    let owner = segment.owner(&witness, addresses[0]);
    let node = &segment.nodes[owner];
    type Change<'a> = &'a dyn Fn(bool);
    let is = |status: bool| if status { "True" } else { "False" };
    let changes: [(&str, Change<'_>); 5] = [
        ("NotReady", &|bad| node.set_ready(is(!bad))),
        ("Unknown", &|bad| {
            node.set_ready(if bad { "Unknown" } else { "True" })
        }),
        ("cordon", &|bad| node.set_unschedulable(bad)),
        ("no network", &|bad| {
            node.set_condition("NetworkUnavailable", is(bad))
        }),
        ("excluded", &|bad| {
            node.set_labels(&json!({EXCLUDE: bad.then_some("")}))
        }),
    ];
    for (name, change) in changes {
        println!("{name}");
        change(true);
        await_other(&segment, &witness, addresses, owner);
        change(false);
        await_both(&segment, &witness, addresses, owner);
    }
}

#[test]
fn nodes_without_network_or_excluded_never_answer_and_others_do_as_the_last() {
    let Some((segment, cluster)) = segment(|plan| plan.nodes = 2) else {
        return;
    };
    let (addresses, witness) = web(&segment, &cluster.lab);
    let owner = segment.owner(&witness, addresses[0]);
    let other = 1 - owner;
    // Of two that are not well the better one answers: leaving before out.
    segment.nodes[owner].set_ready("False");
    segment.nodes[other].set_unschedulable(true);
    await_both(&segment, &witness, addresses, other);
    segment.nodes[other].set_labels(&json!({EXCLUDE: ""}));
    await_both(&segment, &witness, addresses, owner);
    segment.nodes[owner].set_condition("NetworkUnavailable", "True");
    await_nobody(&segment, &witness, addresses);
    segment.nodes[owner].set_condition("NetworkUnavailable", "False");
    await_both(&segment, &witness, addresses, owner);
}

#[test]
fn an_excluded_node_answers_where_the_label_is_to_be_ignored() {
    let change = |plan: &mut Plan<'_>| {
        plan.nodes = 2;
        plan.arguments = &["--ignore-exclude-lb"];
    };
    let Some((segment, cluster)) = segment(change) else {
        return;
    };
    for node in &segment.nodes {
        node.set_labels(&json!({EXCLUDE: ""}));
    }
    let (addresses, witness) = web(&segment, &cluster.lab);
    let owner = segment.owner(&witness, addresses[0]);
    await_both(&segment, &witness, addresses, owner);
    segment.await_status("web", owner);
}
