//! `herald demo --router`: the demonstration in front of a real router.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;

use integration::gobgp::GoBgp;
use integration::herald::binary;
use integration::process::Process;
use integration::router::{Families, Neighbour, Notification, Route, Router, RouterConfig};
use integration::wait::{SOON, eventually, eventually_equal};
use integration::{Lab, Netns};
use serde_json::Value;

use crate::scene::{NODE_V4, NODE_V6, ROUTER_V4, ROUTER_V6, ip, tail};

/// What the sample manifests announce by IPv4 from their public pool.
const PUBLIC: [&str; 4] = [
    "203.0.113.0/32",
    FAILING,
    "203.0.113.10/32",
    "203.0.113.2/32",
];
/// The address of the Service that fails over.
const FAILING: &str = "203.0.113.1/32";
/// Out of the other pools.
const PRIVATE: [&str; 2] = ["198.51.100.0/32", "198.51.100.242/32"];
const PUBLIC_V6: &str = "2001:db8:cafe::/128";

#[test]
fn the_demo_announces_its_services_to_a_real_gobgp_and_fails_over_there() {
    let Some(lab) = Lab::open(GoBgp::NEEDS) else {
        return;
    };
    let (node, tor) = (lab.netns("node"), lab.netns("tor"));
    let ends = [[NODE_V4, NODE_V6], [ROUTER_V4, ROUTER_V6]];
    let [near, far] = ends.map(|[v4, v6]| [format!("{v4}/24"), format!("{v6}/64")]);
    let [near, far] = [&near, &far].map(|ends| ends.each_ref().map(String::as_str));
    node.join("eth0", &near, &tor, "eth0", &far);
    let router = GoBgp::start(&lab, &tor, &config());
    let mut demo = demo(&lab, &node);
    let (all, rest) = (expected(&[]), expected(&[FAILING]));
    for (what, routes) in [
        ("the router holds all of it", &all),
        ("the failing Service is gone", &rest),
        ("it is back", &all),
    ] {
        eventually_equal(what, SOON, routes, || router.routes());
    }
    let log = demo.log();
    let established = events(&log).any(|e| e["event"] == "session" && e["state"] == "Established");
    assert!(established, "{}", tail(&log));
    demo.terminate();
    let goodbye = Notification {
        code: 6,
        subcode: 2,
        text: "herald demo ends".to_owned(),
    };
    eventually("the router is told the end", SOON, || {
        let told = router.notifications_received();
        told.contains(&goodbye)
            .then_some(())
            .ok_or(format!("{told:?}"))
    });
}

fn demo(lab: &Lab, node: &Netns) -> Process {
    let mut command = Command::new(binary());
    let router = format!("{ROUTER_V4}:179");
    command.args(["demo", "-o", "json", "--router", &router]);
    command.args(["--router-asn", "65002"]);
    Process::spawn(node, &lab.log("demo"), command)
}

fn config() -> RouterConfig {
    let mut neighbour = Neighbour::new(ip(NODE_V4), 64512);
    neighbour.families = Families::Both;
    RouterConfig {
        asn: 65002,
        router_id: Ipv4Addr::new(10, 255, 255, 254),
        neighbours: vec![neighbour],
        networks: Vec::new(),
    }
}

/// What `deploy/demo` says, but for some prefixes.
fn expected(without: &[&str]) -> Vec<Route> {
    let set = |text: &str| BTreeSet::from([text.to_owned()]);
    let plain = |prefix: &str, next_hop: &str| Route {
        prefix: prefix.parse().expect("a prefix"),
        next_hop: ip(next_hop),
        as_path: vec![64512],
        communities: set("64512:100"),
        large_communities: set("64512:1:20"),
        med: None,
        local_pref: None,
    };
    let public = PUBLIC.iter().filter(|prefix| !without.contains(prefix));
    let mut routes: Vec<Route> = public.map(|prefix| plain(prefix, NODE_V4)).collect();
    routes.push(plain(PUBLIC_V6, NODE_V6));
    routes.extend(PRIVATE.map(|prefix| Route {
        communities: set("65535:65281"),
        large_communities: BTreeSet::new(),
        med: Some(50),
        ..plain(prefix, NODE_V4)
    }));
    routes.sort();
    routes
}

fn events(log: &str) -> impl Iterator<Item = Value> + '_ {
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}
