//! One side goes away and comes back.

use std::time::Duration;

use integration::router::Router;
use integration::wait::{SOON, always, eventually, eventually_equal};
use serde_json::json;

use crate::scene::{NODE_V4, Plan, Scene, ip};

const PREFIX: [&str; 1] = ["10.100.0.1/32"];

pub fn routes_come_back_after_a_restart_of_the_router<R: Router>() {
    let Some(mut scene) = established::<R>() else {
        return;
    };
    scene.router.stop();
    scene.await_status("the session is down", |entry| {
        entry["state"] != "Established"
    });
    scene.router.start_again(&scene.tor);
    scene.await_prefixes(&PREFIX);
}

pub fn routes_come_back_after_a_restart_of_herald<R: Router>() {
    let Some(mut scene) = established::<R>() else {
        return;
    };
    scene.herald.terminate();
    scene.await_prefixes(&[]);
    scene.herald.launch(&scene.node);
    scene.await_prefixes(&PREFIX);
}

pub fn routes_go_when_herald_is_killed_and_come_back_with_it<R: Router>() {
    let Some(mut scene) = established::<R>() else {
        return;
    };
    scene.herald.kill();
    scene.await_prefixes(&[]);
    scene.herald.launch(&scene.node);
    scene.await_prefixes(&PREFIX);
}

pub fn routes_go_by_the_hold_time_when_herald_freezes<R: Router>() {
    let Some(scene) = established::<R>() else {
        return;
    };
    scene.herald.process().pause();
    scene.await_prefixes(&[]);
    scene.herald.process().resume();
    scene.await_prefixes(&PREFIX);
}

pub fn a_router_that_freezes_is_left_by_the_hold_time<R: Router>() {
    let Some(scene) = established::<R>() else {
        return;
    };
    scene.router.pause();
    scene.await_status("the hold timer has expired", |entry| {
        entry["state"] != "Established" && entry.to_string().to_lowercase().contains("hold timer")
    });
    scene.router.resume();
    scene.await_prefixes(&PREFIX);
}

/// RFC 4724: the router keeps the routes of a node whose speaker is gone for a moment.
pub fn routes_survive_a_graceful_restart<R: Router>() {
    let graceful = json!({"enableGracefulRestart": true, "gracefulRestartTime": "60s"});
    let plan = Plan::simple()
        .peer_with(graceful)
        .neighbour_with(|neighbour| neighbour.graceful_restart = true);
    let Some(mut scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&PREFIX);
    scene.herald.kill();
    eventually("the router has seen it", SOON, || {
        match scene.router.state(ip(NODE_V4)) {
            state if state == "Established" => Err(state),
            _ => Ok(()),
        }
    });
    always("the route stays", Duration::from_secs(2), || {
        has_route(&scene)
    });
    scene.herald.launch(&scene.node);
    scene.await_established(ip(NODE_V4));
    always("the route stays", Duration::from_secs(2), || {
        has_route(&scene)
    });
    eventually_equal(
        "the kernel agrees",
        SOON,
        &usize::from(R::ROUTES_IN_KERNEL),
        || integration::kernel::routes(&scene.tor).len(),
    );
}

fn has_route<R: Router>(scene: &Scene<R>) -> Result<(), String> {
    match scene.router.routes().len() {
        1 => Ok(()),
        count => Err(format!("{count} routes")),
    }
}

/// A scene whose router holds [`PREFIX`].
fn established<R: Router>() -> Option<Scene<R>> {
    // The least hold time that there is: tests wait for it.
    let plan = Plan::simple()
        .peer_with(json!({"holdTime": "3s"}))
        .neighbour_with(|neighbour| neighbour.hold_time = 3);
    let scene = plan.establish::<R>()?;
    scene.await_prefixes(&PREFIX);
    Some(scene)
}
