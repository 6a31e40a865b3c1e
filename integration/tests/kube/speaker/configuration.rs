//! Configuration that changes while it is in use, and configuration that is wrong.

use std::collections::BTreeSet;

use integration::bird::Bird;
use integration::kube::fabric::{Fabric, Plan};
use integration::kube::shared::Shared;
use integration::manifests::{advertisement, peer, pool};
use integration::router::Router as _;
use integration::wait::{SOON, eventually, eventually_equal};
use serde_json::json;

/// Waits until `herald status` tells of a problem with that object; what it says.
fn await_problem(fabric: &Fabric<Bird>, kind: &str, name: &str) -> String {
    eventually(&format!("{kind} {name} is named"), SOON, || {
        let overview = fabric.speakers[0].overview()?;
        let problems = overview["problems"].as_array().into_iter().flatten();
        let mut texts = problems.map(ToString::to_string);
        texts
            .find(|text| text.contains(kind) && text.contains(name))
            .ok_or_else(|| overview["problems"].to_string())
    })
}

#[test]
fn bad_objects_are_named_and_do_not_stop_the_good_ones() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    let [range, _] = fabric.ranges();
    fabric.herald.put(pool("zz-overlapping", &[&range]));
    let missing = json!({"ipAddressPools": ["no-such-pool"]});
    fabric.herald.put(advertisement("zz-missing", missing));
    let secret = json!({"passwordSecret": {"name": "no-such-secret"}});
    fabric
        .herald
        .put(peer("zz-secret", 65001, 65009, "10.244.0.250", secret));
    for (kind, name, word) in [
        ("IPAddressPool", "zz-overlapping", "vips"),
        ("BGPAdvertisement", "zz-missing", "no-such-pool"),
        ("BGPPeer", "zz-secret", "no-such-secret"),
    ] {
        let said = await_problem(&fabric, kind, name);
        assert!(said.contains(word), "{said}");
    }
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0]);
    assert!(fabric.speakers[0].metric("herald_config_errors") >= Some(3.0));
    fabric.herald.delete("IPAddressPool", "zz-overlapping");
    fabric.herald.delete("BGPAdvertisement", "zz-missing");
    fabric.herald.delete("BGPPeer", "zz-secret");
    eventually_equal("nothing is wrong", SOON, &Some(0.0), || {
        fabric.speakers[0].metric("herald_config_errors")
    });
}

#[test]
fn a_changed_advertisement_changes_its_routes_at_once() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0]);
    let community = json!({"communities": [{"name": "vip", "value": "65001:77"}]});
    fabric.herald.put(json!({
        "apiVersion": "metallb.io/v1beta1",
        "kind": "Community",
        "metadata": {"name": "aliases"},
        "spec": community,
    }));
    let change = json!({"communities": ["vip"], "aggregationLength": 24});
    fabric.herald.change("BGPAdvertisement", "all", &change);
    let [range, _] = fabric.ranges();
    let expected = BTreeSet::from([(range, "65001:77".to_owned())]);
    eventually_equal("the aggregate with its community", SOON, &expected, || {
        let routes = fabric.router.routes().into_iter();
        let pair = |route: integration::router::Route| {
            let communities: Vec<String> = route.communities.into_iter().collect();
            (route.prefix.to_string(), communities.join(" "))
        };
        routes.map(pair).collect()
    });
    fabric.herald.delete("BGPAdvertisement", "all");
    eventually_equal("nothing", SOON, &BTreeSet::new(), || fabric.prefixes());
}
