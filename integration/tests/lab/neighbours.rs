//! Several neighbours of one herald, and neighbours with habits.

use std::net::Ipv4Addr;
use std::time::Duration;

use integration::bird::Bird;
use integration::frr::Frr;
use integration::herald::Herald;
use integration::manifests::{advertisement, endpoint_slice, peer, service};
use integration::router::{Neighbour, Route, Router, RouterConfig};
use integration::tcp::SilentRouter;
use integration::wait::{SOON, always, eventually_equal};
use integration::{Lab, Netns};
use serde_json::json;

use crate::scene::{NODE, NODE_V4, PEER, Plan, ROUTER_V4, VIP_1, VIP_2, ip, plain_route};

/// A node with a link to each of two routers: 10.1.0.254 and 10.2.0.254.
struct TwoLinks {
    node: Netns,
    tors: [Netns; 2],
    lab: Lab,
}

#[test]
fn a_router_that_stops_reading_does_not_delay_another() {
    let Some(links) = TwoLinks::new() else {
        return;
    };
    let first = Bird::start(&links.lab, &links.tors[0], &config("10.1.0.1"));
    let second = Frr::start(&links.lab, &links.tors[1], &config("10.2.0.1"));
    let herald = links.herald();
    for routes in [&|| first.routes().len(), &|| second.routes().len()] as [&dyn Fn() -> usize; 2] {
        eventually_equal("each router holds the route", SOON, &1, routes);
    }
    first.pause();
    announce_another(&herald, &second);
    first.resume();
    eventually_equal("the first catches up", SOON, &2, || first.routes().len());
}

#[test]
fn a_router_that_accepts_and_says_nothing_does_not_delay_another() {
    let Some(links) = TwoLinks::new() else {
        return;
    };
    let _silent = SilentRouter::start(&links.tors[0], ip(ROUTER_V4));
    let second = Frr::start(&links.lab, &links.tors[1], &config("10.2.0.1"));
    let herald = links.herald();
    eventually_equal("the other router holds the route", SOON, &1, || {
        second.routes().len()
    });
    announce_another(&herald, &second);
}

#[test]
fn a_router_that_cannot_be_reached_does_not_delay_another() {
    let Some(links) = TwoLinks::new() else {
        return;
    };
    links.tors[0].ip("link set eth0 down");
    let second = Frr::start(&links.lab, &links.tors[1], &config("10.2.0.1"));
    let herald = links.herald();
    announce_another(&herald, &second);
}

#[test]
fn an_advertisement_for_one_router_does_not_reach_another() {
    let Some(links) = TwoLinks::new() else {
        return;
    };
    let first = Bird::start(&links.lab, &links.tors[0], &config("10.1.0.1"));
    let second = Frr::start(&links.lab, &links.tors[1], &config("10.2.0.1"));
    let herald = links.herald();
    eventually_equal("the first router holds the route", SOON, &1, || {
        first.routes().len()
    });
    herald.write(&advertisement("all", json!({"peers": ["tor-2"]})));
    eventually_equal("it is withdrawn there", SOON, &0, || first.routes().len());
    eventually_equal("the second keeps it", SOON, &1, || second.routes().len());
}

#[test]
fn each_router_gets_the_communities_that_are_meant_for_it() {
    let Some(links) = TwoLinks::new() else {
        return;
    };
    let first = Bird::start(&links.lab, &links.tors[0], &config("10.1.0.1"));
    let second = Frr::start(&links.lab, &links.tors[1], &config("10.2.0.1"));
    let herald = links.herald();
    let of = |peer: &str, community: &str| json!({"peers": [peer], "communities": [community]});
    herald.write(&advertisement("all", of("tor-2", "65001:2")));
    herald.write(&advertisement("first", of(PEER, "65001:1")));
    let communities = |routes: Vec<Route>| {
        let communities = routes.into_iter().flat_map(|route| route.communities);
        communities.collect::<Vec<String>>()
    };
    let one = |community: &str| vec![community.to_owned()];
    eventually_equal("the first's", SOON, &one("65001:1"), || {
        communities(first.routes())
    });
    eventually_equal("the second's", SOON, &one("65001:2"), || {
        communities(second.routes())
    });
    // One is for all again.
    herald.write(&advertisement("all", json!({"communities": ["65001:2"]})));
    let both = ["65001:1", "65001:2"].map(str::to_owned).to_vec();
    eventually_equal("both at the first", SOON, &both, || {
        communities(first.routes())
    });
}

/// AS_TRANS in AS_PATH, which the router mends with AS4_PATH (RFC 6793 §4.2.2, §4.2.3).
#[test]
fn a_router_without_four_octet_ases_holds_them_whole() {
    let plan = Plan::over_ipv4(4_200_000_001, 65002)
        .neighbour_with(|neighbour| {
            // BIRD takes the AS of the capability though it does not use it.
            neighbour.asn = 0;
            neighbour.extra.push("enable as4 off;".to_owned());
        })
        .with_service("web", &[VIP_1])
        .advertised(json!({"asPathPrepend": 1}));
    if let Some(scene) = plan.establish::<Bird>() {
        scene.await_routes(&[Route {
            as_path: vec![4_200_000_001, 4_200_000_001],
            ..plain_route("10.100.0.1/32", NODE_V4)
        }]);
    }
}

/// RFC 4271 §4.2.
#[test]
fn a_router_with_another_hold_time_keeps_the_lower_one() {
    let plan = Plan::simple()
        .peer_with(json!({"holdTime": "90s"}))
        .neighbour_with(|neighbour| neighbour.hold_time = 3);
    let Some(scene) = plan.establish::<Bird>() else {
        return;
    };
    // Longer than the hold time of 3 s: KEEPALIVEs must be in time for it.
    always("the session stays", Duration::from_secs(8), || match scene
        .router
        .state(ip(NODE_V4))
        .as_str()
    {
        "Established" => Ok(()),
        state => Err(state.to_owned()),
    });
}

impl TwoLinks {
    fn new() -> Option<TwoLinks> {
        let lab = Lab::open(&[Bird::NEEDS, Frr::NEEDS].concat())?;
        let (node, tors) = (
            lab.netns("node"),
            ["tor-1", "tor-2"].map(|role| lab.netns(role)),
        );
        for (index, tor) in tors.iter().enumerate() {
            let n = index + 1;
            let (near, far) = (format!("10.{n}.0.1/24"), format!("10.{n}.0.254/24"));
            node.join(&format!("eth{n}"), &[&near], tor, "eth0", &[&far]);
        }
        Some(TwoLinks { node, tors, lab })
    }

    /// Herald with both routers as peers and one Service.
    fn herald(&self) -> Herald {
        let long = json!({"holdTime": "90s", "connectTime": "1s"});
        let mut plan = Plan::over_ipv4(65001, 65002).peer_with(long.clone());
        plan = plan.with_service("web", &[VIP_1]);
        plan.objects.extend([
            advertisement("all", json!({})),
            peer("tor-2", 65001, 65002, "10.2.0.254", long),
        ]);
        let objects = [plan.objects, plan.peers].concat();
        Herald::start(&self.lab, &self.node, NODE, &objects)
    }
}

/// With a hold time that ends nothing while the test watches.
fn config(address: &str) -> RouterConfig {
    let mut neighbour = Neighbour::new(ip(address), 65001);
    neighbour.hold_time = 90;
    RouterConfig {
        asn: 65002,
        router_id: Ipv4Addr::new(10, 255, 255, 254),
        neighbours: vec![neighbour],
        networks: Vec::new(),
    }
}

/// A Service more reaches a router.
fn announce_another(herald: &Herald, router: &impl Router) {
    herald.write(&service("shop", &[VIP_2]));
    herald.write(&endpoint_slice("shop", &[NODE]));
    eventually_equal("the router holds the new route", SOON, &2, || {
        router.routes().len()
    });
}
