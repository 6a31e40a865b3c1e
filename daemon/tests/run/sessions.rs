//! Two of them: one connects and one listens.

use serde_json::{Value, json};

use crate::herald::{Herald, error_of, eventually, is_established, of_each, service};
use crate::pair::Pair;

#[test]
fn an_address_is_assigned_announced_and_explained() {
    let pair = Pair::start("127.0.10", json!({}));
    pair.node
        .await_peer("router", "is Established", is_established);
    pair.node.await_peer("router", "has the route", |peer| {
        peer["advertisedPrefixes"] == 1
    });
    let text = pair.node.ask(&["explain", "web"]);
    assert!(text.contains("203.0.113.0/32 to router"), "{text}");
    let text = pair.node.ask(&["status"]);
    assert!(
        text.contains("default/web") && text.contains("Established"),
        "{text}"
    );
    let world: Value = serde_json::from_str(&pair.node.ask(&["status", "--world"])).unwrap();
    assert_eq!(world["services"][0]["assigned"], json!(["203.0.113.0"]));
}

#[test]
fn a_wrong_as_is_shown_with_both_numbers_and_its_repair_is_picked_up() {
    let pair = Pair::start("127.0.11", json!({"peerASN": 64999}));
    pair.node.await_peer("router", "says why", |peer| {
        error_of(peer).contains("peer is AS 64513, configured 64999")
    });
    pair.router
        .await_peer("node", "has it from the other side", |peer| {
            error_of(peer).contains("AS 64513 (myASN)")
        });
    pair.write_peer(json!({}));
    pair.node
        .await_peer("router", "is Established", is_established);
}

#[test]
fn a_wrong_password_is_shown_as_one() {
    let pair = Pair::start("127.0.12", json!({"password": "wrong"}));
    let peer = pair.node.await_peer("router", "says why", |peer| {
        let text = error_of(peer);
        text.contains("wrong TCP MD5 password") || text.contains("no TCP MD5")
    });
    assert_ne!(peer["state"], "Established");
    assert!(!pair.node.ask(&["status", "--world"]).contains("wrong"));
}

#[test]
fn a_route_that_changes_keeps_the_session_and_a_hold_time_does_not() {
    let pair = Pair::start("127.0.13", json!({}));
    pair.node.await_peer("router", "has the route", |peer| {
        peer["advertisedPrefixes"] == 1
    });
    pair.node.write("shop.yaml", &service("shop"));
    pair.node
        .await_peer("router", "has both", |peer| peer["advertisedPrefixes"] == 2);
    let peer = pair.router.peer("node").unwrap();
    assert_eq!(peer["messages"]["established"], 1);
    pair.write_peer(json!({"holdTime": "30s"}));
    pair.router.await_peer("node", "was told", |peer| {
        error_of(peer).contains("Other Configuration Change (6/6)")
    });
    pair.node.await_peer("router", "has both again", |peer| {
        peer["advertisedPrefixes"] == 2
    });
}

#[test]
fn a_broken_manifest_is_shown_and_stops_nothing() {
    let pair = Pair::start("127.0.14", json!({}));
    pair.node.await_peer("router", "has the route", |peer| {
        peer["advertisedPrefixes"] == 1
    });
    pair.node.write("web.yaml", "kind: [");
    eventually("the problem is shown", || {
        let text = pair.node.ask(&["status"]);
        text.contains("web.yaml:1").then_some(()).ok_or(text)
    });
    assert_eq!(pair.node.peer("router").unwrap()["advertisedPrefixes"], 1);
    std::fs::remove_file(pair.node.folder.path().join("config/web.yaml")).unwrap();
    pair.node.await_peer("router", "has nothing", |peer| {
        peer["advertisedPrefixes"] == 0
    });
}

#[test]
fn assignments_survive_sigkill_and_sigterm_tells_the_peer() {
    let mut pair = Pair::start("127.0.15", json!({}));
    pair.node.write("another.yaml", &service("another"));
    let addresses = |herald: &Herald| herald.status("services")["services"].clone();
    let have_both = |herald: &Herald| {
        eventually("both have an address", || {
            let services = addresses(herald);
            let held = services.as_array().into_iter().flatten();
            let held = held.filter(|service| service["pool"] == "default").count();
            (held == 2).then_some(()).ok_or(services.to_string())
        });
    };
    have_both(&pair.node);
    let before: Vec<Value> = of_each(&addresses(&pair.node), "addresses");
    pair.node.kill();
    pair.node.launch();
    have_both(&pair.node);
    assert_eq!(of_each(&addresses(&pair.node), "addresses"), before);
    pair.node
        .await_peer("router", "is Established", is_established);
    assert_eq!(pair.node.terminate(), Some(0));
    pair.router.await_peer("node", "was told", |peer| {
        error_of(peer).contains("herald stopping")
    });
}
