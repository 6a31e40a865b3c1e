//! A stranger claims an address that is ours (RFC 5227 §2.4, RFC 4862 §5.4.4).

use l2::responder::{AddressState, OnConflict, Received};

use crate::common::frames::{
    ASKER, announcements, answer, arp, claim, defence, question, solicitation,
};
use crate::common::{ETH0, Node, SPEAKER, STRANGER, VIPS, ip};

#[test]
fn an_address_is_defended_by_one_announcement_and_the_stranger_is_named() {
    for vip in VIPS {
        for policy in [OnConflict::GiveUp, OnConflict::Defend] {
            let mut node = Node::owner(vip, policy);
            node.hear(&claim(STRANGER, vip));
            assert_eq!(node.sent(), defence(vip));
            assert_eq!(node.states(), [AddressState::Contested { by: STRANGER }]);
            node.hear(&question(vip));
            assert_eq!(node.sent(), [answer(vip)], "it is still ours");
        }
    }
}

#[test]
fn it_is_defended_once_in_ten_seconds_however_often_it_is_claimed() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::Defend);
        for _ in 0..600 {
            node.hear(&claim(STRANGER, vip));
            node.run(100);
        }
        let times: Vec<u64> = node.sent_when().iter().map(|(at, ..)| *at).collect();
        assert!((6..=7).contains(&times.len()), "{times:?}");
        assert!(
            times.windows(2).all(|two| two[1] - two[0] >= 10_000),
            "{times:?}"
        );
        assert_eq!(
            node.state(vip),
            Some(AddressState::Contested { by: STRANGER })
        );
    }
}

#[test]
fn a_claim_after_the_defence_is_answered_when_ten_seconds_are_over_as_caches_may_hold_it() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::Defend);
        node.hear(&claim(STRANGER, vip));
        node.run(500);
        node.hear(&claim(STRANGER, vip));
        node.sent();
        node.run(9_400);
        assert_eq!(node.sent(), [""; 0]);
        node.run(200);
        assert_eq!(node.sent(), defence(vip));
    }
}

#[test]
fn an_address_that_can_be_replaced_is_given_up_when_the_stranger_insists() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.hear(&claim(STRANGER, vip));
        node.run(2_000);
        node.hear(&claim(STRANGER, vip));
        node.hear(&question(vip));
        assert_eq!(node.sent(), defence(vip), "silent after the one defence");
        assert_eq!(
            node.state(vip),
            Some(AddressState::Quarantined { by: STRANGER })
        );
    }
}

#[test]
fn a_claim_that_was_on_its_way_before_the_defence_is_no_insisting() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        for _ in 0..3 {
            node.hear(&claim(STRANGER, vip));
            node.run(300);
        }
        assert_eq!(
            node.state(vip),
            Some(AddressState::Contested { by: STRANGER })
        );
    }
}

#[test]
fn a_conflict_is_over_when_nobody_has_claimed_the_address_for_a_minute() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.hear(&claim(STRANGER, vip));
        node.actions();
        node.sent();
        node.run(59_000);
        assert_eq!(node.states(), []);
        node.run(2_000);
        assert_eq!(node.states(), [AddressState::Claimed]);
        assert_eq!(node.sent(), defence(vip), "caches may hold the stranger");
    }
}

#[test]
fn whoever_uses_the_address_in_any_way_claims_it() {
    let v4 = VIPS[0].parse().expect("an address");
    let v6 = VIPS[1].parse().expect("an address");
    let gateway = "203.0.113.1".parse().expect("an address");
    let table = [
        (VIPS[0], arp(1, STRANGER, v4, gateway)),
        (VIPS[0], arp(2, STRANGER, v4, gateway)),
        (VIPS[0], arp(2, STRANGER, v4, v4)),
        (
            VIPS[1],
            solicitation(STRANGER, v6, "fe80::1".parse().expect("an address")),
        ),
        (VIPS[1], solicitation(STRANGER, v6, v6)),
    ];
    for (vip, frame) in table {
        let mut node = Node::owner(vip, OnConflict::Defend);
        node.hear(&frame);
        assert_eq!(node.sent(), defence(vip));
        assert_eq!(
            node.state(vip),
            Some(AddressState::Contested { by: STRANGER })
        );
    }
}

#[test]
fn who_asks_for_the_address_does_not_claim_it() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.hear(&question(vip));
        assert_eq!(node.states(), []);
        assert_eq!(node.sent(), [answer(vip)], "{ASKER}");
    }
}

#[test]
fn a_speaker_that_is_made_known_ends_the_conflict_with_it() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.hear(&claim(SPEAKER, vip));
        node.speakers(&[SPEAKER]);
        assert_eq!(node.state(vip), Some(AddressState::Claimed));
    }
}

#[test]
fn an_address_that_was_given_up_is_taken_again_when_the_stranger_has_gone() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.hear(&claim(STRANGER, vip));
        node.run(2_000);
        node.hear(&claim(STRANGER, vip));
        node.sent();
        node.run(20_000);
        assert_eq!(node.state(vip), Some(AddressState::Claimed));
        let sent = node.sent();
        assert_eq!(sent[3..], announcements(vip), "after three probes");
        let address = node.responder.addresses().next().expect("one");
        assert_eq!((address.address, address.counters.conflicts), (ip(vip), 2));
    }
}

#[test]
fn a_claim_after_ten_seconds_is_defended_at_once() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::Defend);
        node.hear(&claim(STRANGER, vip));
        node.run(15_000);
        node.hear(&claim(STRANGER, vip));
        assert_eq!(node.sent(), [defence(vip), defence(vip)].concat());
    }
}

#[test]
fn what_came_and_went_while_nobody_asked_is_not_told() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::Defend);
        let frame = claim(SPEAKER, vip);
        let received = Received {
            interface: ETH0,
            vlan: None,
            frame: &frame,
        };
        node.responder.receive(node.now, received);
        assert_eq!(
            node.state(vip),
            Some(AddressState::Contested { by: SPEAKER })
        );
        node.speakers(&[SPEAKER]);
        assert_eq!(node.actions(), []);
    }
}
