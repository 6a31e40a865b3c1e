//! What a node answers for between one owner and the next, on a virtual clock.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imbl::OrdMap;
use l2::responder::{AddressState, Claim, OnConflict};
use plan::elect::{Elected, Elections, Here, Interfaces};

use super::holding::{
    Facts, HAND_OVER, HEARD_BEFORE, Holding, Next, REPEAT_AFTER, REPEAT_EVERY, Trust,
};
use crate::link_io::LinkView;
use crate::link_io::view::OtherOwner;

const VIP: &str = "203.0.113.7";
const NONE: [IpAddr; 0] = [];

/// One node, `me`, and one address.
struct Scene {
    now: Instant,
    holding: Holding,
    elections: Elections,
    owners: OrdMap<IpAddr, Arc<str>>,
    view: LinkView,
    trust: Trust,
    joins: bool,
    is_outdated: bool,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            now: Instant::now(),
            holding: Holding::default(),
            elections: Elections::default(),
            owners: OrdMap::new(),
            view: LinkView::default(),
            trust: Trust::Full,
            joins: false,
            is_outdated: false,
        }
    }

    fn elect(&mut self, owner: Option<&str>) -> Next {
        self.elect_for(owner, true)
    }

    fn elect_for(&mut self, owner: Option<&str>, is_replaceable: bool) -> Next {
        let here = (owner == Some("me")).then_some(Here {
            interfaces: Interfaces::All,
            is_replaceable,
        });
        match here.is_some() {
            true => self.elections.here.insert(vip()),
            false => self.elections.here.remove(&vip()),
        };
        let elected = Elected {
            owner: owner.map(Arc::from),
            here,
            holders: Vec::new(),
        };
        self.elections.by_address.insert(vip(), Arc::new(elected));
        self.next()
    }

    fn next(&mut self) -> Next {
        let facts = Facts {
            elections: &self.elections,
            owners: &self.owners,
            view: &self.view,
            trust: self.trust,
            joins: self.joins,
            is_outdated: self.is_outdated,
        };
        self.holding.next(self.now, facts)
    }

    /// Another speaker claims the address.
    fn hear(&mut self) -> Next {
        let by = "02:00:00:00:00:09".parse().expect("a MAC");
        let heard = OtherOwner { by, at: self.now };
        self.view.other_owners.insert((vip(), 2), heard);
        self.next()
    }

    fn pass(&mut self, time: Duration) -> Next {
        self.now += time;
        self.next()
    }
}

fn vip() -> IpAddr {
    VIP.parse().expect("an address")
}

/// How the address is answered for: `None` is not at all.
fn claim(next: &Next) -> Option<Claim> {
    let address = next.addresses.get(&vip())?;
    (!address.handing_over).then_some(address.claim)
}

fn is_handed_over(next: &Next) -> bool {
    let address = next.addresses.get(&vip());
    address.is_some_and(|address| address.handing_over)
}

#[test]
fn an_address_that_nobody_is_known_to_have_had_is_probed_first() {
    let mut scene = Scene::new();
    assert_eq!(claim(&scene.elect(Some("me"))), Some(Claim::FirstEver));
    let mut scene = Scene::new();
    scene.owners.insert(vip(), "me".into());
    let again = scene.elect(Some("me"));
    assert_eq!(claim(&again), Some(Claim::TakenOver), "before a restart");
    let mut scene = Scene::new();
    assert_eq!(claim(&scene.elect(Some("other"))), None);
    assert_eq!(claim(&scene.elect(Some("me"))), Some(Claim::TakenOver));
}

#[test]
fn an_address_that_goes_to_another_node_is_answered_for_until_that_one_is_heard() {
    let mut scene = Scene::new();
    scene.elect(Some("me"));
    // What was claimed long before it was given away does not count.
    scene.hear();
    scene.now += HEARD_BEFORE + Duration::from_millis(1);
    let given = scene.elect(Some("other"));
    assert!(is_handed_over(&given));
    assert_eq!(given.due, Some(scene.now + HAND_OVER));
    scene.now += Duration::from_millis(5);
    assert_eq!(scene.hear(), Next::default());
}

#[test]
fn an_owner_that_has_heard_of_its_election_first_is_not_answered_beside() {
    let mut scene = Scene::new();
    scene.elect(Some("me"));
    scene.hear();
    scene.now += HEARD_BEFORE;
    assert_eq!(scene.elect(Some("other")), Next::default());
}

#[test]
fn an_owner_that_is_not_heard_gets_the_address_all_the_same() {
    let mut scene = Scene::new();
    scene.elect(Some("me"));
    scene.elect(Some("other"));
    let before = scene.pass(HAND_OVER - Duration::from_millis(1));
    assert!(is_handed_over(&before));
    assert_eq!(scene.pass(Duration::from_millis(1)), Next::default());
}

#[test]
fn an_address_that_nobody_has_is_answered_for_no_more() {
    let mut scene = Scene::new();
    scene.elect(Some("me"));
    assert_eq!(scene.elect(None), Next::default());
    scene.elect(Some("me"));
    scene.elections = Elections::default();
    assert_eq!(scene.next(), Next::default());
    // The next Service that gets the address is another one.
    assert_eq!(claim(&scene.elect(Some("me"))), Some(Claim::FirstEver));
}

#[test]
fn an_address_that_comes_back_before_it_was_taken_is_answered_for_as_before() {
    let mut scene = Scene::new();
    scene.elect(Some("me"));
    scene.elect(Some("other"));
    assert_eq!(claim(&scene.elect(Some("me"))), Some(Claim::FirstEver));
    assert!(is_handed_over(&scene.elect(Some("other"))));
    let due = scene.pass(Duration::ZERO).due;
    assert_eq!(due, Some(scene.now + HAND_OVER), "from now on");
}

#[test]
fn a_node_that_stops_takes_nothing_and_hands_over_what_it_has() {
    let mut scene = Scene::new();
    scene.elect(Some("me"));
    scene.holding.leave(scene.now);
    assert!(is_handed_over(&scene.next()));
    assert!(is_handed_over(&scene.elect(Some("me"))));
    scene.now += Duration::from_millis(3);
    assert_eq!(scene.hear(), Next::default());
    assert_eq!(scene.elect(Some("me")), Next::default());
}

#[test]
fn who_is_elected_and_hears_another_speaker_announces_anew_if_that_lasts_but_not_often() {
    let mut scene = Scene::new();
    scene.elect(Some("me"));
    assert_eq!(scene.hear().announce, NONE);
    let due = scene.next().due;
    assert_eq!(due, Some(scene.now + REPEAT_AFTER));
    assert_eq!(scene.pass(REPEAT_AFTER).announce, [vip()]);
    assert_eq!(scene.pass(REPEAT_EVERY).announce, NONE, "it was answered");
    scene.hear();
    assert_eq!(scene.pass(REPEAT_AFTER).announce, [vip()]);
    scene.now += Duration::from_millis(10);
    scene.hear();
    assert_eq!(scene.pass(REPEAT_AFTER).announce, NONE, "too soon");
    assert_eq!(scene.pass(REPEAT_EVERY).announce, [vip()]);
}

#[test]
fn an_outdated_node_leaves_an_address_to_who_claims_it_and_announces_no_more() {
    let mut scene = Scene::new();
    scene.is_outdated = true;
    let next = scene.elect(Some("me"));
    assert!(next.addresses[&vip()].yields);
    scene.view.states.insert((vip(), 2), AddressState::Claimed);
    scene.hear();
    assert_eq!(scene.pass(REPEAT_AFTER).announce, [vip()], "not left yet");
    scene.view.states.insert((vip(), 2), AddressState::Probing);
    scene.now += Duration::from_millis(10);
    scene.hear();
    assert_eq!(scene.pass(REPEAT_EVERY).announce, NONE);
    scene.is_outdated = false;
    let next = scene.next();
    assert!(!next.addresses[&vip()].yields);
    assert_eq!(next.announce, [vip()]);
}

#[test]
fn without_trust_nothing_is_claimed_and_after_it_all_is_probed() {
    let mut scene = Scene::new();
    scene.elect(Some("other"));
    scene.elect(Some("me"));
    scene.trust = Trust::None;
    assert_eq!(scene.next(), Next::default());
    scene.trust = Trust::Probe;
    assert_eq!(claim(&scene.next()), Some(Claim::Divided));
    scene.trust = Trust::Full;
    assert_eq!(claim(&scene.next()), Some(Claim::TakenOver));
    scene.trust = Trust::Probe;
    assert_eq!(claim(&scene.next()), Some(Claim::Divided));
}

#[test]
fn what_was_claimed_before_trust_was_lost_is_not_probed_after_it_unless_a_stranger_has_it() {
    let by = "02:00:00:00:00:09".parse().expect("a MAC");
    let claimed = (AddressState::Claimed, Claim::TakenOver);
    let probing = (AddressState::Probing, Claim::FirstEver);
    let stranger = (AddressState::Quarantined { by }, Claim::FirstEver);
    for (state, expected) in [claimed, probing, stranger] {
        let mut scene = Scene::new();
        scene.elect(Some("me"));
        scene.view.states.insert((vip(), 2), state);
        scene.next();
        scene.view.states.clear();
        scene.trust = Trust::None;
        scene.next();
        scene.trust = Trust::Full;
        assert_eq!(claim(&scene.next()), Some(expected), "{state:?}");
    }
}

#[test]
fn only_an_address_that_another_one_would_replace_is_given_up() {
    let mut scene = Scene::new();
    for (replaceable, expected) in [(true, OnConflict::GiveUp), (false, OnConflict::Defend)] {
        let next = scene.elect_for(Some("me"), replaceable);
        assert_eq!(next.addresses[&vip()].on_conflict, expected);
    }
}

#[test]
fn one_that_begins_beside_others_probes_only_what_is_new_since() {
    let mut scene = Scene::new();
    scene.joins = true;
    assert_eq!(claim(&scene.elect(Some("me"))), Some(Claim::TakenOver));
    let mut scene = Scene::new();
    scene.joins = true;
    scene.next();
    assert_eq!(claim(&scene.elect(Some("me"))), Some(Claim::FirstEver));
}
