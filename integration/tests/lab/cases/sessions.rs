//! Who connects.

use std::time::Duration;

use integration::Netns;
use integration::command::exists;
use integration::lab::skip;
use integration::manifests::merge;
use integration::router::Router;
use integration::wait::{SOON, always, eventually, eventually_equal};
use serde_json::{Value, json};

use crate::scene::{NODE_V4, Plan, ip};

pub fn a_router_that_only_listens_is_connected_to<R: Router>() {
    let plan = Plan::simple().neighbour_with(|neighbour| neighbour.passive = true);
    if let Some(scene) = plan.establish::<R>() {
        scene.await_prefixes(&["10.100.0.1/32"]);
    }
}

pub fn herald_listens_where_it_must_not_connect<R: Router>() {
    let plan = Plan::simple().peer_with(json!({"passive": true}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&["10.100.0.1/32"]);
    assert_eq!(scene.node.snmp("Tcp", "ActiveOpens"), 0);
}

/// The peer's manifest with other fields.
fn changed(peer: &Value, spec: Value) -> Value {
    merge(peer.clone(), json!({ "spec": spec }))
}

pub fn the_router_is_told_a_changed_identifier_and_hold_time<R: Router>() {
    let plan = Plan::simple().peer_with(json!({"routerID": "10.9.9.8"}));
    let peer = plan.peers[0].clone();
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    let identifier = || scene.router.identifier(ip(NODE_V4));
    eventually_equal("the identifier", SOON, &"10.9.9.8".to_owned(), identifier);
    let new = json!({"routerID": "10.9.9.9", "holdTime": "6s", "keepaliveTime": "1s"});
    scene.herald.write(&changed(&peer, new));
    scene.await_status("it is negotiated", |entry| entry["holdTimeSeconds"] == 6);
    eventually_equal("the identifier", SOON, &"10.9.9.9".to_owned(), identifier);
    scene.await_established(ip(NODE_V4));
}

pub fn a_dynamic_as_number_takes_those_that_it_says_and_no_other<R: Router>() {
    let external = json!({"peerASN": null, "dynamicASN": "external"});
    let plan = Plan::simple().peer_with(external.clone());
    let peer = plan.peers[0].clone();
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&["10.100.0.1/32"]);
    let internal = json!({"dynamicASN": "internal"});
    scene.herald.write(&changed(&peer, internal));
    scene.await_status("another AS is refused", |entry| {
        let told = entry["lastError"]["message"].as_str().unwrap_or_default();
        entry["state"] != "Established" && told.contains("65002")
    });
    scene.herald.write(&peer);
    scene.await_prefixes(&["10.100.0.1/32"]);
}

/// RFC 4271 §6.8. While the node hears nothing on port 179 both sides connect; when it hears again,
/// the kernels' retransmissions complete both connections.
pub fn two_connections_at_once_become_one<R: Router>() {
    let plan = Plan::simple()
        .peer_with(json!({"holdTime": "3s"}))
        .neighbour_with(|neighbour| neighbour.hold_time = 3);
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    if !exists("nft") {
        skip(scene.lab.test(), "no nft: install the package nftables");
        return;
    }
    for _ in 0..3 {
        scene.await_prefixes(&["10.100.0.1/32"]);
        deafen(&scene.node);
        scene.router.reset(ip(NODE_V4));
        let opens = scene.node.snmp("Tcp", "ActiveOpens");
        // The lost RST leaves our old connection to its hold time.
        eventually("we connect", SOON, || {
            match scene.node.snmp("Tcp", "ActiveOpens") {
                now if now > opens => Ok(()),
                now => Err(format!("{now} attempts")),
            }
        });
        scene.node.run("nft", &["delete", "table", "inet", "lab"]);
        scene.await_prefixes(&["10.100.0.1/32"]);
        eventually_equal("one connection is left", SOON, &1, || {
            scene.node.established(179)
        });
    }
    scene.await_established(ip(NODE_V4));
    always("the session stays", Duration::from_secs(3), || match scene
        .router
        .state(ip(NODE_V4))
        .as_str()
    {
        "Established" => Ok(()),
        state => Err(state.to_owned()),
    });
}

/// Drops what comes in for BGP.
fn deafen(node: &Netns) {
    let rules = "add table inet lab; \
        add chain inet lab in { type filter hook input priority 0; }; \
        add rule inet lab in tcp dport 179 drop; \
        add rule inet lab in tcp sport 179 drop";
    node.run("nft", &[rules]);
}
