//! On which interface, and with which link-layer address.

use std::time::Duration;

use integration::manifests::l2_advertisement;
use integration::segment::capture::clock;
use integration::segment::scene::{Scene, served, usual, vips, web};
use integration::segment::{BRIDGE, LINK, Segment, address, mac, vip, vip6, witness};
use integration::wait::{SOON, always, eventually};
use serde_json::{Value, json};

const SECOND: &str = "eth1";
/// The link-layer address of a second link.
const SECOND_MAC: u8 = 200;

fn on(interfaces: &[&str]) -> Vec<Value> {
    let spec = json!({"failback": "immediate", "interfaces": interfaces});
    [
        &[vips(), l2_advertisement("all", spec)][..],
        &served(web(), 3),
    ]
    .concat()
}

/// Gives a node a second link to the same bridge.
fn second_link(segment: &Segment, number: u8) {
    let (netns, switch) = (&segment.node(number).machine.netns, &segment.switch);
    let at = mac(SECOND_MAC);
    netns.ip(&format!(
        "link add {SECOND} address {at} type veth peer name second netns {}",
        switch.name()
    ));
    switch.ip(&format!("link set second master {BRIDGE} up"));
    netns.bring_up(SECOND, &["fe80::200/64"]);
}

#[test]
fn only_a_node_with_the_interface_is_a_candidate_and_answers_there() {
    for number in [1, 2] {
        let Some(segment) = Segment::build(3) else {
            return;
        };
        second_link(&segment, number);
        let scene = Scene::run(segment, &on(&[SECOND]), &[vip(1), vip6(1)]);
        for address in [vip(1), vip6(1)] {
            let answers = eventually("it is answered for", SOON, || {
                match witness::answers(&scene.witness.seen(), address) {
                    answers if answers.len() > 10 => Ok(answers),
                    few => Err(format!("{few:?}")),
                }
            });
            let mut answers = answers.iter();
            assert!(answers.all(|(_, by)| *by == mac(SECOND_MAC)), "{answers:?}");
        }
    }
}

#[test]
fn an_interface_that_appears_and_goes_takes_the_address_with_it() {
    let Some(segment) = Segment::build(3) else {
        return;
    };
    let scene = Scene::run(segment, &on(&[SECOND]), &[vip(1)]);
    let answered = || {
        let recent = scene.witness.since(clock() - Duration::from_secs(1));
        witness::answers(&recent, vip(1)).len()
    };
    for node in &scene.segment.nodes {
        eventually("the missing interface is the reason", SOON, || {
            let text = node.herald.explain("web")?;
            text.contains("interface").then_some(()).ok_or(text)
        });
    }
    always(
        "nobody answers",
        Duration::from_secs(1),
        || match answered() {
            0 => Ok(()),
            some => Err(some.to_string()),
        },
    );
    second_link(&scene.segment, 2);
    eventually("it is answered for", SOON, || match answered() {
        0 => Err("no answer".to_owned()),
        _ => Ok(()),
    });
    let netns = &scene.segment.node(2).machine.netns;
    netns.ip(&format!("link delete {SECOND}"));
    eventually("nobody answers again", SOON, || match answered() {
        0 => Ok(()),
        some => Err(some.to_string()),
    });
}

#[test]
fn on_every_interface_each_answers_with_its_own_mac() {
    let Some(segment) = Segment::build(1) else {
        return;
    };
    second_link(&segment, 1);
    let scene = Scene::run(segment, &usual(1), &[vip(1), vip6(1)]);
    for address in [vip(1), vip6(1)] {
        eventually("both answer", SOON, || {
            let seen = scene.witness.seen();
            let answers = witness::answers(&seen, address);
            let by = |number| answers.iter().any(|(_, by)| *by == mac(number));
            let both = by(1) && by(SECOND_MAC);
            both.then_some(()).ok_or(format!("{:?}", answers.last()))
        });
    }
    let seen = scene.witness.seen();
    let mut claims = seen.iter().filter(|one| one.frame.claim().is_some());
    let own = claims.all(|one| one.frame.claim().map(|(_, at)| at) == Some(one.frame.source));
    assert!(own, "an answer came from another interface than it tells");
}

#[test]
fn a_bridge_answers_and_its_port_does_not() {
    let Some(segment) = Segment::build(1) else {
        return;
    };
    let netns = &segment.node(1).machine.netns;
    netns.ip(&format!("address flush dev {LINK}"));
    netns.bridge("br1", &[]);
    netns.ip(&format!("link set br1 address {}", mac(SECOND_MAC)));
    netns.ip(&format!("link set {LINK} master br1"));
    netns.bring_up("br1", &[&format!("{}/16", address(1)), "fe80::1/64"]);
    let scene = Scene::run(segment, &usual(1), &[vip(1), vip6(1)]);
    for address in [vip(1), vip6(1)] {
        let answers = eventually("it is answered for", SOON, || {
            match witness::answers(&scene.witness.seen(), address) {
                answers if answers.len() > 10 => Ok(answers),
                few => Err(format!("{few:?}")),
            }
        });
        let mut by = answers.iter().map(|(_, by)| *by);
        assert!(by.all(|by| by == mac(SECOND_MAC)), "{answers:?}");
    }
}
