//! Routes as the router holds them.

use std::collections::BTreeSet;

use integration::manifests::{NAMESPACE, advertisement, endpoint_slice, service};
use integration::router::{Neighbour, Route, Router};
use integration::wait::{LATER, SOON, eventually, eventually_equal};
use serde_json::{Value, json};

use crate::scene::{
    NODE, NODE_V4, NODE_V6, PEER, Plan, ROUTER_V6, Scene, VIP_1, VIP_2, VIP_V6, ip, plain_route,
};

pub fn ebgp_holds_exactly_the_announced_ipv4_routes<R: Router>() {
    let plan = Plan::simple().with_service("shop", &[VIP_2]);
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_routes(&[
        plain_route("10.100.0.1/32", NODE_V4),
        plain_route("10.100.0.2/32", NODE_V4),
    ]);
    assert_in_kernel(&scene, &["10.100.0.1/32", "10.100.0.2/32"]);
}

pub fn ebgp_holds_exactly_the_announced_ipv6_routes<R: Router>() {
    let plan = Plan::over_ipv6(65001, 65002)
        .with_service("web", &[VIP_V6])
        .advertised(json!({}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_routes(&[plain_route("fd00:100::1/128", NODE_V6)]);
    assert_in_kernel(&scene, &["fd00:100::1/128"]);
}

pub fn ebgp_holds_every_attribute_as_configured<R: Router>() {
    let plan = Plan::over_ipv4(65001, 65002)
        .with_service("web", &[VIP_1])
        .advertised(json!({
            "communities": ["65001:100", "large:65001:7:9", "no-advertise"],
            "localPref": 700,
            "med": 50,
            "asPathPrepend": 2,
        }));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_routes(&[Route {
        as_path: vec![65001, 65001, 65001],
        communities: strings(&["65001:100", "65535:65282"]),
        large_communities: strings(&["65001:7:9"]),
        med: Some(50),
        ..plain_route("10.100.0.1/32", NODE_V4)
    }]);
}

pub fn ibgp_holds_local_pref_and_an_empty_as_path<R: Router>() {
    let plan = Plan::over_ipv4(65001, 65001);
    let Some(scene) = with_two_local_prefs(plan, VIP_1, VIP_2).establish::<R>() else {
        return;
    };
    scene.await_routes(&[
        internal_route("10.100.0.1/32", NODE_V4, 300),
        internal_route("10.100.0.2/32", NODE_V4, 100),
    ]);
}

pub fn ibgp_over_ipv6_holds_local_pref_and_an_empty_as_path<R: Router>() {
    let plan = Plan::over_ipv6(65001, 65001);
    let plan = with_two_local_prefs(plan, VIP_V6, "fd00:100::2");
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_routes(&[
        internal_route("fd00:100::1/128", NODE_V6, 300),
        internal_route("fd00:100::2/128", NODE_V6, 100),
    ]);
}

/// The first address has LOCAL_PREF 300 by the labels of its Service, the second the default.
fn with_two_local_prefs(plan: Plan, first: &str, second: &str) -> Plan {
    let selector = |tier: &str| json!([{"matchLabels": {"tier": tier}}]);
    let mut plan = plan
        .advertised(json!({"localPref": 300, "serviceSelectors": selector("gold")}))
        .advertised(json!({"serviceSelectors": selector("iron")}));
    for (name, address, tier) in [("web", first, "gold"), ("shop", second, "iron")] {
        let mut labelled = service(name, &[address]);
        labelled["metadata"]["labels"] = json!({"tier": tier});
        plan.objects.push(labelled);
        plan.objects.push(endpoint_slice(name, &[NODE]));
    }
    plan
}

pub fn four_octet_ases_are_held_whole<R: Router>() {
    let plan = Plan::over_ipv4(4_200_000_001, 4_200_000_002)
        .with_service("web", &[VIP_1])
        .advertised(json!({}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_routes(&[Route {
        as_path: vec![4_200_000_001],
        ..plain_route("10.100.0.1/32", NODE_V4)
    }]);
}

pub fn a_four_octet_as_peers_with_a_two_octet_one<R: Router>() {
    let plan = Plan::over_ipv4(4_200_000_001, 65002)
        .with_service("web", &[VIP_1])
        .advertised(json!({"communities": ["65002:1"]}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_routes(&[Route {
        as_path: vec![4_200_000_001],
        communities: strings(&["65002:1"]),
        ..plain_route("10.100.0.1/32", NODE_V4)
    }]);
}

pub fn both_families_go_over_one_session<R: Router>() {
    let plan = Plan::over_ipv4(65001, 65002).dual_stack();
    both_families(plan)
        .establish::<R>()
        .inspect(holds_both_families);
}

pub fn both_families_go_over_one_session_over_ipv6<R: Router>() {
    let plan = Plan::over_ipv6(65001, 65002).dual_stack();
    both_families(plan)
        .establish::<R>()
        .inspect(holds_both_families);
}

pub fn each_family_goes_over_its_own_session<R: Router>() {
    let mut plan = both_families(Plan::over_ipv4(65001, 65002));
    let more = json!({"connectTime": "1s"});
    let peer = integration::manifests::peer("tor-v6", 65001, 65002, ROUTER_V6, more);
    plan.peers.push(peer);
    plan.neighbours.push(Neighbour::new(ip(NODE_V6), 65001));
    plan.establish::<R>().inspect(holds_both_families);
}

fn both_families(plan: Plan) -> Plan {
    plan.with_service("web", &[VIP_1, VIP_V6])
        .advertised(json!({}))
}

fn holds_both_families<R: Router>(scene: &Scene<R>) {
    scene.await_routes(&[
        plain_route("10.100.0.1/32", NODE_V4),
        plain_route("fd00:100::1/128", NODE_V6),
    ]);
    assert_in_kernel(scene, &["10.100.0.1/32", "fd00:100::1/128"]);
}

pub fn addresses_are_aggregated_to_one_prefix<R: Router>() {
    let plan = Plan::over_ipv4(65001, 65002)
        .dual_stack()
        .with_service("web", &[VIP_1, VIP_V6])
        .with_service("shop", &[VIP_2])
        .advertised(json!({"aggregationLength": 24, "aggregationLengthV6": 112}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    let both = ["10.100.0.0/24", "fd00:100::/112"];
    scene.await_prefixes(&both);
    scene.herald.remove(&service("web", &[VIP_1]));
    scene.await_prefixes(&["10.100.0.0/24"]);
}

pub fn two_advertisements_of_one_address_join_their_communities<R: Router>() {
    let plan = Plan::over_ipv4(65001, 65002)
        .with_service("web", &[VIP_1])
        .advertised(json!({"communities": ["65001:1"]}))
        .advertised(json!({"communities": ["65001:2"]}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_routes(&[Route {
        communities: strings(&["65001:1", "65001:2"]),
        ..plain_route("10.100.0.1/32", NODE_V4)
    }]);
}

pub fn a_service_without_endpoints_is_withdrawn_and_comes_back<R: Router>() {
    let plan = Plan::simple().with_service("shop", &[VIP_2]);
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&["10.100.0.1/32", "10.100.0.2/32"]);
    scene.herald.write(&endpoint_slice("shop", &[]));
    scene.await_prefixes(&["10.100.0.1/32"]);
    scene.herald.write(&endpoint_slice("shop", &[NODE]));
    scene.await_prefixes(&["10.100.0.1/32", "10.100.0.2/32"]);
}

pub fn a_deleted_service_is_withdrawn<R: Router>() {
    let plan = Plan::simple().with_service("shop", &[VIP_2]);
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&["10.100.0.1/32", "10.100.0.2/32"]);
    scene.herald.remove(&service("shop", &[VIP_2]));
    scene.await_prefixes(&["10.100.0.1/32"]);
}

pub fn a_changed_advertisement_is_announced_anew<R: Router>() {
    let mut plan = Plan::over_ipv4(65001, 65002).with_service("web", &[VIP_1]);
    plan.objects.push(advertisement("all", json!({"med": 1})));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    let with_med = |med| Route {
        med: Some(med),
        ..plain_route("10.100.0.1/32", NODE_V4)
    };
    scene.await_routes(&[with_med(1)]);
    scene.herald.write(&advertisement("all", json!({"med": 2})));
    scene.await_routes(&[with_med(2)]);
    assert_eq!(scene.router.notifications_received(), []);
}

pub fn ten_thousand_prefixes_are_held<R: Router>() {
    const COUNT: u32 = 10_000;
    let mut plan = Plan::over_ipv4(65001, 65002).advertised(json!({}));
    let first = u32::from(std::net::Ipv4Addr::new(10, 100, 0, 0));
    let vip = |index: u32| std::net::Ipv4Addr::from(first + index).to_string();
    let objects = |index: u32| {
        let name = format!("web-{index}");
        [
            service(&name, &[&vip(index)]),
            endpoint_slice(&name, &[NODE]),
        ]
    };
    let items: Vec<Value> = (0..COUNT).flat_map(objects).collect();
    plan.objects
        .extend(items.chunks(1000).enumerate().map(|(index, items)| {
            json!({
                "apiVersion": "v1",
                "kind": "List",
                "metadata": {"name": format!("services-{index}"), "namespace": NAMESPACE},
                "items": items,
            })
        }));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    let expected: BTreeSet<String> = (0..COUNT)
        .map(|index| format!("{}/32", vip(index)))
        .collect();
    eventually("the router holds 10,000 prefixes", LATER, || {
        let held: BTreeSet<String> = scene
            .router
            .routes()
            .iter()
            .map(|route| route.prefix.to_string())
            .collect();
        match held == expected {
            true => Ok(()),
            false => Err(format!("{} prefixes", held.len())),
        }
    });
    if R::ROUTES_IN_KERNEL {
        eventually_equal("so does its kernel", LATER, &expected.len(), || {
            integration::kernel::routes(&scene.tor).len()
        });
    }
}

pub fn a_soft_reset_is_answered_with_every_route<R: Router>() {
    let plan = Plan::over_ipv4(65001, 65002)
        .dual_stack()
        .with_service("web", &[VIP_1, VIP_V6])
        .advertised(json!({}));
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    let prefixes = ["10.100.0.1/32", "fd00:100::1/128"];
    scene.await_prefixes(&prefixes);
    let before = scene.router.updates_received(ip(NODE_V4));
    scene.router.soft_reset_in(ip(NODE_V4));
    let expected = if R::SENDS_ROUTE_REFRESH { 2 } else { 0 };
    eventually("both families are sent again", SOON, || {
        let more = scene.router.updates_received(ip(NODE_V4)) - before;
        if more >= expected {
            Ok(())
        } else {
            Err(format!("{more} UPDATEs more"))
        }
    });
    scene.await_prefixes(&prefixes);
    assert_eq!(scene.router.notifications_received(), []);
}

pub fn the_session_holds_whatever_the_router_announces<R: Router>() {
    let mut plan = Plan::simple();
    plan.networks = vec!["10.50.0.0/16", "10.51.0.0/16", "0.0.0.0/0"];
    let Some(scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&["10.100.0.1/32"]);
    // Some routers send our own route back, too: an AS loop, which is counted and never used.
    scene.await_status(&format!("{PEER} shows three prefixes received"), |entry| {
        entry["receivedPrefixes"].as_u64() >= Some(3)
    });
    assert_eq!(scene.router.notifications_received(), []);
    assert!(scene.router.is_established(ip(NODE_V4)));
}

fn internal_route(prefix: &str, next_hop: &str, local_pref: u32) -> Route {
    Route {
        as_path: Vec::new(),
        local_pref: Some(local_pref),
        ..plain_route(prefix, next_hop)
    }
}

fn strings(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// Where the router puts routes into the kernel, it has these there and no other.
fn assert_in_kernel<R: Router>(scene: &Scene<R>, prefixes: &[&str]) {
    if R::ROUTES_IN_KERNEL {
        let expected = strings(prefixes);
        eventually_equal("the kernel has the routes", SOON, &expected, || {
            let routes = integration::kernel::routes(&scene.tor);
            routes.keys().map(ToString::to_string).collect()
        });
    }
}
