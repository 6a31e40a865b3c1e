//! What cannot work is named: in an Event of the Service, in `herald status` and in `herald explain`
//! of the node that knows.

use integration::kube::node::LINK;
use integration::kube::segment::{NAME, mac};
use integration::manifests::{l2_advertisement, pool};
use integration::segment::witness::answers;

use super::*;

#[test]
fn an_interface_that_no_node_has_is_named_and_nobody_answers_until_it_is_there() {
    let Some((segment, cluster)) = segment(|plan| {
        plan.advertisement = json!({"failback": "immediate", "interfaces": ["nope0"]});
    }) else {
        return;
    };
    let (addresses, witness) = web(&segment, &cluster.lab);
    let service = segment.service("web");
    assert_named_everywhere(&segment, &service, "see interfaces", "noInterface");
    assert_eq!(segment.statuses(), [Value::Null; 0]);
    await_nobody(&segment, &witness, addresses);
    let both = json!({"failback": "immediate", "interfaces": ["nope0", LINK]});
    segment.herald.put(l2_advertisement(NAME, both));
    let owner = segment.owner(&witness, addresses[0]);
    segment.await_owner(&witness, addresses[1], owner);
    let named = vec![json!([{"name": LINK}, {"name": "nope0"}])];
    eventually_equal("the interfaces in the status", SOON, &named, || {
        let statuses = segment.statuses().into_iter();
        statuses.map(|one| one["interfaces"].clone()).collect()
    });
}

#[test]
fn nodes_that_there_are_not_are_named_and_nobody_answers_until_there_is_one() {
    let ghost = json!([{"matchLabels": {"kubernetes.io/hostname": "ghost"}}]);
    let Some((segment, cluster)) = segment(|plan| {
        plan.advertisement = json!({"failback": "immediate", "nodeSelectors": ghost});
    }) else {
        return;
    };
    let (addresses, witness) = web(&segment, &cluster.lab);
    let service = segment.service("web");
    assert_named_everywhere(&segment, &service, "see nodeSelectors", "notOwner");
    await_nobody(&segment, &witness, addresses);
    segment.nodes[1].set_labels(&json!({"kubernetes.io/hostname": "ghost"}));
    for address in addresses {
        segment.await_owner(&witness, address, 1);
    }
}

#[test]
fn an_address_that_a_stranger_has_is_named_and_the_service_is_given_another_one() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    let [v4, _] = segment.vips(0);
    segment.client.add_address(LINK, &format!("{v4}/32"));
    segment.set_endpoints("web", &[0, 1, 2]);
    let families = json!({"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"});
    let service = segment.create("web", &[], json!({ "spec": families }));
    let address = segment.address("web", Some(v4));
    let witness = segment.witness(&cluster.lab, &[address]);
    let owner = segment.owner(&witness, address);
    segment.await_status("web", owner);
    let by = mac(&segment.client).to_string();
    segment.await_event(&service, "announceFailed", &[&v4.to_string(), &by]);
}

#[test]
fn addresses_of_the_gateway_are_named_and_left_to_it() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    let addresses = segment.client_addresses;
    let [v4, v6] = addresses;
    for node in &segment.nodes {
        let netns = node.netns();
        netns.ip(&format!("route add default via {v4} dev {LINK}"));
        netns.ip(&format!("-6 route add default via {v6} dev {LINK}"));
    }
    put_alone(&segment, addresses);
    let gateway = mac(&segment.client);
    let witness = segment.witness(&cluster.lab, &addresses);
    segment.set_endpoints("web", &[0, 1, 2]);
    // It asks for these, so that it gets no others.
    let service = segment.create("web", &addresses, json!({}));
    let by = gateway.to_string();
    for address in addresses {
        let words = [
            &*address.to_string(),
            &*by,
            "take it out of the IPAddressPool",
        ];
        assert_named(&segment, &service, &words);
        let answers = answers(&witness.since(Duration::ZERO), address);
        assert!(answers.iter().all(|(_, by)| *by == gateway), "{answers:?}");
    }
}

#[test]
fn addresses_of_a_node_are_named_and_left_to_it() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    for (index, node) in segment.nodes.iter().enumerate() {
        let addresses = node.addresses();
        put_alone(&segment, addresses);
        let name = format!("own-{index}");
        let witness = segment.witness(&cluster.lab, &addresses);
        segment.set_endpoints(&name, &[0, 1, 2]);
        let service = segment.create(&name, &addresses, json!({}));
        for address in addresses {
            let words = [
                &*address.to_string(),
                LINK,
                "take it out of the IPAddressPool",
            ];
            assert_named(&segment, &service, &words);
            let owner = segment.macs[index];
            let answers = answers(&witness.since(Duration::ZERO), address);
            assert!(answers.iter().all(|(_, by)| *by == owner), "{answers:?}");
        }
        let (explained, own) = (explanation(&segment, index, &service), node.name());
        let reasons = reasons(&segment, &explained);
        let expected = segment.nodes.iter().map(|node| match node.name() == own {
            true => Value::Null,
            false => json!("nodeAddress"),
        });
        assert_eq!(reasons, expected.collect::<Vec<_>>());
        cluster
            .delete("Service", &segment.namespace, &name)
            .expect("gone");
    }
}

#[test]
fn an_address_outside_of_every_subnet_is_named_and_answered_for() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    segment
        .herald
        .put(pool("far", &["10.250.0.0/24", "fd00:250::/120"]));
    let addresses = ["10.250.0.9", "fd00:250::9"].map(|text| text.parse().expect("an address"));
    let witness = segment.witness(&cluster.lab, &addresses);
    segment.set_endpoints("far", &[0, 1, 2]);
    let service = segment.create("far", &addresses, json!({}));
    for (address, subnet) in addresses
        .into_iter()
        .zip(["10.244.0.0/16", "fd00:244::/64"])
    {
        let words = [&*address.to_string(), "route to the link", subnet];
        assert_named(&segment, &service, &words);
        segment.owner(&witness, address);
    }
}

/// A pool of just these addresses.
fn put_alone(segment: &Segment, addresses: [IpAddr; 2]) {
    let [v4, v6] = addresses.map(|address| format!("{address}-{address}"));
    segment.herald.put(pool("alone", &[&v4, &v6]));
}

/// Waits until an Event of the Service has these words, and `herald status` and `herald explain` of
/// some node have them in one line.
fn assert_named(segment: &Segment, service: &Value, words: &[&str]) {
    segment.await_event(service, "announceFailed", words);
    let has_all = |text: &str| words.iter().all(|word| text.contains(word));
    let what = format!("{words:?} are in status and explain");
    eventually(&what, SOON, || {
        let mut seen = Vec::new();
        for (node, speaker) in segment.speakers.iter().enumerate() {
            let status = speaker.overview_text()?;
            let explained = explanation(segment, node, service);
            let here = of_node(segment, node, &explained);
            let mut failures = here["l2"]["failures"].as_array().into_iter().flatten();
            let is_explained = failures.any(|one| has_all(one.as_str().unwrap_or_default()));
            if is_explained && status.lines().any(has_all) {
                return Ok(());
            }
            seen.push(format!("{status}\n{:#}", here["l2"]));
        }
        Err(seen.join("\n"))
    });
}

/// The same of what is wrong with no node in particular: in an Event, in the status of one node, and
/// every node explains it with this reason.
fn assert_named_everywhere(segment: &Segment, service: &Value, words: &str, reason: &str) {
    assert_named(segment, service, &[words]);
    for node in 0..segment.nodes.len() {
        let reasons = reasons(segment, &explanation(segment, node, service));
        assert_eq!(reasons, [reason; 3]);
    }
}

fn explanation(segment: &Segment, node: usize, service: &Value) -> Value {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let name = format!("{}/{name}", segment.namespace);
    let explained = segment.speakers[node].explain(&name);
    explained.unwrap_or_else(|error| panic!("{error}"))
}

/// Why each node does not answer, in a word; null where it does.
fn reasons(segment: &Segment, explained: &Value) -> Vec<Value> {
    let reason = |node| of_node(segment, node, explained)["l2"]["reason"].clone();
    (0..segment.nodes.len()).map(reason).collect()
}

fn of_node(segment: &Segment, node: usize, explained: &Value) -> Value {
    let name = segment.nodes[node].name();
    let mut all = explained["nodes"].as_array().into_iter().flatten();
    all.find(|one| one["node"] == *name)
        .cloned()
        .unwrap_or_default()
}
