//! Sessions of a cluster's nodes: which there are, and their passwords.

use std::collections::{BTreeMap, BTreeSet};

use integration::bird::Bird;
use integration::kube::fabric::{Fabric, OUR_AS, PEER, Plan, ROUTER_AS};
use integration::kube::shared::Shared;
use integration::manifests::peer;
use integration::router::{Route, Router as _};
use integration::wait::{LATER, SOON, eventually, eventually_equal};
use serde_json::{Value, json};

/// Waits until a node's session is in one of these states; its entry in `herald status peers`.
fn await_state(fabric: &Fabric<Bird>, node: usize, what: &str, is: impl Fn(&str) -> bool) -> Value {
    eventually(what, LATER, || {
        let entry = fabric.speakers[node].entry("peers", PEER)?;
        match is(entry["state"].as_str().unwrap_or_default()) {
            true => Ok(entry),
            false => Err(format!("{entry:#}")),
        }
    })
}

fn secret(fabric: &Fabric<Bird>, password: &str) {
    fabric.herald.put(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tor"},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"password": password},
    }));
}

#[test]
fn a_password_comes_from_a_secret_and_follows_it() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 1);
    plan.peer = json!({"passwordSecret": {"name": "tor"}});
    plan.neighbour = |neighbour| neighbour.password = Some("right".to_owned());
    let fabric = plan.start::<Bird>();
    // Without the Secret, nothing is sent that nobody may read.
    eventually("the missing Secret is named", SOON, || {
        let problems = fabric.speakers[0].overview()?["problems"].to_string();
        match problems.contains("passwordSecret") && problems.contains(PEER) {
            true => Ok(()),
            false => Err(problems),
        }
    });
    secret(&fabric, "right");
    await_state(&fabric, 0, "it has the password", |state| {
        state == "Established"
    });
    secret(&fabric, "wrong");
    await_state(&fabric, 0, "the router does not answer", |state| {
        state != "Established"
    });
    secret(&fabric, "right");
    await_state(&fabric, 0, "it is right again", |state| {
        state == "Established"
    });
    let logs = fabric.speakers[0].log() + &fabric.speakers[0].overview().expect("it").to_string();
    assert!(!logs.contains("right\"") && !logs.contains("wrong\""));
}

#[test]
fn a_session_is_on_the_nodes_that_its_peer_selects() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 2).establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    let rack = |rack: &str| json!({"nodeSelectors": [{"matchLabels": {"rack": rack}}]});
    fabric.nodes[0].set_labels(&json!({"rack": "a"}));
    fabric.herald.change("BGPPeer", PEER, &rack("a"));
    fabric.await_hops(fabric.vip(1), &[0]);
    let states = |node: usize| fabric.router.state(fabric.nodes[node].addresses()[0]);
    assert_eq!(states(0), "Established");
    fabric.nodes[1].set_labels(&json!({"rack": "a"}));
    fabric.nodes[0].set_labels(&json!({"rack": null}));
    fabric.await_hops(fabric.vip(1), &[1]);
    assert!(fabric.speakers[0].entry("peers", PEER).is_err());
}

#[test]
fn an_advertisement_is_for_the_nodes_and_services_that_it_selects() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 2);
    plan.advertisement = json!({
        "nodeSelectors": [{"matchLabels": {"edge": "yes"}}],
        "serviceSelectors": [{"matchLabels": {"app": "public"}}],
    });
    let fabric = plan.establish::<Bird>();
    let _private = fabric.serve("private", 2, &[0], json!({}));
    let _public = fabric.serve("public", 1, &[0], json!({}));
    fabric.nodes[0].set_labels(&json!({"edge": "yes"}));
    fabric.await_hops(fabric.vip(1), &[0]);
    fabric.nodes[1].set_labels(&json!({"edge": "yes"}));
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    fabric.nodes[0].set_labels(&json!({"edge": null}));
    fabric.await_hops(fabric.vip(1), &[1]);
    fabric.await_hops(fabric.vip(2), &[]);
    let reasons: BTreeMap<usize, Value> = [0, 1]
        .map(|node| {
            let entry = fabric.speakers[node].entry("services", "private");
            (node, entry.expect("an entry")["notAnnounced"].clone())
        })
        .into();
    let expected = [
        (0, json!("notOwner")),
        (1, json!("noMatchingAdvertisement")),
    ];
    assert_eq!(reasons, expected.into());
}

#[test]
fn nodes_may_have_different_as_numbers_for_one_router() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 2);
    // Any.
    plan.neighbour = |neighbour| neighbour.asn = 0;
    let fabric = plan.establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    let rack = |rack: &str| json!([{"matchLabels": {"rack": rack}}]);
    fabric.nodes[0].set_labels(&json!({"rack": "a"}));
    fabric.nodes[1].set_labels(&json!({"rack": "b"}));
    let tor = cluster.get("BGPPeer", fabric.herald.namespace(), PEER);
    let address = tor.expect("it")["spec"]["peerAddress"].clone();
    let address = address.as_str().expect("an address");
    fabric
        .herald
        .change("BGPPeer", PEER, &json!({"nodeSelectors": rack("a")}));
    let more = json!({"nodeSelectors": rack("b"), "connectTime": "1s"});
    fabric
        .herald
        .put(peer("tor-b", 65_003, ROUTER_AS, address, more));
    let expected = BTreeSet::from([(0, vec![OUR_AS]), (1, vec![65_003])]);
    eventually_equal("each node's AS", SOON, &expected, || {
        let routes = fabric.router.routes().into_iter();
        let node = |route: &Route| {
            let nodes = fabric.nodes.iter();
            nodes
                .clone()
                .position(|node| node.addresses().contains(&route.next_hop))
        };
        routes
            .filter_map(|route| Some((node(&route)?, route.as_path)))
            .collect()
    });
}
