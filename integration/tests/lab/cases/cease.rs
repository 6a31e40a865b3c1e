//! Sessions ended on purpose, told by the subcode of a Cease (RFC 4486, RFC 9003).

use integration::manifests::{merge, peer};
use integration::router::{Notification, Router};
use integration::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::scene::{NODE_V4, PEER, Plan, ROUTER_V4, Scene, VIP_2, ip};

pub fn a_shutdown_by_the_router_is_shown_with_its_text<R: Router>() {
    let Some(scene) = Plan::simple().establish::<R>() else {
        return;
    };
    scene.router.shut_down(ip(NODE_V4), "back at noon");
    await_cease(&scene, &["6/2", "administrative shutdown", "back at noon"]);
}

pub fn a_reset_by_the_router_is_shown_and_the_session_comes_back<R: Router>() {
    let Some(scene) = Plan::simple().establish::<R>() else {
        return;
    };
    scene.router.reset(ip(NODE_V4));
    await_cease(&scene, &["6/4", "administrative reset"]);
    scene.await_prefixes(&["10.100.0.1/32"]);
}

pub fn a_router_that_removes_us_is_shown_as_such<R: Router>() {
    let Some(scene) = Plan::simple().establish::<R>() else {
        return;
    };
    scene.router.remove(ip(NODE_V4));
    await_cease(&scene, &["6/3", "de-configured"]);
}

pub fn the_prefix_limit_of_the_router_is_shown<R: Router>() {
    let plan = Plan::simple()
        .with_service("shop", &[VIP_2])
        .with_service("blog", &["10.100.0.3"])
        .neighbour_with(|neighbour| neighbour.prefix_limit = Some(1));
    let Some(scene) = plan.start::<R>() else {
        return;
    };
    await_cease(&scene, &["6/1", "maximum number of prefixes"]);
}

pub fn the_router_is_told_when_we_shut_down<R: Router>() {
    let Some(mut scene) = Plan::simple().establish::<R>() else {
        return;
    };
    scene.herald.terminate();
    await_notification(&scene, 6, 2);
}

pub fn the_router_is_told_when_it_is_no_longer_configured<R: Router>() {
    let Some(scene) = Plan::simple().establish::<R>() else {
        return;
    };
    scene
        .herald
        .remove(&peer(PEER, 65001, 65002, ROUTER_V4, json!({})));
    await_notification(&scene, 6, 3);
}

pub fn the_router_is_told_when_a_new_configuration_needs_a_new_session<R: Router>() {
    let plan = Plan::simple();
    let changed = merge(plan.peers[0].clone(), json!({"spec": {"holdTime": "30s"}}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&["10.100.0.1/32"]);
    scene.herald.write(&changed);
    await_notification(&scene, 6, 6);
    scene.await_prefixes(&["10.100.0.1/32"]);
}

/// Waits until `herald status` tells of a Cease received in these words.
fn await_cease<R: Router>(scene: &Scene<R>, words: &[&str]) {
    scene.await_status(&format!("status says {words:?}"), |entry: &Value| {
        let text = entry["lastError"].to_string().to_lowercase();
        words.iter().all(|word| text.contains(word))
    });
}

fn await_notification<R: Router>(scene: &Scene<R>, code: u8, subcode: u8) {
    eventually("the router has the NOTIFICATION", SOON, || {
        let received = scene.router.notifications_received();
        let wanted = |known: &Notification| (known.code, known.subcode) == (code, subcode);
        match received.iter().any(wanted) {
            true => Ok(()),
            false => Err(format!("{received:?}")),
        }
    });
}
