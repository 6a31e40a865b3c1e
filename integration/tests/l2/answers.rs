//! Who answers for an address, and what it says.

use std::collections::BTreeSet;
use std::time::Duration;

use integration::manifests::service;
use integration::segment::capture::clock;
use integration::segment::frame::Form;
use integration::segment::scene::{Scene, served, usual};
use integration::segment::{LINK, Segment, mac, name, vip, vip6, witness};
use integration::wait::{SOON, eventually};

#[test]
fn one_node_answers_for_an_address_of_each_family_with_the_mac_of_its_interface() {
    let Some(scene) = Scene::usual() else { return };
    for address in [vip(1), vip6(1)] {
        let owner = scene.owner(address);
        let seen = scene.witness.since(clock() - Duration::from_millis(500));
        let mut claims = seen
            .iter()
            .filter_map(|one| Some((one.frame.claim()?, one.frame.source)));
        let right = |((of, at), source)| of != address || (at, source) == (mac(owner), mac(owner));
        assert!(claims.all(right), "{seen:#?}");
    }
}

#[test]
fn tools_of_others_find_the_same_owner() {
    let Some(scene) = Scene::usual() else { return };
    let [owner, owner6] = [vip(1), vip6(1)].map(|address| mac(scene.owner(address)).to_string());
    let client = &scene.segment.client.netns;
    let (four, six) = (vip(1).to_string(), vip6(1).to_string());
    let arping = client.run("arping", &["-b", "-c", "3", "-I", LINK, &four]);
    assert!(arping.to_lowercase().contains(&owner), "{owner}: {arping}");
    assert_eq!(arping.matches("Unicast reply").count(), 3, "{arping}");
    let ndisc6 = client.run("ndisc6", &["-q", "-m", "-w", "500", &six, LINK]);
    // An announcement that comes meanwhile is one more line.
    let found: BTreeSet<String> = ndisc6.lines().map(str::to_lowercase).collect();
    assert_eq!(found, [owner6].into(), "{ndisc6}");
}

#[test]
fn a_node_without_herald_does_not_answer_for_virtual_addresses() {
    let Some(segment) = Segment::build(1) else {
        return;
    };
    usual(1).iter().for_each(|object| segment.write(object));
    let witness = segment.witness();
    let node = segment.node(1).machine.identity();
    let asked = [vip(1), vip6(1), node.addresses[0], node.addresses[1]];
    let _asker = segment.ask(&asked, Duration::from_millis(20));
    let answered = |address| witness::answers(&witness.seen(), address).len();
    eventually(
        "the node answers for its own addresses",
        SOON,
        || match node.addresses.map(answered) {
            [a, b] if a > 20 && b > 20 => Ok(()),
            few => Err(format!("{few:?}")),
        },
    );
    assert_eq!([vip(1), vip6(1)].map(answered), [0, 0], "{}", name(1));
}

#[test]
fn on_taking_an_address_it_is_announced_three_times_and_not_for_unrelated_changes() {
    // With others, one that is suspected for a moment announces what it has once more.
    let Some(scene) = alone() else { return };
    let owner = scene.owner(vip(1));
    let announced = || scene.announcements(vip(1), mac(owner));
    let six = eventually("it is announced six times", SOON, || match announced() {
        found if found.len() >= 6 => Ok(found),
        found => Err(format!("{found:?}")),
    });
    let forms: Vec<Form> = six.iter().map(|(_, form)| *form).collect();
    assert_eq!(forms, [Form::Request, Form::Reply].repeat(3));
    for (pair, after) in six.chunks_exact(2).zip([0, 1_100, 2_200]) {
        let late = pair[0].0 - six[0].0;
        assert!(late >= Duration::from_millis(after), "{six:?}");
    }
    for change in 1..=10 {
        let name = format!("other-{change}");
        let other = service(&name, &[&vip(100 + change).to_string()]);
        for object in served(other, 1) {
            scene.segment.write(&object);
        }
        eventually("the other Service has an owner", SOON, || {
            let status = scene.segment.node(owner).herald.service_status(&name)?;
            let has = status["l2"][0]["owner"].is_string();
            has.then_some(()).ok_or(status.to_string())
        });
    }
    assert_eq!(announced().len(), 6);
}

#[test]
fn an_ipv6_address_is_announced_to_all_nodes_three_times() {
    let Some(scene) = alone() else { return };
    let owner = scene.owner(vip6(1));
    let three = eventually("it is announced three times", SOON, || {
        match scene.announcements(vip6(1), mac(owner)) {
            found if found.len() >= 3 => Ok(found),
            found => Err(format!("{found:?}")),
        }
    });
    assert!(three.iter().all(|(_, form)| *form == Form::Advertisement));
    assert!(three[2].0 - three[0].0 >= Duration::from_millis(2_200));
}

#[test]
fn an_address_is_announced_again_after_the_refresh_time() {
    let Some(mut segment) = Segment::build(1) else {
        return;
    };
    segment.add_arguments(&["--l2-refresh", "1s"]);
    let scene = Scene::run(segment, &usual(1), &[vip(1), vip6(1)]);
    for (address, beginning) in [(vip(1), 6), (vip6(1), 3)] {
        eventually("it goes on to be announced", SOON, || {
            match scene.announcements(address, mac(1)).len() {
                many if many >= 2 * beginning => Ok(()),
                few => Err(few.to_string()),
            }
        });
    }
}

/// One node, without refreshing.
fn alone() -> Option<Scene> {
    let mut segment = Segment::build(1)?;
    segment.add_arguments(&["--l2-refresh", "0"]);
    Some(Scene::run(segment, &usual(1), &[vip(1), vip6(1)]))
}
