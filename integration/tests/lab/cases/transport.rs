//! Options of the TCP connection.

use std::time::Duration;

use integration::Lab;
use integration::herald::Herald;
use integration::router::{Neighbour, Router, RouterConfig};
use integration::wait::always;
use serde_json::json;

use crate::scene::{
    NODE, NODE_LINK_LOCAL, NODE_V4, NODE_V6, PEER, Plan, ROUTER_LINK_LOCAL, VIP_V6, ip, plain_route,
};

pub fn a_right_password_lets_routes_through<R: Router>() {
    let plan = Plan::simple()
        .peer_with(json!({"password": "a-good-one"}))
        .neighbour_with(|neighbour| neighbour.password = Some("a-good-one".to_owned()));
    if let Some(scene) = plan.establish::<R>() {
        scene.await_prefixes(&["10.100.0.1/32"]);
    }
}

pub fn ttl_security_on_both_sides_lets_routes_through<R: Router>() {
    let plan = Plan::simple()
        .peer_with(json!({"ttlSecurity": 1}))
        .neighbour_with(|neighbour| neighbour.ttl_security = true);
    if let Some(scene) = plan.establish::<R>() {
        scene.await_prefixes(&["10.100.0.1/32"]);
    }
}

/// Without TTL security an eBGP router sends with TTL 1.
pub fn ttl_security_keeps_out_a_router_with_a_low_ttl<R: Router>() {
    let plan = Plan::simple().peer_with(json!({"ttlSecurity": 1}));
    let Some(scene) = plan.start::<R>() else {
        return;
    };
    always("there is no session", Duration::from_secs(6), || {
        // The router may think for a moment that there is one: it hears us.
        let state = scene.herald.peer_status(PEER)?["state"].clone();
        match (state == "Established", scene.router.routes().len()) {
            (false, 0) => Ok(()),
            (_, routes) => Err(format!("{state}, {routes} routes")),
        }
    });
}

pub fn the_source_address_is_the_one_configured<R: Router>() {
    const SECOND: &str = "10.1.0.7";
    let plan = Plan::simple()
        .peer_with(json!({"sourceAddress": SECOND}))
        .neighbour_with(|neighbour| neighbour.address = ip(SECOND));
    let Some(scene) = plan.start::<R>() else {
        return;
    };
    scene.node.add_address("eth0", &format!("{SECOND}/24"));
    scene.await_established(ip(SECOND));
    scene.await_routes(&[plain_route("10.100.0.1/32", SECOND)]);
}

pub fn link_local_addresses_peer<R: Router>() {
    let mut plan = Plan::over_ipv6(65001, 65002)
        .peer_with(json!({"peerAddress": format!("{ROUTER_LINK_LOCAL}%eth0")}))
        .with_service("web", &[VIP_V6])
        .advertised(json!({}));
    let mut neighbour = Neighbour::new(ip(NODE_LINK_LOCAL), 65001);
    neighbour.interface = Some("eth0".to_owned());
    plan.neighbours = vec![neighbour];
    if let Some(scene) = plan.establish::<R>() {
        scene.await_prefixes(&["fd00:100::1/128"]);
        let hops: Vec<_> = scene
            .router
            .routes()
            .iter()
            .map(|route| route.next_hop)
            .collect();
        assert!(
            hops == [ip(NODE_LINK_LOCAL)] || hops == [ip(NODE_V6)],
            "{hops:?}"
        );
    }
}

/// A node, a router between, and the BGP router behind it.
pub fn a_router_two_hops_away_is_reached<R: Router>() {
    let Some(lab) = Lab::open(R::NEEDS) else {
        return;
    };
    let (node, middle, tor) = (lab.netns("node"), lab.netns("middle"), lab.netns("tor"));
    node.join(
        "eth0",
        &["10.1.0.1/24"],
        &middle,
        "eth0",
        &["10.1.0.254/24"],
    );
    middle.join("eth1", &["10.2.0.1/24"], &tor, "eth0", &["10.2.0.254/24"]);
    middle.forward();
    node.ip("route add default via 10.1.0.254");
    tor.ip("route add default via 10.2.0.1");
    let mut plan = Plan::simple()
        .peer_with(json!({"peerAddress": "10.2.0.254", "ebgpMultiHop": true}))
        .neighbour_with(|neighbour| neighbour.multihop = true);
    plan.objects.extend(plan.peers.clone());
    let config = RouterConfig {
        asn: plan.router_asn,
        router_id: [10, 255, 255, 254].into(),
        neighbours: plan.neighbours.clone(),
        networks: Vec::new(),
    };
    let router = R::start(&lab, &tor, &config);
    let herald = Herald::start(&lab, &node, NODE, &plan.objects);
    let scene = crate::scene::Scene {
        herald,
        router,
        node,
        tor,
        lab,
    };
    scene.await_established(ip(NODE_V4));
    scene.await_routes(&[plain_route("10.100.0.1/32", NODE_V4)]);
}
