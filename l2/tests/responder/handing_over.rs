//! One of our nodes takes over from another.

use l2::responder::{Action, Address, Event, OnConflict};

use crate::common::frames::{announcements, answer, claim, question};
use crate::common::segment::Segment;
use crate::common::{ETH0, Node, SPEAKER, STRANGER, VIPS, first_ever, ip, taken_over};

fn leaving() -> Address {
    Address {
        handing_over: true,
        ..taken_over()
    }
}

#[test]
fn the_next_owner_is_not_defended_against_and_the_caller_is_told_of_it() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.speakers(&[SPEAKER]);
        for _ in 0..3 {
            node.hear(&claim(SPEAKER, vip));
            node.run(2_000);
        }
        assert_eq!(node.sent(), [""; 0]);
        let told = Action::OtherOwner {
            address: ip(vip),
            interface: ETH0,
            by: SPEAKER,
        };
        assert_eq!(node.actions(), [told; 3]);
    }
}

#[test]
fn while_it_is_handed_over_an_address_is_answered_for_but_not_announced_or_defended() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, taken_over())]);
        node.run(500);
        node.sent();
        node.addresses(&[(vip, leaving())]);
        node.run(5_000);
        // Its MAC is not known to be a speaker's.
        node.hear(&claim(STRANGER, vip));
        node.run(100_000);
        assert_eq!(node.sent(), [""; 0]);
        let heard = |action: &Action| matches!(action, Action::OtherOwner { by: STRANGER, .. });
        assert!(node.actions().iter().any(heard));
        node.hear(&question(vip));
        assert_eq!(node.sent(), [answer(vip)]);
        node.addresses(&[]);
        node.hear(&question(vip));
        assert_eq!(node.sent(), [""; 0]);
    }
}

#[test]
fn an_address_that_is_kept_after_all_is_announced_anew() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.addresses(&[(vip, leaving())]);
        node.run(5_000);
        node.addresses(&[(vip, taken_over())]);
        node.run(5_000);
        assert_eq!(node.sent(), announcements(vip));
    }
}

#[test]
fn what_was_to_be_said_before_is_not_said_while_it_is_handed_over() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::Defend);
        node.hear(&claim(STRANGER, vip));
        node.hear(&claim(STRANGER, vip));
        node.sent();
        // An announcement is in the queue, and a defence is due in ten seconds.
        node.responder.handle(node.now, Event::Announce(ip(vip)));
        node.addresses(&[(vip, leaving())]);
        node.run(30_000);
        assert_eq!(node.sent(), [""; 0]);
    }
}

#[test]
fn a_node_that_does_not_know_of_the_old_owner_takes_over_when_that_one_answers_its_probe() {
    for vip in VIPS {
        for entropy in 0..50 {
            let mut segment = Segment::new(vip, 2, entropy);
            segment.acquaint();
            segment.run(200);
            let [old, new] = [0, 1].map(|station: usize| segment.stations[station].mac);
            segment.give(0, Some(taken_over()));
            segment.run(3_000);
            assert_eq!(segment.ask(), [old]);
            segment.give(0, Some(leaving()));
            segment.give(1, Some(first_ever()));
            segment.run(120);
            assert!(segment.ask().contains(&new), "{entropy}");
            let others = &segment.stations[0].actions;
            let heard =
                |action: &Action| matches!(action, Action::OtherOwner { by, .. } if *by == new);
            assert!(others.iter().any(heard), "{entropy}");
        }
    }
}
