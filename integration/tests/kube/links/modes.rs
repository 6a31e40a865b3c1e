//! What MetalLB's own suite asserts of L2 mode, for both families.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use integration::bird::Bird;
use integration::kube::fabric::{OUR_AS, ROUTER_AS};
use integration::kube::node::Node;
use integration::kube::segment::NAME;
use integration::manifests::{advertisement, l2_advertisement, merge, peer, pool};
use integration::netns::Netns;
use integration::router::{Families, Neighbour, Router, RouterConfig};
use integration::tcp;
use integration::wait::eventually_equal;

use super::*;

#[test]
fn a_pool_in_both_modes_is_announced_in_both_and_l2_ends_with_its_advertisement() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    let (router, _tor) = router(&segment, &cluster);
    let (addresses, witness) = web(&segment, &cluster.lab);
    let hops = |expected: usize| {
        for address in addresses {
            let what = format!("so many nodes announce {address}");
            eventually_equal(&what, SOON, &expected, || {
                let routes = router.routes().into_iter();
                let of_it = routes.filter(|route| route.prefix == address.into());
                let hops: BTreeSet<IpAddr> = of_it.map(|route| route.next_hop).collect();
                hops.len()
            });
        }
    };
    for is_last in [false, true] {
        let owner = segment.owner(&witness, addresses[0]);
        segment.await_owner(&witness, addresses[1], owner);
        hops(3);
        segment.herald.delete("L2Advertisement", NAME);
        await_nobody(&segment, &witness, addresses);
        hops(3);
        if !is_last {
            let immediate = json!({"failback": "immediate"});
            segment.herald.put(l2_advertisement(NAME, immediate));
        }
    }
}

#[test]
fn services_that_share_addresses_are_answered_for_by_one_node_which_says_so_of_both() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    let addresses = segment.vips(3);
    let shared = |name: &str, port: u16| {
        let more = json!({
            "metadata": {"annotations": {"metallb.io/allow-shared-ip": "key"}},
            "spec": {"ports": [{"port": port}]},
        });
        segment.serve(name, 3, &[0, 1, 2], more)
    };
    let services = [shared("one", 80), shared("two", 81)];
    let witness = segment.witness(&cluster.lab, &addresses);
    let owner = segment.owner(&witness, addresses[0]);
    segment.await_owner(&witness, addresses[1], owner);
    let node = segment.nodes[owner].name();
    let assigned = format!("announcing from node \"{node}\" with protocol \"layer2\"");
    for (service, name) in services.iter().zip(["one", "two"]) {
        segment.await_event(service, "nodeAssigned", &[&assigned]);
        segment.await_status(name, owner);
    }
}

#[test]
fn addresses_of_a_range_and_of_a_prefix_are_reached() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    let [first, last] = [4, 9].map(|last| segment.vips(last));
    let range = |family: usize| format!("{}-{}", first[family], last[family]);
    let prefix = |family: usize| match first[family] {
        IpAddr::V4(_) => format!("{}/30", first[family]),
        IpAddr::V6(_) => format!("{}/126", first[family]),
    };
    for (index, ranges) in [[range(0), prefix(1)], [prefix(0), range(1)]]
        .iter()
        .enumerate()
    {
        let [v4, v6] = ranges;
        segment.herald.put(pool(NAME, &[v4, v6]));
        let name = format!("web-{index}");
        let service = segment.serve(&name, 6, &[0, 1, 2], json!({}));
        for address in segment.vips(6) {
            let answer = || tcp::ask(&segment.client, SocketAddr::new(address, 80));
            let what = format!("a node answers at {address}, of {ranges:?}");
            eventually(&what, SOON, || answer().map(|_| ()));
        }
        let name = service["metadata"]["name"].as_str().expect("a name");
        cluster
            .delete("Service", &segment.namespace, name)
            .expect("gone");
    }
}

#[test]
fn the_owner_follows_preferences_as_they_change() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    for (node, zone) in segment.nodes.iter().zip(["a", "b", "c"]) {
        node.set_labels(&json!({ "zone": zone }));
    }
    let (addresses, witness) = web(&segment, &cluster.lab);
    let usual = segment.owner(&witness, addresses[0]);
    let zone = |zone: &str| json!({"matchLabels": {"zone": zone}});
    let prefer = |name: &str, weight: u8| json!({"weight": weight, "preference": zone(name)});
    let of_web = json!([{"matchLabels": {"app": "web"}}]);
    let of_others = json!([{"matchLabels": {"app": "other"}}]);
    let rows = [
        (
            json!({"preferredNodeSelectors": [prefer("c", 10)]}),
            json!({}),
            2,
        ),
        // Nobody is there: as if nothing was preferred.
        (
            json!({"preferredNodeSelectors": [prefer("nowhere", 10)]}),
            json!({}),
            usual,
        ),
        // A node that is preferred, and not selected.
        (
            json!({"preferredNodeSelectors": [prefer("c", 10)], "nodeSelectors": [zone("b")]}),
            Value::Null,
            1,
        ),
        // Weights of several are added, but only of those that are for the Service.
        (
            json!({"preferredNodeSelectors": [prefer("a", 30), prefer("b", 20)]}),
            json!({"preferredNodeSelectors": [prefer("b", 20)], "serviceSelectors": of_web}),
            1,
        ),
        (
            json!({"preferredNodeSelectors": [prefer("a", 30), prefer("b", 20)]}),
            json!({"preferredNodeSelectors": [prefer("b", 20)], "serviceSelectors": of_others}),
            0,
        ),
    ];
    for (first, second, expected) in rows {
        let immediate = |spec: Value| merge(json!({"failback": "immediate"}), spec);
        // What an earlier row has set is gone with the object.
        for name in [NAME, "second"] {
            let _ = cluster.delete("L2Advertisement", segment.herald.namespace(), name);
        }
        segment.herald.put(l2_advertisement(NAME, immediate(first)));
        if !second.is_null() {
            segment
                .herald
                .put(l2_advertisement("second", immediate(second)));
        }
        for address in addresses {
            segment.await_owner(&witness, address, expected);
        }
    }
}

#[test]
fn a_service_is_answered_for_where_pool_and_one_of_the_service_selectors_are_right() {
    let gold = |name: &str| json!({"matchLabels": {"app": name}});
    let Some((segment, cluster)) = segment(|plan| {
        plan.advertisement = json!({
            "failback": "immediate",
            "ipAddressPools": [NAME],
            "serviceSelectors": [gold("one"), gold("two")],
        });
    }) else {
        return;
    };
    segment
        .herald
        .put(pool("other", &["10.250.1.0/24", "fd00:250:0:1::/120"]));
    let other = ["10.250.1.1", "fd00:250:0:1::1"].map(|text| text.parse().expect("an address"));
    let right = [1, 2].map(|last| segment.vips(last));
    let wrong = segment.vips(3);
    let all = [right.concat(), wrong.to_vec(), other.to_vec()].concat();
    let witness = segment.witness(&cluster.lab, &all);
    segment.serve("one", 1, &[0, 1, 2], json!({}));
    segment.serve("two", 2, &[0, 1, 2], json!({}));
    segment.serve("three", 3, &[0, 1, 2], json!({}));
    segment.set_endpoints("four", &[0, 1, 2]);
    let labels = json!({"metadata": {"labels": {"app": "one"}}});
    segment.create("four", &other, labels);
    for address in right.concat() {
        segment.owner(&witness, address);
    }
    await_nobody(&segment, &witness, wrong);
    await_nobody(&segment, &witness, other);
    segment.herald.change(
        "L2Advertisement",
        NAME,
        &json!({"serviceSelectors": [gold("three")]}),
    );
    for address in wrong {
        segment.owner(&witness, address);
    }
    for addresses in right {
        await_nobody(&segment, &witness, addresses);
    }
}

/// A router to which all pools are announced by BGP.
fn router(segment: &Segment, cluster: &Shared) -> (Bird, Netns) {
    let tor = cluster.lab.netns("tor");
    let [address, _] = cluster.attach(&tor, "eth0");
    let neighbour = |node: &Node| {
        let mut neighbour = Neighbour::new(node.addresses()[0], OUR_AS);
        neighbour.families = Families::Both;
        neighbour
    };
    let config = RouterConfig {
        asn: ROUTER_AS,
        router_id: Ipv4Addr::new(10, 255, 255, 254),
        neighbours: segment.nodes.iter().map(neighbour).collect(),
        networks: Vec::new(),
    };
    let router = Bird::start(&cluster.lab, &tor, &config);
    let more = json!({"connectTime": "1s", "dualStackAddressFamily": true});
    let peer = peer("tor", OUR_AS, ROUTER_AS, &address.to_string(), more);
    segment.herald.put(peer);
    segment.herald.put(advertisement("all", json!({})));
    (router, tor)
}
