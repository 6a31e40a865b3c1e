//! Sessions that cannot be: `herald status` says why, and nothing loops.

use std::time::Duration;

use integration::manifests::merge;
use integration::router::Router;
use integration::wait::eventually;
use serde_json::{Value, json};

use crate::scene::{NODE_V4, PEER, Plan, Scene, ip};

/// A user sees a refusal within 5 s; the rest is for a machine that is busy with other tests.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// How long attempts are counted, and how many there may be: one a second, and a few at the
/// beginning.
const WATCHED: Duration = Duration::from_secs(8);
const MOST_ATTEMPTS: u64 = 12;

pub fn a_wrong_password_is_shown_and_a_right_one_repairs_it<R: Router>() {
    let plan = Plan::simple()
        .peer_with(json!({"password": "wrong"}))
        .neighbour_with(|neighbour| neighbour.password = Some("right".to_owned()));
    let right = merge(
        plan.peers[0].clone(),
        json!({"spec": {"password": "right"}}),
    );
    let Some(scene) = plan.start::<R>() else {
        return;
    };
    await_shown(&scene, &["password"]);
    assert_no_tight_loop(&scene);
    scene.herald.write(&right);
    scene.await_established(ip(NODE_V4));
    scene.await_prefixes(&["10.100.0.1/32"]);
}

pub fn a_wrong_as_of_the_router_is_shown_and_makes_no_tight_loop<R: Router>() {
    let plan = Plan::simple().peer_with(json!({"peerASN": 65009}));
    let right = merge(plan.peers[0].clone(), json!({"spec": {"peerASN": 65002}}));
    let Some(scene) = plan.start::<R>() else {
        return;
    };
    await_shown(&scene, &["65002", "65009"]);
    assert_no_tight_loop(&scene);
    scene.herald.write(&right);
    scene.await_prefixes(&["10.100.0.1/32"]);
}

pub fn a_router_that_expects_another_as_is_shown_and_makes_no_tight_loop<R: Router>() {
    let plan = Plan::simple().neighbour_with(|neighbour| neighbour.asn = 65009);
    let Some(scene) = plan.start::<R>() else {
        return;
    };
    await_shown(&scene, &["bad peer as"]);
    assert_no_tight_loop(&scene);
}

pub fn a_router_that_is_not_there_is_shown_and_makes_no_tight_loop<R: Router>() {
    let Some(mut scene) = Plan::simple().start::<R>() else {
        return;
    };
    scene.router.stop();
    await_shown(&scene, &["refused"]);
    assert_no_tight_loop(&scene);
    scene.router.start_again(&scene.tor);
    scene.await_prefixes(&["10.100.0.1/32"]);
}

fn await_shown<R: Router>(scene: &Scene<R>, words: &[&str]) {
    eventually(&format!("status says {words:?}"), SHOWN_WITHIN, || {
        let entry: Value = scene.herald.peer_status(PEER)?;
        let text = entry["lastError"].to_string().to_lowercase();
        match words.iter().all(|word| text.contains(word)) {
            true => Ok(()),
            false => Err(format!("{entry:#}")),
        }
    });
}

/// The kernel counts what herald connects.
fn assert_no_tight_loop<R: Router>(scene: &Scene<R>) {
    let before = scene.node.snmp("Tcp", "ActiveOpens");
    std::thread::sleep(WATCHED);
    let attempts = scene.node.snmp("Tcp", "ActiveOpens") - before;
    assert!(
        attempts <= MOST_ATTEMPTS,
        "{attempts} attempts in {WATCHED:?}"
    );
}
