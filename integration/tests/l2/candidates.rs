//! Which node: selectors, preferences, interfaces, sharing, and who comes back.

use std::net::IpAddr;
use std::time::Duration;

use integration::manifests::{endpoint_slice, l2_advertisement, local, merge, service};
use integration::segment::capture::clock;
use integration::segment::scene::{Scene, served, usual, vips, web};
use integration::segment::{name, vip, vip6, witness};
use integration::wait::{LATER, SOON, always, eventually};
use plan::tenure::{SETTLED_AFTER, TOGETHER};
use serde_json::{Value, json};

/// Three nodes, the Service `web`, and this L2Advertisement.
fn advertised(spec: Value) -> Option<Scene> {
    let objects = [
        &[vips(), l2_advertisement("all", spec)][..],
        &served(web(), 3),
    ]
    .concat();
    Scene::start(3, &objects, &[vip(1), vip6(1)])
}

/// Waits until one node alone answers, which is that one.
fn await_owner(scene: &Scene, address: IpAddr, expected: u8) {
    eventually(
        &format!("node {expected} has {address}"),
        SOON,
        || match scene.owner(address) {
            owner if owner == expected => Ok(()),
            owner => Err(format!("node {owner} has it")),
        },
    );
}

/// That nobody answers, and that every node explains it so.
fn assert_nobody(scene: &Scene, service: &str, address: IpAddr, why: &str) {
    for node in &scene.segment.nodes {
        eventually(&format!("it is explained with {why}"), SOON, || {
            let text = node.herald.explain(service)?;
            text.contains(why).then_some(()).ok_or(text)
        });
    }
    let begin = clock();
    always("nobody answers", Duration::from_secs(1), || {
        let answers = witness::answers(&scene.witness.since(begin), address);
        answers
            .is_empty()
            .then_some(())
            .ok_or(format!("{answers:?}"))
    });
}

fn selecting(number: u8) -> Value {
    json!({"matchLabels": {"lab/number": number.to_string()}})
}

#[test]
fn a_node_that_no_selector_selects_does_not_answer_and_a_change_moves_the_address() {
    for (number, next) in [(1, 3), (2, 1)] {
        let spec = |number| json!({"failback": "immediate", "nodeSelectors": [selecting(number)]});
        let Some(scene) = advertised(spec(number)) else {
            return;
        };
        await_owner(&scene, vip(1), number);
        await_owner(&scene, vip6(1), number);
        scene.segment.write(&l2_advertisement("all", spec(next)));
        await_owner(&scene, vip(1), next);
        await_owner(&scene, vip6(1), next);
    }
}

#[test]
fn the_preferred_node_answers_as_long_as_it_is_there() {
    let preference = json!({"weight": 50, "preference": selecting(3)});
    let spec = json!({"failback": "immediate", "preferredNodeSelectors": [preference]});
    let Some(mut scene) = advertised(spec) else {
        return;
    };
    await_owner(&scene, vip(1), 3);
    await_owner(&scene, vip6(1), 3);
    scene.segment.node_mut(3).herald.kill();
    eventually("another node has it", SOON, || match scene.owner(vip(1)) {
        3 => Err("node 3 has it".to_owned()),
        _ => Ok(()),
    });
    scene.segment.node_mut(3).launch();
    await_owner(&scene, vip(1), 3);
}

#[test]
fn a_service_that_no_selector_selects_is_answered_for_by_nobody() {
    let gold = json!({"serviceSelectors": [{"matchLabels": {"tier": "gold"}}]});
    let labels = json!({"metadata": {"labels": {"tier": "gold"}}});
    let other = merge(service("gold", &[&vip(2).to_string()]), labels);
    let advertisement = l2_advertisement("all", gold);
    let objects = [
        &[vips(), advertisement][..],
        &served(web(), 3),
        &served(other, 3),
    ]
    .concat();
    let Some(scene) = Scene::start(3, &objects, &[vip(1), vip(2)]) else {
        return;
    };
    scene.owner(vip(2));
    assert_nobody(&scene, "web", vip(1), "serviceSelectors");
}

#[test]
fn services_that_share_an_address_have_one_owner() {
    let shared = |name: &str, port: u16| {
        let ports = json!([{"name": "http", "protocol": "TCP", "port": port}]);
        let more = json!({
            "metadata": {"annotations": {"metallb.io/allow-shared-ip": "key"}},
            "spec": {"ports": ports},
        });
        merge(service(name, &[&vip(5).to_string()]), more)
    };
    let (a, b) = (served(shared("a", 80), 3), served(shared("b", 81), 3));
    let Some(scene) = Scene::start(3, &[&usual(3)[..], &a, &b].concat(), &[vip(5)]) else {
        return;
    };
    let owner = scene.owner(vip(5));
    for node in &scene.segment.nodes {
        for service in ["a", "b"] {
            let status = node.herald.service_status(service).expect("a status");
            assert_eq!(status["l2"][0]["owner"], name(owner), "{status}");
        }
    }
}

#[test]
fn with_the_policy_local_the_owner_has_an_endpoint() {
    let usual = usual(3);
    let Some(scene) = Scene::start(3, &usual, &[vip(1)]) else {
        return;
    };
    scene.owner(vip(1));
    scene.segment.write(&local(web()));
    for number in [1, 3, 2] {
        scene
            .segment
            .write(&endpoint_slice("web", &[&name(number)]));
        await_owner(&scene, vip(1), number);
    }
    scene.segment.write(&endpoint_slice("web", &[]));
    assert_nobody(&scene, "web", vip(1), "endpoint");
}

#[test]
fn an_owner_that_comes_back_takes_over_at_once_where_it_is_to() {
    let Some(mut scene) = Scene::usual() else {
        return;
    };
    let home = scene.owner(vip(1));
    scene.segment.node_mut(home).herald.kill();
    eventually("another node has it", SOON, || match scene.owner(vip(1)) {
        owner if owner == home => Err("it is at home".to_owned()),
        _ => Ok(()),
    });
    scene.segment.node_mut(home).launch();
    await_owner(&scene, vip(1), home);
}

#[test]
fn an_owner_that_comes_back_takes_over_when_it_has_stayed_for_half_a_minute() {
    let Some(mut scene) = advertised(json!({})) else {
        return;
    };
    let home = scene.owner(vip(1));
    // Who comes back sooner after the others came waits for less: until then it may have come with them.
    std::thread::sleep(TOGETHER + SETTLED_AFTER);
    scene.segment.node_mut(home).herald.kill();
    let other = eventually("another node has it", SOON, || match scene.owner(vip(1)) {
        owner if owner == home => Err("it is at home".to_owned()),
        owner => Ok(owner),
    });
    scene.segment.node_mut(home).launch();
    let back = clock();
    eventually("it is at home again", LATER, || match scene.owner(vip(1)) {
        owner if owner == home => Ok(()),
        owner => Err(format!("node {owner} has it")),
    });
    let seen = scene.witness.since(back);
    let answers = witness::answers(&seen, vip(1));
    let by_home = |(_, by): &&(Duration, _)| scene.segment.who(*by) == Some(home);
    let first = answers.iter().find(by_home).expect("an answer").0 - back;
    assert!(
        first >= SETTLED_AFTER - Duration::from_secs(1),
        "after {first:?}"
    );
    assert_ne!(other, home);
}
