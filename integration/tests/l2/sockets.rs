//! What is open, and what is not, when no pool is in L2 mode, and without the capability.

use integration::bird::Bird;
use integration::manifests::{advertisement, l2_advertisement, peer, pool, service};
use integration::router::{Neighbour, Router, RouterConfig};
use integration::segment::scene::{Scene, at_once, served, usual, vips, web};
use integration::segment::{Node, Segment, address, vip, vip6};
use integration::wait::{SOON, eventually, eventually_equal};
use serde_json::{Value, json};

const MEMBERSHIP: u16 = 7946;

fn open(node: &Node) -> (usize, usize) {
    (node.raw_sockets(), node.udp_sockets(MEMBERSHIP))
}

#[test]
fn sockets_are_open_as_long_as_an_l2_advertisement_selects_a_pool() {
    let Some(scene) = Scene::start(2, &[&[vips()][..], &served(web(), 2)].concat(), &[vip(1)])
    else {
        return;
    };
    let nodes = &scene.segment.nodes;
    for node in nodes {
        eventually("the Service has its addresses", SOON, || {
            let status = node.herald.service_status("web")?;
            let has = status["addresses"]
                .as_array()
                .is_some_and(|all| all.len() == 2);
            has.then_some(()).ok_or(status.to_string())
        });
        assert_eq!(open(node), (0, 0));
    }
    scene.segment.write(&at_once());
    let owner = scene.owner(vip(1));
    let both = || {
        (
            open(scene.segment.node(owner)),
            open(&nodes[0]).1,
            open(&nodes[1]).1,
        )
    };
    eventually_equal(
        "one for ARP, one for NDP, and members",
        SOON,
        &((2, 1), 1, 1),
        both,
    );
    let elsewhere = l2_advertisement("all", json!({"ipAddressPools": ["of-nobody"]}));
    scene.segment.write(&elsewhere);
    for node in nodes {
        eventually_equal("all are closed", SOON, &(0, 0), || open(node));
    }
    scene.segment.write(&at_once());
    scene.owner(vip(1));
    scene.segment.remove(&at_once());
    for node in nodes {
        eventually_equal("all are closed", SOON, &(0, 0), || open(node));
    }
}

#[test]
fn without_the_capability_the_error_names_it_and_bgp_goes_on() {
    let Some(mut segment) = Segment::build(1) else {
        return;
    };
    if !integration::command::exists("bird") {
        integration::lab::skip(segment.lab.test(), "no bird: install the package bird2");
        return;
    }
    let node = segment.node_mut(1);
    node.herald
        .set_runner(&["setpriv", "--bounding-set", "-net_raw"]);
    let router = Bird::start(&segment.lab, &segment.client.netns, &router_config());
    let routed = "10.100.0.1";
    let by_bgp = [
        pool("routed", &["10.100.0.0/24"]),
        advertisement("routed", json!({"ipAddressPools": ["routed"]})),
        peer(
            "tor",
            65001,
            65002,
            &address(100).to_string(),
            json!({"connectTime": "1s"}),
        ),
        l2_advertisement("all", json!({"ipAddressPools": ["vips"]})),
    ];
    let routed_service = served(service("routed", &[routed]), 1);
    let objects: Vec<Value> = [&usual(1)[..], &by_bgp, &routed_service].concat();
    let scene = Scene::run(segment, &objects, &[vip(1), vip6(1)]);
    eventually("BGP announces its pool", SOON, || {
        let prefixes: Vec<String> = router
            .routes()
            .iter()
            .map(|r| r.prefix.to_string())
            .collect();
        (prefixes == [format!("{routed}/32")])
            .then_some(())
            .ok_or(format!("{prefixes:?}"))
    });
    let node = scene.segment.node(1);
    eventually("the trouble names the capability", SOON, || {
        let trouble = node.herald.overview()?["l2"]["trouble"].to_string();
        trouble.contains("NET_RAW").then_some(()).ok_or(trouble)
    });
    assert_eq!(node.raw_sockets(), 0);
    assert!(
        scene
            .witness
            .seen()
            .iter()
            .all(|one| one.frame.claim().is_none())
    );
}

fn router_config() -> RouterConfig {
    RouterConfig {
        asn: 65002,
        router_id: address(100),
        neighbours: vec![Neighbour::new(address(1).into(), 65001)],
        networks: Vec::new(),
    }
}
