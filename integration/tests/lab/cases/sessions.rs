//! Who connects.

use std::time::Duration;

use integration::router::Router;
use integration::wait::{SOON, always, eventually_equal};
use serde_json::json;

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

/// Both sides connect at once again and again (RFC 4271 §6.8).
pub fn two_connections_at_once_become_one<R: Router>() {
    let Some(scene) = Plan::simple().establish::<R>() else {
        return;
    };
    for _ in 0..5 {
        scene.await_prefixes(&["10.100.0.1/32"]);
        eventually_equal("one connection is left", SOON, &1, || {
            scene.node.established(179)
        });
        scene.router.reset(ip(NODE_V4));
        eventually_equal("the routes go", SOON, &Vec::new(), || scene.router.routes());
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
