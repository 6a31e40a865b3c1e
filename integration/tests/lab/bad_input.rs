//! Manifests that are wrong, while herald runs: what is valid is served, and a repair is seen.

use std::time::Duration;

use integration::bird::Bird;
use integration::manifests::{endpoint_slice, pool, service};
use integration::router::Router;
use integration::wait::always;
use serde_json::json;

use crate::scene::{NODE, NODE_V4, PEER, Plan, ROUTER_V4, Scene, VIP_2, ip};

const FIRST: [&str; 1] = ["10.100.0.1/32"];
const BOTH: [&str; 2] = ["10.100.0.1/32", "10.100.0.2/32"];

#[test]
fn a_file_that_is_no_yaml_stops_nothing_and_its_repair_is_picked_up() {
    let Some(scene) = established() else {
        return;
    };
    let shop = service("shop", &[VIP_2]);
    scene.herald.write(&endpoint_slice("shop", &[NODE]));
    scene
        .herald
        .write_text("service-shop.yaml", "kind: Service\n  metadata: [\n");
    keeps(&scene, &FIRST);
    scene.herald.write(&shop);
    scene.await_prefixes(&BOTH);
    assert_eq!(scene.router.notifications_received(), []);
}

#[test]
fn a_pool_that_becomes_invalid_keeps_its_last_valid_form() {
    let Some(scene) = established() else {
        return;
    };
    scene.herald.write(&pool("vips", &["10.100.0.0/33"]));
    keeps(&scene, &FIRST);
    scene.herald.write(&pool("vips", &["10.100.0.0/16"]));
    scene.herald.write(&service("shop", &[VIP_2]));
    scene.herald.write(&endpoint_slice("shop", &[NODE]));
    scene.await_prefixes(&BOTH);
    assert_eq!(scene.router.notifications_received(), []);
}

#[test]
fn a_peer_that_becomes_invalid_keeps_its_session() {
    for wrong in [
        json!({"holdTime": "2s"}),
        json!({"myASN": 0}),
        json!({"peerAddress": "10.1.0"}),
        json!({"holdTimer": "9s"}),
    ] {
        let Some(scene) = established() else {
            return;
        };
        let object = integration::manifests::peer(PEER, 65001, 65002, ROUTER_V4, wrong);
        scene.herald.write(&object);
        keeps(&scene, &FIRST);
        assert_eq!(scene.router.notifications_received(), []);
    }
}

#[test]
fn a_broken_peer_at_the_start_does_not_stop_a_valid_one() {
    let mut plan = Plan::simple();
    let wrong = integration::manifests::peer("wrong", 65001, 0, "10.9.9.9", json!({}));
    plan.peers.push(wrong);
    plan.objects.push(pool("overlapping", &["10.100.0.0/24"]));
    plan.objects.push(pool("wrong", &["10.300.0.0/24"]));
    if let Some(mut scene) = plan.establish::<Bird>() {
        scene.await_prefixes(&FIRST);
        assert!(scene.herald.is_running());
    }
}

fn established() -> Option<Scene<Bird>> {
    let scene = Plan::simple().establish::<Bird>()?;
    scene.await_prefixes(&FIRST);
    Some(scene)
}

fn keeps(scene: &Scene<Bird>, prefixes: &[&str]) {
    always("what is valid is served", Duration::from_secs(2), || {
        let held = scene.router.routes();
        let mut held: Vec<String> = held.iter().map(|route| route.prefix.to_string()).collect();
        held.sort();
        match held == prefixes && scene.router.is_established(ip(NODE_V4)) {
            true => Ok(()),
            false => Err(format!("{held:?}")),
        }
    });
}
