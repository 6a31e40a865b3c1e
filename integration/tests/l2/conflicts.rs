//! Somebody else has an address: RFC 5227, and duplicate address detection (RFC 4862 §5.4).

use std::net::IpAddr;
use std::time::Duration;

use integration::segment::capture::clock;
use integration::segment::frame::gratuitous;
use integration::segment::scene::{Scene, usual};
use integration::segment::wire::Wire;
use integration::segment::{LINK, STRANGER, Segment, mac, vip, vip6, witness};
use integration::wait::{LATER, SOON, eventually};

/// One node, without refreshing: what is announced has another reason. With others, one that is
/// suspected for a moment would begin again.
fn alone() -> Option<Segment> {
    let mut segment = Segment::build(1)?;
    segment.add_arguments(&["--l2-refresh", "0"]);
    Some(segment)
}

#[test]
fn an_address_is_probed_three_times_before_its_first_claim() {
    let Some(segment) = alone() else { return };
    let scene = Scene::run(segment, &usual(1), &[vip(1), vip6(1)]);
    for address in [vip(1), vip6(1)] {
        let owner = mac(scene.owner(address));
        let seen = scene.witness.seen();
        let by_owner = |one: &&integration::segment::capture::Seen| one.frame.source == owner;
        let before = seen.iter().filter(by_owner);
        let before = before.take_while(|one| one.frame.claim() != Some((address, owner)));
        let probes = before.filter(|one| one.frame.is_probe_of(address)).count();
        assert_eq!(probes, 3, "{address}");
    }
}

#[test]
fn an_address_that_a_stranger_has_is_not_claimed_until_the_stranger_is_gone() {
    let Some(segment) = alone() else { return };
    let stranger = segment.stranger();
    stranger.netns.add_address(LINK, &format!("{}/16", vip(1)));
    stranger.netns.add_address(LINK, &format!("{}/64", vip6(1)));
    let scene = Scene::run(segment, &usual(1), &[vip(1), vip6(1)]);
    eventually("the stranger is named", SOON, || {
        let status = scene.segment.node(1).herald.service_status("web")?;
        let by = mac(STRANGER).to_string();
        let is_named = |one: usize| {
            let here = &status["l2"][one]["interfaces"][0];
            here["state"] == "quarantined" && here["by"] == by.as_str()
        };
        let both = is_named(0) && is_named(1);
        both.then_some(()).ok_or(status.to_string())
    });
    for address in [vip(1), vip6(1)] {
        let seen = scene.witness.seen();
        let mut claims = seen.iter().filter_map(|one| one.frame.claim());
        let ours = claims.find(|(of, at)| *of == address && *at != mac(STRANGER));
        assert_eq!(ours, None, "{address}");
    }
    drop(stranger);
    for address in [vip(1), vip6(1)] {
        eventually("it is claimed when the stranger is gone", LATER, || {
            let answers = witness::answers(&scene.witness.seen(), address);
            let ours = answers.iter().any(|(_, by)| *by == mac(1));
            ours.then_some(()).ok_or(format!("{:?}", answers.last()))
        });
    }
}

#[test]
fn a_later_claimant_is_defended_against_once_in_ten_seconds() {
    let Some(segment) = alone() else { return };
    let stranger = segment.stranger();
    let scene = Scene::run(segment, &usual(1), &[vip(1)]);
    let (address, owner) = (vip(1), mac(scene.owner(vip(1))));
    let announced = || scene.announcements(address, owner);
    eventually(
        "the first announcements are over",
        SOON,
        || match announced().len() {
            6 => Ok(()),
            number => Err(number.to_string()),
        },
    );
    let IpAddr::V4(v4) = address else { return };
    let mut wire = Wire::open(&stranger.netns, LINK);
    let begin = clock();
    while clock() < begin + Duration::from_secs(12) {
        wire.send(&gratuitous(mac(STRANGER), v4));
        std::thread::sleep(Duration::from_millis(500));
    }
    let defences: Vec<Duration> = announced()[6..].iter().map(|(at, _)| *at - begin).collect();
    let mut apart = defences.clone();
    apart.dedup_by(|later, earlier| *later - *earlier < Duration::from_secs(1));
    assert_eq!(apart.len(), 2, "{defences:?}");
    assert!(apart[0] < Duration::from_secs(5), "{defences:?}");
    assert!(
        apart[1] - apart[0] >= Duration::from_millis(9_900),
        "{defences:?}"
    );
    let answers = witness::answers(
        &scene.witness.since(clock() - Duration::from_secs(1)),
        address,
    );
    assert!(answers.iter().any(|(_, by)| *by == owner), "{answers:?}");
}
